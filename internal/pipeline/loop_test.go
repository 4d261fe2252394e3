package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/retry"
)

// loop is a cluster in virtual time, with a filter and the delay role on it. Waits are as long as in
// life, and what happens when is exact.
type loop struct {
	t       *testing.T
	network *kfake.VirtualNetwork
	cluster *kfake.Cluster
	addrs   []string
	cfg     pipeline.Config // of the filter
	retry   *pipeline.Retry // of both
	source  *kgo.Client
	running []func()

	mu   sync.Mutex
	seen map[string][]arrival // by topic
}

// arrival is a record that a read_committed reader saw.
type arrival struct {
	*kgo.Record
	at time.Time
}

func (a arrival) id() string { return header(a.Record, "id") }

func loopTiers() []retry.Tier {
	return []retry.Tier{
		{Topic: "tier-5s", Wait: 5 * time.Second}, {Topic: "tier-30s", Wait: 30 * time.Second}, {Topic: "tier-2m", Wait: 2 * time.Minute}, {Topic: "tier-10m", Wait: 10 * time.Minute},
	}
}

// inLoop runs a test in virtual time. change may adapt the loop before anything is made from it.
func inLoop(t *testing.T, change func(c *retry.Config, f *retry.FieldsConfig, p *pipeline.Retry), test func(l *loop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLoop(t, change)
		defer l.close()
		test(l)
	})
}

func newLoop(t *testing.T, change func(c *retry.Config, f *retry.FieldsConfig, p *pipeline.Retry)) *loop {
	t.Helper()
	rc := retry.Config{Tiers: loopTiers(), MaxAge: 24 * time.Hour}
	fc := retry.FieldsConfig{Key: []string{"To"}}
	r := &pipeline.Retry{GaveUp: "gave-up", MaxAge: rc.MaxAge}
	if change != nil {
		change(&rc, &fc, r)
	}
	var err error
	r.Loop, err = retry.New(rc)
	require.NoError(t, err)
	r.Fields, err = retry.NewFields(fc)
	require.NoError(t, err)

	l := &loop{t: t, network: new(kfake.VirtualNetwork), retry: r, seen: map[string][]arrival{}}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ListenFn(l.network.Listen), kfake.Ports(9001, 9002, 9003),
		kfake.SeedTopics(3, "in", "out", "due", "gave-up"), kfake.SeedTopics(1, "dead", "cancel"))
	require.NoError(t, err)
	l.cluster, l.addrs = cluster, cluster.ListenAddrs()
	l.running = append(l.running, cluster.Close)
	l.source = l.client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	l.cfg = pipeline.Config{
		Topics: []string{"in"}, Group: "g", Start: broker.Earliest, ReadCommitted: true, Output: "out", DeadLetter: "dead", CreateTopics: true,
		Rules: pipeline.Rules{Enricher: enricher(t), Retry: r},
		Codec: recordbatch.None, FetchBytes: 1 << 20, BatchBytes: 64 << 10, BufferBytes: 1 << 20, Linger: time.Millisecond,
		CommitInterval: 100 * time.Millisecond, SessionTimeout: 6 * time.Second, ShutdownTimeout: 15 * time.Second,
		ExactlyOnce: true, Instance: "a", TransactionTimeout: 10 * time.Second,
	}
	return l
}

func (l *loop) client(opts ...kgo.Opt) *kgo.Client {
	l.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.addrs...), kgo.Dialer(l.network.DialContext)}, opts...)...)
	require.NoError(l.t, err)
	l.running = append(l.running, cl.Close)
	return cl
}

func (l *loop) close() {
	for _, stop := range slices.Backward(l.running) {
		stop()
	}
}

// delays is the configuration of the delay role.
func (l *loop) delays(instance string) pipeline.Config {
	cfg := l.cfg
	cfg.Role, cfg.Group, cfg.Output, cfg.Instance, cfg.Topics = pipeline.Delay, "g.delay", "due", instance, nil
	for _, tier := range l.retry.Loop.Tiers() {
		cfg.Topics = append(cfg.Topics, tier.Topic)
	}
	return cfg
}

