package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime/pprof"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 30 * time.Second

// world is a cluster with topics, and a filter's configuration for it.
type world struct {
	t     *testing.T
	addrs []string
	cfg   pipeline.Config
	admin *kadm.Client

	connect func(pipeline.Config) broker.Config // how filters reach the brokers
}

// newWorld is a world in this process.
func newWorld(t *testing.T, partitions map[string]int32) *world {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(3)}
	for topic, n := range partitions {
		opts = append(opts, kfake.SeedTopics(n, topic))
	}
	return worldOf(t, kafkatest.StartFake(t, opts...).ListenAddrs())
}

func worldOf(t *testing.T, addrs []string) *world {
	t.Helper()
	retryable := true
	retry, err := route.Compile(route.Rule{Retryable: &retryable})
	require.NoError(t, err)
	w := &world{t: t, addrs: addrs, cfg: pipeline.Config{
		Topics: []string{"in"}, Group: "g", Start: broker.Earliest, ReadCommitted: true,
		Output: "out", DeadLetter: "dead",
		Rules: pipeline.Rules{Enricher: enricher(t), Routes: []pipeline.Route{{Name: "retry", Match: retry, Topic: "retry"}}},
		Codec: recordbatch.LZ4, FetchBytes: 1 << 20, BatchBytes: 256 << 10, BufferBytes: 16 << 20, Linger: time.Millisecond,
		CommitInterval: 50 * time.Millisecond, SessionTimeout: 6 * time.Second, ShutdownTimeout: 20 * time.Second,
		Instance: "test", TransactionTimeout: 15 * time.Second,
	}}
	w.connect = func(cfg pipeline.Config) broker.Config {
		return broker.Config{Brokers: addrs, ClientID: "filter", Topics: cfg.AllTopics()}
	}
	return w
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.addrs...)}, opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(cl.Close)
	return cl
}

func enricher(t *testing.T) *enrich.Enricher {
	t.Helper()
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)
	return e
}

// filter is a running pipeline.
type filter struct {
	*pipeline.Pipeline
	stop func() error
}

func (w *world) start(cfg pipeline.Config) *filter {
	w.t.Helper()
	client := broker.NewClient(w.connect(cfg))
	p := pipeline.New(cfg, client, zaptest.NewLogger(w.t, zaptest.Level(zap.InfoLevel)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx)
		client.Close()
	}()
	f := &filter{Pipeline: p, stop: func() error {
		cancel()
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(testTimeout):
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			return fmt.Errorf("filter did not stop within %v\n%s", testTimeout, stacks.String())
		}
	}}
	w.t.Cleanup(func() { _ = f.stop() })
	return f
}

// until polls a condition: the filter has no other way to say that it has come so far.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	require.Eventually(w.t, cond, testTimeout, 5*time.Millisecond, what)
}

// sent is one event as it was produced.
type sent struct {
	rec  *kgo.Record
	kind eventgen.Kind
}

// produce writes n generated events and returns them by id, which is in a header.
func (w *world) produce(seed uint64, n int, topic string) map[string]sent {
	w.t.Helper()
	gen := eventgen.New(seed, catalog.Default().Entries())
	cl := w.client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	all := map[string]sent{}
	for i := range n {
		e := gen.Next()
		id := fmt.Sprintf("%s-%d-%d", topic, seed, i)
		r := &kgo.Record{
			Key: append([]byte(nil), e.Key...), Timestamp: time.UnixMilli(1_790_000_000_000 + int64(i)),
			Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}, {Key: "trace", Value: nil}},
		}
		if i%50 == 0 {
			r.Key = nil
		}
		if e.Value != nil {
			r.Value = append([]byte(nil), e.Value...)
		}
		all[id] = sent{r, e.Kind}
		cl.Produce(w.t.Context(), r, func(_ *kgo.Record, err error) { require.NoError(w.t, err) })
	}
	require.NoError(w.t, cl.Flush(w.t.Context()))
	return all
}

