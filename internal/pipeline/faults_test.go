package pipeline_test

import (
	"errors"
	"fmt"
	"maps"
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

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/enrich"
)

func same(n int32) map[string]int32 {
	return map[string]int32{"in": n, "out": n, "dead": n, "retry": n}
}

const busy = `{"Direction":"outbound","HangupCauseCode":"3010","CallUUID":"c"}`

// put produces values to the input topic's partition 0.
func (w *world) put(values ...string) {
	w.t.Helper()
	cl := w.client(kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, v := range values {
		require.NoError(w.t, cl.ProduceSync(w.t.Context(), kgo.StringRecord(v)).FirstErr())
	}
}

func both(t *testing.T, f func(t *testing.T, exactly bool)) {
	t.Helper()
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) { f(t, exactly) })
	}
}

// committed is the group's committed offset of in/0, or -1.
func (w *world) committed() int64 { return w.committedOf(0) }

// Instances that come and go in order repeat nothing and lose nothing, in either delivery.
func TestRebalancesInOrderRepeatNothing(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w := newWorld(t, same(6))
		w.cfg.ExactlyOnce = exactly
		instance := func(name string) *filter {
			cfg := w.cfg
			cfg.Instance = name
			return w.start(cfg)
		}
		all := map[string]sent{}
		var filters []*filter
		total := func() (n int64) {
			for _, f := range filters {
				n += f.Ledger.Totals().In
			}
			return n
		}
		more := func(seed uint64) {
			maps.Copy(all, w.produce(seed, 1500, "in"))
		}
		filters = append(filters, instance("a"))
		more(1)
		w.until("the first at work", func() bool { return total() > 100 })
		filters = append(filters, instance("b"))
		w.until("the second has partitions", func() bool { return len(filters[1].Lags()) > 0 })
		more(2)
		w.until("the second at work", func() bool { return filters[1].Ledger.Totals().In > 50 })
		filters = append(filters, instance("c"))
		w.until("the third has partitions", func() bool { return len(filters[2].Lags()) > 0 })
		more(3)
		w.until("the third at work", func() bool { return filters[2].Ledger.Totals().In > 50 })
		require.NoError(t, filters[0].stop())
		more(4)
		w.until("everything in", func() bool { return total() >= int64(len(all)) })
		require.NoError(t, filters[1].stop())
		require.NoError(t, filters[2].stop())
		sum := filters[0].Ledger.Totals()
		for _, f := range filters[1:] {
			add(&sum, f.Ledger.Totals())
		}
		w.check(all, sum)
	})
}

func add(sum *pipeline.Totals, t pipeline.Totals) {
	sum.In += t.In
	sum.Output += t.Output
	sum.Dead += t.Dead
	sum.Filtered += t.Filtered
	sum.Abandoned += t.Abandoned
	for k, n := range t.Routes {
		sum.Routes[k] += n
	}
	for k, n := range t.Acked {
		sum.Acked[k] += n
	}
}

// Without a dead-letter topic the first malformed event stops the filter, and says where.
// What came before it is out and committed.
func TestMalformedEventStopsWithoutADeadLetterTopic(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w := newWorld(t, same(1))
		w.cfg.ExactlyOnce, w.cfg.DeadLetter = exactly, ""
		w.put(busy, busy)
		f := w.start(w.cfg)
		w.until("both committed", func() bool { return w.committed() == 2 })
		w.put("{broken")
		w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
		err := f.stop()
		require.ErrorContains(t, err, "in/0: offset 2:")
		require.ErrorContains(t, err, "not_json")
		require.ErrorContains(t, err, "dead_letter.topic")
		require.EqualValues(t, 2, w.committed())
		require.Len(t, w.read("out", 2), 2)
	})
}

