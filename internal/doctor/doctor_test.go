package doctor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
)

// good is a cluster with which nothing is wrong.
func good(t *testing.T) (*kfake.Cluster, *site) {
	t.Helper()

	c, s := fake(t, kfake.SeedTopics(2, "__consumer_offsets", "__transaction_state"), kfake.BrokerConfigs(map[string]string{"min.insync.replicas": "2"}))
	ticks(t, c, s, 0)
	s.used()

	return c, s
}

// ticks lets the cluster tell a time that is ahead of this machine's, as a KRaft controller does.
func ticks(t *testing.T, c *kfake.Cluster, s *site, ahead time.Duration) {
	t.Helper()

	own, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), s.client)
	require.NoError(t, err)

	add := func(k, most int16) {
		if !slices.ContainsFunc(own.ApiKeys, func(have kmsg.ApiVersionsResponseApiKey) bool { return have.ApiKey == k }) {
			key := kmsg.NewApiVersionsResponseApiKey()
			key.ApiKey, key.MaxVersion = k, most
			own.ApiKeys = append(own.ApiKeys, key)
		}
	}
	add(int16(kmsg.DescribeQuorum), 2)
	kversion.V2_8_0().EachMaxKeyVersion(add) // what the fake lacks makes it look older than it is

	c.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		if req.GetVersion() > own.Version {
			return nil, nil, false // the fake says which it has
		}

		resp := *own
		resp.SetVersion(req.GetVersion())

		return &resp, nil, true
	})
	c.ControlKey(int16(kmsg.DescribeQuorum), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		voter.ReplicaID, voter.LastCaughtUpTimestamp = 1, time.Now().Add(ahead).UnixMilli()
		other := voter
		other.ReplicaID, other.LastCaughtUpTimestamp = 0, 1
		p := kmsg.NewDescribeQuorumResponseTopicPartition()
		p.LeaderID, p.CurrentVoters = 1, []kmsg.DescribeQuorumResponseTopicPartitionReplicaState{other, voter}
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Topic, topic.Partitions = "__cluster_metadata", []kmsg.DescribeQuorumResponseTopicPartition{p}
		resp := kmsg.NewPtrDescribeQuorumResponse()
		resp.SetVersion(req.GetVersion())
		resp.Topics = append(resp.Topics, topic)

		return resp, nil, true
	})
}

func TestGoodCluster(t *testing.T) {
	t.Parallel()

	_, s := good(t)
	r := s.run()
	require.Empty(t, not(r, doctor.OK), list(r))
	require.Equal(t, doctor.OK, r.Status)
	require.Equal(t, len(r.Checks), r.Count(doctor.OK))
	require.Len(t, r.Lag, 2)
	require.EqualValues(t, 1, r.Lag[0].Records)
	require.WithinDuration(t, time.Now().Add(-time.Hour), *r.Lag[0].Oldest, time.Minute)
	require.EqualValues(t, -1, r.Lag[1].Committed)
}

// A batch that unpacks to very much is not unpacked for the time of its first record.
func TestAgeOfALargeBatch(t *testing.T) {
	t.Parallel()

	_, s := good(t)
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.open...), kgo.ProducerBatchMaxBytes(32<<20), kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer cl.Close()
	require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "calls.raw", Value: make([]byte, 20<<20)}).FirstErr())
	s.commit(3)

	r := s.run()
	require.EqualValues(t, 1, r.Lag[0].Records)
	require.Nil(t, r.Lag[0].Oldest)
}

// Looking changes nothing: the same requests as the start of a client, and none that writes.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()

	c, s := good(t)
	seen := map[string]bool{}
	c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
		seen[kmsg.NameForKey(req.Key())] = true

		return nil, nil, false
	})

	for _, delivery := range []config.Delivery{config.ExactlyOnce, config.AtLeastOnce} {
		s.cfg.Delivery = delivery
		require.Equal(t, doctor.OK, s.run().Status)
	}

	for _, reads := range []string{
		"Metadata", "DescribeConfigs", "DescribeGroups", "FindCoordinator", "ListOffsets", "OffsetFetch", "Fetch",
		"AddOffsetsToTxn", // with a producer id that nobody has
	} {
		require.True(t, seen[reads], reads)
		delete(seen, reads)
	}

	require.Empty(t, seen)
}

// A group or a transactional coordinator that nobody has asked for yet stays unasked.
func TestUntouchedCluster(t *testing.T) {
	t.Parallel()

	c, s := fake(t)
	c.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
		t.Error("this would make a broker create an internal topic")

		return nil, nil, false
	})

	r := s.run()
	require.Equal(t, doctor.NotChecked, find(t, r, "rights", "enricher (group)").Status)
	require.Equal(t, doctor.NotChecked, find(t, r, "rights", "enricher/filter/one").Status)
	require.Equal(t, doctor.NotChecked, find(t, r, "clock", "").Status)
	require.Equal(t, "nothing has been committed yet: the filter begins at earliest", find(t, r, "lag", "").Found)
}