// start runs a pipeline until the end of the test, or until stop.
func (l *loop) start(cfg pipeline.Config) (p *pipeline.Pipeline, stop func() error) {
	l.t.Helper()
	client := broker.NewClient(broker.Config{Brokers: l.addrs, ClientID: cfg.Instance, Topics: cfg.AllTopics(), Dial: (&wire{dialer: l.network.DialContext, conns: map[*wireConn]struct{}{}, budget: -1}).dial})
	p = pipeline.New(cfg, client, zaptest.NewLogger(l.t, zaptest.Level(zap.WarnLevel)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx)
		client.Close()
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	l.running = append(l.running, func() { require.NoError(l.t, stop()) })
	return p, stop
}

// watch reads topics until the end of the test, and notes when each record can be seen.
func (l *loop) watch(topics ...string) {
	l.t.Helper()
	cl := l.client(kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			fs := cl.PollFetches(ctx)
			l.mu.Lock()
			fs.EachRecord(func(r *kgo.Record) { l.seen[r.Topic] = append(l.seen[r.Topic], arrival{r, time.Now()}) })
			l.mu.Unlock()
		}
	})
	l.running = append(l.running, func() { cancel(); reading.Wait() })
}

func (l *loop) arrived(topic string) []arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen[topic])
}

// until lets time go by until n records of a topic have been seen.
func (l *loop) until(topic string, n int, limit time.Duration) []arrival {
	l.t.Helper()
	for begun := time.Now(); time.Since(begun) < limit; time.Sleep(time.Second) {
		if all := l.arrived(topic); len(all) >= n {
			return all
		}
	}
	require.FailNow(l.t, "too few records", "%d of %d on %s within %v", len(l.arrived(topic)), n, topic, limit)
	return nil
}

// call is a failed call.
type call struct {
	id, to  string
	code    int
	attempt string        // "": the event does not tell
	ago     time.Duration // how long ago it ended
}

func (l *loop) fail(calls ...call) {
	l.t.Helper()
	for _, c := range calls {
		value := fmt.Appendf(nil, `{"CallUUID":"%s","Direction":"outbound","HangupCauseCode":"%d","To":"%s"`, c.id, c.code, c.to)
		if c.attempt != "" {
			value = fmt.Appendf(value, `,"hangup_attempt":%s`, c.attempt)
		}
		r := &kgo.Record{Topic: "in", Key: []byte(c.id), Value: append(value, '}'), Timestamp: time.Now().Add(-c.ago), Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(c.id)}, {Key: "traceparent", Value: []byte("00-1")}}}
		require.NoError(l.t, l.source.ProduceSync(context.Background(), r).FirstErr())
	}
}

// calls are n different ones that may be dialled again.
func calls(n int) []call {
	out := make([]call, n)
	for i := range out {
		out[i] = call{id: "call-" + strconv.Itoa(i), to: strconv.Itoa(15550000 + i), code: 3010, attempt: strconv.Itoa(1 + i%2)}
	}
	return out
}

const busyCode, deadCode = 3010, 3050

func byID(all []arrival) map[string]arrival {
	out := map[string]arrival{}
	for _, a := range all {
		out[a.id()] = a
	}
	return out
}

// notBefore is what the advice in the event says.
func notBefore(t *testing.T, r *kgo.Record) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, header(r, "hangup-not-before"))
	require.NoError(t, err)
	return at
}

func TestEachRedialComesDueOnceAndNeverEarly(t *testing.T) {
	for _, exactly := range []bool{true, false} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) {
			inLoop(t, nil, func(l *loop) {
				l.cfg.ExactlyOnce = exactly
				l.watch("out", "due", "gave-up", "dead")
				f, stopFilter := l.start(l.cfg)
				d1, stop1 := l.start(l.delays("b"))
				all := calls(60)
				l.fail(all[:30]...)
				time.Sleep(20 * time.Second)
				d2, stop2 := l.start(l.delays("c")) // partitions go over to it in the midst of a wait
				l.fail(all[30:]...)
				time.Sleep(20 * time.Second)
				require.NoError(t, stop1()) // and all to the other; what waits, waits in Kafka
				due := l.until("due", len(all), 30*time.Minute)

				out := byID(l.until("out", len(all), time.Minute))
				require.Len(t, due, len(all))
				require.Len(t, byID(due), len(all), "one came due twice")
				for _, a := range due {
					at := notBefore(t, a.Record)
					require.False(t, a.at.Before(at), "%s came due %v early", a.id(), at.Sub(a.at))
					require.LessOrEqual(t, a.at.Sub(at), 5*time.Second+time.Second, "%s: more than the smallest tier late", a.id())
					checkDue(t, out[a.id()].Record, a.Record)
				}
				require.Empty(t, l.arrived("gave-up"))
				require.Empty(t, l.arrived("dead"))
				require.NoError(t, stop2())
				require.NoError(t, stopFilter())
				entered := 0
				for _, tier := range f.Ledger.Totals().Tiers {
					entered += int(tier.Entered)
				}
				require.Equal(t, len(all), entered)
				for _, p := range []*pipeline.Pipeline{f, d1, d2} {
					require.True(t, p.Ledger.Totals().Conserved(), p.Ledger.Totals())
				}
				require.Equal(t, len(all), int(d1.Ledger.Totals().Output+d2.Ledger.Totals().Output))
			})
		})
	}
}

