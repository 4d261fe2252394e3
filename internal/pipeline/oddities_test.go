package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
)

// newFakeWorld is a world whose cluster can be meddled with.
func newFakeWorld(t *testing.T, exactly bool, partitions int32, opts ...kfake.Opt) (*world, *kfake.Cluster) {
	t.Helper()
	c := kafkatest.StartFake(t, append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(partitions, "in", "out", "dead", "retry")}, opts...)...)
	w := worldOf(t, c.ListenAddrs())
	w.cfg.ExactlyOnce = exactly
	return w, c
}

// watched is a filter whose log can be asked.
type watched struct {
	*pipeline.Pipeline
	logs *observer.ObservedLogs
	quit context.CancelFunc
	done chan error
}

// watch starts a filter like start.
func (w *world) watch(cfg pipeline.Config) *watched {
	w.t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	client := broker.NewClient(w.connect(cfg))
	f := &watched{Pipeline: pipeline.New(cfg, client, zap.New(core)), logs: logs, done: make(chan error, 1)}
	var ctx context.Context
	ctx, f.quit = context.WithCancel(context.Background())
	go func() {
		defer client.Close()
		f.done <- f.Run(ctx)
	}()
	w.t.Cleanup(func() {
		_ = f.stop()
		if w.t.Failed() {
			for _, e := range logs.All() {
				w.t.Logf("%s %s %s %v", e.Time.Format("05.000"), e.LoggerName, e.Message, e.ContextMap())
			}
		}
	})
	return f
}

func (f *watched) stop() error {
	f.quit()
	select {
	case err := <-f.done:
		f.done <- err
		return err
	case <-time.After(2 * testTimeout):
		return fmt.Errorf("filter did not stop within %v", 2*testTimeout)
	}
}

// failure waits until the filter has stopped by itself.
func (w *world) failure(f *watched) error {
	w.t.Helper()
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	return f.stop()
}

// warned tells whether a warning or an error was logged with these words in the line or its fields.
func (f *watched) warned(words ...string) bool {
	for _, e := range f.logs.All() {
		line := fmt.Sprint(e.Message, e.ContextMap())
		found := e.Level >= zapcore.WarnLevel
		for _, word := range words {
			found = found && strings.Contains(line, word)
		}
		if found {
			return true
		}
	}
	return false
}

// lag is the lag of a partition of in; -1: not known.
func lag(f *watched, partition int32) int64 {
	for _, l := range f.Lags() {
		if l.Topic == "in" && l.Partition == partition {
			return l.Records
		}
	}
	return -1
}

// committedOf is the committed offset of in's partition, or -1. It is polled, so an answer that
// cannot be had now is -1 as well.
func (w *world) committedOf(partition int32) int64 {
	if w.admin == nil {
		w.admin = kadm.NewClient(w.client())
	}
	offsets, err := w.admin.FetchOffsets(w.t.Context(), w.cfg.Group)
	if err != nil {
		return -1
	}
	if o, ok := offsets.Lookup("in", partition); ok {
		return o.At
	}
	return -1
}

// all gives what a read_committed reader finds on a topic up to its end.
func (w *world) all(topic string) []*kgo.Record {
	w.t.Helper()
	ends, err := kadm.NewClient(w.client()).ListCommittedOffsets(w.t.Context(), topic)
	require.NoError(w.t, err)
	cl := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), testTimeout)
	defer cancel()
	var out []*kgo.Record
	at := map[int32]int64{}
	behind := func() bool {
		for _, o := range ends.Offsets()[topic] {
			if at[o.Partition] < o.At {
				return true
			}
		}
		return false
	}
	for behind() {
		fs := cl.PollFetches(ctx)
		require.NoError(w.t, fs.Err0(), topic)
		for _, r := range fs.Records() {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		}
	}
	return out
}

// numbered are n events, each with its number as call id.
func numbered(from, n int) []string {
	var events []string
	for i := range n {
		events = append(events, strings.Replace(busy, `"c"`, fmt.Sprintf(`"call-%d"`, from+i), 1))
	}
	return events
}

// times counts how often each of the events came out.
func times(records []*kgo.Record) map[string]int {
	n := map[string]int{}
	for _, r := range records {
		_, rest, _ := strings.Cut(string(r.Value), `"CallUUID":"`)
		id, _, _ := strings.Cut(rest, `"`)
		n[id]++
	}
	return n
}

