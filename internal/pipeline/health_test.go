package pipeline_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/pipeline"
)

// What docs/operations.md says of /readyz and /livez, state by state. Each line of its table is one of these.
func TestHealthInEachState(t *testing.T) {
	const grace = 8 * time.Second // a session timeout of 6 s, a commit interval, and what comes between
	ready := func(t *testing.T, p *pipeline.Pipeline) {
		t.Helper()
		require.Equal(t, pipeline.Running, p.State())
		require.Empty(t, p.Unready(time.Now()))
		require.Empty(t, p.Wedged(time.Now()))
	}
	unready := func(t *testing.T, p *pipeline.Pipeline, why string) {
		t.Helper()
		require.Contains(t, p.Unready(time.Now()), why)
		require.Empty(t, p.Wedged(time.Now()), "a restart would not help")
	}
	// outage makes requests fail, and tells what is said at once, after a while, and when it is over.
	outage := func(t *testing.T, l *loop, p *pipeline.Pipeline, fault kfake.Fault, why string) {
		t.Helper()
		fault.Count = -1
		down := l.cluster.Fault(fault)
		l.fail(calls(3)...)
		time.Sleep(3 * time.Second)
		ready(t, p)
		time.Sleep(grace)
		unready(t, p, why)
		time.Sleep(2 * time.Minute)
		unready(t, p, why)
		down.Remove()
		time.Sleep(5 * time.Second)
		ready(t, p)
	}
	for name, walk := range map[string]func(t *testing.T, l *loop){
		"starting": func(t *testing.T, l *loop) {
			down := l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
			p, _ := l.start(l.cfg)
			time.Sleep(time.Second)
			unready(t, p, "checking topics and rights")
			down.Remove()
			time.Sleep(10 * time.Second)
			ready(t, p)
		},
		"waiting for the group": func(t *testing.T, l *loop) {
			down := l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			p, _ := l.start(l.cfg)
			time.Sleep(20 * time.Second)
			unready(t, p, "waiting for the group")
			down.Remove()
			time.Sleep(10 * time.Second)
			ready(t, p)
		},
		"idle": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			ready(t, p)
			time.Sleep(time.Hour)
			ready(t, p)
		},
		"no partitions": func(t *testing.T, l *loop) {
			var all []*pipeline.Pipeline
			for _, name := range []string{"a", "b", "c", "d"} { // one more than partitions
				cfg := l.cfg
				cfg.Instance = name
				p, _ := l.start(cfg)
				all = append(all, p)
			}
			time.Sleep(time.Minute)
			without := 0
			for _, p := range all {
				ready(t, p)
				if len(p.Lags()) == 0 {
					without++
				}
			}
			require.Equal(t, 1, without)
		},
		"the brokers do not answer fetches": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			outage(t, l, p, kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.KafkaStorageError}, "partitions cannot be read for ")
		},
		"a partition without a leader": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			outage(t, l, p, kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "in", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable}, "1 of 3 partitions cannot be read for ")
		},
		"the output topic is down": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			outage(t, l, p, kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.NotEnoughReplicas}, "not acknowledged on out")
		},
		"the dead-letter topic is down": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			down := l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "dead", Err: kerr.NotEnoughReplicas, Count: -1})
			require.NoError(t, l.source.ProduceSync(context.Background(), &kgo.Record{Topic: "in", Value: []byte("{")}).FirstErr())
			time.Sleep(grace)
			unready(t, p, "not acknowledged on dead")
			down.Remove()
			time.Sleep(5 * time.Second)
			ready(t, p)
		},
		"the transaction coordinator does not answer": func(t *testing.T, l *loop) {
			p, _ := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			down := l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			l.fail(calls(3)...)
			time.Sleep(grace)
			unready(t, p, "what was processed has not been committed for ")
			down.Remove()
			time.Sleep(time.Minute)
			ready(t, p)
		},
		"draining": func(t *testing.T, l *loop) {
			p, stop := l.start(l.cfg)
			time.Sleep(10 * time.Second)
			down := l.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "out", Err: kerr.NotEnoughReplicas, Count: -1})
			l.fail(calls(3)...)
			time.Sleep(time.Second)
			stopped := make(chan error, 1)
			go func() { stopped <- stop() }()
			time.Sleep(time.Second)
			require.Equal(t, pipeline.Draining, p.State())
			unready(t, p, "finishing what is in flight")
			down.Remove()
			require.NoError(t, <-stopped)
			unready(t, p, "stopped")
		},
		"fenced": func(t *testing.T, l *loop) {
			client := broker.NewClient(broker.Config{Brokers: l.addrs, ClientID: "twin", Dial: l.network.DialContext})
			defer client.Close()
			twin := client.NewTransaction("g/filter/a", 10*time.Second)
			cfg := l.cfg
			fclient := broker.NewClient(broker.Config{Brokers: l.addrs, ClientID: "a", Topics: cfg.AllTopics(), Dial: l.network.DialContext})
			defer fclient.Close()
			p := pipeline.New(cfg, fclient, zap.NewNop())
			done := make(chan error, 1)
			go func() { done <- p.Run(context.Background()) }()
			time.Sleep(10 * time.Second)
			ready(t, p)
			for { // as a twin that has work of its own would
				require.NoError(t, twin.Begin(context.Background()))
				l.fail(calls(1)...)
				time.Sleep(2 * time.Second)
				select {
				case err := <-done:
					require.ErrorIs(t, err, broker.ErrTwin)
					require.Positive(t, sumOf(t, p, "enricher_transaction_fences_total"))
					require.Positive(t, sumOf(t, p, "enricher_transaction_aborts_total"))
					unready(t, p, "stopped")
					return
				default:
				}
			}
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoop(t, nil)
				defer l.close()
				walk(t, l)
			})
		})
	}
}