func TestTopics(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		change      func(*kfake.Cluster, *site)
		check, on   string
		status      doctor.Status
		found, mend string
	}{
		"missing": {
			func(c *kfake.Cluster, s *site) { require.NoError(s.t, c.DeleteTopic("calls.enriched")) },
			"topic", "calls.enriched (output)", doctor.Problem, "does not exist", "kafka-topics.sh .*--create --topic calls.enriched --partitions 2 --replication-factor 3 --config min.insync.replicas=2$",
		},
		"missing input": {
			func(c *kfake.Cluster, s *site) { require.NoError(s.t, c.DeleteTopic("calls.raw")) },
			"topic", "calls.raw", doctor.Problem, "does not exist", "--topic calls.raw --partitions 12 ",
		},
		"lag of a missing input": {
			func(c *kfake.Cluster, s *site) { require.NoError(s.t, c.DeleteTopic("calls.raw")) },
			"lag", "enricher", doctor.NotChecked, "no input topic can be seen", "",
		},
		"missing, and made at the start": {
			func(c *kfake.Cluster, s *site) {
				s.cfg.Kafka.CreateTopics = true
				require.NoError(s.t, c.DeleteTopic("calls.dead"))
			},
			"topic", "calls.dead", doctor.OK, "the start makes it", "",
		},
		"fewer partitions": {
			func(_ *kfake.Cluster, s *site) { s.grow("calls.raw", 4) },
			"partitions", "calls.enriched", doctor.Warning, "2, the input 4: events are placed by the hash of their key", "--alter --topic calls.enriched --partitions 4",
		},
		"more partitions": {
			func(_ *kfake.Cluster, s *site) { s.grow("calls.enriched", 4) },
			"partitions", "calls.enriched", doctor.Warning, "4, the input 2", "",
		},
		"fewer partitions of dead letters": {
			func(_ *kfake.Cluster, s *site) { s.grow("calls.raw", 4) },
			"partitions", "calls.dead", doctor.OK, "by the hash", "",
		},
		"one replica": {
			func(c *kfake.Cluster, s *site) { s.remake(c, "calls.enriched", 1) },
			"replicas", "calls.enriched", doctor.Warning, "the loss of one broker loses events", "kafka-reassign-partitions.sh .*--execute",
		},
		"min ISR of all": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.enriched", "min.insync.replicas", "3") },
			"min ISR", "calls.enriched", doctor.Warning, "one broker down stops writing", "--entity-name calls.enriched --alter --add-config min.insync.replicas=2",
		},
		"min ISR of more than all": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.enriched", "min.insync.replicas", "4") },
			"min ISR", "calls.enriched", doctor.Problem, "none is ever acknowledged", "min.insync.replicas=2",
		},
		"min ISR of one": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.retry", "min.insync.replicas", "1") },
			"min ISR", "calls.retry", doctor.Warning, "acknowledged by 1 of 3 replicas", "min.insync.replicas=2",
		},
		"small messages": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.enriched", "max.message.bytes", "1000") },
			"message size", "calls.enriched", doctor.Warning, "is 1000, less than limits.batch_bytes .524288.*is a dead letter", "max.message.bytes=1048588",
		},
		"small messages and no dead letters": {
			func(_ *kfake.Cluster, s *site) {
				s.cfg.DeadLetter.Topic = ""
				s.alter("calls.enriched", "max.message.bytes", "1000")
			},
			"message size", "calls.enriched", doctor.Warning, "stops the filter", "max.message.bytes=1048588",
		},
		"larger input": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.raw", "max.message.bytes", "2000000") },
			"message size", "calls.enriched", doctor.Warning, "the input takes 2000000", "max.message.bytes=2000000",
		},
		"compacted output": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.enriched", "cleanup.policy", "compact") },
			"cleanup", "calls.enriched", doctor.Warning, "deletes the one before", "cleanup.policy=delete",
		},
		"compacted input": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.raw", "cleanup.policy", "compact,delete") },
			"cleanup", "calls.raw", doctor.Warning, "before it is read", "cleanup.policy=delete",
		},
		"short retention": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.raw", "retention.ms", "36000000") },
			"retention", "calls.raw", doctor.Warning, "keeps 10h; the oldest unread record is 1h(0m[0-9]s)? old .*loses events", "retention.ms=604800000",
		},
		"half of the retention is over": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.raw", "retention.ms", "7200000") },
			"retention", "calls.raw", doctor.Warning, "half of its time is over", "retention.ms=604800000",
		},
		"retention is over": {
			func(_ *kfake.Cluster, s *site) { s.alter("calls.raw", "retention.ms", "3000000") },
			"retention", "calls.raw", doctor.Problem, "deleted at any moment", "retention.ms=604800000",
		},
		"kept for ever": {
			func(_ *kfake.Cluster, s *site) {
				s.alter("calls.raw", "retention.ms", "-1")
				s.alter("calls.raw", "retention.bytes", "1000000")
			},
			"retention", "calls.raw", doctor.OK, "keeps for ever, and at most 1000000 bytes of a partition", "",
		},
		"lost": {
			func(c *kfake.Cluster, s *site) {
				s.commit(1)
				require.NoError(s.t, c.DeleteRecords("calls.raw", 0, 3))
			},
			"loss", "calls.raw", doctor.Problem, `^2 records deleted before being read: calls.raw/0 .committed 1, the log begins at 3.; input.on_out_of_range is earliest`, "retention.ms=",
		},
		"behind the end": {
			func(_ *kfake.Cluster, s *site) { s.commit(9) },
			"loss", "calls.raw", doctor.Problem, "committed 9, the log ends at 3", "kafka-consumer-groups.sh .*--to-earliest",
		},
		"all read": {
			func(_ *kfake.Cluster, s *site) { s.commit(3) },
			"lag", "enricher", doctor.OK, "^0 records in 1 partition; 1 partition without a committed offset: the filter begins at earliest$", "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, s := good(t)
			s.t = t
			test.change(c, s)
			r := s.run()
			check := find(t, r, test.check, test.on)
			require.Equal(t, test.status, check.Status, list(r))
			require.Regexp(t, test.found, check.Found)

			if test.mend == "" {
				require.Empty(t, check.Fix)
			} else {
				require.Regexp(t, test.mend, check.Fix[len(check.Fix)-1])
			}
		})
	}
}

