package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
)

// patient is a doctor that has asked already: a cluster of three brokers and one topic.
func patient(parts ...kmsg.MetadataResponseTopicPartition) (*doctor, *topicFacts) {
	cfg := config.Default()
	cfg.Kafka.Brokers = []string{"k:1"}
	cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic = []string{"in"}, "g", "out"

	t := &topicFacts{partitions: parts, settings: settings{}}

	return &doctor{
		cfg: cfg, opt: Options{Now: time.Now}, report: &Report{}, instance: "one",
		subjects: Subjects(cfg), nodes: []kmsg.MetadataResponseBroker{{NodeID: 1}, {NodeID: 2}, {NodeID: 3}},
		topics:   map[string]*topicFacts{"in": t, "out": t},
		settings: map[int32]settings{},
	}, t
}

func part(number, leader int32, replicas, inSync []int32) kmsg.MetadataResponseTopicPartition {
	return kmsg.MetadataResponseTopicPartition{Partition: number, Leader: leader, Replicas: replicas, ISR: inSync}
}

// last is the check that was noted last.
func (d *doctor) last() *Check { return d.report.Checks[len(d.report.Checks)-1] }

func TestReplicas(t *testing.T) {
	t.Parallel()

	three, two, one := []int32{1, 2, 3}, []int32{1, 2}, []int32{2}
	tests := map[string]struct {
		parts  []kmsg.MetadataResponseTopicPartition
		nodes  int
		status Status
		found  string
		fix    string
	}{
		"good":       {[]kmsg.MetadataResponseTopicPartition{part(0, 1, three, three)}, 3, OK, "3 of each partition", ""},
		"leaderless": {[]kmsg.MetadataResponseTopicPartition{part(0, 1, three, three), part(1, -1, three, one)}, 3, Problem, "1 of 2 partitions have no leader: nothing", "--unavailable-partitions"},
		"behind":     {[]kmsg.MetadataResponseTopicPartition{part(0, 1, three, two)}, 3, Warning, "1 of 1 partitions lack some of theirs", "--under-replicated-partitions"},
		"one broker": {[]kmsg.MetadataResponseTopicPartition{part(0, 2, one, one)}, 1, Warning, "the cluster has one broker", ""},
		"one replica": {
			[]kmsg.MetadataResponseTopicPartition{part(0, 2, one, one), part(1, 2, one, one)},
			3, Warning, "the loss of one broker loses events",
			"--reassignment-json-file out.replicas.json --execute",
		},
		"one replica of some": {[]kmsg.MetadataResponseTopicPartition{part(0, 1, three, three), part(1, 2, one, one)}, 3, Warning, "1 of each partition", "--execute"},
		"one replica of many": {slices.Repeat([]kmsg.MetadataResponseTopicPartition{part(0, 2, one, one)}, longestPlan+1), 3, Warning, "1 of each", "# give each partition 3 replicas"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			d, facts := patient(test.parts...)
			d.nodes = d.nodes[:test.nodes]
			d.replicas(Subject{Topic: "out", Role: Output}, facts)
			require.Equal(t, test.status, d.last().Status)
			require.Contains(t, d.last().Found, test.found)
			require.Contains(t, strings.Join(d.last().Fix, "\n"), test.fix)
			require.Equal(t, test.fix == "", len(d.last().Fix) == 0)
		})
	}
}

// A plan keeps the replicas that are there, and spreads the others.
func TestReplicationPlan(t *testing.T) {
	t.Parallel()

	d, _ := patient()
	lines := d.replicate("out", []kmsg.MetadataResponseTopicPartition{part(0, 2, []int32{2}, nil), part(1, 3, []int32{3}, nil)}, 2)
	require.Equal(t, `echo '{"version":1,"partitions":[{"topic":"out","partition":0,"replicas":[2,1]},{"topic":"out","partition":1,"replicas":[3,2]}]}' > out.replicas.json`, lines[0])
}

// Brokers that leave settings out, and topics whose rights they do not tell.
func TestWhatIsNotTold(t *testing.T) {
	t.Parallel()

	d, facts := patient(part(0, 1, []int32{1, 2}, []int32{1, 2}))
	facts.operations = -1 << 31
	s := Subject{Topic: "out", Role: Output, Keep: time.Hour}
	d.rights(s, facts)
	d.minISR(s, facts)
	d.messageSize(s, facts)
	d.cleanup(s, facts)
	d.keep(s, facts)
	d.cancels(s, facts, "delete")
	d.inputRetention(s, nil)
	d.sessionTimeout()
	d.transactionTimeout()
	d.topics[offsetsTopic] = &topicFacts{err: kerr.UnknownTopicOrPartition}
	d.brokersTopic(offsetsTopic, "offsets.topic.replication.factor", "")
	require.Len(t, d.report.Checks, 10)

	for _, c := range d.report.Checks {
		require.Equal(t, NotChecked, c.Status, c)
	}

	require.Equal(t, NotChecked, d.worst())
}