// An event that outgrows the output topic is a dead letter; its payload stays away if it
// would not fit there either. A route's topic counts as well.
func TestOversizedEventsAreDeadLetters(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in"))
	w := worldOf(t, c.ListenAddrs())
	adm := kadm.NewClient(w.client())
	small := func(n string) map[string]*string { return map[string]*string{"max.message.bytes": &n} }
	for topic, limit := range map[string]string{"out": "5000", "dead": "3000", "retry": "1500"} {
		_, err := adm.CreateTopic(t.Context(), 1, 1, small(limit), topic)
		require.NoError(t, err)
	}
	pad := func(event string, n int) string {
		return strings.Replace(event, "{", `{"pad":"`+strings.Repeat("x", n)+`",`, 1)
	}
	ring := `{"Event":"Ring"}`
	w.put(pad(ring, 6000), pad(ring, 2000), pad(busy, 1200), pad(busy, 10), pad(busy, 2900))
	f := w.start(w.cfg)
	w.until("all in", func() bool { return f.Ledger.Totals().In == 5 })
	require.NoError(t, f.stop())
	totals := f.Ledger.Totals()
	require.True(t, totals.Conserved(), totals)
	require.Equal(t, map[string]int64{string(enrich.OutputTooLarge): 3}, totals.Reasons)
	require.EqualValues(t, 2, totals.Output)
	require.EqualValues(t, 1, totals.Routes["retry"])

	dead := w.read("dead", 3)
	require.Equal(t, "value", header(dead[0], "dlq-omitted"))
	require.Empty(t, dead[0].Value)
	require.Contains(t, header(dead[0], "dlq-error"), `topic "out" takes 5000`)
	require.Contains(t, header(dead[1], "dlq-error"), `topic "retry" takes 1500`)
	require.Equal(t, pad(busy, 1200), string(dead[1].Value))
	require.Equal(t, "value", header(dead[2], "dlq-omitted"), "with its headers it does not fit")
}

func TestStartOffsets(t *testing.T) {
	for name, tc := range map[string]struct {
		start int64
		want  int64
	}{
		"earliest":  {broker.Earliest, 4},
		"latest":    {broker.Latest, 1},
		"timestamp": {2000, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, same(1))
			cl := w.client(kgo.DefaultProduceTopic("in"))
			for i := range 3 {
				require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte(busy), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))}).FirstErr())
			}
			w.cfg.Start = tc.start
			f := w.start(w.cfg)
			w.until("where to begin is committed", func() bool { return w.committed() >= 0 })
			w.put(busy)
			w.until("all in", func() bool { return f.Ledger.Totals().In == tc.want && w.committed() == 4 })
			require.NoError(t, f.stop())
		})
	}
}

// A committed offset that the log does not hold any more.
func TestOffsetOutOfRange(t *testing.T) {
	for name, tc := range map[string]struct {
		policy pipeline.OutOfRange
		want   int64
	}{
		"earliest": {pipeline.ToEarliest, 3}, "latest": {pipeline.ToLatest, 1}, "stop": {pipeline.Stop, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, same(1))
			w.put(busy, busy, busy, busy)
			adm := kadm.NewClient(w.client())
			_, err := adm.DeleteRecords(t.Context(), kadm.Offsets{"in": {0: {Topic: "in", Partition: 0, At: 2}}})
			require.NoError(t, err)
			var offs kadm.Offsets
			offs.AddOffset("in", 0, 1, -1)
			_, err = adm.CommitOffsets(t.Context(), w.cfg.Group, offs)
			require.NoError(t, err)
			w.cfg.OutOfRange = tc.policy
			f := w.start(w.cfg)
			if tc.policy == pipeline.Stop {
				w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
				err := f.stop()
				require.ErrorContains(t, err, "offset 1 is not in the log any more, which starts at 2")
				require.ErrorContains(t, err, "input.on_out_of_range")
				require.EqualValues(t, 1, w.committed(), "nothing is committed over the gap")
				return
			}
			w.until("it goes on", func() bool { return w.committed() >= 2 })
			if tc.policy == pipeline.ToLatest {
				w.until("at the end", func() bool { return w.committed() == 4 })
			}
			w.put(busy)
			w.until("all in", func() bool { return f.Ledger.Totals().In == tc.want })
			require.NoError(t, f.stop())
		})
	}
}

// Fetch errors that pass are waited out; what is read afterwards is complete.
func TestFetchErrorsThatPass(t *testing.T) {
	for _, code := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.LeaderNotAvailable, kerr.FencedLeaderEpoch,
		kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.KafkaStorageError, kerr.UnknownServerError, kerr.CorruptMessage,
	} {
		t.Run(code.Message, func(t *testing.T) {
			c := kafkatest.StartFake(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "in", "out", "dead", "retry"))
			w := worldOf(t, c.ListenAddrs())
			w.put(busy, busy)
			var n atomic.Int64
			c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				if n.Add(1) > 3 {
					return nil, nil, false
				}
				fr := req.(*kmsg.FetchRequest)
				resp := fr.ResponseKind().(*kmsg.FetchResponse)
				rt := kmsg.NewFetchResponseTopic()
				rt.Topic = fr.Topics[0].Topic
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.ErrorCode = fr.Topics[0].Partitions[0].Partition, code.Code
				rt.Partitions = append(rt.Partitions, rp)
				resp.Topics = append(resp.Topics, rt)
				return resp, nil, true
			})
			f := w.start(w.cfg)
			w.until("all in", func() bool { return f.Ledger.Totals().In == 2 })
			require.NoError(t, f.stop())
			require.Greater(t, n.Load(), int64(3))
		})
	}
}

