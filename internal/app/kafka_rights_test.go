//go:build kafka

package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/replay"
)

// rightsWorld is a cluster on which nobody may do anything but what is documented.
type rightsWorld struct {
	t    *testing.T
	c    *kafkatest.Cluster
	open *kgo.Client // who may do all
	adm  *kadm.Client
	fed  int
}

func newRightsWorld(t *testing.T) *rightsWorld {
	t.Helper()
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	for _, name := range []string{"calls.raw", "calls.enriched", "calls.dead", "calls.gave-up", "calls.due", "calls.retry.1s", "calls.retry.2s"} {
		c.CreateTopic(t, name, 1, "retention.ms", "-1")
	}
	c.CreateTopic(t, "calls.cancel", 1, "cleanup.policy", "compact")
	open, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(t, err)
	t.Cleanup(open.Close)
	for _, role := range []string{kafkatest.Filter, kafkatest.Delay, kafkatest.Replay} {
		c.Give(t, role, role, nil)
	}
	return &rightsWorld{t: t, c: c, open: open, adm: kadm.NewClient(open)}
}

// site is the configuration of a role.
func (w *rightsWorld) site(role string) *secureSite {
	cfg := config.Default()
	logInAs(w.t, cfg, w.c, role)
	cfg.Kafka.Instance = "one"
	cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic, cfg.DeadLetter.Topic = []string{"calls.raw"}, "enricher", "calls.enriched", "calls.dead"
	cfg.Roles = []config.Role{config.Role(role)}
	cfg.Retry.Tiers = []config.Tier{{Topic: "calls.retry.1s", Wait: time.Second}, {Topic: "calls.retry.2s", Wait: 2 * time.Second}}
	cfg.Retry.Due, cfg.Retry.GaveUp, cfg.Retry.Cancel.Topic = "calls.due", "calls.gave-up", "calls.cancel"
	cfg.Limits.CommitInterval, cfg.Limits.SessionTimeout = 50*time.Millisecond, 6*time.Second
	cfg.Ops.Listen, cfg.Ops.Page = "", ""
	return &secureSite{t: w.t, c: w.c, cfg: cfg, open: w.open}
}

// logInAs makes a configuration be that of somebody whose rights a cluster looks at.
func logInAs(t *testing.T, cfg *config.Config, c *kafkatest.Cluster, user string) {
	t.Helper()
	cfg.Kafka.Brokers = c.RoleAddrs(t)
	cfg.Kafka.SASL = config.SASL{Mechanism: config.Plain, Username: user, PasswordFile: kafkatest.Secret(t, kafkatest.RolePassword)}
}

// feed sends one event of each kind: one that is dialled again at once, one that is given up, one that is no
// event.
func (w *rightsWorld) feed() {
	w.t.Helper()
	w.fed++
	at := time.Now().Add(-time.Hour)
	event := func(attempt int) []byte {
		return fmt.Appendf(nil, `{"CallUUID":"%d","HangupCauseCode":"3010","Direction":"outbound","hangup_attempt":%d}`, w.fed, attempt)
	}
	require.NoError(w.t, w.open.ProduceSync(w.t.Context(),
		&kgo.Record{Topic: "calls.raw", Value: event(1), Timestamp: at},
		&kgo.Record{Topic: "calls.raw", Value: event(90), Timestamp: at},
		&kgo.Record{Topic: "calls.raw", Value: fmt.Appendf(nil, "no event %d", w.fed)},
	).FirstErr())
}

// counts are the committed records of a topic.
func (w *rightsWorld) count(topic string) int {
	w.t.Helper()
	ends, err := w.adm.ListCommittedOffsets(w.t.Context(), topic)
	require.NoError(w.t, err)
	end, _ := ends.Lookup(topic, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.c.Addrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	require.NoError(w.t, err)
	defer cl.Close()
	n := 0
	for at := int64(0); at < end.Offset; {
		fetches := cl.PollFetches(w.t.Context())
		require.NoError(w.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() && r.Offset < end.Offset {
				n++
			}
		})
	}
	return n
}

func (w *rightsWorld) reach(topic string, n int) {
	w.t.Helper()
	for begun := time.Now(); w.count(topic) < n; time.Sleep(100 * time.Millisecond) {
		require.Less(w.t, time.Since(begun), time.Minute, "%s has %d of %d", topic, w.count(topic), n)
	}
	require.Equal(w.t, n, w.count(topic), topic)
}

