//go:build kafka

package pipeline_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/route"
)

// site is a world of its own, topics and group, in a cluster that several share.
type site struct {
	*world

	cluster *kafkatest.Cluster
	adm     *kadm.Client
	in, out string
	retry   string
}

// settle makes a site whose names end alike.
func settle(t *testing.T, c *kafkatest.Cluster, exactly bool, suffix string) *site {
	t.Helper()
	w := onKafka(t, c)
	s := &site{world: w, cluster: c, adm: kadm.NewClient(w.client()), in: "in" + suffix, out: "out" + suffix, retry: "retry" + suffix}
	w.cfg.ExactlyOnce, w.cfg.Group = exactly, "g"+suffix
	w.cfg.Topics, w.cfg.Output, w.cfg.DeadLetter, w.cfg.Routes[0].Topic = []string{s.in}, s.out, "dead"+suffix, s.retry
	c.CreateTopic(t, w.cfg.DeadLetter, 1)
	return s
}

// plain is a site with ordinary topics.
func plain(t *testing.T, c *kafkatest.Cluster, exactly bool, suffix string, partitions int32) *site {
	t.Helper()
	s := settle(t, c, exactly, suffix)
	topics(t, c, map[string]int32{s.in: partitions, s.out: partitions, s.retry: partitions})
	return s
}

// inBoth runs a test in both deliveries, with names that differ.
func inBoth(t *testing.T, f func(t *testing.T, exactly bool, suffix string)) {
	t.Helper()
	both(t, func(t *testing.T, exactly bool) {
		f(t, exactly, map[bool]string{false: "-alo", true: "-eos"}[exactly])
	})
}

// send produces values to one partition of the input.
func (s *site) send(partition int32, values ...string) {
	s.t.Helper()
	cl := s.client(kgo.DefaultProduceTopic(s.in), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer cl.Close()
	records := make([]*kgo.Record, 0, len(values))
	for _, v := range values {
		records = append(records, &kgo.Record{Partition: partition, Value: []byte(v)})
	}
	require.NoError(s.t, cl.ProduceSync(s.t.Context(), records...).FirstErr())
}

// at is the committed offset of one partition, or -1.
func (s *site) at(partition int32) int64 {
	offsets, err := s.adm.FetchOffsets(s.t.Context(), s.cfg.Group)
	if err != nil {
		return -1
	}
	if o, ok := offsets.Lookup(s.in, partition); ok {
		return o.At
	}
	return -1
}

// done tells whether all of n partitions are committed to their ends.
func done(f *watched, n int) bool {
	lags := f.Lags()
	for _, l := range lags {
		if l.Records != 0 {
			return false
		}
	}
	return len(lags) == n
}

// whole requires that events from up to n came out on a topic, and nothing else; once each if
// that was promised.
func (s *site) whole(topic string, from, n int, once bool) {
	s.t.Helper()
	got := times(s.all(topic))
	for i := from; i < n; i++ {
		id := "call-" + strconv.Itoa(i)
		require.Positive(s.t, got[id], "%s is missing on %s", id, topic)
		if once {
			require.Equal(s.t, 1, got[id], "%s on %s", id, topic)
		}
	}
	require.Len(s.t, got, n-from, topic)
}

// configure sets one configuration of a topic.
func (s *site) configure(topic, name, value string) {
	s.t.Helper()
	answers, err := s.adm.AlterTopicConfigs(s.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	require.NoError(s.t, err)
	require.NoError(s.t, answers[0].Err)
}

// delete deletes a topic and waits until it is gone.
func (s *site) delete(topic string) {
	s.t.Helper()
	answers, err := s.adm.DeleteTopics(s.t.Context(), topic)
	require.NoError(s.t, err)
	require.NoError(s.t, answers.Error())
	s.until(topic+" is gone", func() bool {
		listed, err := s.adm.ListTopics(s.t.Context(), topic)
		return err == nil && !listed.Has(topic)
	})
}

// Where the broker stamps the input, a batch's records have one time: that of its arrival. It
// goes to an output whose times are the producer's; one that is stamped as well has its own.
func TestKafkaLogAppendTime(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	const stamped = 1 // the attribute for LogAppendTime
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := settle(t, c, exactly, suffix)
		c.CreateTopic(t, s.in, 1, "message.timestamp.type", "LogAppendTime")
		c.CreateTopic(t, s.out, 1, "message.timestamp.type", "CreateTime")
		c.CreateTopic(t, s.retry, 1, "message.timestamp.type", "LogAppendTime")
		const n, batches = 300, 3
		events := numbered(0, n)
		for b, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.ZstdCompression(), kgo.GzipCompression()} {
			cl := s.client(kgo.DefaultProduceTopic(s.in), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
			var records []*kgo.Record
			for i := b * n / batches; i < (b+1)*n/batches; i++ {
				records = append(records, &kgo.Record{Value: []byte(events[i]), Timestamp: time.UnixMilli(1_700_000_000_000 + int64(i))})
			}
			require.NoError(t, cl.ProduceSync(t.Context(), records...).FirstErr())
			cl.Close()
		}
		input := s.all(s.in)
		require.Len(t, input, n)
		for _, r := range input {
			require.EqualValues(t, stamped, r.Attrs.TimestampType(), "the input is not what it should be")
			require.Greater(t, r.Timestamp.UnixMilli(), int64(1_700_000_001_000))
		}
		require.Equal(t, input[0].Timestamp, input[n/batches-1].Timestamp, "one batch, one time")

		f := s.watch(s.cfg)
		s.until("committed", func() bool { return s.at(0) == n && done(f, 1) })
		require.NoError(t, f.stop())
		require.EqualValues(t, n, f.Ledger.Totals().In)
		require.True(t, f.Ledger.Totals().Conserved())
		for i, r := range s.all(s.out) {
			require.Zero(t, r.Attrs.TimestampType())
			require.Equal(t, input[i].Timestamp.UnixMilli(), r.Timestamp.UnixMilli(), "record %d", i)
		}
		for i, r := range s.all(s.retry) {
			require.EqualValues(t, stamped, r.Attrs.TimestampType())
			require.GreaterOrEqual(t, r.Timestamp.UnixMilli(), input[i].Timestamp.UnixMilli(), "record %d", i)
		}
		s.whole(s.out, 0, n, true)
		s.whole(s.retry, 0, n, true)
	})
}