// checkDue holds a due record against what the filter wrote to the output topic.
func checkDue(t *testing.T, out, due *kgo.Record) {
	t.Helper()
	require.Equal(t, string(out.Value), string(due.Value))
	require.Equal(t, out.Key, due.Key)
	require.Equal(t, out.Timestamp, due.Timestamp, "the time of the call is restored")
	want := map[string]string{}
	for _, h := range out.Headers {
		want[h.Key] = string(h.Value)
	}
	want["hangup-attempt"] = strconv.FormatInt(attemptOf(out.Value)+1, 10)
	got := map[string]string{}
	for _, h := range due.Headers {
		require.NotContains(t, got, h.Key, "a header stands twice")
		got[h.Key] = string(h.Value)
	}
	require.NotEmpty(t, got["hangup-retry-id"])
	want["hangup-retry-id"] = got["hangup-retry-id"]
	require.Equal(t, want, got)
}

func TestCallsThatAreGivenUp(t *testing.T) {
	for name, tc := range map[string]struct {
		call   call
		reason string // "": comes due
	}{
		"attempts exhausted":         {call{code: busyCode, attempt: "99"}, "attempts_exhausted"},
		"attempt unknown":            {call{code: busyCode}, "attempt_unknown"},
		"older than a day":           {call{code: busyCode, attempt: "1", ago: 25 * time.Hour}, "expired"},
		"late, but not too late":     {call{code: busyCode, attempt: "1", ago: 23 * time.Hour}, ""},
		"not to be retried: neither": {call{code: deadCode, attempt: "1"}, "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, nil, func(l *loop) {
				l.watch("out", "due", "gave-up")
				l.start(l.cfg)
				_, stop := l.start(l.delays("b"))
				tc.call.id, tc.call.to = "x", "1555"
				l.fail(tc.call)
				out := l.until("out", 1, time.Minute)[0]
				if tc.reason != "" && tc.reason != "neither" {
					gone := l.until("gave-up", 1, time.Minute)[0]
					require.Equal(t, tc.reason, header(gone.Record, "hangup-gave-up"))
					require.Equal(t, string(out.Value), string(gone.Value))
					require.Equal(t, out.Timestamp, gone.Timestamp)
				}
				time.Sleep(10 * time.Minute)
				require.NoError(t, stop())
				require.Len(t, l.arrived("due"), map[bool]int{true: 1}[tc.reason == ""])
				require.Len(t, l.arrived("gave-up"), map[bool]int{true: 1}[tc.reason != "" && tc.reason != "neither"])
			})
		})
	}
}

// TestExpiredWhileNobodyHeld: the delay role was away for days.
func TestExpiredWhileNobodyHeld(t *testing.T) {
	inLoop(t, nil, func(l *loop) {
		_, stop := l.start(l.cfg)
		l.fail(calls(4)...)
		time.Sleep(time.Minute)
		require.NoError(t, stop())
		time.Sleep(25 * time.Hour)
		l.watch("due", "gave-up")
		d, stopDelay := l.start(l.delays("b"))
		for _, a := range l.until("gave-up", 4, 5*time.Minute) {
			require.Equal(t, "expired", header(a.Record, "hangup-gave-up"))
		}
		require.InDelta(t, 4, sumOf(t, d, "enricher_retry_tier_gave_up_total"), 0)
		require.InDelta(t, 4, sumOf(t, d, "enricher_retry_gave_up_total"), 0)
		require.NoError(t, stopDelay())
		require.Empty(t, l.arrived("due"))
	})
}

