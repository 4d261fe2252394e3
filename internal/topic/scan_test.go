package topic_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// testTime bounds what must end by itself.
const testTime = time.Minute

// scan reads a topic and gives the values, sorted.
func scan(t *testing.T, client *kgo.Client, cfg topic.ScanConfig) []string {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	defer cancel()

	values := []string{}

	var done, total int64

	cfg.Progress = func(d, of int64) {
		require.GreaterOrEqual(t, d, done)
		require.LessOrEqual(t, d, of)
		done, total = d, of
	}
	require.NoError(t, topic.Scan(ctx, client, cfg, func(r *kgo.Record) error {
		values = append(values, string(r.Value))

		return nil
	}))
	require.Equal(t, total, done, "the scan is where it wanted to be")
	slices.Sort(values)

	return values
}

// put writes records to their partitions, each one a batch.
func put(t *testing.T, addrs []string, records ...*kgo.Record) {
	t.Helper()

	client := producer(t, addrs)
	for _, r := range records {
		require.NoError(t, client.ProduceSync(t.Context(), r).FirstErr())
	}
}

func producer(t *testing.T, addrs []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()

	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	require.NoError(t, err)
	t.Cleanup(client.Close)

	return client
}

func record(partition int32, value string) *kgo.Record {
	return &kgo.Record{Topic: "t", Partition: partition, Value: []byte(value)}
}

func at(partition int32, value string, ms int64) *kgo.Record {
	r := record(partition, value)
	r.Timestamp = time.UnixMilli(ms)

	return r
}

// inTransaction writes the values to partition 0 and ends the transaction.
func inTransaction(t *testing.T, addrs []string, end kgo.TransactionEndTry, values ...string) {
	t.Helper()

	client := producer(t, addrs, kgo.TransactionalID(fmt.Sprintf("%s-%v", values[0], end)))
	require.NoError(t, client.BeginTransaction())

	for _, v := range values {
		require.NoError(t, client.ProduceSync(t.Context(), record(0, v)).FirstErr())
	}

	require.NoError(t, client.EndTransaction(t.Context(), end))
}

func TestScanReadsAllPartitions(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.NumBrokers(2), kfake.SeedTopics(5, "t"))

	var want []string

	for i := range 100 {
		want = append(want, fmt.Sprintf("v%02d", i))
		put(t, c.ListenAddrs(), record(int32(i%4), want[i])) // the fifth partition stays empty
	}

	require.Equal(t, want, scan(t, dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}))
}

func TestScanKeepsTheOrderOfAPartition(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(2, "t"))
	large := strings.Repeat("x", 300_000) // several fetches

	for i := range 20 {
		r := record(int32(i%2), large)
		r.Key = fmt.Appendf(nil, "%d", i/2)
		put(t, c.ListenAddrs(), r)
	}

	next := map[int32]int{}
	require.NoError(t, topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, func(r *kgo.Record) error {
		require.Equal(t, strconv.Itoa(next[r.Partition]), string(r.Key))
		next[r.Partition]++

		return nil
	}))
	require.Equal(t, map[int32]int{0: 10, 1: 10}, next)
}

func TestScanOfAnEmptyTopicEnds(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(3, "t"))
	client := dial(t, c.ListenAddrs())
	require.Empty(t, scan(t, client, topic.ScanConfig{Topic: "t"}))
	require.Empty(t, scan(t, client, topic.ScanConfig{Topic: "t", Since: time.Now().Add(-time.Hour)}))
}

func TestScanSeesWhatIsCommitted(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	addrs := c.ListenAddrs()

	inTransaction(t, addrs, kgo.TryAbort, "aborted first")
	put(t, addrs, record(0, "plain"))
	inTransaction(t, addrs, kgo.TryCommit, "committed", "committed too")
	inTransaction(t, addrs, kgo.TryAbort, "aborted last", "aborted last too")

	client := dial(t, addrs)
	require.Equal(t, []string{"committed", "committed too", "plain"}, scan(t, client, topic.ScanConfig{Topic: "t"}))

	open := producer(t, addrs, kgo.TransactionalID("open"))
	require.NoError(t, open.BeginTransaction())
	require.NoError(t, open.ProduceSync(t.Context(), record(0, "undecided")).FirstErr())
	put(t, addrs, record(0, "behind it"))
	require.Equal(t, []string{"committed", "committed too", "plain"}, scan(t, client, topic.ScanConfig{Topic: "t"}), "it ends before an open transaction")

	require.NoError(t, open.EndTransaction(t.Context(), kgo.TryCommit))
	require.Contains(t, scan(t, client, topic.ScanConfig{Topic: "t"}), "behind it")
}

