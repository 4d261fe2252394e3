package replay_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/replay"
	"github.com/callstream/enricher/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 30 * time.Second

// world is a cluster with a dead-letter topic "dead" and a topic "in" that letters come from.
type world struct {
	t     *testing.T
	fake  *kfake.Cluster
	addrs []string // for the test itself
	cfg   *config.Config
}

func newWorld(t *testing.T, opts ...kfake.Opt) *world {
	t.Helper()
	opts = append([]kfake.Opt{kfake.SeedTopics(2, "dead"), kfake.SeedTopics(4, "in", "other")}, opts...)
	fake := kafkatest.StartFake(t, opts...)
	w := worldOf(t, fake.ListenAddrs())
	w.fake = fake
	return w
}

func worldOf(t *testing.T, addrs []string) *world {
	t.Helper()
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Input.Group = addrs, "g"
	return &world{t: t, addrs: addrs, cfg: cfg}
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(w.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(w.t, err)
	return cl
}

func (w *world) produce(records ...*kgo.Record) {
	w.t.Helper()
	cl := w.client()
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	require.NoError(w.t, cl.ProduceSync(ctx, records...).FirstErr())
}

// read is what a read_committed reader finds on a topic.
func (w *world) read(name string) []*kgo.Record {
	w.t.Helper()
	cl := w.client()
	defer cl.Close()
	var all []*kgo.Record
	require.NoError(w.t, topic.Scan(w.t.Context(), cl, topic.ScanConfig{Topic: name}, func(r *kgo.Record) error {
		all = append(all, r)
		return nil
	}))
	return all
}

func (w *world) values(name string) []string {
	w.t.Helper()
	values := []string{}
	for _, r := range w.read(name) {
		values = append(values, string(r.Value))
	}
	return values
}

func (w *world) open(opt replay.Options) *replay.Replay {
	w.t.Helper()
	if opt.From == "" {
		opt.From = "dead"
	}
	if opt.MaxReplays == 0 {
		opt.MaxReplays = 3
	}
	r, err := replay.Open(w.t.Context(), w.cfg, opt)
	require.NoError(w.t, err)
	w.t.Cleanup(r.Close)
	return r
}

func (w *world) run(opt replay.Options) *replay.Report {
	w.t.Helper()
	r := w.open(opt)
	defer r.Close()
	rep, err := r.Run(w.t.Context(), nil)
	require.NoError(w.t, err)
	require.False(w.t, rep.Interrupted)
	w.settle()
	return rep
}

// settle waits until what has been committed can be read: brokers write the markers behind the answer.
func (w *world) settle() {
	w.t.Helper()
	cl := w.client()
	defer cl.Close()
	adm := kadm.NewClient(cl)
	require.Eventually(w.t, func() bool {
		ends, err1 := adm.ListEndOffsets(w.t.Context())
		committed, err2 := adm.ListCommittedOffsets(w.t.Context())
		open := err1 != nil || err2 != nil
		ends.Each(func(end kadm.ListedOffset) {
			c, ok := committed.Lookup(end.Topic, end.Partition)
			open = open || !ok || c.Offset != end.Offset
		})
		return !open
	}, testTimeout, time.Millisecond)
}

// dead is a letter as the filter writes it, of an event "n" that came from partition n%4 of "in".
func dead(n int, headers ...string) *kgo.Record {
	r := &kgo.Record{
		Topic: "dead", Partition: int32(n % 2), Key: fmt.Appendf(nil, "key-%d", n), Value: []byte(strconv.Itoa(n)), Timestamp: time.UnixMilli(1_790_000_000_000 + int64(n)),
		Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(strconv.Itoa(n))}},
	}
	set(r, "dlq-reason", "not_json", "dlq-error", "what", "dlq-topic", "in", "dlq-partition", strconv.Itoa(n%4), "dlq-offset", "7", "dlq-timestamp", strconv.FormatInt(r.Timestamp.UnixMilli(), 10))
	set(r, headers...)
	return r
}

