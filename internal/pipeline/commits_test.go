package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
)

// A commit that is refused again and again is asked for more and more seldom, and said once in ten seconds.
func TestCommitThatIsRefusedIsNotRushed(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	w.put(busy)
	const tries = 6
	refused := make(chan time.Time, 1000)
	refusing := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: -1, When: func(kmsg.Request) bool {
		refused <- time.Now()
		return true
	}})
	core, logs := observer.New(zap.WarnLevel)
	client := broker.NewClient(broker.Config{Brokers: w.addrs, ClientID: "filter", Topics: w.cfg.AllTopics()})
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pipeline.New(w.cfg, client, zap.New(core)).Run(ctx) }()

	begun := time.Now()
	first := <-refused
	var last time.Time
	for range tries - 1 {
		last = <-refused
	}
	require.GreaterOrEqual(t, last.Sub(first), 2*w.cfg.CommitInterval*(1+2+4+8)+time.Second, "with pauses of 2, 4, 8 and 16 intervals, and then of a second")
	refusing.Remove()
	w.until("committed", func() bool { return w.committed() == 1 })
	said := logs.FilterMessage("commit failed, trying again")
	require.Contains(t, said.All()[0].ContextMap()["error"], `commit offsets of group "g": `)
	require.LessOrEqual(t, said.Len(), 1+int(time.Since(begun)/(10*time.Second)), "%v", said.All())
	cancel()
	require.NoError(t, <-ended)
}

// Without the right to commit the filter ends, and says what is missing.
func TestCommitThatIsForbiddenEnds(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		for name, tc := range map[string]struct {
			err  *kerr.Error
			want string
		}{
			"group": {kerr.GroupAuthorizationFailed, `allow READ on group "g"`},
			"topic": {kerr.TopicAuthorizationFailed, `allow READ on topic "in"`},
		} {
			t.Run(name, func(t *testing.T) {
				c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
				w := worldOf(t, c.ListenAddrs())
				w.cfg.ExactlyOnce = exactly
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit}, Err: tc.err, Count: -1})
				w.put(busy)
				f := w.start(w.cfg)
				w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
				err := f.stop()
				require.ErrorContains(t, err, "commit offsets")
				require.ErrorContains(t, err, tc.want)
				require.NotContains(t, err.Error(), "\n")
			})
		}
	})
}
