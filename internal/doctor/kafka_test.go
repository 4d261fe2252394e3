//go:build kafka

package doctor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
	"github.com/callstream/enricher/internal/kafkatest"
)

// patience bounds what a cluster takes to do what it has been told.
const patience = time.Minute

// start starts an Apache Kafka and makes a configuration for it with which nothing is wrong. With Options.Roles the
// doctor logs in there as the user of that name, who may do nothing yet.
func start(t *testing.T, opts kafkatest.Options) (*kafkatest.Cluster, *site) {
	t.Helper()

	c := kafkatest.Start(t, opts)
	s := siteOf(t, c.Addrs())

	for _, topic := range s.topics() {
		c.CreateTopic(t, topic, 2)
	}

	if opts.Roles {
		s.cfg.Kafka.Brokers = c.RoleAddrs(t)
		s.cfg.Kafka.SASL = config.SASL{Mechanism: config.Plain, Username: kafkatest.Doctor, PasswordFile: kafkatest.Secret(t, kafkatest.RolePassword)}
	}

	return c, s
}

// asFilter gives the doctor the rights of the filter in docs/security.md.
func asFilter(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	c.Give(t, kafkatest.Doctor, kafkatest.Filter, kafkatest.Names{
		"calls.raw": {"calls.raw"}, "calls.enriched": {"calls.enriched"}, "calls.dead": {"calls.dead"}, "calls.gave-up": nil,
		"calls.retry.": {"calls.retry"}, "calls.": {"calls."}, "enricher": {"enricher"}, "enricher/filter/": {"enricher/filter/"},
	})
}

// mend runs the lines of a check with Kafka's own tools.
func mend(t *testing.T, c *kafkatest.Cluster, s *site, check *doctor.Check) {
	t.Helper()
	require.NotEmpty(t, check.Fix)

	dir := t.TempDir()

	for _, line := range check.Fix {
		name, _, _ := strings.Cut(line, " ")

		switch name {
		case "#":
			continue
		case "echo":
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir = dir
			require.NoError(t, cmd.Run(), line)

			continue
		}

		tool := map[string]kafkatest.Tool{
			"kafka-topics.sh":              kafkatest.TopicCommand,
			"kafka-acls.sh":                kafkatest.ACLCommand,
			"kafka-consumer-groups.sh":     kafkatest.ConsumerGroupCommand,
			"kafka-configs.sh":             "kafka.admin.ConfigCommand",
			"kafka-reassign-partitions.sh": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
		}[name]
		require.NotEmpty(t, tool, line)

		args := strings.Fields(line)[1:]
		require.Equal(t, []string{"--bootstrap-server", strings.Join(s.cfg.Kafka.Brokers, ",")}, args[:2])

		args = args[2:]
		if i := slices.Index(args, "--reassignment-json-file"); i >= 0 {
			args[i+1] = filepath.Join(dir, args[i+1])
			_, err := os.Stat(args[i+1])
			require.NoError(t, err)
		}

		c.Run(t, tool, "", args...)
	}
}

// await looks until a report is as it should be. What was told to one broker a moment ago another may not know yet.
func (s *site) await(what string, good func(*doctor.Report) bool) {
	s.t.Helper()

	for end := time.Now().Add(patience); ; {
		r := s.run()
		if good(r) {
			return
		}

		require.True(s.t, time.Now().Before(end), "never %s:\n%s", what, list(r))
	}
}

// becomes waits until a check has a status. On a topic that does not seem to be there it is not made.
func (s *site) becomes(status doctor.Status, check, on string) *doctor.Check {
	s.t.Helper()

	var found []*doctor.Check

	s.await(string(status)+": "+check+" on "+on, func(r *doctor.Report) bool {
		found = seek(r, check, on)

		return len(found) == 1 && found[0].Status == status
	})

	return found[0]
}

// wrong is what is not well, but for the cluster's taking passwords in the clear.
func wrong(r *doctor.Report) []string {
	return slices.DeleteFunc(not(r, doctor.OK), func(line string) bool {
		return strings.HasPrefix(line, "warning: login on ") && strings.Contains(line, " as User:doctor by plain, ")
	})
}