// set sets headers of a record, pairs of name and value; the value "-" takes one away.
func set(r *kgo.Record, headers ...string) {
	for i := 0; i < len(headers); i += 2 {
		kept := []kgo.RecordHeader{}
		for _, h := range r.Headers {
			if h.Key != headers[i] {
				kept = append(kept, h)
			}
		}
		if headers[i+1] != "-" {
			kept = append(kept, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
		}
		r.Headers = kept
	}
}

func letters(from, to int, headers ...string) []*kgo.Record {
	var all []*kgo.Record
	for n := from; n < to; n++ {
		all = append(all, dead(n, headers...))
	}
	return all
}

func headersOf(r *kgo.Record) map[string]string {
	m := map[string]string{}
	for _, h := range r.Headers {
		m[h.Key] = string(h.Value)
	}
	return m
}

func TestRunRestoresEvents(t *testing.T) {
	w := newWorld(t)
	plain := dead(6)
	plain.Headers = append([]kgo.RecordHeader{{Key: "null"}, {Key: "twice", Value: []byte("1")}, {Key: "twice", Value: []byte("2")}, {Key: "dlq-note", Value: []byte("the producer's own")}}, plain.Headers...)
	nothing := dead(3)
	nothing.Key, nothing.Value, nothing.Headers = nil, nil, nothing.Headers[1:]
	empty := dead(1)
	empty.Key, empty.Value = []byte{}, []byte{}
	late := dead(4, "dlq-timestamp", "1780000000123", "dlq-replays", "1")
	w.produce(plain, nothing, empty, late)

	rep := w.run(replay.Options{})
	require.EqualValues(t, 4, rep.Replayed)
	got := map[int64]*kgo.Record{}
	for _, r := range w.read("in") {
		got[r.Timestamp.UnixMilli()] = r
	}
	require.Len(t, got, 4)

	r := got[plain.Timestamp.UnixMilli()]
	require.EqualValues(t, 2, r.Partition)
	require.Equal(t, "key-6", string(r.Key))
	require.Equal(t, "6", string(r.Value))
	require.Equal(t, []kgo.RecordHeader{
		{Key: "null"},
		{Key: "twice", Value: []byte("1")},
		{Key: "twice", Value: []byte("2")},
		{Key: "dlq-note", Value: []byte("the producer's own")},
		{Key: "id", Value: []byte("6")},
		{Key: "dlq-replays", Value: []byte("1")},
	}, r.Headers)

	r = got[nothing.Timestamp.UnixMilli()]
	require.EqualValues(t, 3, r.Partition)
	require.Nil(t, r.Key)
	require.Nil(t, r.Value, "a null stays one")
	require.Equal(t, map[string]string{"dlq-replays": "1"}, headersOf(r))

	r = got[empty.Timestamp.UnixMilli()]
	require.NotNil(t, r.Key)
	require.NotNil(t, r.Value, "empty is not null")

	r = got[1_780_000_000_123]
	require.Equal(t, map[string]string{"id": "4", "dlq-replays": "2"}, headersOf(r), "the event's time, and one replay more")
}

func TestPartitions(t *testing.T) {
	byKey := func(key string, n int) int32 {
		return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(kgo.KeyStringRecord(key, ""), n))
	}
	for _, c := range []struct {
		name, partition string
		key             []byte
		want            int32
	}{
		{"the number", "3", []byte("k"), 3},
		{"the number, without a key", "2", nil, 2},
		{"a number that the topic does not have", "4", []byte("some key"), byKey("some key", 4)},
		{"no number", "-", []byte("some key"), byKey("some key", 4)},
		{"no number of a partition", "-1", []byte("some key"), byKey("some key", 4)},
		{"no number at all", "x", []byte("some key"), byKey("some key", 4)},
		{"neither number nor key: that on the dead-letter topic", "-", nil, 1},
		{"a number that the topic does not have, and no key", "6", nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			r := dead(1, "dlq-partition", c.partition)
			r.Key = c.key
			w.produce(r)
			w.run(replay.Options{})
			got := w.read("in")
			require.Len(t, got, 1)
			require.Equal(t, c.want, got[0].Partition)
		})
	}
}