// A right is the remedy only where one lacks.
func TestSettingsThatCannotBeRead(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		err   error
		right bool
	}{
		"the topic is refused":     {kerr.TopicAuthorizationFailed, true},
		"the cluster is refused":   {fmt.Errorf("broker 1: %w", kerr.ClusterAuthorizationFailed), true},
		"the connection died":      {io.ErrUnexpectedEOF, false},
		"no answer in time":        {context.DeadlineExceeded, false},
		"another error of Kafka's": {kerr.UnknownServerError, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			d, facts := patient(part(0, 1, []int32{1, 2, 3}, []int32{1, 2, 3}))
			facts.denied, d.denied = test.err, test.err

			d.topic(t.Context(), Subject{Topic: "out", Role: Output})
			topic := d.last()
			d.sessionTimeout()
			session := d.last()

			for check, on := range map[*Check]string{topic: "--topic out", session: "--cluster"} {
				require.Equal(t, NotChecked, check.Status)
				require.Contains(t, check.Found, test.err.Error())

				if test.right {
					require.Len(t, check.Fix, 1)
					require.Contains(t, check.Fix[0], "--operation DescribeConfigs "+on)
				} else {
					require.Empty(t, check.Fix)
				}
			}
		})
	}
}

// The brokers' own topics before they are made.
func TestInternalTopicsToCome(t *testing.T) {
	t.Parallel()

	const replicas, inSync = "transaction.state.log.replication.factor", "transaction.state.log.min.isr"

	tests := map[string]struct {
		settings settings
		nodes    int
		status   Status
		found    string
	}{
		"good":         {settings{replicas: "3", inSync: "2"}, 3, OK, "not made yet; it will have 3"},
		"impossible":   {settings{replicas: "3", inSync: "2"}, 1, Problem, "is 3 and there are 1 brokers: it cannot be made"},
		"never in ISR": {settings{replicas: "1", inSync: "2"}, 3, Problem, "nothing is ever written"},
		"one":          {settings{replicas: "1", inSync: "1"}, 3, Warning, "the loss of one broker"},
		"one broker":   {settings{replicas: "1", inSync: "1"}, 1, Warning, "the cluster has one broker"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			d, _ := patient()
			d.nodes = d.nodes[:test.nodes]
			d.settings[1] = test.settings
			d.topics[transactionsTopic] = &topicFacts{err: kerr.UnknownTopicOrPartition}
			d.brokersTopic(transactionsTopic, replicas, inSync)
			require.Equal(t, test.status, d.last().Status, d.last().Found)
			require.Contains(t, d.last().Found, test.found)
		})
	}
}

// Brokers may be set differently: the strictest counts.
func TestStrictestBrokerCounts(t *testing.T) {
	t.Parallel()

	d, _ := patient()
	d.settings[1] = settings{"group.min.session.timeout.ms": "6000", "group.max.session.timeout.ms": "300000"}
	d.settings[2] = settings{"group.min.session.timeout.ms": "12000", "group.max.session.timeout.ms": "60000"}
	d.sessionTimeout()
	require.Equal(t, "10s, and the brokers take 12s to 1m: joining the group fails", d.last().Found)
	require.Equal(t, Problem, d.worst())
}

func TestMembers(t *testing.T) {
	t.Parallel()

	d, _ := patient()
	member := []kmsg.DescribeGroupsResponseGroupMember{{MemberID: "m"}}
	d.members(&kmsg.DescribeGroupsResponseGroup{Group: "g", State: "Stable", ProtocolType: "consumer", Members: member})
	require.Equal(t, &Check{Check: "members", On: "g (group)", Status: OK, Found: "1, stable"}, d.last())
	d.members(&kmsg.DescribeGroupsResponseGroup{Group: "g", State: "Stable", ProtocolType: "connect", Members: member})
	require.Equal(t, Problem, d.last().Status)
	require.Contains(t, d.last().Found, `1 of type "connect"`)
}

func TestWhyNot(t *testing.T) {
	t.Parallel()

	tests := map[string]error{
		"connection refused":      fmt.Errorf("dial: %w", syscall.ECONNREFUSED),
		"its certificate expired": fmt.Errorf("unable to dial: %w", &login.Error{Address: "kafka:9092", Text: "its certificate expired"}),
		"no answer in time":       fmt.Errorf("read: %w", context.DeadlineExceeded),
		"something else":          errors.New("something else"),
	}
	for want, err := range tests {
		d, _ := patient()
		require.Contains(t, d.whyNot("kafka:9092", err), want)
	}
}

