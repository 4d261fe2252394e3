//go:build kafka

package pipeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	segmentio "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
)

func topics(t *testing.T, c *kafkatest.Cluster, partitions map[string]int32) {
	t.Helper()
	for topic, n := range partitions {
		c.CreateTopic(t, topic, n, "retention.ms", "-1")
	}
}

// onKafka is a world on a real cluster. Its filters log in, and may do what docs/security.md lists and nothing else.
func onKafka(t *testing.T, c *kafkatest.Cluster) *world {
	t.Helper()
	w := worldOf(t, c.Addrs())
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.Plain, Username: kafkatest.Filter, Password: kafkatest.RolePassword}})
	require.NoError(t, err)
	w.connect = func(cfg pipeline.Config) broker.Config {
		var copies []string
		for _, r := range cfg.Routes {
			copies = append(copies, r.Topic)
		}
		c.Give(w.t, kafkatest.Filter, kafkatest.Filter, kafkatest.Names{
			"calls.raw": cfg.Topics, "calls.enriched": {cfg.Output}, "calls.dead": {cfg.DeadLetter}, "calls.gave-up": nil,
			"calls.retry.": copies, "calls.": slices.Concat(cfg.Topics, copies, []string{cfg.Output, cfg.DeadLetter}),
			"enricher": {cfg.Group}, "enricher/filter/": {cfg.Group + "/filter/"},
		})
		return broker.Config{Brokers: c.RoleAddrs(w.t), ClientID: "filter", Topics: cfg.AllTopics(), Dial: d.DialContext, ConnectTimeout: d.Timeout()}
	}
	return w
}

// A hundred thousand events through a real Kafka, with partition counts that differ:
// every id once, with its key, headers, timestamp and bytes, in order.
func TestKafkaHundredThousandEvents(t *testing.T) {
	const n = 100_000
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %v", exactly), func(t *testing.T) {
			suffix := map[bool]string{false: "-alo", true: "-eos"}[exactly]
			topics(t, c, map[string]int32{"in" + suffix: 6, "out" + suffix: 4, "dead" + suffix: 1, "retry" + suffix: 6})
			w := onKafka(t, c)
			w.cfg.ExactlyOnce, w.cfg.Group = exactly, "g"+suffix
			w.cfg.Topics, w.cfg.Output, w.cfg.DeadLetter, w.cfg.Routes[0].Topic = []string{"in" + suffix}, "out"+suffix, "dead"+suffix, "retry"+suffix
			w.cfg.CommitInterval = 100 * time.Millisecond
			all := w.produce(42, n, "in"+suffix)
			f := w.start(w.cfg)
			w.until("everything in", func() bool { return f.Ledger.Totals().In >= n })
			w.until("no lag left", func() bool {
				var lag int64
				for _, l := range f.Lags() {
					lag += l.Records
				}
				return lag == 0
			})
			require.NoError(t, f.stop())
			w.check(all, f.Ledger.Totals())
		})
	}
}

// Every codec in and out, written by Java's and kafka-go's producers, read by Java's and
// kafka-go's consumers.
func TestKafkaCodecsAndOtherClients(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	const event = `{"Event":"Hangup","Direction":"outbound","HangupCauseCode":"3010","AnswerTime":"","n":"%s-%d"}`
	for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			in, out := "in-"+codec.String(), "out-"+codec.String()
			topics(t, c, map[string]int32{in: 2, out: 2, "dead-" + codec.String(): 1, "retry-" + codec.String(): 3})
			w := onKafka(t, c)
			w.cfg.Topics, w.cfg.Output, w.cfg.DeadLetter, w.cfg.Routes[0].Topic = []string{in}, out, "dead-"+codec.String(), "retry-"+codec.String()
			w.cfg.Codec, w.cfg.Group = codec, "g-"+codec.String()
			f := w.start(w.cfg)

			var lines strings.Builder
			const each = 50
			for i := range each {
				fmt.Fprintf(&lines, event+"\n", "java", i)
			}
			c.Run(t, kafkatest.ConsoleProducer, lines.String(), "--topic", in, "--compression-codec", codec.String())
			transport := &segmentio.Transport{} // the shared default has the metadata of before the topic
			defer transport.CloseIdleConnections()
			kw := &segmentio.Writer{Transport: transport, Addr: segmentio.TCP(c.Addrs()...), Topic: in, RequiredAcks: segmentio.RequireAll, BatchTimeout: 10 * time.Millisecond}
			if codec != recordbatch.None {
				kw.Compression = segmentio.Compression(codec)
			}
			for i := range each {
				require.NoError(t, kw.WriteMessages(t.Context(), segmentio.Message{Key: []byte("k"), Value: fmt.Appendf(nil, event, "go", i)}))
			}
			require.NoError(t, kw.Close())
			w.until("all in", func() bool { return f.Ledger.Totals().In == 2*each })
			require.NoError(t, f.stop())

			printed := c.Run(t, kafkatest.ConsoleConsumer, "", "--topic", out, "--from-beginning", "--max-messages", strconv.Itoa(2*each), "--timeout-ms", "20000")
			checkEnriched(t, strings.Split(strings.TrimSpace(printed), "\n"), each)

			var values []string
			for p := range 2 {
				conn, err := segmentio.DialLeader(t.Context(), "tcp", c.Addrs()[0], out, p)
				require.NoError(t, err)
				last, err := conn.ReadLastOffset()
				require.NoError(t, err)
				require.NoError(t, conn.Close())
				if last == 0 {
					continue
				}
				r := segmentio.NewReader(segmentio.ReaderConfig{Brokers: c.Addrs(), Topic: out, Partition: p, MaxWait: 100 * time.Millisecond})
				ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
				for range last {
					m, err := r.ReadMessage(ctx)
					require.NoError(t, err)
					values = append(values, string(m.Value))
				}
				cancel()
				require.NoError(t, r.Close())
			}
			checkEnriched(t, values, each)
		})
	}
}