// What the log cleaner leaves of a topic has gaps inside batches and between them, emptied
// batches, and markers of transactions whose records are gone.
func TestKafkaCompactedInput(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true, Properties: map[string]string{"log.cleaner.backoff.ms": "50", "log.cleaner.dedupe.buffer.size": "8388608"}})
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := settle(t, c, exactly, suffix)
		c.CreateTopic(t, s.in, 1, "cleanup.policy", "compact", "segment.ms", "1000", "min.cleanable.dirty.ratio", "0.0001",
			"delete.retention.ms", "0", "min.compaction.lag.ms", "0", "max.compaction.lag.ms", "100")
		topics(t, c, map[string]int32{s.out: 2, s.retry: 1})
		const keys, rounds = 20, 15
		// A segment ends where the records' own time has gone on by segment.ms. Markers have the
		// broker's time, so the records are of the minutes to come.
		begun := time.Now()
		at := func(round int) time.Time { return begun.Add(time.Duration(round+1) * 10 * time.Second) }
		left := map[string]string{} // what remains: value by key
		event := func(round, key int) *kgo.Record {
			k := fmt.Sprintf("key-%d", key)
			return &kgo.Record{Key: []byte(k), Value: []byte(numbered(round*keys+key, 1)[0]), Timestamp: at(round)}
		}
		for round := range rounds {
			opts := []kgo.Opt{kgo.DefaultProduceTopic(s.in), kgo.ProducerLinger(10 * time.Millisecond)}
			if round%5 == 3 {
				cl := s.client(append(opts, kgo.TransactionalID("source"+suffix))...)
				for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
					require.NoError(t, cl.BeginTransaction())
					for key := 0; key < keys; key += 2 {
						r := event(round, key)
						if end == kgo.TryAbort {
							r.Value = []byte(`{"never":"seen"}`)
						} else {
							left[string(r.Key)] = string(r.Value)
						}
						require.NoError(t, cl.ProduceSync(t.Context(), r).FirstErr())
					}
					require.NoError(t, cl.EndTransaction(t.Context(), end))
				}
				cl.Close()
				continue
			}
			cl := s.client(opts...)
			var batch []*kgo.Record
			for key := range keys {
				if (key+round)%3 == 0 {
					continue // the others are left behind, in the middle of a batch
				}
				r := event(round, key)
				left[string(r.Key)] = string(r.Value)
				batch = append(batch, r)
			}
			require.NoError(t, cl.ProduceSync(t.Context(), batch...).FirstErr())
			cl.Close()
		}
		// The last segment is not cleaned.
		cl := s.client(kgo.DefaultProduceTopic(s.in))
		last := &kgo.Record{Key: []byte("last"), Value: []byte(busy), Timestamp: at(rounds + 1)}
		require.NoError(t, cl.ProduceSync(t.Context(), last).FirstErr())
		left["last"] = busy

		var remain []*kgo.Record
		s.until("the log is cleaned", func() bool {
			remain = s.all(s.in)
			return len(remain) == len(left)
		})
		gaps := 0
		for i, r := range remain {
			require.Equal(t, left[string(r.Key)], string(r.Value), "the input is not what it should be")
			if i > 0 && r.Offset > remain[i-1].Offset+1 {
				gaps++
			}
		}
		require.Greater(t, gaps, 3, "gaps")
		require.Positive(t, remain[0].Offset)

		f := s.watch(s.cfg)
		s.until("committed to the end", func() bool { return s.at(0) == last.Offset+1 && done(f, 1) })
		require.NoError(t, f.stop())
		require.EqualValues(t, len(left), f.Ledger.Totals().In)
		require.True(t, f.Ledger.Totals().Conserved())
		came := map[string]string{}
		for _, r := range s.all(s.out) {
			require.NotContains(t, came, string(r.Key), "came twice")
			came[string(r.Key)] = string(r.Value)
		}
		require.Len(t, came, len(left))
		for k, v := range left {
			require.Equal(t, times([]*kgo.Record{{Value: []byte(v)}}), times([]*kgo.Record{{Value: []byte(came[k])}}), k)
		}

		f = s.watch(s.cfg)
		s.until("nothing left", func() bool { return done(f, 1) })
		require.NoError(t, f.stop())
		require.Zero(t, f.Ledger.Totals().In)
	})
}