// sumOf adds up a metric of a pipeline.
func sumOf(t *testing.T, p *pipeline.Pipeline, name string) (sum float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	p.Register(reg)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestCancelledRedialsAreDropped(t *testing.T) {
	cancelling := func(_ *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) { p.Cancels = "cancel" }
	inLoop(t, cancelling, func(l *loop) {
		put := func(key, value string) {
			r := &kgo.Record{Topic: "cancel", Key: []byte(key), Value: []byte(value)}
			if value == "" {
				r.Value = nil
			}
			require.NoError(t, l.source.ProduceSync(context.Background(), r).FirstErr())
		}
		put("before", "older than the call: does not concern it")
		time.Sleep(time.Second)
		l.watch("due")
		l.start(l.cfg)
		l.fail(
			call{id: "kept", to: "before", code: busyCode, attempt: "1"}, call{id: "dropped", to: "stop", code: busyCode, attempt: "1"},
			call{id: "taken back", to: "again", code: busyCode, attempt: "1"}, call{id: "dropped live", to: "live", code: busyCode, attempt: "1"},
		)
		time.Sleep(time.Second)
		put("stop", "he said no")
		put("again", "no")
		put("again", "")
		d, stop := l.start(l.delays("b")) // has to read them before anything comes due
		time.Sleep(5 * time.Second)
		put("live", "no")
		l.until("due", 2, time.Hour)
		time.Sleep(10 * time.Minute)
		require.NoError(t, stop())
		require.ElementsMatch(t, []string{"kept", "taken back"}, slices.Collect(maps.Keys(byID(l.arrived("due")))))
		totals := d.Ledger.Totals()
		require.EqualValues(t, 2, totals.Cancelled)
		require.True(t, totals.Conserved(), totals)
	})
}

// TestCancelsOnAddedPartitions: the control topic grew while the delay role ran.
func TestCancelsOnAddedPartitions(t *testing.T) {
	cancelling := func(_ *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) { p.Cancels = "cancel" }
	inLoop(t, cancelling, func(l *loop) {
		l.watch("due")
		l.start(l.cfg)
		d, stop := l.start(l.delays("b"))
		l.fail(call{id: "x", to: "no", code: busyCode, attempt: "1"})
		time.Sleep(time.Second)
		admin := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		_, err := kadm.NewClient(admin).UpdatePartitions(context.Background(), 2, "cancel")
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.NoError(t, admin.ProduceSync(context.Background(), &kgo.Record{Topic: "cancel", Partition: 1, Key: []byte("no"), Value: []byte("x")}).FirstErr())
		time.Sleep(time.Hour)
		require.NoError(t, stop())
		require.Empty(t, l.arrived("due"))
		require.EqualValues(t, 1, d.Ledger.Totals().Cancelled)
	})
}

// TestRail: however much comes due at once, only so many a second are let through.
func TestRail(t *testing.T) {
	const perSecond, n = 12, 240
	inLoop(t, func(_ *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) { p.DuePerSecond = perSecond }, func(l *loop) {
		l.watch("due")
		l.start(l.cfg)
		all := calls(n)
		for i := range all {
			if i%2 == 0 {
				all[i].ago = time.Hour // overdue
			}
		}
		l.fail(all...)
		time.Sleep(time.Hour) // now the others are as well, on larger tiers
		d, stop := l.start(l.delays("b"))
		due := l.until("due", n, time.Hour)
		require.NoError(t, stop())
		require.Len(t, byID(due), n)
		for i := range due {
			j := i
			for j < n && due[j].at.Sub(due[i].at) < time.Second {
				j++
			}
			require.LessOrEqual(t, j-i, perSecond*3/2, "within a second") // a grant may be used late, and a commit shows several at once
		}
		took := due[n-1].at.Sub(due[0].at)
		require.GreaterOrEqual(t, took, (n/perSecond-2)*time.Second)
		require.LessOrEqual(t, took, n/perSecond*5/4*time.Second, "shares of the rail are not used")
		require.Zero(t, d.Ledger.Totals().Moved, "written once more")
		require.True(t, d.Ledger.Totals().Conserved())
	})
}

// TestWindow: calls that fail just before it shuts come due after it has opened again, not all at once.
func TestWindow(t *testing.T) {
	inLoop(t, func(c *retry.Config, f *retry.FieldsConfig, _ *pipeline.Retry) {
		var err error
		c.Window, err = retry.NewWindow(retry.WindowConfig{From: 20*60 + 10, To: 20 * 60, Default: "Europe/Berlin", Spread: 30 * time.Minute})
		require.NoError(t, err)
		f.Zone = []string{"zone"}
	}, func(l *loop) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		time.Sleep(time.Until(time.Date(2000, 1, 3, 19, 59, 50, 0, berlin)))
		l.watch("due")
		l.start(l.cfg)
		l.start(l.delays("b"))
		l.fail(calls(30)...)
		due := l.until("due", 30, time.Hour)
		opening := time.Date(2000, 1, 3, 20, 10, 0, 0, berlin)
		first, last := due[0].at, due[0].at
		for _, a := range due {
			require.False(t, a.at.Before(opening), "%s at %v", a.id(), a.at)
			first, last = minTime(first, a.at), maxTime(last, a.at)
		}
		require.Greater(t, last.Sub(first), 10*time.Minute, "all at once")
		require.LessOrEqual(t, last.Sub(opening), 30*time.Minute+6*time.Second)
	})
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TestWhatIsNoRetryIsADeadLetter: somebody else wrote to a tier.
func TestWhatIsNoRetryIsADeadLetter(t *testing.T) {
	inLoop(t, nil, func(l *loop) {
		l.watch("dead", "due")
		d, stop := l.start(l.delays("b"))
		time.Sleep(time.Second) // topics are made
		require.NoError(t, l.source.ProduceSync(context.Background(), &kgo.Record{Topic: "tier-5s", Value: []byte("{}")}).FirstErr())
		dead := l.until("dead", 1, time.Minute)[0]
		require.NoError(t, stop())
		require.Equal(t, "not_a_retry", header(dead.Record, "dlq-reason"))
		require.NotEmpty(t, header(dead.Record, "dlq-error"))
		require.Empty(t, l.arrived("due"))
		require.True(t, d.Ledger.Totals().Conserved())
	})
}

func TestTiersThatWouldLoseRedialsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		setting, value string
		want           []string // nil: the start goes on
	}{
		"compacted":                         {"cleanup.policy", "compact", []string{`retry.tiers: topic "tier-2m" is compacted`, "kafka-configs.sh", "--add-config cleanup.policy=delete"}},
		"compacted and deleted":             {"cleanup.policy", "compact,delete", []string{"is compacted"}},
		"kept too short":                    {"retention.ms", "86639999", []string{`retry.tiers: topic "tier-2m" keeps records for`, "twice its wait of 2m0s and a day", "--add-config retention.ms=86640000"}},
		"kept for twice the wait and a day": {"retention.ms", "86640000", nil},
		"kept for ever":                     {"retention.ms", "-1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			inLoop(t, nil, func(l *loop) {
				admin := kadm.NewClient(l.client())
				for _, tier := range loopTiers() {
					_, err := admin.CreateTopic(context.Background(), 1, 1, nil, tier.Topic)
					require.NoError(t, err)
				}
				_, err := admin.AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: tc.setting, Value: &tc.value}}, "tier-2m")
				require.NoError(t, err)
				for _, cfg := range []pipeline.Config{l.cfg, l.delays("b")} {
					client := broker.NewClient(broker.Config{Brokers: l.addrs, Topics: cfg.AllTopics(), Dial: l.network.DialContext})
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					err := pipeline.New(cfg, client, zap.NewNop()).Run(ctx)
					cancel()
					client.Close()
					if tc.want == nil {
						require.NoError(t, err)
						continue
					}
					for _, part := range tc.want {
						require.ErrorContains(t, err, part)
					}
				}
			})
		})
	}
}