func TestKafka(t *testing.T) {
	c, s := start(t, kafkatest.Options{Nodes: 3, HeapMB: 384, Roles: true})
	asFilter(t, c)
	c.Give(t, kafkatest.Doctor, kafkatest.Doctor, nil)

	t.Run("untouched", func(t *testing.T) {
		s.t = t
		r := s.run()
		require.ElementsMatch(t, []string{
			"not checked: rights on enricher (group): the cluster has had no group yet, and asking would make it create __consumer_offsets",
			"not checked: rights on enricher/filter/one (transactional id): the cluster has had no transaction yet, and asking would make it create __transaction_state",
		}, wrong(r), list(r))
		topics, err := s.adm.ListTopicsWithInternal(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, s.topics(), topics.Names(), "looking has made a topic")
	})

	s.t = t
	s.used()
	s.settle()

	t.Run("good", func(t *testing.T) {
		s.t = t
		before := s.state()
		r := s.run()
		require.Empty(t, wrong(r), list(r))
		require.EqualValues(t, 1, r.Lag[0].Records)
		require.NotNil(t, r.Lag[0].Oldest)
		s.cfg.Delivery = config.AtLeastOnce
		r = s.run()
		require.Empty(t, wrong(r), list(r))
		s.cfg.Delivery = config.ExactlyOnce
		require.Equal(t, before, s.state(), "looking has changed something")
	})

	breaks := map[string]struct {
		change    func()
		check, on string
		status    doctor.Status
	}{
		"topic missing":   {func() { s.remove("calls.enriched") }, "topic", "calls.enriched", doctor.Problem},
		"small messages":  {func() { s.alter("calls.enriched", "max.message.bytes", "1000") }, "message size", "calls.enriched", doctor.Warning},
		"min ISR of all":  {func() { s.alter("calls.dead", "min.insync.replicas", "3") }, "min ISR", "calls.dead", doctor.Warning},
		"short retention": {func() { s.alter("calls.raw", "retention.ms", "5400000") }, "retention", "calls.raw", doctor.Warning},
		"compacted":       {func() { s.alter("calls.enriched", "cleanup.policy", "compact") }, "cleanup", "calls.enriched", doctor.Warning},
		"beyond the end":  {func() { s.commit(9) }, "loss", "calls.raw", doctor.Problem},
		"one replica": {func() {
			s.remove("calls.retry")
			answers, err := s.adm.CreateTopics(t.Context(), 2, 1, nil, "calls.retry")
			require.NoError(t, err)
			require.NoError(t, answers.Error())
		}, "replicas", "calls.retry", doctor.Warning},
		"fewer partitions": {func() {
			s.remove("calls.enriched")
			c.CreateTopic(t, "calls.enriched", 1)
		}, "partitions", "calls.enriched", doctor.Warning},
	}
	for name, b := range breaks {
		t.Run(name, func(t *testing.T) {
			s.t = t
			b.change()
			check := s.becomes(b.status, b.check, b.on)
			t.Logf("%s: %s\n%s", check.Status, check.Found, strings.Join(check.Fix, "\n"))
			mend(t, c, s, check)

			if b.check == "topic" { // it is there then, and has other checks
				s.await("made", func(r *doctor.Report) bool { return !strings.Contains(list(r), "does not exist") })
			} else {
				s.becomes(doctor.OK, b.check, b.on)
			}
		})
	}

	t.Run("all mended", func(t *testing.T) {
		s.t = t
		s.await("mended", func(r *doctor.Report) bool { return len(wrong(r)) == 0 })
	})

	t.Run("deleted before being read", func(t *testing.T) {
		s.t = t
		s.commit(0)
		o := kadm.Offsets{}
		o.AddOffset("calls.raw", 0, 2, -1)
		_, err := s.adm.DeleteRecords(t.Context(), o)
		require.NoError(t, err)
		require.Contains(t, s.becomes(doctor.Problem, "loss", "calls.raw").Found, "2 records deleted before being read")
		s.commit(3)
		s.becomes(doctor.OK, "loss", "calls.raw")
	})

	t.Run("a broker is away", func(t *testing.T) {
		s.t = t
		c.Kill(t, 3)
		check := s.becomes(doctor.Warning, "connect", s.cfg.Kafka.Brokers[2])
		require.Equal(t, "connection refused: nothing listens there", check.Found)
		require.Contains(t, s.becomes(doctor.Warning, "replicas", "calls.raw").Found, "2 of 2 partitions lack some")
		c.Restart(t, 3)
		c.AwaitInSync(t)
		s.becomes(doctor.OK, "replicas", "calls.raw")
	})
}

// A right of the filter that is not there is found, and the printed command gives it.
func TestKafkaRights(t *testing.T) {
	c, s := start(t, kafkatest.Options{Roles: true})
	asFilter(t, c)
	s.used()

	tests := map[string]struct {
		right               kafkatest.Right
		check, on, contains string
	}{
		"input":            {kafkatest.Right{Operation: "Read", Kind: "topic", Name: "calls.raw"}, "topic", "calls.raw", "may not see it"},
		"output":           {kafkatest.Right{Operation: "Write", Kind: "topic", Name: "calls.enriched"}, "topic", "calls.enriched", "may not see it"},
		"group":            {kafkatest.Right{Operation: "Read", Kind: "group", Name: "enricher"}, "rights", "enricher (group)", "lacks Read"},
		"transactional id": {kafkatest.Right{Operation: "Write", Kind: "transactional-id", Name: "enricher/filter/", Prefixed: true}, "rights", "enricher/filter/one", "lacks Write, Describe"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s.t = t
			c.Disallow(t, kafkatest.Doctor, test.right)

			var check *doctor.Check

			s.await("closed", func(r *doctor.Report) bool {
				for _, c := range seek(r, test.check, test.on) {
					if c.Status == doctor.Problem {
						check = c
					}
				}

				return check != nil
			})
			require.Contains(t, check.Found, test.contains)
			t.Log(check.Found, check.Fix)
			mend(t, c, s, check)
			s.becomes(doctor.OK, "rights", test.on)
		})
	}
}