// While the input topic is gone the filter waits and says for what. Made again, it is read from
// its beginning.
func TestKafkaInputTopicDeleted(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := plain(t, c, exactly, suffix, 1)
		s.send(0, numbered(0, 20)...)
		f := s.watch(s.cfg)
		s.until("committed", func() bool { return s.at(0) == 20 })
		s.delete(s.in)
		s.until("it says what is missing", func() bool { return f.warned(s.in+"/0", "Unknown Topic Or Partition") })
		topics(t, c, map[string]int32{s.in: 1})
		s.until("it says that it begins anew", func() bool { return f.warned("made anew", s.in) })
		s.send(0, numbered(20, 5)...)
		s.until("committed", func() bool { return s.at(0) == 5 && done(f, 1) })
		require.NoError(t, f.stop())
		require.EqualValues(t, 25, f.Ledger.Totals().In)
		s.whole(s.out, 0, 25, true)
		s.whole(s.retry, 0, 25, true)
	})
}

// Deleted and made again at once, with more events than the old one had: all of them are read,
// none is taken for one that is committed.
func TestKafkaInputTopicMadeAnew(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := plain(t, c, exactly, suffix, 1)
		s.send(0, numbered(0, 20)...)
		f := s.watch(s.cfg)
		s.until("committed", func() bool { return s.at(0) == 20 })
		s.delete(s.in)
		topics(t, c, map[string]int32{s.in: 1})
		s.send(0, numbered(20, 50)...)
		s.until("committed", func() bool { return s.at(0) == 50 && done(f, 1) })
		require.NoError(t, f.stop())
		s.whole(s.out, 0, 70, true)
		s.whole(s.retry, 0, 70, true)
	})
}

// While an output topic is gone nothing is committed and the log says what is missing. Made
// again, it gets the events that wait.
func TestKafkaOutputTopicDeleted(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	for _, which := range []string{"out", "retry"} {
		t.Run(which, func(t *testing.T) {
			inBoth(t, func(t *testing.T, exactly bool, suffix string) {
				s := plain(t, c, exactly, "-"+which+suffix, 1)
				gone, other := s.out, s.retry
				if which == "retry" {
					gone, other = other, gone
				}
				s.send(0, numbered(0, 5)...)
				f := s.watch(s.cfg)
				s.until("committed", func() bool { return s.at(0) == 5 })
				s.delete(gone)
				s.send(0, numbered(5, 20)...)
				s.until("it says what is missing", func() bool { return f.warned(gone) })
				require.EqualValues(t, 5, s.at(0))
				topics(t, c, map[string]int32{gone: 1})
				s.until("committed", func() bool { return s.at(0) == 25 && done(f, 1) })
				require.NoError(t, f.stop())
				s.whole(gone, 5, 25, exactly)
				s.whole(other, 0, 25, exactly)
			})
		})
	}
}