// complete requires that the events numbered 0 to n-1 came out, and in exactly_once once.
func (w *world) complete(n int) {
	w.t.Helper()
	for _, topic := range []string{"out", "retry"} {
		got := times(w.all(topic))
		for i := range n {
			id := fmt.Sprintf("call-%d", i)
			require.Positive(w.t, got[id], "%s is missing on %s", id, topic)
			if w.cfg.ExactlyOnce {
				require.Equal(w.t, 1, got[id], "%s on %s", id, topic)
			}
		}
		require.Len(w.t, got, n, topic)
	}
}

// stamped writes one batch to in/0, with a timestamp for each value. Clients that work with
// durations cannot say all of them, so the batch is made here.
func (w *world) stamped(stamps []int64, values []string) {
	w.t.Helper()
	b := recordbatch.NewBuilder()
	for i, v := range values {
		b.Append(stamps[i], nil, [3][]byte{[]byte(v)}, nil, nil, nil)
	}
	b.Stamp(false, -1, -1, -1)
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = b.Bytes()
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = "in", append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	cl := w.client(kgo.MaxVersions(kversion.V3_0_0())) // names, not ids, of topics
	for _, shard := range cl.RequestSharded(w.t.Context(), req) {
		require.NoError(w.t, shard.Err)
		resp := shard.Resp.(*kmsg.ProduceResponse)
		require.NoError(w.t, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
	}
}

// stampsOf are the timestamps in a topic's partition 0, as they are on the wire.
func (w *world) stampsOf(topic string) []int64 {
	w.t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.IsolationLevel = -1, 10<<20, 1
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 10 << 20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, part)
	req.Topics = append(req.Topics, rt)
	cl := w.client(kgo.MaxVersions(kversion.V3_0_0()))
	var stamps []int64
	for _, shard := range cl.RequestSharded(w.t.Context(), req) {
		require.NoError(w.t, shard.Err)
		for rest := shard.Resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches; len(rest) > 0; {
			var b kmsg.RecordBatch
			require.NoError(w.t, b.ReadFrom(rest))
			rest = rest[12+b.Length:]
			if b.Attributes&0x20 != 0 { // a transaction's end
				continue
			}
			require.Zero(w.t, b.Attributes&7, "compressed")
			most := int64(math.MinInt64)
			for records := b.Records; len(records) > 0; {
				length, n := binary.Varint(records)
				var r kmsg.Record
				require.NoError(w.t, r.ReadFrom(records[:n+int(length)]))
				records = records[n+int(length):]
				stamps = append(stamps, b.FirstTimestamp+r.TimestampDelta64)
				most = max(most, b.FirstTimestamp+r.TimestampDelta64)
			}
			require.Equal(w.t, most, b.MaxTimestamp, "what the broker's search by time goes by")
		}
	}
	return stamps
}

// Timestamps are the producers' own, whatever their clocks say. They go through untouched, one
// batch or many.
func TestTimestampsOfEveryKind(t *testing.T) {
	stamps := []int64{
		-1, 0, 1, 1_790_000_000_000, 1_790_000_000_001, 1_700_000_000_000, // backwards
		4_102_444_800_000, 253_402_300_799_999, 253_402_300_800_000, // in 2100, and around the year 10000
		1_790_000_000_000, -1, math.MaxInt64, 0, 1_790_000_000_000,
	}
	both(t, func(t *testing.T, exactly bool) {
		w, _ := newFakeWorld(t, exactly, 1, kfake.NumBrokers(1))
		w.cfg.Codec = recordbatch.None // for stampsOf
		n := len(stamps)
		events := numbered(0, 2*n)
		w.stamped(stamps, events[:n])
		for i := range stamps {
			w.stamped(stamps[i:i+1], events[n+i:n+i+1])
		}
		want := append(slices.Clone(stamps), stamps...)
		require.Equal(t, want, w.stampsOf("in"), "the input is not what it should be")

		f := w.watch(w.cfg)
		w.until("committed", func() bool { return w.committed() == int64(2*n) })
		require.NoError(t, f.stop())
		require.True(t, f.Ledger.Totals().Conserved())
		for _, topic := range []string{"out", "retry"} {
			require.Equal(t, want, w.stampsOf(topic), topic)
			for i, r := range w.all(topic) {
				require.Contains(t, string(r.Value), fmt.Sprintf(`"call-%d"`, i), "order on %s", topic)
			}
		}
		w.complete(2 * n)
	})
}

// A partition without a record holds nobody up, and is not behind.
func TestEmptyPartition(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, _ := newFakeWorld(t, exactly, 3)
		w.put(numbered(0, 5)...)
		f := w.watch(w.cfg)
		w.until("committed", func() bool { return w.committedOf(0) == 5 })
		for p := range int32(3) {
			w.until("no lag", func() bool { return lag(f, p) == 0 })
		}
		require.Zero(t, w.committedOf(1), "where to begin is committed, so that it stays")
		w.put(numbered(5, 5)...)
		w.until("committed again", func() bool { return w.committedOf(0) == 10 && lag(f, 0) == 0 })
		require.Zero(t, lag(f, 1))
		require.NoError(t, f.stop())
		w.complete(10)
	})
}