func TestScanBetweenTwoTimes(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(2, "t"))
	put(t, c.ListenAddrs(),
		at(0, "a1", 1000), at(0, "a2", 2000), at(0, "a late one", 1500), at(0, "a3", 3000), at(0, "a4", 4000),
		at(1, "b1", 1000), at(1, "b2", 2999),
	)

	client := dial(t, c.ListenAddrs())

	for _, tt := range []struct {
		name         string
		since, until int64 // milliseconds; 0: none
		want         []string
	}{
		{"all", 0, 0, []string{"a late one", "a1", "a2", "a3", "a4", "b1", "b2"}},
		{"since, without a late one behind it", 2000, 0, []string{"a2", "a3", "a4", "b2"}},
		{"until", 0, 2000, []string{"a1", "b1"}},
		{"between", 1500, 4000, []string{"a late one", "a2", "a3", "b2"}},
		{"before all", 1, 1000, []string{}},
		{"after all", 9000, 0, []string{}},
		{"the wrong way round", 3000, 2000, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := topic.ScanConfig{Topic: "t"}
			if tt.since > 0 {
				cfg.Since = time.UnixMilli(tt.since)
			}

			if tt.until > 0 {
				cfg.Until = time.UnixMilli(tt.until)
			}

			require.Equal(t, tt.want, scan(t, client, cfg))
		})
	}
}

// What arrives after the start is not read: the scan would not end on a busy topic.
func TestScanEndsWhereTheTopicEndedWhenItBegan(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	put(t, c.ListenAddrs(), record(0, "1"), record(0, "2"))

	seen := 0
	require.NoError(t, topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, func(*kgo.Record) error {
		seen++
		put(t, c.ListenAddrs(), record(0, "one more"), record(0, "and another"))

		return nil
	}))
	require.Equal(t, 2, seen)
}

func TestScanOfAMissingTopic(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.enriched", "calls.raw"))
	client := dial(t, c.ListenAddrs())

	err := topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "calls.enrihced"}, nil)
	require.EqualError(t, err, `read topic "calls.enrihced": there is no such topic; did you mean "calls.enriched"?`)

	var missing *topic.MissingTopicError

	require.ErrorAs(t, err, &missing)
	require.Equal(t, "calls.enriched", missing.Near)

	err = topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "something-else"}, nil)
	require.EqualError(t, err, `read topic "something-else": there is no such topic`)
}

// Who may not see the topic learns which right it lacks. Who has no login is the user ANONYMOUS.
func TestScanOfATopicThatMayNotBeSeen(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"), kfake.EnableACLs(), kfake.User("PLAIN", "ANONYMOUS", ""))
	err := topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, nil)
	require.ErrorContains(t, err, `read topic "t": this user may not see it (or it does not exist): allow DESCRIBE and READ on it: TOPIC_AUTHORIZATION_FAILED`)
}

func TestScanStopsWhenTheFunctionSaysSo(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	put(t, c.ListenAddrs(), record(0, "1"), record(0, "2"), record(0, "3"))

	client := dial(t, c.ListenAddrs())
	ctx, cancel := context.WithCancel(t.Context())

	defer cancel()

	bad := errors.New("bad record")

	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"with an error", bad, bad},
		{"without one", topic.ErrStop, nil},
		{"with an error that looks like a broker's passing one", kerr.NotLeaderForPartition, kerr.NotLeaderForPartition},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := 0
			err := topic.Scan(ctx, client, topic.ScanConfig{Topic: "t"}, func(*kgo.Record) error {
				if seen++; seen == 2 {
					return tt.err
				}

				return nil
			})
			require.ErrorIs(t, err, tt.want)
			require.Equal(t, 2, seen)
		})
	}
}

func TestScanIsCancelled(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	put(t, c.ListenAddrs(), record(0, "1"))

	ctx, cancel := context.WithCancel(t.Context())
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()

		return nil, kerr.NotLeaderForPartition, true
	})

	err := topic.Scan(ctx, dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestScanFollowsALeader(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
	large := strings.Repeat("x", 700_000)
	put(t, c.ListenAddrs(), record(0, large), record(0, large), record(0, large))

	client := dial(t, c.ListenAddrs())
	seen := 0
	require.NoError(t, topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, func(*kgo.Record) error {
		if seen++; seen == 1 {
			require.NoError(t, c.MoveTopicPartition("t", 0, 1-c.LeaderFor("t", 0)))
		}

		return nil
	}))
	require.Equal(t, 3, seen)
}