func TestLettersThatAreLeft(t *testing.T) {
	for _, c := range []struct {
		name    string
		headers []string
		opt     replay.Options
		want    replay.Why // "": replayed
	}{
		{"value omitted", []string{"dlq-omitted", "value"}, replay.Options{}, replay.ValueOmitted},
		{"all omitted, to a topic of choice", []string{"dlq-omitted", "all"}, replay.Options{To: "other"}, replay.ValueOmitted},
		{"corrupt batch", []string{"dlq-reason", "corrupt_batch"}, replay.Options{}, replay.CorruptBatch},
		{"corrupt batch, asked for", []string{"dlq-reason", "corrupt_batch"}, replay.Options{Reasons: []string{"corrupt_batch"}, To: "other"}, replay.CorruptBatch},
		{"no origin", []string{"dlq-topic", "-"}, replay.Options{}, replay.NoOrigin},
		{"empty origin", []string{"dlq-topic", ""}, replay.Options{}, replay.NoOrigin},
		{"no origin, to a topic of choice", []string{"dlq-topic", "-"}, replay.Options{To: "in"}, ""},
		{"origin missing", []string{"dlq-topic", "gone"}, replay.Options{}, replay.OriginMissing},
		{"origin is no topic's name", []string{"dlq-topic", "a/b c"}, replay.Options{}, replay.OriginMissing},
		{"origin missing, to a topic of choice", []string{"dlq-topic", "gone"}, replay.Options{To: "in"}, ""},
		{"origin is the dead-letter topic", []string{"dlq-topic", "dead"}, replay.Options{}, replay.OriginIsFrom},
		{"replayed once too often", []string{"dlq-replays", "3"}, replay.Options{}, replay.MaxReplays},
		{"replayed more often than that", []string{"dlq-replays", "17"}, replay.Options{}, replay.MaxReplays},
		{"replayed not often enough", []string{"dlq-replays", "3"}, replay.Options{MaxReplays: 4}, ""},
		{"a count that is none", []string{"dlq-replays", "x"}, replay.Options{MaxReplays: 1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.produce(dead(0, c.headers...))
			r := w.open(c.opt)
			plan, err := r.Plan(t.Context(), nil)
			require.NoError(t, err)
			require.True(t, plan.DryRun)
			require.Empty(t, w.read("in"), "a plan writes nothing")
			rep, err := r.Run(t.Context(), nil)
			require.NoError(t, err)
			want := map[replay.Why]int64{}
			if c.want != "" {
				want[c.want] = 1
				require.Contains(t, replay.Whys(), c.want)
				require.Empty(t, w.read("in"))
				require.Empty(t, rep.Moves)
			} else {
				require.Len(t, w.read("in"), 1)
				require.Equal(t, []replay.Move{{Reason: "not_json", To: "in", Count: 1}}, rep.Moves)
			}
			require.Equal(t, want, rep.Left)
			plan.DryRun = false
			require.Equal(t, rep, plan, "the plan foretold it")
		})
	}
}

func TestLargeLetters(t *testing.T) {
	const limit = 2000
	w := newWorld(t)
	cl := w.client()
	defer cl.Close()
	_, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, map[string]*string{"max.message.bytes": new(strconv.Itoa(limit))}, "small")
	require.NoError(t, err)
	fits, large := dead(0, "dlq-topic", "small"), dead(2, "dlq-topic", "small")
	fits.Value, large.Value = make([]byte, limit-300), make([]byte, limit)
	w.produce(fits, fits, fits, large)
	rep := w.run(replay.Options{})
	require.Equal(t, map[replay.Why]int64{replay.TooLarge: 1}, rep.Left)
	require.Len(t, w.read("small"), 3, "each in a batch of its own")
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.produce(dead(0), dead(1, "dlq-reason", "bad_form"), dead(2, "dlq-reason", "-"), dead(3, "dlq-reason", "too_deep"), dead(4))

	rep := w.run(replay.Options{Reasons: []string{"bad_form", "none"}})
	require.EqualValues(t, 5, rep.Read)
	require.Equal(t, []replay.Move{{Reason: "bad_form", To: "in", Count: 1}, {Reason: "none", To: "in", Count: 1}}, rep.Moves)
	require.Equal(t, map[string]int64{"not_json": 2, "too_deep": 1}, rep.OtherReasons)
	require.ElementsMatch(t, []string{"1", "2"}, w.values("in"))

	rep = w.run(replay.Options{Since: dead(3).Timestamp, To: "other"})
	require.EqualValues(t, 3, rep.Earlier)
	require.ElementsMatch(t, []string{"3", "4"}, w.values("other"))
}

// However many reasons there are, a report has a hundred and one lines of them at most, and they add up.
func TestManyReasons(t *testing.T) {
	w := newWorld(t)
	var all []*kgo.Record
	for n := range 300 {
		all = append(all, dead(n, "dlq-reason", fmt.Sprintf("%s%d", strings.Repeat("x", n%2*300), n%150)))
	}
	w.produce(all...)
	lines := func(r *replay.Report) (n int, sum int64) {
		for reason, count := range r.OtherReasons {
			require.LessOrEqual(t, len(reason), 200)
			n, sum = n+1, sum+count
		}
		for _, m := range r.Moves {
			require.LessOrEqual(t, len(m.Reason), 200)
			require.Equal(t, "in", m.To)
			n, sum = n+1, sum+m.Count
		}
		return n, sum
	}
	for _, opt := range []replay.Options{{}, {Reasons: []string{"1"}}} {
		rep, err := w.open(opt).Plan(t.Context(), nil)
		require.NoError(t, err)
		n, sum := lines(rep)
		require.Equal(t, 76, n, "75 short ones, and the long ones look alike")
		require.EqualValues(t, 300, sum)
	}
	for n := range all { // behind the others
		all[n] = dead(n, "dlq-reason", fmt.Sprint("reason ", n))
	}
	w.produce(all...)
	rep := w.run(replay.Options{})
	n, sum := lines(rep)
	require.Equal(t, 101, n)
	require.EqualValues(t, 600, sum)
	require.True(t, slices.ContainsFunc(rep.Moves, func(m replay.Move) bool { return m.Reason == "other" }))
}

