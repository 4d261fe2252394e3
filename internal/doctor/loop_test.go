package doctor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
)

// looped is a good cluster with a retry loop, in which a call has waited in calls.5s.
func looped(t *testing.T) (*kfake.Cluster, *site) {
	t.Helper()

	c, s := good(t)
	r := &s.cfg.Retry
	r.Tiers = []config.Tier{{Topic: "calls.5s", Wait: 5 * time.Second}, {Topic: "calls.1h", Wait: time.Hour}}
	r.Due, r.GaveUp, r.Cancel.Topic = "calls.due", "calls.gave-up", "calls.cancel"

	answers, err := s.adm.CreateTopics(t.Context(), 2, 3, nil, "calls.5s", "calls.1h", r.Due, r.GaveUp, r.Cancel.Topic)
	require.NoError(t, err)
	require.NoError(t, answers.Error())
	s.alter(r.Cancel.Topic, "cleanup.policy", "compact")
	s.write("calls.5s", time.Now().Add(-time.Minute))
	s.hold(1)

	return c, s
}

// hold commits for the delay role.
func (s *site) hold(offset int64) {
	s.t.Helper()

	o := kadm.Offsets{}
	o.AddOffset("calls.5s", 0, offset, -1)
	require.NoError(s.t, s.adm.CommitAllOffsets(s.t.Context(), s.cfg.DelayGroup(), o))
}

func TestGoodLoop(t *testing.T) {
	t.Parallel()

	_, s := looped(t)
	r := s.run()
	require.Empty(t, not(r, doctor.OK), list(r))
	require.Equal(t, "0 records in 1 partition; 3 partitions without a committed offset: the delay role begins at earliest", find(t, r, "lag", "enricher.delay (group)").Found)
	require.Contains(t, find(t, r, "lag", "enricher (group)").Found, "1 record in 1 partition")
	require.Equal(t, "keeps 7 days", find(t, r, "retention", "calls.due (due)").Found)

	groups := map[string]int{}
	for _, l := range r.Lag {
		groups[l.Group+" "+l.Topic]++
	}

	require.Equal(t, map[string]int{"enricher calls.raw": 2, "enricher.delay calls.5s": 2, "enricher.delay calls.1h": 2}, groups)
}