func TestFetchErrorsThatStop(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		fr := req.(*kmsg.FetchRequest)
		resp := fr.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "in"
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.ErrorCode = kerr.TopicAuthorizationFailed.Code
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	f := w.start(w.cfg)
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	require.ErrorContains(t, f.stop(), `allow READ on topic "in"`)
}

// Connections that are cut in the middle of requests of every kind lose and repeat nothing.
func TestCutConnections(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce = exactly
		all := w.produce(5, 3000, "in")
		var n atomic.Int64
		c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			switch kmsg.Key(req.Key()) { //nolint:exhaustive // the others go through
			case kmsg.Produce, kmsg.Fetch, kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.EndTxn, kmsg.FindCoordinator, kmsg.OffsetFetch:
				if n.Add(1)%5 == 0 && n.Load() < 300 {
					return nil, errors.New("connection cut"), true
				}
			}
			return nil, nil, false
		})
		f := w.start(w.cfg)
		w.until("everything in", func() bool { return f.Ledger.Totals().In >= int64(len(all)) })
		require.NoError(t, f.stop())
		w.check(all, f.Ledger.Totals())
	})
}

// A broker that goes away while the start asks it is no reason to end.
func TestStartAsksAgain(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	w.put(busy)
	var cuts atomic.Int64
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		// kafka-go's own requests are of another version; they go through.
		if m, ok := req.(*kmsg.MetadataRequest); ok && m.IncludeTopicAuthorizedOperations && cuts.Add(1) <= 3 {
			return nil, errors.New("connection cut"), true
		}
		return nil, nil, false
	})
	f := w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 1 })
	require.NoError(t, f.stop())
	require.Greater(t, cuts.Load(), int64(3))
}

// But a connection that is lost each time is.
func TestStartDoesNotAskForEver(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		m, ok := req.(*kmsg.MetadataRequest)
		return nil, errors.New("connection cut"), ok && m.IncludeTopicAuthorizedOperations
	})
	w := worldOf(t, c.ListenAddrs())
	f := w.start(w.cfg)
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	require.ErrorContains(t, f.stop(), "check topics")
}

func TestMissingTopics(t *testing.T) {
	w := newWorld(t, map[string]int32{"in": 3, "out": 3})
	f := w.start(w.cfg)
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	err := f.stop()
	for _, topic := range []string{"dead", "retry"} {
		require.ErrorContains(t, err, fmt.Sprintf("topic %q does not exist: create it with `kafka-topics.sh --bootstrap-server %s --create --topic %s "+
			"--partitions 3 --replication-factor 3 --config min.insync.replicas=2`, or for trying out set kafka.create_topics: true", topic, strings.Join(w.addrs, ","), topic))
	}
	require.Len(t, strings.Split(err.Error(), "\n"), 2, "one line each")

	w.cfg.CreateTopics = true
	w.put(busy)
	f = w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 1 })
	require.NoError(t, f.stop())
	require.Len(t, w.read("retry", 1), 1)
}

func TestDropFiltersButRoutesCopy(t *testing.T) {
	w := newWorld(t, same(1))
	w.cfg.Drop[enrich.Enriched], w.cfg.Drop[enrich.NoCode] = true, true
	w.put(busy, `{"Event":"Ring"}`, `{"HangupCauseCode":"9999"}`)
	f := w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 3 })
	require.NoError(t, f.stop())
	totals := f.Ledger.Totals()
	require.True(t, totals.Conserved())
	require.EqualValues(t, 2, totals.Filtered)
	require.EqualValues(t, 1, totals.Output)
	require.EqualValues(t, 1, totals.Routes["retry"])
}

// Partitions added while running change no rule under the readers of the output: the filter
// says that it has to be restarted.
func TestAddedPartitionsWantARestart(t *testing.T) {
	w := newWorld(t, same(2))
	f := w.start(w.cfg)
	w.until("running", func() bool { return f.State() == pipeline.Running })
	_, err := kadm.NewClient(w.client()).CreatePartitions(t.Context(), 1, "in")
	require.NoError(t, err)
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	require.ErrorContains(t, f.stop(), `input topic "in" has grown beyond the 2 partitions`)
}