// What the retry loop wants of its topics.
func TestFurtherRoles(t *testing.T) {
	t.Parallel()

	c, s := good(t)
	look := func(role doctor.Role, keep time.Duration) *doctor.Report {
		return s.run(doctor.Options{Subjects: []doctor.Subject{{Topic: "calls.raw", Role: doctor.Input}, {Topic: "calls.retry", Role: role, Keep: keep}}})
	}
	require.Equal(t, doctor.OK, look(doctor.Due, 0).Status)
	require.Equal(t, doctor.OK, find(t, look(doctor.Tier, 24*time.Hour), "retention", "calls.retry (retry tier)").Status)

	short := find(t, look(doctor.Tier, 30*24*time.Hour), "retention", "calls.retry")
	require.Equal(t, doctor.Problem, short.Status)
	require.Equal(t, "keeps 7 days, and has to keep 30 days", short.Found)
	require.Contains(t, short.Fix[0], "retention.ms=2592000000")

	s.alter("calls.retry", "cleanup.policy", "compact")
	require.Equal(t, doctor.OK, find(t, look(doctor.Cancel, 0), "cleanup", "calls.retry").Status)
	require.Equal(t, doctor.Problem, find(t, look(doctor.Tier, 0), "cleanup", "calls.retry").Status)

	require.NoError(t, c.DeleteTopic("calls.retry"))
	require.Contains(t, find(t, look(doctor.Cancel, 0), "topic", "calls.retry").Fix[0], " --config min.insync.replicas=2 --config cleanup.policy=compact")
	require.Contains(t, find(t, look(doctor.Tier, 30*24*time.Hour), "topic", "calls.retry").Fix[0], " --config retention.ms=2592000000")
}

func TestClock(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		ahead  time.Duration
		status doctor.Status
		found  string
	}{
		"a little":     {time.Second, doctor.OK, "within 1"},
		"ahead":        {30 * time.Second, doctor.Warning, "ahead of this machine's"},
		"behind":       {-30 * time.Second, doctor.Warning, "behind this machine's"},
		"another zone": {-2 * time.Hour, doctor.Problem, "it is 2h behind"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, s := fake(t)
			ticks(t, c, s, test.ahead)
			check := find(t, s.run(), "clock", "")
			require.Equal(t, test.status, check.Status, check.Found)
			require.Contains(t, check.Found, test.found)
			require.Equal(t, test.status != doctor.OK, len(check.Fix) > 0)
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()

	_, s := fake(t, kfake.BrokerConfigs(map[string]string{"transaction.max.timeout.ms": "10000"}))
	s.cfg.Limits.SessionTimeout = 6 * time.Minute
	r := s.run()

	session := find(t, r, "session timeout", "")
	require.Equal(t, doctor.Problem, session.Status)
	require.Equal(t, "6m, and the brokers take 6s to 5m: joining the group fails", session.Found)
	require.Equal(t, "# in the configuration: limits: {session_timeout: 5m}", session.Fix[0])

	transaction := find(t, r, "transaction timeout", "")
	require.Equal(t, doctor.Problem, transaction.Status)
	require.Equal(t, "# in the configuration: kafka: {transaction_timeout: 10s}", transaction.Fix[0])
	require.Equal(t, doctor.Problem, r.Status)
}
