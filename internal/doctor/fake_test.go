package doctor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
)

// site is a cluster and a configuration for it.
type site struct {
	t      *testing.T
	cfg    *config.Config
	open   []string // where the test itself comes in
	client *kgo.Client
	adm    *kadm.Client
}

func siteOf(t *testing.T, brokers []string) *site {
	t.Helper()

	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Kafka.Instance = brokers, "one"
	cfg.Input.Topics, cfg.Input.Group = []string{"calls.raw"}, "enricher"
	cfg.Output.Topic, cfg.DeadLetter.Topic = "calls.enriched", "calls.dead"
	cfg.Routes = []config.Route{{Name: "retry", Topic: "calls.retry"}, {Name: "again", Topic: "calls.retry"}}

	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics())
	require.NoError(t, err)
	t.Cleanup(client.Close)

	return &site{t: t, cfg: cfg, open: brokers, client: client, adm: kadm.NewClient(client)}
}

// topics are those of the configuration.
func (s *site) topics() []string {
	return []string{"calls.raw", "calls.enriched", "calls.dead", "calls.retry"}
}

// used makes the group and the transactional id known, as a run of the filter does, and leaves lag of one
// record in partition 0.
func (s *site) used() {
	s.t.Helper()

	for range 3 {
		s.write("calls.raw", time.Now().Add(-time.Hour))
	}

	s.commit(2)
	s.transact()
}

func (s *site) write(topic string, at time.Time) {
	s.t.Helper()
	require.NoError(s.t, s.client.ProduceSync(s.t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("{}"), Timestamp: at}).FirstErr())
}

func (s *site) commit(offset int64) {
	s.t.Helper()

	o := kadm.Offsets{}
	o.AddOffset("calls.raw", 0, offset, -1)
	require.NoError(s.t, s.adm.CommitAllOffsets(s.t.Context(), s.cfg.Input.Group, o))
}

// transact runs a transaction of another id, so that the cluster has had one.
func (s *site) transact() {
	s.t.Helper()

	cl, err := kgo.NewClient(kgo.SeedBrokers(s.open...), kgo.TransactionalID("somebody"), kgo.DefaultProduceTopic("calls.dead"))
	require.NoError(s.t, err)
	defer cl.Close()

	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, cl.BeginTransaction())
	require.NoError(s.t, cl.ProduceSync(ctx, kgo.StringRecord("{}")).FirstErr())
	require.NoError(s.t, cl.EndTransaction(ctx, kgo.TryCommit))
}

func (s *site) run(opts ...doctor.Options) *doctor.Report {
	s.t.Helper()

	opt := doctor.Options{Timeout: 30 * time.Second}
	if len(opts) > 0 {
		opt = opts[0]
	}

	r, err := doctor.Run(s.t.Context(), s.cfg, opt)
	require.NoError(s.t, err)

	return r
}

// alter sets a topic's setting.
func (s *site) alter(topic, key, value string) {
	s.t.Helper()

	answers, err := s.adm.AlterTopicConfigs(s.t.Context(), []kadm.AlterConfig{{Name: key, Value: &value}}, topic)
	require.NoError(s.t, err)
	require.NoError(s.t, answers[0].Err)
}

// find is the one check of a name on something.
func find(t *testing.T, r *doctor.Report, check, on string) *doctor.Check {
	t.Helper()

	found := seek(r, check, on)
	require.Len(t, found, 1, "%s on %s in\n%s", check, on, list(r))

	return found[0]
}

// seek lists the checks of a name on something.
func seek(r *doctor.Report, check, on string) []*doctor.Check {
	var found []*doctor.Check
	for _, c := range r.Checks {
		if c.Check == check && strings.HasPrefix(c.On, on) {
			found = append(found, c)
		}
	}

	return found
}

// list shows a report in a failure.
func list(r *doctor.Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-11s %s | %s | %s\n", c.Status, c.Check, c.On, c.Found)
		for _, f := range c.Fix {
			fmt.Fprintf(&b, "      %s\n", f)
		}
	}

	return b.String()
}

// not lists the checks that did not come to a status.
func not(r *doctor.Report, s doctor.Status) []string {
	var others []string
	for _, c := range r.Checks {
		if c.Status != s {
			others = append(others, fmt.Sprintf("%s: %s on %s: %s", c.Status, c.Check, c.On, c.Found))
		}
	}

	return others
}

// fake is a cluster of three brokers with the configuration's topics.
func fake(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *site) {
	t.Helper()

	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(2, (&site{}).topics()...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)

	return c, siteOf(t, c.ListenAddrs())
}

// grow gives a topic more partitions.
func (s *site) grow(topic string, partitions int) {
	s.t.Helper()

	answers, err := s.adm.UpdatePartitions(s.t.Context(), partitions, topic)
	require.NoError(s.t, err)
	require.NoError(s.t, answers.Error())
}

// remake makes a topic anew, with so many replicas.
func (s *site) remake(c *kfake.Cluster, topic string, replicas int16) {
	s.t.Helper()
	require.NoError(s.t, c.DeleteTopic(topic))

	answers, err := s.adm.CreateTopics(s.t.Context(), 2, replicas, nil, topic)
	require.NoError(s.t, err)
	require.NoError(s.t, answers.Error())
}