// New partitions of the input make the filter stop, because they change which partition of the
// output a key goes to. The next process takes them up.
func TestKafkaPartitionsAdded(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := plain(t, c, exactly, suffix, 2)
		f := s.watch(s.cfg)
		n := 0
		more := func(partitions int32) {
			for p := range partitions {
				s.send(p, numbered(n, 100)...)
				n += 100
			}
		}
		more(2)
		s.until("at work", func() bool { return f.Ledger.Totals().In > 0 })
		answers, err := s.adm.CreatePartitions(t.Context(), 2, s.in)
		require.NoError(t, err)
		require.NoError(t, answers.Error())
		s.until("the new ones are led", func() bool {
			ends, err := s.adm.ListEndOffsets(t.Context(), s.in)
			return err == nil && ends.Error() == nil && len(ends[s.in]) == 4
		})
		more(4)
		require.ErrorContains(t, s.failure(f), fmt.Sprintf("input topic %q has grown beyond the 2 partitions it had at the start: restart", s.in))

		f = s.watch(s.cfg)
		s.until("all partitions done", func() bool { return done(f, 4) })
		require.NoError(t, f.stop())
		for p, end := range []int64{200, 200, 100, 100} {
			require.Equal(t, end, s.at(int32(p)), "partition %d", p)
		}
		s.whole(s.out, 0, n, exactly)
		s.whole(s.retry, 0, n, exactly)
	})
}

// A topic that lacks replicas takes nothing: the filter waits, commits nothing, and goes on when
// fewer are enough. It takes three brokers: Kafka asks for no more replicas than a topic has.
func TestKafkaNotEnoughReplicas(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3, HeapMB: 384, Roles: true})
	inBoth(t, func(t *testing.T, exactly bool, suffix string) {
		s := settle(t, c, exactly, suffix)
		topics(t, c, map[string]int32{s.in: 1, s.retry: 1})
		c.CreateTopic(t, s.out, 1, "min.insync.replicas", "3")
		const n = 500
		s.send(0, numbered(0, n)...)
		c.Shutdown(t, 3)
		f := s.watch(s.cfg)
		s.until("refused", func() bool { return f.warned(s.out+"/0", "Not Enough Replicas") })
		require.LessOrEqual(t, s.at(0), int64(0), "committed what nobody took")
		require.Empty(t, s.all(s.out))
		s.configure(s.out, "min.insync.replicas", "2")
		s.until("committed", func() bool { return s.at(0) == n && done(f, 1) })
		require.NoError(t, f.stop())
		require.True(t, f.Ledger.Totals().Conserved())
		s.whole(s.out, 0, n, true) // a process that lives on does not write twice
		s.whole(s.retry, 0, n, true)
		c.Restart(t, 3)
		c.AwaitInSync(t)
	})
}

// deny takes one right on something, and leaves the others; the function it returns gives it back.
func (s *site) deny(operation, kind, name string) (allow func()) {
	s.t.Helper()
	return s.cluster.Deny(s.t, kafkatest.Filter, kafkatest.Right{Operation: operation, Kind: kind, Name: name})
}

// idle requires that nothing has happened: no group, no offset, no record.
func (s *site) idle(f *watched) {
	s.t.Helper()
	require.Zero(s.t, f.Ledger.Totals().In)
	groups, err := s.adm.ListGroups(s.t.Context())
	require.NoError(s.t, err)
	require.NotContains(s.t, groups.Groups(), s.cfg.Group)
	require.EqualValues(s.t, -1, s.at(0))
	require.Empty(s.t, s.all(s.out))
}