// read gives what a read_committed reader sees on a topic right now, up to its end.
func (w *world) read(topic string, n int) []*kgo.Record {
	w.t.Helper()
	if n == 0 {
		return nil
	}
	cl := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		require.NoError(w.t, fs.Err0(), "%s: %d of %d records", topic, len(out), n)
		out = append(out, fs.Records()...)
	}
	return out
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// check compares everything that came out with what had to come out of the events sent.
func (w *world) check(all map[string]sent, totals pipeline.Totals) {
	t := w.t
	t.Helper()
	require.EqualValues(t, len(all), totals.In)
	require.True(t, totals.Conserved(), "%v, acknowledged %v", totals, totals.Acked)

	e := enricher(t)
	var res enrich.Result
	wantRetry, wantDead := map[string]bool{}, map[string]bool{}
	seen := map[string]bool{}
	for id, s := range all {
		e.Enrich(&enrich.Record{Key: s.rec.Key, Value: s.rec.Value, TimestampMS: s.rec.Timestamp.UnixMilli()}, &res)
		if res.Outcome == enrich.Malformed {
			wantDead[id] = true
		}
		if res.Advice.Retryable {
			wantRetry[id] = true
		}
	}
	require.EqualValues(t, len(wantDead), totals.Dead)
	require.NotEmpty(t, wantRetry)

	lastOffset := map[string]int64{} // by input partition and output partition
	for _, r := range w.read(w.cfg.Output, int(totals.Output)) {
		id := header(r, "id")
		s, ok := all[id]
		require.True(t, ok, "unknown id %q", id)
		require.False(t, seen[id], "%s came twice", id)
		seen[id] = true
		e.Enrich(&enrich.Record{Key: s.rec.Key, Value: s.rec.Value, TimestampMS: s.rec.Timestamp.UnixMilli()}, &res)
		require.Equal(t, string(res.AppendValue(nil)), string(r.Value))
		require.Equal(t, s.rec.Value == nil, r.Value == nil)
		require.Equal(t, s.rec.Key, r.Key)
		require.Equal(t, s.rec.Timestamp.UnixMilli(), r.Timestamp.UnixMilli())
		require.Equal(t, s.rec.Headers[0], r.Headers[0])
		require.Equal(t, s.rec.Headers[1].Key, r.Headers[1].Key)
		require.Len(t, r.Headers, 2+len(res.Headers))
		lane := fmt.Sprintf("%d>%d", s.rec.Partition, r.Partition)
		if last, ok := lastOffset[lane]; ok {
			require.Greater(t, s.rec.Offset, last, "order from %s", lane)
		}
		lastOffset[lane] = s.rec.Offset
	}
	for _, r := range w.read(w.cfg.DeadLetter, len(wantDead)) {
		id := header(r, "id")
		require.True(t, wantDead[id], "%s is no dead letter, or came twice", id)
		delete(wantDead, id)
		s := all[id]
		require.Equal(t, s.rec.Value, r.Value)
		require.Equal(t, s.rec.Key, r.Key)
		require.NotEmpty(t, header(r, "dlq-reason"))
		require.Equal(t, w.cfg.Topics[0], header(r, "dlq-topic"))
		require.Equal(t, strconv.Itoa(int(s.rec.Partition)), header(r, "dlq-partition"))
		require.Equal(t, strconv.FormatInt(s.rec.Offset, 10), header(r, "dlq-offset"))
		seen[id] = true
	}
	for _, r := range w.read(w.cfg.Routes[0].Topic, len(wantRetry)) {
		id := header(r, "id")
		require.True(t, wantRetry[id], "%s is not to be retried, or came twice", id)
		delete(wantRetry, id)
	}
	require.Empty(t, wantRetry)
	require.Len(t, seen, len(all))
}

func TestFilterEndToEnd(t *testing.T) {
	for name, partitions := range map[string]map[string]int32{
		"same counts":    {"in": 4, "out": 4, "dead": 4, "retry": 4},
		"unequal counts": {"in": 5, "out": 3, "dead": 1, "retry": 7},
	} {
		for _, exactly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, exactly), func(t *testing.T) {
				w := newWorld(t, partitions)
				w.cfg.ExactlyOnce = exactly
				all := w.produce(1, 5000, "in")
				f := w.start(w.cfg)
				w.until("everything in", func() bool { return f.Ledger.Totals().In == int64(len(all)) })
				require.NoError(t, f.stop())
				w.check(all, f.Ledger.Totals())
			})
		}
	}
}

// A stop commits what was done, so that the next process repeats nothing.
func TestRestartRepeatsNothing(t *testing.T) {
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) {
			w := newWorld(t, map[string]int32{"in": 4, "out": 4, "dead": 4, "retry": 4})
			w.cfg.ExactlyOnce = exactly
			first := w.produce(1, 3000, "in")
			f := w.start(w.cfg)
			w.until("some in", func() bool { return f.Ledger.Totals().In > 500 })
			require.NoError(t, f.stop())
			before := f.Ledger.Totals()
			maps.Copy(first, w.produce(2, 2000, "in"))
			f = w.start(w.cfg)
			w.until("the rest in", func() bool { return before.In+f.Ledger.Totals().In >= int64(len(first)) })
			require.NoError(t, f.stop())
			after := f.Ledger.Totals()
			require.EqualValues(t, len(first), before.In+after.In, "something was repeated")
			after.In += before.In
			after.Output += before.Output
			after.Dead += before.Dead
			after.Filtered += before.Filtered
			after.Routes["retry"] += before.Routes["retry"]
			for topic, n := range before.Acked {
				after.Acked[topic] += n
			}
			w.check(first, after)
		})
	}
}
