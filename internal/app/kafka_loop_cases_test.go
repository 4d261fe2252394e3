//go:build kafka

package app_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
)

// TestKafkaRetryLoopOptions: what else the loop promises, each on topics of its own, with filter and delay in one
// process.
func TestKafkaRetryLoopOptions(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	for name, test := range map[string]func(t *testing.T, c *kafkatest.Cluster){
		"cancel": cancelsOnKafka, "rail": railOnKafka, "refused": refusedOnKafka,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

// run starts both roles in one process.
func (w *loopWorld) run() *running {
	w.cfg.Roles = []config.Role{config.RoleFilter, config.RoleDelay}
	return start(w.t, w.cfg)
}

func cancelsOnKafka(t *testing.T, c *kafkatest.Cluster) {
	const n = 300
	w := newLoopWorld(t, c, "cancel.", []time.Duration{500 * time.Millisecond, 2 * time.Second})
	w.cfg.Retry.Cancel.Topic = "cancel.cancels"
	c.CreateTopic(t, w.cfg.Retry.Cancel.Topic, 2, "cleanup.policy", "compact")
	w.watch(w.cfg.Retry.Due)
	m := newMaker(t, w.cfg, 2)
	cancel := func(value []byte, of ...failure) {
		for i := range of {
			r := &kgo.Record{Topic: w.cfg.Retry.Cancel.Topic, Key: []byte(of[i].to), Value: value}
			require.NoError(t, w.source.ProduceSync(t.Context(), r).FirstErr())
		}
	}
	var all []failure
	for len(all) < n {
		if f := m.failing(time.Now().Add(15 * time.Second)); f.endedMS < time.Now().Add(-time.Minute).UnixMilli() {
			all = append(all, f) // a cancel concerns calls that have ended before it
		}
	}
	before, taken, during := all[:100], all[100:150], all[150:200]
	cancel([]byte("no more"), before...)
	cancel([]byte("no more"), taken...)
	cancel(nil, taken...) // and taken back
	r := w.run()
	require.NoError(t, w.send(all...))
	delay := r.app.Pipeline(pipeline.Delay)
	w.until("all wait", time.Minute, func() bool { return r.app.Pipeline(pipeline.Filter).Ledger.Totals().In == n })
	cancel([]byte("no more"), during...)

	w.until("all gone", time.Minute, func() bool {
		totals := delay.Ledger.Totals()
		return totals.Output+totals.Cancelled == n && w.count(w.cfg.Retry.Due) >= int(totals.Output)
	})
	w.until("nothing waits any more", time.Minute, w.drained)
	require.NoError(t, r.stop())
	require.EqualValues(t, len(before)+len(during), delay.Ledger.Totals().Cancelled)
	require.True(t, delay.Ledger.Totals().Conserved())
	var want, got []string
	for _, f := range slices.Concat(taken, all[200:]) {
		want = append(want, f.id)
	}
	for _, s := range w.all(w.cfg.Retry.Due) {
		got = append(got, string(s.Key))
	}
	require.ElementsMatch(t, want, got)
}

// The calls are all overdue at once, and come due one after the other.
func railOnKafka(t *testing.T, c *kafkatest.Cluster) {
	const n, perSecond = 400, 100
	w := newLoopWorld(t, c, "rail.", []time.Duration{500 * time.Millisecond, 2 * time.Second})
	w.cfg.Retry.DuePerSecond = perSecond
	w.watch(w.cfg.Retry.Due)
	m := newMaker(t, w.cfg, 3)
	var all []failure
	for range n {
		all = append(all, m.failing(time.Now().Add(-time.Minute)))
	}
	require.NoError(t, w.send(all...))
	r := w.run()
	w.until("all due", 2*time.Minute, func() bool { return w.count(w.cfg.Retry.Due) >= n })
	require.NoError(t, r.stop())

	due := w.all(w.cfg.Retry.Due)
	require.Len(t, due, n)
	slices.SortFunc(due, func(a, b sighting) int { return a.at.Compare(b.at) })
	most := 0
	for i := range due {
		j := i
		for j < n && due[j].at.Sub(due[i].at) < time.Second {
			j++
		}
		most = max(most, j-i)
	}
	took := due[n-1].at.Sub(due[0].at)
	t.Logf("%d overdue calls, %d a second allowed: at most %d within a second, all within %v", n, perSecond, most, took.Round(time.Millisecond))
	// Commits bundle: what two of them show may lie within one second.
	require.LessOrEqual(t, most, perSecond*5/4)
	require.GreaterOrEqual(t, took, n/perSecond*time.Second*3/4)
}

func refusedOnKafka(t *testing.T, c *kafkatest.Cluster) {
	w := newLoopWorld(t, c, "refused.", []time.Duration{500 * time.Millisecond})
	c.CreateTopic(t, "refused.wait-compacted", 1, "cleanup.policy", "compact")
	c.CreateTopic(t, "refused.wait-forgets", 1, "retention.ms", "3600000")
	w.cfg.Retry.Tiers = append(w.cfg.Retry.Tiers, config.Tier{Topic: "refused.wait-compacted", Wait: time.Minute}, config.Tier{Topic: "refused.wait-forgets", Wait: time.Hour})
	for _, role := range []config.Role{config.RoleFilter, config.RoleDelay} {
		w.cfg.Roles = []config.Role{role}
		a, err := app.New(w.cfg, zap.NewNop())
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err = a.Run(ctx)
		cancel()
		for _, part := range []string{
			`retry.tiers: topic "refused.wait-compacted" is compacted`, "--add-config cleanup.policy=delete",
			`retry.tiers: topic "refused.wait-forgets" keeps records for 1h0m0s`, "--add-config retention.ms=93600000",
		} {
			require.ErrorContains(t, err, part)
		}
		require.NotContains(t, err.Error(), "wait-500ms")
	}
}