// TestKafkaRightsByRole runs the roles and the replay under the rights that docs/security.md lists and no
// other. Then it takes each away, first from a process that runs: that ends with an error that
// names it, unless it has no use for it (idleRights), and so does the next start; when it is back, everything comes out once.
func TestKafkaRightsByRole(t *testing.T) {
	w := newRightsWorld(t)
	filter, delay := w.site("filter"), w.site("delay")
	w.feed()
	f, d := filter.run(), delay.run()
	w.reach("calls.enriched", 2)
	w.reach("calls.dead", 1)
	w.reach("calls.gave-up", 1)
	w.reach("calls.due", 1)
	d.finish()
	f.finish()
	for _, r := range []*atWork{f, d} {
		require.Equal(t, 1, r.logs.FilterLevelExact(zap.WarnLevel).Len(), text(r.logs, zap.WarnLevel))
		require.Contains(t, text(r.logs, zap.WarnLevel), "kafka.tls.enabled is false") // as it is, for these logins
	}

	for _, r := range kafkatest.Rights(t, kafkatest.Filter) {
		if !t.Run("filter without "+r.String(), func(t *testing.T) {
			w.t, filter.t = t, t
			w.without("filter", r, filter, func() {
				w.reach("calls.enriched", 2*w.fed)
				w.reach("calls.dead", w.fed)
				w.reach("calls.gave-up", w.fed)
			})
		}) {
			return // what follows would only repeat it
		}
	}
	for _, r := range kafkatest.Rights(t, kafkatest.Delay) {
		if !t.Run("delay without "+r.String(), func(t *testing.T) {
			w.t, delay.t, filter.t = t, t, t
			f := filter.run()
			w.without("delay", r, delay, func() { w.reach("calls.due", w.fed) })
			f.finish()
		}) {
			return // as above
		}
	}
	w.t = t
	t.Run("replay", w.replay)
}

// idleRights are those that a running process can do without, as long as it gets what feed gives; each with what
// it does then. Without any other it has to end. Without any at all it does not start.
func idleRights(role string) map[string]func(r *atWork, done func()) {
	if role != "delay" {
		return nil // feed has something for each topic of the filter
	}
	goesOn := func(_ *atWork, done func()) { done() }
	return map[string]func(*atWork, func()){
		"Write on topic calls.retry.":  goesOn, // what is due at once goes to no further tier
		"Write on topic calls.gave-up": goesOn, // what has too many attempts the filter gives up
		"Write on topic calls.dead":    goesOn, // the filter puts nothing into a tier that is no order
		"Read on topic calls.cancel": func(r *atWork, _ func()) { // the exception that is documented
			require.Eventually(r.t, func() bool { return strings.Contains(text(r.logs, zap.WarnLevel), "cannot read the cancel records") },
				time.Minute, 100*time.Millisecond)
		},
	}
}

// without runs a role, takes a right, and gives it back. done waits until all that was fed has come out.
func (w *rightsWorld) without(role string, r kafkatest.Right, s *secureSite, done func()) {
	w.t.Helper()
	running := s.run()
	done()
	w.c.Disallow(w.t, role, r)
	w.feed()
	if r.Operation == "DescribeConfigs" { // one can do without it
		done()
		running.finish()
		running = s.run()
		w.feed()
		done()
		running.finish()
		require.Contains(w.t, text(running.logs, zap.WarnLevel), "DESCRIBE_CONFIGS")
		w.c.Allow(w.t, role, r)
		return
	}
	var said []string
	if without, idle := idleRights(role)[r.String()]; idle {
		without(running, done)
		running.finish()
	} else {
		said = append(said, running.failure())
	}
	for _, err := range append(said, s.run().failure()) {
		w.t.Log(err)
		require.Contains(w.t, strings.ToUpper(err), strings.ToUpper(r.Operation), r)
		require.Contains(w.t, err, strings.TrimSuffix(r.Name, "."), r)
	}
	w.c.Allow(w.t, role, r)
	again := s.run()
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Log("the last run: " + text(again.logs, zap.InfoLevel))
		}
	})
	done()
	again.finish()
}

// replay gives the dead letters back; each right that is missing is said, and the letters are given back
// once when it is there again.
func (w *rightsWorld) replay(t *testing.T) {
	w.t = t
	cfg := w.site("replay").cfg
	cfg.Roles = []config.Role{config.RoleFilter}
	run := func() (int64, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := replay.Open(ctx, cfg, replay.Options{From: "calls.dead", MaxReplays: 1})
		if err != nil {
			return 0, err
		}
		defer r.Close()
		report, err := r.Run(ctx, nil)
		if err != nil {
			return 0, err
		}
		return report.Replayed, nil
	}
	raw := w.count("calls.raw")
	for _, r := range kafkatest.Rights(t, kafkatest.Replay) {
		w.c.Disallow(w.t, "replay", r)
		n, err := run()
		t.Logf("without %s: %d, %v", r, n, err)
		require.Error(t, err, r)
		require.Contains(t, err.Error(), strings.TrimSuffix(r.Name, "."), r)
		require.Contains(t, strings.ToUpper(err.Error()), strings.ToUpper(r.Operation), r)
		require.Equal(t, raw, w.count("calls.raw"))
		w.c.Allow(w.t, "replay", r)
	}
	n, err := run()
	require.NoError(t, err)
	require.EqualValues(t, w.fed, n)
	w.reach("calls.raw", raw+w.fed) // the markers come after the answer
}