func TestLoop(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		change      func(*kfake.Cluster, *site)
		check, on   string
		status      doctor.Status
		found, mend string
	}{
		"redials wait": {
			func(_ *kfake.Cluster, s *site) {
				s.write("calls.5s", time.Now().Add(-90*time.Minute))
				s.write("calls.5s", time.Now())
			},
			"lag", "enricher.delay (group)", doctor.OK, "^2 records in 1 partition, most in calls.5s/0: 2, the oldest 1h30m.* old;", "",
		},
		"redials lost": {
			func(c *kfake.Cluster, s *site) {
				s.write("calls.5s", time.Now())
				s.write("calls.5s", time.Now())
				require.NoError(s.t, c.DeleteRecords("calls.5s", 0, 3))
			},
			"loss", "calls.5s", doctor.Problem, `^2 redials deleted before being read: calls.5s/0 .committed 1, the log begins at 3.; the delay role goes on where the log begins$`, "--entity-name calls.5s .*retention.ms=604800000",
		},
		"redials lost, and they may be old": {
			func(c *kfake.Cluster, s *site) {
				s.cfg.Retry.MaxAge = 20 * 24 * time.Hour
				s.write("calls.5s", time.Now())
				require.NoError(s.t, c.DeleteRecords("calls.5s", 0, 2))
			},
			"loss", "calls.5s", doctor.Problem, "^1 redial deleted", "retention.ms=1728005000",
		},
		"tier made anew": {
			func(_ *kfake.Cluster, s *site) { s.hold(9) },
			"loss", "calls.5s", doctor.Problem, "committed 9, the log ends at 1", "--group enricher.delay --topic calls.5s --reset-offsets",
		},
		"no tier": {
			func(c *kfake.Cluster, s *site) {
				require.NoError(s.t, c.DeleteTopic("calls.5s"))
				require.NoError(s.t, c.DeleteTopic("calls.1h"))
			},
			"lag", "enricher.delay (group)", doctor.NotChecked, "^no retry tier can be seen$", "",
		},
		"compacted tier": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.1h", "cleanup.policy", "compact") },
			"cleanup", "calls.1h", doctor.Problem, "deletes one that still waits", "cleanup.policy=delete",
		},
		"compacted due": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.due", "cleanup.policy", "compact,delete") },
			"cleanup", "calls.due", doctor.Problem, "deletes one that nobody has read yet", "cleanup.policy=delete",
		},
		"compacted gave up": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.gave-up", "cleanup.policy", "compact") },
			"cleanup", "calls.gave-up", doctor.Problem, "deletes one that nobody has read yet", "cleanup.policy=delete",
		},
		"short due": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.due", "retention.ms", "100800000") },
			"retention", "calls.due", doctor.Problem, "^keeps 28h, and has to keep 2 days: its records have the time of their call$", "retention.ms=172800000",
		},
		"due of old calls": {
			func(_ *kfake.Cluster, s *site) { s.cfg.Retry.MaxAge = 7 * 24 * time.Hour },
			"retention", "calls.due", doctor.Problem, "has to keep 8 days", "retention.ms=691200000",
		},
		"short gave up": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.gave-up", "retention.ms", "100800000") },
			"retention", "calls.gave-up", doctor.Problem, "has to keep 2 days", "retention.ms=172800000",
		},
		"due kept for ever": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.due", "retention.ms", "-1") },
			"retention", "calls.due", doctor.OK, "^keeps for ever$", "",
		},
		"short tier": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.1h", "retention.ms", "90000000") },
			"retention", "calls.1h", doctor.Problem, "^keeps 25h, and has to keep 26h$", "retention.ms=93600000",
		},
		"tier of old calls": {
			func(_ *kfake.Cluster, s *site) { s.cfg.Retry.MaxAge = 10 * 24 * time.Hour },
			"retention", "calls.1h", doctor.Warning, "^keeps 7 days: while the delay role stands still a redial may stay for 10.0 days", "retention.ms=867600000",
		},
		"bounded tier": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.1h", "retention.bytes", "1000000") },
			"retention", "calls.1h", doctor.Warning, "^keeps 7 days; and at most 1000000 bytes of a partition", "--entity-name calls.1h .*retention.bytes=-1",
		},
		"bounded and short tier": {
			func(_ *kfake.Cluster, s *site) {
				s.alter("calls.1h", "retention.bytes", "1000000")
				s.alter("calls.1h", "retention.ms", "90000000")
			},
			"retention", "calls.1h", doctor.Problem, "has to keep 26h; and at most", "retention.bytes=-1",
		},
		"cancels kept by time": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.cancel", "cleanup.policy", "delete") },
			"cleanup", "calls.cancel", doctor.Warning, "^delete: every record of a key is kept", "cleanup.policy=compact",
		},
		"cancels forgotten": {
			func(_ *kfake.Cluster, s *site) {
				s.alter("calls.cancel", "cleanup.policy", "delete")
				s.alter("calls.cancel", "retention.ms", "3600000")
			},
			"cleanup", "calls.cancel", doctor.Problem, "^delete: what was cancelled is forgotten after 1h, and redials live for 24h .retry.max_age.$", "cleanup.policy=compact",
		},
		"cancels kept by key and forgotten": {
			func(_ *kfake.Cluster, s *site) {
				s.alter("calls.cancel", "cleanup.policy", "compact,delete")
				s.alter("calls.cancel", "retention.ms", "3600000")
			},
			"cleanup", "calls.cancel", doctor.Problem, "^compact,delete: what was cancelled is forgotten after 1h", "cleanup.policy=compact",
		},
		"cancels kept by key and time": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.cancel", "cleanup.policy", "compact,delete") },
			"cleanup", "calls.cancel", doctor.OK, "^compact,delete: the last record", "",
		},
		"due missing": {
			func(c *kfake.Cluster, s *site) { require.NoError(s.t, c.DeleteTopic("calls.due")) },
			"topic", "calls.due", doctor.Problem, "does not exist", "--config retention.ms=604800000$",
		},
		"cancels missing": {
			func(c *kfake.Cluster, s *site) { require.NoError(s.t, c.DeleteTopic("calls.cancel")) },
			"topic", "calls.cancel", doctor.Problem, "does not exist", "--config cleanup.policy=compact$",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, s := looped(t)
			test.change(c, s)
			r := s.run()
			check := find(t, r, test.check, test.on)
			require.Equal(t, test.status, check.Status, list(r))
			require.Regexp(t, test.found, check.Found)

			if test.mend == "" {
				require.Empty(t, check.Fix)
			} else {
				require.NotEmpty(t, check.Fix)
				require.Regexp(t, test.mend, check.Fix[len(check.Fix)-1])
			}
		})
	}
}