// With the filter's rights of docs/security.md and no others, nothing is found wrong. What it may not ask is said.
func TestKafkaRightsOfTheFilter(t *testing.T) {
	c, s := start(t, kafkatest.Options{Roles: true})
	s.used()
	asFilter(t, c)
	r := s.run()

	var unknown []*doctor.Check

	for _, check := range r.Checks {
		require.NotEqual(t, doctor.Problem, check.Status, list(r))

		if check.Check == "rights" {
			require.Equal(t, doctor.OK, check.Status, list(r))
		}

		if check.Status == doctor.NotChecked {
			unknown = append(unknown, check)
		}
	}

	require.ElementsMatch(t, []string{
		"clock of active controller", "session timeout of limits.session_timeout", "transaction timeout of kafka.transaction_timeout",
		"replicas of __consumer_offsets (internal)", "replicas of __transaction_state (internal)",
	}, names(unknown))
}

// Each of the doctor's own rights in docs/security.md is for some check: without it that one is not made, the others are, and
// nothing is said to be wrong. The command that is printed gives it back.
func TestKafkaRightsOfTheDoctor(t *testing.T) {
	c, s := start(t, kafkatest.Options{Roles: true})
	s.used()
	asFilter(t, c)
	c.Give(t, kafkatest.Doctor, kafkatest.Doctor, nil)
	s.await("given", func(r *doctor.Report) bool { return r.Count(doctor.NotChecked) == 0 })

	without := map[string][]string{
		"Describe on cluster kafka-cluster":        {"clock of active controller"},
		"DescribeConfigs on cluster kafka-cluster": {"session timeout of limits.session_timeout", "transaction timeout of kafka.transaction_timeout"},
		"Describe on topic __consumer_offsets":     {"replicas of __consumer_offsets (internal)"},
		"Describe on topic __transaction_state":    {"replicas of __transaction_state (internal)"},
	}

	all := kafkatest.Rights(t, kafkatest.Doctor)
	require.Len(t, all, len(without))

	for _, right := range all {
		t.Run(right.String(), func(t *testing.T) {
			s.t = t
			c.Disallow(t, kafkatest.Doctor, right)

			r := s.run()
			require.Zero(t, r.Count(doctor.Problem), list(r))

			var lacking []*doctor.Check
			for _, check := range r.Checks {
				if check.Status == doctor.NotChecked {
					lacking = append(lacking, check)
				}
			}

			require.Equal(t, without[right.String()], names(lacking), list(r))
			mend(t, c, s, lacking[0])
			s.await("given back", func(r *doctor.Report) bool { return r.Count(doctor.NotChecked) == 0 })
		})
	}
}

// names are what checks are about.
func names(checks []*doctor.Check) []string {
	all := make([]string, 0, len(checks))
	for _, check := range checks {
		all = append(all, check.Check+" of "+check.On)
	}

	return all
}

// state is what looking must not change, by a client that has nothing in its cache.
func (s *site) state() []any {
	s.t.Helper()

	s = siteOf(s.t, s.open)

	topics, err := s.adm.ListTopicsWithInternal(s.t.Context())
	require.NoError(s.t, err)
	ends, err := s.adm.ListEndOffsets(s.t.Context(), append(s.topics(), "__consumer_offsets", "__transaction_state")...)
	require.NoError(s.t, err)
	groups, err := s.adm.ListGroups(s.t.Context())
	require.NoError(s.t, err)
	ids, err := s.adm.ListTransactions(s.t.Context(), nil, nil)
	require.NoError(s.t, err)

	return []any{topics.Names(), ends.Offsets(), groups.Groups(), ids.TransactionalIDs()}
}

// settle waits until the brokers have finished the transactions that were ended.
func (s *site) settle() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		ids, err := s.adm.ListTransactions(s.t.Context(), nil, nil)
		if err != nil {
			return false
		}

		for _, txn := range ids.Sorted() {
			if txn.State != "CompleteCommit" {
				return false
			}
		}

		return len(ids) > 0
	}, patience, 100*time.Millisecond)
}

// remove deletes a topic and waits until it is gone.
func (s *site) remove(topic string) {
	s.t.Helper()

	_, err := s.adm.DeleteTopics(s.t.Context(), topic)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		topics, err := s.adm.ListTopics(s.t.Context(), topic)

		return err == nil && topics[topic].Err != nil
	}, patience, 100*time.Millisecond)
}