func checkEnriched(t *testing.T, values []string, each int) {
	t.Helper()
	require.Len(t, values, 2*each)
	seen := map[string]bool{}
	for _, v := range values {
		var e struct {
			N      string `json:"n"`
			Hangup struct {
				Code  int    `json:"code"`
				Name  string `json:"name"`
				Retry struct {
					Retryable bool `json:"retryable"`
				} `json:"retry"`
			} `json:"hangup"`
		}
		require.NoError(t, json.Unmarshal([]byte(v), &e), v)
		require.Equal(t, 3010, e.Hangup.Code)
		require.Equal(t, "Busy Line", e.Hangup.Name)
		require.True(t, e.Hangup.Retry.Retryable)
		require.False(t, seen[e.N], "%s came twice", e.N)
		seen[e.N] = true
	}
}

// Transactional input with aborted ranges: what was aborted is not enriched, and lag
// reaches 0 behind control batches.
func TestKafkaAbortedInputIsSkipped(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	topics(t, c, map[string]int32{"in": 2, "out": 2, "dead": 1, "retry": 2})
	w := onKafka(t, c)
	f := w.start(w.cfg)
	cl := w.client(kgo.TransactionalID("source"), kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	gen := eventgen.New(7, catalog.Default().Entries())
	want := map[string]bool{}
	for round := range 6 {
		require.NoError(t, cl.BeginTransaction())
		commit := round%2 == 1
		for i := range 200 {
			e := gen.Next()
			id := fmt.Sprintf("%d-%d", round, i)
			want[id] = commit
			r := &kgo.Record{Key: append([]byte(nil), e.Key...), Value: append([]byte(nil), e.Value...), Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}}}
			if e.Value == nil {
				r.Value = nil
			}
			cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) { require.NoError(t, err) })
		}
		require.NoError(t, cl.Flush(t.Context()))
		end := kgo.TryAbort
		if commit {
			end = kgo.TryCommit
		}
		require.NoError(t, cl.EndTransaction(t.Context(), end))
	}
	w.until("the committed ones in", func() bool { return f.Ledger.Totals().In >= 600 })
	w.until("no lag left", func() bool {
		lags := f.Lags()
		for _, l := range lags {
			if l.Records != 0 || l.Committed < 300 {
				return false
			}
		}
		return len(lags) == 2
	})
	require.NoError(t, f.stop())
	totals := f.Ledger.Totals()
	require.EqualValues(t, 600, totals.In)
	require.True(t, totals.Conserved())
	for _, r := range w.read("out", int(totals.Output)) {
		id := header(r, "id")
		require.True(t, want[id], "%s was aborted, or came twice", id)
		delete(want, id)
	}
}

// Two processes with one instance name: the younger takes over, and the older stops with an
// error that says so.
func TestKafkaTwinInstances(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	topics(t, c, same(2))
	w := onKafka(t, c)
	w.cfg.ExactlyOnce = true
	older := w.start(w.cfg)
	w.produce(1, 200, "in")
	w.until("the older at work", func() bool { return older.Ledger.Totals().In == 200 })
	younger := w.start(w.cfg)
	w.until("the younger at work", func() bool { return len(younger.Lags()) > 0 })
	seed := uint64(2)
	w.until("the older has stopped", func() bool {
		w.produce(seed, 20, "in")
		seed++
		return older.State() == pipeline.Stopped
	})
	err := older.stop()
	require.ErrorIs(t, err, broker.ErrTwin)
	require.ErrorContains(t, err, "--instance")
	w.until("the younger has the rest", func() bool {
		lags := younger.Lags()
		for _, l := range lags {
			if l.Records != 0 {
				return false
			}
		}
		return len(lags) == 2
	})
	require.NoError(t, younger.stop())
}

// A stop with a hundred thousand events before the filter: it ends in time and without an
// error, and the next process repeats nothing.
func TestKafkaStopUnderLoad(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	both(t, func(t *testing.T, exactly bool) {
		suffix := strconv.FormatBool(exactly)
		topics(t, c, map[string]int32{"in" + suffix: 4, "out" + suffix: 4, "dead" + suffix: 4, "retry" + suffix: 4})
		w := onKafka(t, c)
		w.cfg.ExactlyOnce, w.cfg.Group = exactly, "g"+suffix
		w.cfg.Topics, w.cfg.Output, w.cfg.DeadLetter, w.cfg.Routes[0].Topic = []string{"in" + suffix}, "out"+suffix, "dead"+suffix, "retry"+suffix
		all := w.produce(3, 100_000, "in"+suffix)
		var sum pipeline.Totals
		for i := 0; sum.In < int64(len(all)); i++ {
			f := w.start(w.cfg)
			w.until("some in", func() bool { return f.Ledger.Totals().In > 4000 || sum.In+f.Ledger.Totals().In >= int64(len(all)) })
			require.NoError(t, f.stop())
			if i == 0 {
				sum = f.Ledger.Totals()
			} else {
				add(&sum, f.Ledger.Totals())
			}
		}
		require.EqualValues(t, len(all), sum.In, "something was repeated")
		w.check(all, sum)
	})
}