// The name in commands is the one that the brokers know the program by.
func TestPrincipal(t *testing.T) {
	t.Parallel()

	ca := kafkatest.NewAuthority(t, "cluster")
	cert := ca.Issue(t, "enricher")
	own := config.TLS{Enabled: true, CertFile: cert.File, KeyFile: cert.KeyFile}

	for want, k := range map[string]config.Kafka{
		"User:ANONYMOUS":                  {},
		"User:alice":                      {TLS: own, SASL: config.SASL{Mechanism: config.Plain, Username: "alice"}},
		"User:SUBJECT-OF-THE-TOKEN":       {SASL: config.SASL{Mechanism: config.OAuthBearer}},
		"User:ARN-OF-THE-ROLE":            {SASL: config.SASL{Mechanism: config.AWSMSKIAM}},
		"User:CN=enricher":                {TLS: own},
		"User:SUBJECT-OF-THE-CERTIFICATE": {TLS: config.TLS{Enabled: true, CertFile: "nowhere", KeyFile: "nowhere"}},
	} {
		d, _ := patient()
		d.cfg.Kafka = k
		require.Equal(t, want, d.principal())
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()

	require.True(t, harmless(kerr.InvalidProducerIDMapping))
	require.True(t, harmless(kerr.GroupAuthorizationFailed))
	require.False(t, harmless(kerr.TransactionalIDAuthorizationFailed))
	require.False(t, harmless(nil), "a transaction of a producer that nobody has")
}

func TestSpan(t *testing.T) {
	t.Parallel()

	for d, want := range map[time.Duration]string{
		0:                       "0s",
		1500 * time.Microsecond: "2ms",
		90 * time.Second:        "1m30s",
		time.Minute:             "1m",
		10 * time.Minute:        "10m",
		time.Hour:               "1h",
		10 * time.Hour:          "10h",
		25*time.Hour + 1:        "25h",
		time.Hour + time.Second: "1h0m1s",
		7 * 24 * time.Hour:      "7 days",
		60 * time.Hour:          "2.5 days",
	} {
		require.Equal(t, want, span(d))
	}

	require.Equal(t, "for ever", spanOrEver(-1))
}

func TestSome(t *testing.T) {
	t.Parallel()

	require.Equal(t, "a, b, c", some([]string{"a", "b", "c"}))
	require.Equal(t, "a, b, c and 2 more", some([]string{"a", "b", "c", "d", "e"}))
}

// Each topic once, whatever it is for.
func TestSubjects(t *testing.T) {
	t.Parallel()

	cfg := config.Default()
	cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic, cfg.DeadLetter.Topic = []string{"a", "b"}, "g", "out", "dead"
	cfg.Routes = []config.Route{{Topic: "retry"}, {Topic: "dead"}, {Topic: "retry"}}
	require.Equal(t, []Subject{
		{Topic: "a", Role: Input}, {Topic: "b", Role: Input}, {Topic: "out", Role: Output}, {Topic: "retry", Role: Route}, {Topic: "dead", Role: Route},
	}, Subjects(cfg))
	require.Equal(t, []member{{"g", "filter"}}, members(cfg))

	cfg.Retry.Tiers = []config.Tier{{Topic: "5s", Wait: 5 * time.Second}, {Topic: "6h", Wait: 6 * time.Hour}}
	cfg.Retry.Due, cfg.Retry.GaveUp, cfg.Retry.Cancel.Topic, cfg.Retry.MaxAge = "due", "gave_up", "cancel", 72*time.Hour
	require.Equal(t, []Subject{
		{Topic: "5s", Role: Tier, Keep: 24*time.Hour + 10*time.Second, Want: 72*time.Hour + 5*time.Second},
		{Topic: "6h", Role: Tier, Keep: 36 * time.Hour, Want: 78 * time.Hour},
		{Topic: "due", Role: Due, Keep: 96 * time.Hour},
		{Topic: "gave_up", Role: GaveUp, Keep: 96 * time.Hour},
		{Topic: "cancel", Role: Cancel, Keep: 72 * time.Hour},
	}, Subjects(cfg)[5:])
	require.Equal(t, []member{{"g", "filter"}, {"g.delay", "delay"}}, members(cfg))
	require.Equal(t, "g.delay/delay/", members(cfg)[1].prefix())
}

func TestTooOld(t *testing.T) {
	t.Parallel()

	for version, want := range map[string]bool{
		"Kafka between 1.0 and 1.1": true, "Kafka 2.7": true, "Kafka between 2.7 and 2.8": false, "Kafka 2.8": false, "Kafka 3.0": false, "Kafka at least 4.1": false,
		"Kafka not even 0.8.0": true, "Kafka unknown custom version": false, "Kafka 99999999999999999999.1": false, "Kafka 1.99999999999999999999": false,
	} {
		require.Equal(t, want, tooOld(version), version)
	}
}