// A second run replays what is new; another kind of run has a position of its own; Again begins anew.
func TestRunsGoOn(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 10)...)
	rep := w.run(replay.Options{})
	require.Zero(t, rep.Already)
	require.EqualValues(t, 10, rep.Replayed)

	rep = w.run(replay.Options{})
	require.EqualValues(t, 10, rep.Already)
	require.Zero(t, rep.Read)
	require.Equal(t, []replay.Move{}, rep.Moves)

	w.produce(letters(10, 15)...)
	plan, err := w.open(replay.Options{}).Plan(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, plan.Replayed)
	rep = w.run(replay.Options{})
	require.EqualValues(t, 10, rep.Already)
	require.EqualValues(t, 5, rep.Replayed)
	require.Len(t, w.values("in"), 15)

	rep = w.run(replay.Options{Reasons: []string{"not_json"}})
	require.Zero(t, rep.Already)
	require.EqualValues(t, 15, rep.Replayed)

	rep = w.run(replay.Options{Again: true, Limit: 4})
	require.Zero(t, rep.Already)
	require.EqualValues(t, 4, rep.Replayed)
	require.True(t, rep.LimitReached)
	rep = w.run(replay.Options{})
	require.EqualValues(t, 4, rep.Already, "what follows goes on from there, in all partitions")
	require.EqualValues(t, 11, rep.Replayed)
	require.Len(t, w.values("in"), 45)
}

func TestLimit(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 10)...)
	for i, want := range []int64{4, 4, 2, 0} {
		rep := w.run(replay.Options{Limit: 4})
		require.Equal(t, want, rep.Replayed)
		require.Equal(t, i < 2, rep.LimitReached)
	}
	got := w.values("in")
	require.Len(t, got, 10)
	w.produce(letters(10, 14)...)
	require.False(t, w.run(replay.Options{Limit: 4}).LimitReached, "there are no more than that")
}

func TestNamesOfPositions(t *testing.T) {
	w := newWorld(t)
	group := func(opt replay.Options) string {
		opt.MaxReplays = max(opt.MaxReplays, 1)
		rep, err := w.open(opt).Plan(t.Context(), nil)
		require.NoError(t, err)
		return rep.Group
	}
	at := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	all := group(replay.Options{})
	require.Equal(t, "g.replay.dead.", all[:len("g.replay.dead.")])
	require.Equal(t, all, group(replay.Options{Limit: 3, Again: true, MaxReplays: 9}), "how much, and not which")
	two := group(replay.Options{Reasons: []string{"a", "b"}})
	require.Equal(t, two, group(replay.Options{Reasons: []string{"b", "a", "b"}}))
	since := group(replay.Options{Since: at})
	require.Equal(t, since, group(replay.Options{Since: at.In(time.FixedZone("", 3600))}))
	distinct := map[string]bool{
		all: true, two: true, since: true, group(replay.Options{To: "in"}): true, group(replay.Options{Reasons: []string{"a"}}): true,
		group(replay.Options{Reasons: []string{"in"}}): true, group(replay.Options{Since: at.Add(time.Nanosecond)}): true, group(replay.Options{From: "other"}): true,
	}
	require.Len(t, distinct, 8)
}

func TestOpenRefuses(t *testing.T) {
	w := newWorld(t)
	open := func(opt replay.Options) error {
		_, err := replay.Open(t.Context(), w.cfg, opt)
		return err
	}
	require.ErrorContains(t, open(replay.Options{From: "dead", To: "dead"}), `topic "dead" cannot be replayed to itself`)
	require.ErrorContains(t, open(replay.Options{From: "dead", To: "gone"}), `topic "gone" does not exist`)
	_, err := w.open(replay.Options{From: "gone"}).Run(t.Context(), nil)
	var missing *topic.MissingTopicError
	require.ErrorAs(t, err, &missing)
	w.cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
	require.ErrorContains(t, open(replay.Options{From: "dead"}), "kafka.brokers: none of 127.0.0.1:1 answers")
}

func TestProgress(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 10)...)
	var seen []replay.Progress
	_, err := w.open(replay.Options{}).Run(t.Context(), func(p replay.Progress) { seen = append(seen, p) })
	require.NoError(t, err)
	require.Equal(t, replay.Progress{Done: 10, Total: 10, Replayed: 10}, seen[len(seen)-1])
}

// offsets are what the group has committed, by partition of the dead-letter topic.
func (w *world) offsets(group string) map[int32]int64 {
	w.t.Helper()
	cl := w.client()
	defer cl.Close()
	got, err := kadm.NewClient(cl).FetchOffsets(w.t.Context(), group)
	require.NoError(w.t, err)
	at := map[int32]int64{}
	for n, o := range got["dead"] {
		at[n] = o.At
	}
	return at
}