func TestSeveralInputTopics(t *testing.T) {
	w := newWorld(t, map[string]int32{"in": 2, "in2": 4, "out": 3, "dead": 1, "retry": 2})
	w.cfg.Topics = []string{"in", "in2"}
	w.put(busy)
	cl := w.client(kgo.DefaultProduceTopic("in2"))
	for range 20 {
		require.NoError(t, cl.ProduceSync(t.Context(), kgo.StringRecord(busy)).FirstErr())
	}
	f := w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 21 })
	require.NoError(t, f.stop())
	require.Len(t, w.read("out", 21), 21)
}

// A dead-letter topic that takes nothing stops progress; nothing is lost, and it goes on by
// itself.
func TestDeadLetterTopicDownStopsProgress(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce = exactly
		var down atomic.Bool
		var refused atomic.Int64
		down.Store(true)
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			pr := req.(*kmsg.ProduceRequest)
			for _, topic := range pr.Topics {
				if topic.Topic == "dead" && down.Load() {
					refused.Add(1)
					resp := pr.ResponseKind().(*kmsg.ProduceResponse)
					for _, tt := range pr.Topics {
						rt := kmsg.NewProduceResponseTopic()
						rt.Topic = tt.Topic
						rp := kmsg.NewProduceResponseTopicPartition()
						rp.ErrorCode = kerr.NotEnoughReplicas.Code
						rt.Partitions = append(rt.Partitions, rp)
						resp.Topics = append(resp.Topics, rt)
					}
					return resp, nil, true
				}
			}
			return nil, nil, false
		})
		w.put(busy, "{broken", busy)
		f := w.start(w.cfg)
		w.until("refused some times", func() bool { return refused.Load() > 5 })
		require.LessOrEqual(t, w.committed(), int64(0), "committed past a dead letter that is not written")
		down.Store(false)
		w.until("committed", func() bool { return w.committed() == 3 })
		require.NoError(t, f.stop())
		require.True(t, f.Ledger.Totals().Conserved())
		require.Len(t, w.read("dead", 1), 1)
		require.Len(t, w.read("out", 2), 2)
	})
}

// A limit that is lowered while the filter runs: the record that meets it becomes a dead
// letter, and the filter goes on.
func TestLimitLoweredWhileRunning(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce = exactly
		w.cfg.Codec = recordbatch.None
		f := w.start(w.cfg)
		w.put(busy)
		w.until("the first committed", func() bool { return w.committed() == 1 })
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			pr := req.(*kmsg.ProduceRequest)
			resp := pr.ResponseKind().(*kmsg.ProduceResponse)
			refused := false
			for _, topic := range pr.Topics {
				rt := kmsg.NewProduceResponseTopic()
				rt.Topic = topic.Topic
				rp := kmsg.NewProduceResponseTopicPartition()
				if topic.Topic == "out" && len(topic.Partitions[0].Records) > 3000 {
					rp.ErrorCode, refused = kerr.MessageTooLarge.Code, true
				} else {
					rp.ErrorCode = kerr.RequestTimedOut.Code
				}
				rt.Partitions = append(rt.Partitions, rp)
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, refused
		})
		w.put(busy, strings.Replace(busy, "{", `{"pad":"`+strings.Repeat("x", 3000)+`",`, 1), busy)
		w.until("all committed", func() bool { return w.committed() == 4 })
		require.NoError(t, f.stop())
		dead := w.read("dead", 1)
		require.Equal(t, "output_too_large", header(dead[0], "dlq-reason"))
		require.GreaterOrEqual(t, len(w.read("out", 3)), 3)
	})
}