// putTransaction produces values to in/0 in one transaction, and ends it.
func (w *world) putTransaction(end kgo.TransactionEndTry, values ...string) {
	w.t.Helper()
	cl := w.client(kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("source"))
	defer cl.Close()
	require.NoError(w.t, cl.BeginTransaction())
	for _, v := range values {
		require.NoError(w.t, cl.ProduceSync(w.t.Context(), kgo.StringRecord(v)).FirstErr())
	}
	require.NoError(w.t, cl.EndTransaction(w.t.Context(), end))
}

// A log that ends with an aborted transaction is read to its end: the offset is committed over
// what nobody may see, and lag is 0 although no record follows.
func TestAbortedTail(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, _ := newFakeWorld(t, exactly, 1)
		f := w.watch(w.cfg)
		w.until("running", func() bool { return lag(f, 0) == 0 })
		w.put(numbered(0, 2)...)
		w.putTransaction(kgo.TryAbort, numbered(100, 3)...) // offsets 2 to 4 and a marker
		w.until("committed over the aborted part", func() bool { return w.committed() == 6 && lag(f, 0) == 0 })
		w.putTransaction(kgo.TryCommit, numbered(2, 1)...) // a marker again
		w.until("committed over the marker", func() bool { return w.committed() == 8 && lag(f, 0) == 0 })
		w.putTransaction(kgo.TryAbort, numbered(100, 1)...)
		w.until("committed over a second one", func() bool { return w.committed() == 10 && lag(f, 0) == 0 })
		require.NoError(t, f.stop())
		require.EqualValues(t, 3, f.Ledger.Totals().In)
		w.complete(3)

		f = w.watch(w.cfg)
		w.until("running again", func() bool { return lag(f, 0) == 0 })
		require.NoError(t, f.stop())
		require.Zero(t, f.Ledger.Totals().In)
	})
}

// An open transaction at the end holds the offset at its beginning; what comes after it waits.
func TestOpenTransactionAtTheEnd(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, _ := newFakeWorld(t, exactly, 1)
		w.put(numbered(0, 2)...)
		cl := w.client(kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("source"))
		require.NoError(t, cl.BeginTransaction())
		require.NoError(t, cl.ProduceSync(t.Context(), kgo.StringRecord(numbered(2, 1)[0])).FirstErr())
		w.put(numbered(3, 2)...)
		f := w.watch(w.cfg)
		w.until("committed up to the transaction", func() bool { return w.committed() == 2 && lag(f, 0) == 0 })
		require.NoError(t, cl.EndTransaction(t.Context(), kgo.TryCommit))
		w.until("committed to the end", func() bool { return w.committed() == 6 && lag(f, 0) == 0 })
		require.NoError(t, f.stop())
		w.complete(5)
	})
}

// A compacted log has gaps, inside batches and between them.
func TestCompactedGaps(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, c := newFakeWorld(t, exactly, 1)
		compact := "compact"
		_, err := kadm.NewClient(w.client()).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &compact}}, "in")
		require.NoError(t, err)
		cl := w.client(kgo.DefaultProduceTopic("in"))
		keyed := func(keys ...string) {
			t.Helper()
			var batch []*kgo.Record
			for _, k := range keys {
				batch = append(batch, &kgo.Record{Key: []byte(k), Value: []byte(busy)})
			}
			require.NoError(t, cl.ProduceSync(t.Context(), batch...).FirstErr())
		}
		keyed("a", "b", "c", "a", "d") // 0 to 4
		keyed("b", "e")                // 5, 6
		keyed("c", "f", "b")           // 7 to 9
		keyed("f", "e")                // 10, 11: goes
		keyed("f", "e", "g", "f")      // 12 to 15
		keyed("h")                     // 16: the last batch stays as it is
		c.Compact()
		want := []int64{3, 4, 7, 9, 13, 14, 15, 16}
		var have []int64
		for _, r := range w.read("in", len(want)) {
			have = append(have, r.Offset)
		}
		require.Equal(t, want, have, "the input is not what it should be")

		f := w.watch(w.cfg)
		w.until("committed to the end", func() bool { return w.committed() == 17 && lag(f, 0) == 0 })
		require.NoError(t, f.stop())
		require.EqualValues(t, len(want), f.Ledger.Totals().In)
		require.True(t, f.Ledger.Totals().Conserved())
		var keys []string
		for _, r := range w.all("out") {
			keys = append(keys, string(r.Key))
		}
		require.Equal(t, strings.Fields("a d c b e g f h"), keys)
	})
}

