//go:build kafka

package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/kafkatest"
)

// How long it takes until everything moves again. The figures are printed; the bounds that are
// asserted are aims with room for a busy machine.
func TestRecovery(t *testing.T) {
	if !long() {
		t.Skipf("takes minutes: %s=long runs it", envSize)
	}
	bin := build(t, t.TempDir(), nil)
	c := kafkatest.Start(t, kafkatest.Options{Nodes: numBrokers, HeapMB: 400, Roles: true, Proxied: true})
	const busy = 3 * time.Second
	for _, x := range []struct {
		name   string // without commas: it becomes a path, and log4j takes a comma for the end of one
		suffix string
		scale  bool // begin with one instead of three
		aim    time.Duration
		what   func(ctx context.Context, r *run, at func(time.Duration)) // calls at with how long to look
	}{
		{"kill -9 of one of two and back at once under its name", "-k", true, sessionTimeout + 2*time.Second, func(ctx context.Context, r *run, at func(time.Duration)) {
			r.second(ctx)
			at(15 * time.Second)
			r.f.kill("b")
			r.f.start("b")
		}},
		{"kill -9 of one of two and never back", "-n", true, transactionTimeout + 10*time.Second, func(ctx context.Context, r *run, at func(time.Duration)) {
			r.second(ctx)
			at(28 * time.Second)
			r.f.kill("b")
		}},
		{"rolling restart of three by SIGTERM", "-r", false, 2 * time.Second, func(ctx context.Context, r *run, at func(time.Duration)) {
			for _, name := range instances() {
				at(6 * time.Second)
				r.f.terminate(name)
				r.f.start(name)
				sleep(ctx, 6*time.Second)
			}
		}},
		{"kill -9 of a broker with broker.session.timeout.ms 9000", "-b", false, 9*time.Second + 5*time.Second, killOneBroker},
	} {
		t.Run(x.name, func(t *testing.T) { recovery(t, c, bin, x.suffix, x.scale, x.aim+busy, x.what) })
	}
	t.Run("kill -9 of a broker with broker.session.timeout.ms 3000", func(t *testing.T) {
		c := kafkatest.Start(t, kafkatest.Options{Nodes: numBrokers, HeapMB: 400, Roles: true, Proxied: true, Properties: map[string]string{"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}})
		recovery(t, c, bin, "", false, 5*time.Second+busy, killOneBroker)
	})
}

func killOneBroker(ctx context.Context, r *run, at func(time.Duration)) {
	r.brokers.Lock()
	defer r.brokers.Unlock()
	at(25 * time.Second)
	r.c.Kill(r.t, 2)
	sleep(ctx, 25*time.Second)
	r.c.Restart(r.t, 2)
	r.c.AwaitInSync(r.t)
}

// second starts another enricher and waits until it has partitions.
func (r *run) second(ctx context.Context) {
	r.f.start("b")
	if err := r.member(ctx, "b"); err != nil {
		r.f.complain("%v", err)
	}
	sleep(ctx, 2*time.Second)
}

func recovery(t *testing.T, c *kafkatest.Cluster, bin, suffix string, scale bool, bound time.Duration, what func(context.Context, *run, func(time.Duration))) {
	t.Helper()
	s := size{events: 40_000, rate: 1000, scale: scale}
	r := newRun(t, c, bin, suffix, 1, s)
	type span struct{ from, to time.Duration }
	var spans []span
	_, good := r.during(func(ctx context.Context) {
		sleep(ctx, 3*time.Second)
		what(ctx, r, func(length time.Duration) {
			now := time.Since(r.begun)
			spans = append(spans, span{now, now + length})
		})
	})
	require.True(t, good)
	for _, sp := range spans {
		commits, output := r.progress.recovered(sp.from, sp.to), r.visible.recovered(sp.from, sp.to)
		t.Logf("RECOVERY %s: every partition committed again after %.1fs, had new output for readers after %.1fs", t.Name(), commits.Seconds(), output.Seconds())
		require.LessOrEqual(t, max(commits, output), bound)
	}
}