// attemptOf is the attempt in an enriched event.
func attemptOf(value []byte) int64 { return gjson.GetBytes(value, "hangup.retry.attempt").Int() }

// TestAStampAheadHoldsNobodyUp: somebody stamped a tier's record with a time that is still to come.
func TestAStampAheadHoldsNobodyUp(t *testing.T) {
	inLoop(t, nil, func(l *loop) {
		l.watch("due")
		l.start(l.cfg)
		_, stop := l.start(l.delays("b"))
		l.fail(call{id: "first", to: "1", code: busyCode, attempt: "1"})
		time.Sleep(time.Second)
		copied := l.fetchOne("tier-30s", "tier-2m", "tier-10m")
		copied.Timestamp = time.Now().Add(1000 * time.Hour)
		for i := range copied.Headers {
			if copied.Headers[i].Key == "id" {
				copied.Headers[i].Value = []byte("ahead")
			}
		}
		require.NoError(t, l.source.ProduceSync(context.Background(), copied).FirstErr())
		due := l.until("due", 2, time.Hour)
		require.NoError(t, stop())
		require.Len(t, byID(due), 2)
		for _, a := range due {
			require.False(t, a.at.Before(notBefore(t, a.Record)))
		}
	})
}

// fetchOne reads the first record that stands on any of the topics.
func (l *loop) fetchOne(topics ...string) *kgo.Record {
	l.t.Helper()
	cl := l.client(kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	records := cl.PollFetches(ctx).Records()
	require.NotEmpty(l.t, records)
	return &kgo.Record{Topic: records[0].Topic, Key: records[0].Key, Value: records[0].Value, Headers: records[0].Headers}
}

// TestADueRecordThatComesBackCountsOn: a dialer that hands the record back as it is, with the new
// attempt in the header and the old one in the event, is not for ever at its second call.
func TestADueRecordThatComesBackCountsOn(t *testing.T) {
	inLoop(t, nil, func(l *loop) {
		l.watch("due", "gave-up")
		l.start(l.cfg)
		_, stop := l.start(l.delays("b"))
		l.fail(call{id: "x", to: "1", code: busyCode, attempt: "1"})
		rounds := 0
		for len(l.arrived("gave-up")) == 0 {
			rounds++
			require.Less(t, rounds, 10, "called for ever")
			due := l.arrived("due")
			if len(due) < rounds {
				time.Sleep(10 * time.Minute)
				rounds--
				continue
			}
			back := due[rounds-1].Record
			require.Equal(t, strconv.Itoa(rounds+1), header(back, "hangup-attempt"))
			require.NoError(t, l.source.ProduceSync(context.Background(), &kgo.Record{Topic: "in", Key: back.Key, Value: back.Value, Headers: back.Headers}).FirstErr())
			time.Sleep(time.Second)
		}
		require.NoError(t, stop())
		require.Equal(t, "attempts_exhausted", header(l.arrived("gave-up")[0].Record, "hangup-gave-up"))
	})
}

// TestNothingComesDueOnStaleCancels: while the control topic cannot be read, everybody might have said no.
func TestNothingComesDueOnStaleCancels(t *testing.T) {
	cancelling := func(_ *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) { p.Cancels = "cancel" }
	inLoop(t, cancelling, func(l *loop) {
		var broken atomic.Bool
		l.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			l.cluster.KeepControl()
			f, ok := req.(*kmsg.FetchRequest)
			if !ok || !broken.Load() || !slices.ContainsFunc(f.Topics, func(t kmsg.FetchRequestTopic) bool { return t.Topic == "cancel" }) {
				return nil, nil, false
			}
			resp := f.ResponseKind().(*kmsg.FetchResponse)
			for _, t := range f.Topics {
				to := kmsg.NewFetchResponseTopic()
				to.Topic = t.Topic
				for _, p := range t.Partitions {
					part := kmsg.NewFetchResponseTopicPartition()
					part.Partition, part.ErrorCode = p.Partition, kerr.NotLeaderForPartition.Code
					to.Partitions = append(to.Partitions, part)
				}
				resp.Topics = append(resp.Topics, to)
			}
			return resp, nil, true
		})
		l.watch("due")
		l.start(l.cfg)
		_, stop := l.start(l.delays("b"))
		l.fail(call{id: "x", to: "1", code: busyCode, attempt: "1", ago: time.Hour})
		time.Sleep(2 * time.Second) // it stands in the smallest tier
		broken.Store(true)
		l.fail(call{id: "y", to: "2", code: busyCode, attempt: "1"})
		l.until("due", 1, time.Minute) // x: the last look is still fresh
		time.Sleep(2 * time.Hour)
		require.Len(t, l.arrived("due"), 1, "came due although nobody knows who said no")
		broken.Store(false)
		l.until("due", 2, time.Minute)
		require.NoError(t, stop())
	})
}

// TestTopicsThatAreMadeAreTaken: what kafka.create_topics makes is not refused at the next start, however long calls
// may be dialled again; and a due topic that forgets sooner is.
func TestTopicsThatAreMadeAreTaken(t *testing.T) {
	long := func(c *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) {
		c.MaxAge, p.MaxAge = 720*time.Hour, 720*time.Hour
	}
	inLoop(t, long, func(l *loop) {
		start := func() error {
			cfg := l.delays("b")
			cfg.Output, cfg.Retry.GaveUp = "made-due", "made-gave-up"
			client := broker.NewClient(broker.Config{Brokers: l.addrs, Topics: cfg.AllTopics(), Dial: l.network.DialContext})
			defer client.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return pipeline.New(cfg, client, zap.NewNop()).Run(ctx)
		}
		require.NoError(t, start())
		require.NoError(t, start())
		week := "604800000"
		_, err := kadm.NewClient(l.client()).AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &week}}, "made-due")
		require.NoError(t, err)
		require.ErrorContains(t, start(), `retry.due: topic "made-due" keeps records for 168h0m0s, which is less than retry.max_age of 720h0m0s`)
	})
}