// While its topic is gone the filter waits and says for what; when the topic is made again it
// reads that from its beginning.
func TestInputTopicDeletedWhileRunning(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, c := newFakeWorld(t, exactly, 1)
		w.put(numbered(0, 5)...)
		f := w.watch(w.cfg)
		w.until("committed", func() bool { return w.committed() == 5 })
		require.NoError(t, c.DeleteTopic("in"))
		w.until("it says what is missing", func() bool { return f.warned("in/0", "Unknown Topic Or Partition") })
		require.Less(t, w.committed(), int64(6))
		require.NoError(t, c.CreateTopic("in", 1, nil))
		w.until("it says that it begins anew", func() bool { return f.warned("made anew", "in") })
		w.put(numbered(5, 3)...)
		w.until("committed", func() bool { return w.committed() == 3 && lag(f, 0) == 0 })
		require.NoError(t, f.stop())
		require.EqualValues(t, 8, f.Ledger.Totals().In)
		w.complete(8)
	})
}

// A topic that is made anew and has more events than the old one already when the filter sees it:
// the old position is in its log, and must not be gone on from.
func TestInputTopicMadeAnewAndLonger(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, c := newFakeWorld(t, exactly, 1)
		w.cfg.Start = broker.Latest // of the new one everything is to be read, whatever the start says
		f := w.watch(w.cfg)
		w.until("started", func() bool { return w.committed() == 0 })
		w.put(numbered(0, 5)...)
		w.until("committed", func() bool { return w.committed() == 5 })
		away := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
		require.NoError(t, c.DeleteTopic("in"))
		require.NoError(t, c.CreateTopic("in", 1, nil))
		w.put(numbered(5, 8)...)
		away.Remove()
		w.until("committed", func() bool { return w.committed() == 8 && lag(f, 0) == 0 })
		require.True(t, f.warned("made anew"))
		require.NoError(t, f.stop())
		require.EqualValues(t, 13, f.Ledger.Totals().In)
		w.complete(13)
	})
}

// While an output topic is gone nothing is committed, the log says which it is, and when it is
// made again the events that wait go there.
func TestOutputTopicDeletedWhileRunning(t *testing.T) {
	for _, topic := range []string{"out", "retry"} {
		t.Run(topic, func(t *testing.T) {
			both(t, func(t *testing.T, exactly bool) {
				w, c := newFakeWorld(t, exactly, 1)
				w.put(numbered(0, 5)...)
				f := w.watch(w.cfg)
				w.until("committed", func() bool { return w.committed() == 5 })
				require.NoError(t, c.DeleteTopic(topic))
				w.put(numbered(5, 5)...)
				w.until("it says what is missing", func() bool { return f.warned(topic, "Unknown Topic Or Partition") })
				require.EqualValues(t, 5, w.committed())
				require.NoError(t, c.CreateTopic(topic, 1, nil))
				w.until("committed", func() bool { return w.committed() == 10 })
				require.NoError(t, f.stop())
				records := w.all(topic)
				got := times(records)
				for i := 5; i < 10; i++ {
					require.Positive(t, got[fmt.Sprintf("call-%d", i)])
				}
				if exactly {
					require.Len(t, records, 5)
				}
			})
		})
	}
}

// A right that is taken away while events flow stops the filter, which says what right that is.
// Nothing is committed that has not come out; with the right back the next process goes on.
// Brokers check it when a partition is put into a transaction, and when records arrive.
func TestOutputTopicMadeReadOnly(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		for name, tc := range map[string]struct {
			key  kmsg.Key
			says []string
		}{
			"produce":                {kmsg.Produce, []string{"produce to out/0: ", `allow WRITE on topic "out"`}},
			"add to the transaction": {kmsg.AddPartitionsToTxn, []string{"add partitions of topic ", `"out"`, " to the transaction: ", "Topic Authorization Failed", "allow WRITE on"}},
		} {
			if tc.key == kmsg.AddPartitionsToTxn && !exactly {
				continue
			}
			t.Run(name, func(t *testing.T) {
				w, c := newFakeWorld(t, exactly, 1)
				w.put(numbered(0, 5)...)
				f := w.watch(w.cfg)
				w.until("committed", func() bool { return w.committed() == 5 })
				refusing := c.Fault(kfake.Fault{Keys: []kmsg.Key{tc.key}, Topic: "out", Err: kerr.TopicAuthorizationFailed, Count: -1})
				w.put(numbered(5, 5)...)
				err := w.failure(f)
				for _, words := range tc.says {
					require.ErrorContains(t, err, words)
				}
				require.EqualValues(t, 5, w.committed())
				require.NotZero(t, refusing.Hits())
				refusing.Remove()
				if exactly {
					require.Len(t, w.all("retry"), 5, "the route's copies of what did not come out are not visible")
				}

				f = w.watch(w.cfg)
				w.until("committed", func() bool { return w.committed() == 10 })
				require.NoError(t, f.stop())
				require.EqualValues(t, 5, f.Ledger.Totals().In)
				w.complete(10)
			})
		}
	})
}