func TestKafkaRights(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	// Without the right to have transactions nothing begins.
	t.Run("WRITE on the transactional id", func(t *testing.T) {
		s := plain(t, c, true, "-txn", 1)
		s.send(0, numbered(0, 5)...)
		id := s.cfg.Group + "/filter/" + s.cfg.Instance
		allow := s.deny("Write", "transactional-id", id)
		f := s.watch(s.cfg)
		err := s.failure(f)
		for _, words := range []string{"exactly_once", "Transactional ID Authorization Failed", "WRITE", strconv.Quote(id), "delivery: at_least_once"} {
			require.ErrorContains(t, err, words)
		}
		s.idle(f)
		allow()
		f = s.watch(s.cfg)
		s.until("committed", func() bool { return s.at(0) == 5 && done(f, 1) })
		require.NoError(t, f.stop())
		s.whole(s.out, 0, 5, true)
	})
	// Without any right on it the coordinator cannot even be asked for.
	t.Run("all rights on the transactional id", func(t *testing.T) {
		s := plain(t, c, true, "-all", 1)
		id := s.cfg.Group + "/filter/" + s.cfg.Instance
		allow := s.deny("All", "transactional-id", id)
		err := s.failure(s.watch(s.cfg)) // waits for less long than the start would try
		for _, words := range []string{"exactly_once", "Transactional ID Authorization Failed", "WRITE", strconv.Quote(id), "delivery: at_least_once"} {
			require.ErrorContains(t, err, words)
		}
		allow()
	})
	// A right that is taken away while events flow stops the filter with what was done committed.
	for _, which := range []string{"out", "retry"} {
		t.Run("WRITE on "+which, func(t *testing.T) {
			inBoth(t, func(t *testing.T, exactly bool, suffix string) {
				s := plain(t, c, exactly, "-"+which+suffix, 1)
				topic := which + "-" + which + suffix
				s.send(0, numbered(0, 5)...)
				f := s.watch(s.cfg)
				s.until("committed", func() bool { return s.at(0) == 5 })
				allow := s.deny("Write", "topic", topic)
				s.send(0, numbered(5, 5)...)
				err := s.failure(f)
				require.ErrorContains(t, err, "Topic Authorization Failed")
				require.ErrorContains(t, err, "allow WRITE on")
				require.ErrorContains(t, err, strconv.Quote(topic))
				require.Equal(t, 1, strings.Count(err.Error(), "Topic Authorization Failed"), "said twice: %v", err)
				require.EqualValues(t, 5, s.at(0))
				require.Len(t, s.all(topic), 5)
				require.ErrorContains(t, s.failure(s.watch(s.cfg)), fmt.Sprintf("topic %q: this user may not write it: allow WRITE", topic))

				allow()
				f = s.watch(s.cfg)
				s.until("committed", func() bool { return s.at(0) == 10 && done(f, 1) })
				require.NoError(t, f.stop())
				require.EqualValues(t, 5, f.Ledger.Totals().In)
				s.whole(topic, 0, 10, true)
				s.whole(s.out, 0, 10, exactly)
				s.whole(s.retry, 0, 10, exactly)
			})
		})
	}
	// Rules with a route to a topic that may not be written are not taken, and nothing changes.
	t.Run("WRITE on a new route's topic", func(t *testing.T) {
		s := plain(t, c, true, "-new", 1)
		_, err := s.adm.CreateTopic(t.Context(), 1, 1, nil, "further")
		require.NoError(t, err)
		s.cluster.Allow(t, kafkatest.Filter, kafkatest.Right{Operation: "Write", Kind: "topic", Name: "further"})
		allow := s.deny("Write", "topic", "further")
		f := s.watch(s.cfg)
		next := s.cfg.Rules
		next.Routes = append(slices.Clone(next.Routes), toRoute(t, "further", "further", route.Rule{Outcomes: []string{"no_code", "enriched"}}))
		_, err = f.Stage(t.Context(), next)
		require.ErrorContains(t, err, `topic "further": this user may not write it: allow WRITE`)
		allow()
		swap, err := f.Stage(t.Context(), next)
		require.NoError(t, err)
		swap()
		s.send(0, numbered(0, 5)...)
		s.until("committed", func() bool { return s.at(0) == 5 && done(f, 1) })
		require.NoError(t, f.stop())
		require.Len(t, s.all("further"), 5)
	})
	t.Run("READ on the group", func(t *testing.T) {
		inBoth(t, func(t *testing.T, exactly bool, suffix string) {
			s := plain(t, c, exactly, "-group"+suffix, 1)
			s.send(0, numbered(0, 5)...)
			allow := s.deny("Read", "group", s.cfg.Group)
			f := s.watch(s.cfg)
			err := s.failure(f)
			require.ErrorContains(t, err, fmt.Sprintf("READ on group %q", s.cfg.Group))
			require.ErrorContains(t, err, "Group Authorization Failed")
			s.idle(f)
			allow()
			f = s.watch(s.cfg)
			s.until("committed", func() bool { return s.at(0) == 5 && done(f, 1) })
			require.NoError(t, f.stop())
			s.whole(s.out, 0, 5, true)
		})
	})
}