// A few kilobytes may unpack to an event that is too large for all topics. It is not read: a form of escapes takes many times
// its size as JSON.
func TestEventThatNoTopicTakesIsNotRead(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce = exactly
		const size = 60 << 20
		cl := w.client(kgo.DefaultProduceTopic("in"), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(size+1<<10), kgo.BrokerMaxWriteBytes(2*size))
		large := "HangupCauseCode=3010&a=" + strings.Repeat("%01", size/3-100)
		for _, value := range []string{busy, large, busy} {
			require.NoError(t, cl.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr())
		}
		f := w.start(w.cfg)
		w.until("all committed", func() bool { return w.committed() == 3 })
		require.NoError(t, f.stop())
		totals := f.Ledger.Totals()
		require.True(t, totals.Conserved())
		require.EqualValues(t, 2, totals.Output)
		require.EqualValues(t, 1, totals.Outcomes["malformed"])
		dead := w.read("dead", 1)
		require.Equal(t, "output_too_large", header(dead[0], "dlq-reason"))
		require.Equal(t, "value", header(dead[0], "dlq-omitted"))
		require.Equal(t, fmt.Sprintf("%d bytes; topic \"out\" takes 1048588 (max.message.bytes), and no topic takes more", len(large)), header(dead[0], "dlq-error"))
	})
}

// An event that was enriched before gets its object and its headers anew; a header that does
// not apply any more goes, and the others stay in their order.
func TestEnrichedAgain(t *testing.T) {
	w := newWorld(t, same(1))
	cl := w.client(kgo.DefaultProduceTopic("in"))
	last := strings.Replace(busy, "{", `{"attempt":9,`, 1)
	require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Value: []byte(last), Headers: []kgo.RecordHeader{
		{Key: "first", Value: []byte("1")},
		{Key: "hangup-not-before", Value: []byte("2026-01-01T00:00:00.000Z")},
		{Key: "hangup-retryable", Value: []byte("true")},
		{Key: "last", Value: nil},
	}}).FirstErr())
	f := w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 1 })
	require.NoError(t, f.stop())
	out := w.read("out", 1)[0]
	var names []string
	for _, h := range out.Headers {
		names = append(names, h.Key)
	}
	require.Equal(t, []string{"first", "last", "hangup-code", "hangup-fault", "hangup-retryable", "hangup-retry-class", "hangup-catalog"}, names)
	require.Equal(t, "false", header(out, "hangup-retryable"))
}

// A stop whose output nobody acknowledges ends within shutdown_timeout with an error that says
// so; nothing of it is committed, and the next process does it all.
func TestStopThatCannotFinish(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce, w.cfg.ShutdownTimeout = exactly, time.Second
		w.cfg.BufferBytes, w.cfg.Codec = 1, recordbatch.None // the smallest batches: the worker waits for room inside one of the input
		const n = 200
		cl := w.client(kgo.DefaultProduceTopic("in"))
		var input []*kgo.Record
		for range n {
			input = append(input, kgo.StringRecord(`{"Event":"Ring","pad":"`+strings.Repeat("x", 2000)+`"}`))
		}
		require.NoError(t, cl.ProduceSync(t.Context(), input...).FirstErr())
		var refused atomic.Int64
		refusing := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.NotEnoughReplicas, Count: -1, When: func(kmsg.Request) bool {
			refused.Add(1)
			return true
		}})
		f := w.start(w.cfg)
		w.until("refused some times", func() bool { return refused.Load() > 3 })
		require.ErrorContains(t, f.stop(), "shutdown_timeout is 1s; nothing is lost")
		require.LessOrEqual(t, w.committed(), int64(0))
		refusing.Remove()

		f = w.start(w.cfg)
		w.until("all committed", func() bool { return w.committed() == n })
		require.NoError(t, f.stop())
		require.EqualValues(t, n, f.Ledger.Totals().In)
		require.Len(t, w.read("out", n), n)
	})
}

// With a rack set, partitions are read from the replica that their leader names.
func TestReadsFromThePreferredReplica(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	w.cfg.Rack = "zone-b"
	leader := c.LeaderFor("in", 0)
	follower := 1 - leader
	c.SetFollowers("in", 0, []int32{follower})
	var named, fromFollower atomic.Int64
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		fr := req.(*kmsg.FetchRequest)
		if len(fr.Topics) == 0 || fr.Topics[0].Topic != "in" { // the test's own reader
			return nil, nil, false
		}
		if c.CurrentNode() == follower {
			fromFollower.Add(1)
			return nil, nil, false
		}
		named.Add(1)
		require.Equal(t, "zone-b", fr.Rack)
		resp := fr.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "in"
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.PreferredReadReplica = follower
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	w.put(busy, busy)
	f := w.start(w.cfg)
	w.until("in", func() bool { return f.Ledger.Totals().In == 2 })
	require.NoError(t, f.stop())
	require.EqualValues(t, 1, named.Load(), "the leader was asked again although it had named a replica")
	require.Positive(t, fromFollower.Load())
}