// Coordinators that move, of the group and of the transactions, cost time and nothing else.
func TestCoordinatorMoves(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w, c := newFakeWorld(t, exactly, 1)
		w.cfg.CommitInterval = 5 * time.Millisecond // many commits, so that moves meet them in every phase
		w.cfg.FetchBytes = 1                        // one batch an answer
		const moves, perMove = 12, 20
		f := w.watch(w.cfg)
		w.until("running", func() bool { return lag(f, 0) == 0 })
		group, transaction := map[int32]bool{}, map[int32]bool{}
		for i := range moves {
			w.put(numbered(i*perMove, perMove)...)
			c.RehashCoordinators()
			group[c.CoordinatorFor(w.cfg.Group)] = true
			transaction[c.CoordinatorFor("g/filter/test")] = true
			w.put(numbered(moves*perMove+i, 1)...)
			w.until("at work again", func() bool { return w.committed() > int64(i*(perMove+1)) })
		}
		require.Greater(t, len(group), 1, "the group's coordinator has not moved")
		require.Greater(t, len(transaction), 1, "the transactions' coordinator has not moved")
		const n = moves * (perMove + 1)
		w.until("committed", func() bool { return w.committed() == n })
		require.NoError(t, f.stop())
		w.complete(n)
	})
}

// Replicas that are not in sync for a while delay the output. After "after append" the batch is
// in the log, and sending it again must not put it there twice.
func TestNotEnoughReplicas(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend} {
		t.Run(code.Message, func(t *testing.T) {
			both(t, func(t *testing.T, exactly bool) {
				w, c := newFakeWorld(t, exactly, 1)
				w.cfg.Linger = 0
				const n = 100
				f := w.watch(w.cfg)
				w.until("running", func() bool { return lag(f, 0) == 0 })
				var asked atomic.Int64
				// When runs for what the selectors match, so it counts the good ones too.
				refusing := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: code, Count: 6, When: func(kmsg.Request) bool { return asked.Add(1)%3 != 0 }})
				w.put(numbered(0, n)...)
				w.until("committed", func() bool { return w.committed() == n })
				require.Equal(t, 6, refusing.Hits())
				require.NoError(t, f.stop())
				require.True(t, f.Ledger.Totals().Conserved())
				require.EqualValues(t, n, f.Ledger.Totals().In)
				require.True(t, f.warned("out/0"))
				w.cfg.ExactlyOnce = true // a process that lives on does not write twice, in either delivery
				w.complete(n)
			})
		})
	}
}

// A cluster that does not let this user have transactions is found out before anything happens.
func TestTransactionsNotAllowed(t *testing.T) {
	for name, tc := range map[string]struct {
		code *kerr.Error
		says []string
	}{
		"no right":    {kerr.TransactionalIDAuthorizationFailed, []string{`transactional id "g/filter/test"`, "WRITE", "delivery: at_least_once"}},
		"timeout":     {kerr.InvalidTransactionTimeout, []string{"kafka.transaction_timeout 15s", "transaction.max.timeout.ms"}},
		"unsupported": {kerr.UnsupportedVersion, []string{"exactly_once", "Unsupported Version"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := newFakeWorld(t, true, 1)
			w.put(busy)
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, TxnID: "g/filter/test", Err: tc.code, Count: -1})
			var acted atomic.Int64
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.JoinGroup, kmsg.Produce, kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.AddPartitionsToTxn, kmsg.EndTxn}, Count: -1, When: func(kmsg.Request) bool {
				acted.Add(1)
				return false
			}})
			err := w.failure(w.watch(w.cfg))
			for _, words := range tc.says {
				require.ErrorContains(t, err, words)
			}
			require.Zero(t, acted.Load(), "it has read, joined or written")
			require.Empty(t, w.all("out"))
			require.Empty(t, c.GroupInfo(w.cfg.Group))
		})
	}
}