// Compaction may leave nothing before the end: no fetch will ever bring the offsets up to it.
func TestScanEndsInAGap(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	put(t, c.ListenAddrs(), record(0, "1"), record(0, "2"))

	asked := 0
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		asked++
		f, ok := req.(*kmsg.FetchRequest)
		require.True(t, ok)

		return fetched(f, func(p *kmsg.FetchResponseTopicPartition) { p.HighWatermark, p.LastStableOffset = 2, 2 }), nil, true
	})
	require.Empty(t, scan(t, dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}))
	require.Equal(t, 2, asked, "one empty answer may be an accident")
}

// fetched is an answer to a fetch of one partition.
func fetched(f *kmsg.FetchRequest, fill func(*kmsg.FetchResponseTopicPartition)) kmsg.Response {
	resp, _ := f.ResponseKind().(*kmsg.FetchResponse)
	resp.SetVersion(f.Version)

	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition = f.Topics[0].Partitions[0].Partition
	fill(&p)

	rt := kmsg.NewFetchResponseTopic()
	rt.Topic, rt.TopicID = f.Topics[0].Topic, f.Topics[0].TopicID
	rt.Partitions = append(rt.Partitions, p)
	resp.Topics = append(resp.Topics, rt)

	return resp
}

func TestScanTriesAgainOrGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		code *kerr.Error
		want string // "": it goes on
	}{
		{"leader moved", kerr.NotLeaderForPartition, ""},
		{"fenced", kerr.FencedLeaderEpoch, ""},
		{"not allowed", kerr.TopicAuthorizationFailed, "this user may see it and not read it: allow READ on it: TOPIC_AUTHORIZATION_FAILED"},
		{"corrupt", kerr.UnknownServerError, "partition 0, offset 0: UNKNOWN_SERVER_ERROR"},
		{"out of range, and the log does not begin later", kerr.OffsetOutOfRange, "partition 0, offset 0: OFFSET_OUT_OF_RANGE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
			put(t, c.ListenAddrs(), record(0, "1"))
			c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				f, ok := req.(*kmsg.FetchRequest)
				require.True(t, ok)

				return fetched(f, func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode = tt.code.Code }), nil, true
			})

			client := dial(t, c.ListenAddrs())
			if tt.want == "" {
				require.Equal(t, []string{"1"}, scan(t, client, topic.ScanConfig{Topic: "t"}))

				return
			}

			err := topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, func(*kgo.Record) error { return nil })
			require.ErrorContains(t, err, `read topic "t": `+tt.want)
		})
	}
}

func TestScanReportsACorruptBatch(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	put(t, c.ListenAddrs(), record(0, "1"))
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		f, ok := req.(*kmsg.FetchRequest)
		require.True(t, ok)

		return fetched(f, func(p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset = 1, 1
			p.RecordBatches = make([]byte, 61)
			p.RecordBatches[11], p.RecordBatches[16] = 49, 2 // length and magic; the checksum is wrong
		}), nil, true
	})

	err := topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, nil)
	require.ErrorContains(t, err, "partition 0, offset 0: ")
	require.ErrorContains(t, err, "crc")
}

func TestScanNoticesATopicMadeAnew(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	large := strings.Repeat("x", 700_000)
	put(t, c.ListenAddrs(), record(0, large), record(0, large), record(0, large))

	client := dial(t, c.ListenAddrs())
	adm := kadm.NewClient(client)
	again := func(remake bool) func(*kgo.Record) error {
		seen := 0

		return func(*kgo.Record) error {
			if seen++; seen > 1 {
				return nil
			}

			_, err := adm.DeleteTopic(t.Context(), "t")
			require.NoError(t, err)

			if remake {
				_, err = adm.CreateTopic(t.Context(), 1, 1, nil, "t")
				require.NoError(t, err)
			}

			return nil
		}
	}

	require.ErrorContains(t, topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, again(true)), "deleted and made anew")

	put(t, c.ListenAddrs(), record(0, large), record(0, large), record(0, large))
	require.ErrorContains(t, topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, again(false)), "no such topic")
}
