//go:build kafka

package topic_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// dialAsReport connects as one who may read the topic "t", as docs/security.md has it, and nothing else.
func dialAsReport(t *testing.T, c *kafkatest.Cluster) *kgo.Client {
	t.Helper()
	c.Give(t, kafkatest.Report, kafkatest.Report, kafkatest.Names{"calls.enriched": {"t"}})

	k := config.Default().Kafka
	k.Brokers = c.RoleAddrs(t)
	k.SASL = config.SASL{Mechanism: config.Plain, Username: kafkatest.Report, PasswordFile: kafkatest.Secret(t, kafkatest.RolePassword)}

	return dialAs(t, k)
}

// Transactions on a real Kafka: the last offsets are markers, behind what was committed and what was aborted.
func TestKafkaScanOverTransactions(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	c.CreateTopic(t, "t", 3)

	addrs := c.Addrs()
	client := dialAsReport(t, c)
	require.Empty(t, scan(t, client, topic.ScanConfig{Topic: "t"}))

	// The markers of a transaction are written a moment after it has ended.
	sees := func(cfg topic.ScanConfig, want ...string) {
		t.Helper()

		var got []string

		require.Eventually(t, func() bool {
			got = scan(t, client, cfg)

			return slices.Equal(want, got)
		}, testTime, 100*time.Millisecond, "want %v", want)
	}

	inTransaction(t, addrs, kgo.TryAbort, "x1", "x2")
	inTransaction(t, addrs, kgo.TryCommit, "a", "b")
	put(t, addrs, record(0, "c"), record(2, "d"))
	sees(topic.ScanConfig{Topic: "t"}, "a", "b", "c", "d")

	inTransaction(t, addrs, kgo.TryAbort, "x3", "x4")
	sees(topic.ScanConfig{Topic: "t"}, "a", "b", "c", "d")

	now := time.Now()
	sees(topic.ScanConfig{Topic: "t", Since: now.Add(time.Minute)})
	sees(topic.ScanConfig{Topic: "t", Since: now.Add(-time.Hour), Until: now.Add(time.Hour)}, "a", "b", "c", "d")

	open := producer(t, addrs, kgo.TransactionalID("open"))
	require.NoError(t, open.BeginTransaction())
	require.NoError(t, open.ProduceSync(t.Context(), record(0, "undecided")).FirstErr())
	put(t, addrs, record(0, "behind it"))
	require.Equal(t, []string{"a", "b", "c", "d"}, scan(t, client, topic.ScanConfig{Topic: "t"}))
	require.NoError(t, open.EndTransaction(t.Context(), kgo.TryAbort))
	sees(topic.ScanConfig{Topic: "t"}, "a", "b", "behind it", "c", "d")
}

// Without its only right in docs/security.md a reader learns at once which one it lacks, and on what.
func TestKafkaScanSaysWhichRightIsMissing(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	c.CreateTopic(t, "t", 1)
	put(t, c.Addrs(), record(0, "a"))
	require.Equal(t, []string{"a"}, scan(t, dialAsReport(t, c), topic.ScanConfig{Topic: "t"}))

	rights := kafkatest.Rights(t, kafkatest.Report)
	require.Len(t, rights, 1)
	require.Equal(t, "Read on topic calls.enriched", rights[0].String())

	read := kafkatest.Right{Operation: "Read", Kind: "topic", Name: "t"}
	refused := func(says string) {
		t.Helper()

		client := dialAsReport(t, c) // what another one has seen it remembers
		c.Disallow(t, kafkatest.Report, read)

		begun := time.Now()
		err := topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, func(*kgo.Record) error { return nil })
		require.ErrorContains(t, err, says)
		require.Less(t, time.Since(begun), 20*time.Second, "it is asked once")
	}

	refused(`read topic "t": this user may not see it (or it does not exist): allow DESCRIBE and READ on it: TOPIC_AUTHORIZATION_FAILED`)

	c.Allow(t, kafkatest.Report, kafkatest.Right{Operation: "Describe", Kind: "topic", Name: "t"})
	refused(`read topic "t": this user may see it and not read it: allow READ on it: TOPIC_AUTHORIZATION_FAILED`)
}

// Compaction takes records away, tombstones too, and with them what stood at the end of the log.
func TestKafkaScanOfACompactedTopic(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	c.CreateTopic(t, "t", 1, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "100", "delete.retention.ms", "0",
		"max.compaction.lag.ms", "100")

	addrs := c.Addrs()
	client := dialAsReport(t, c)

	keyed := func(key string, value []byte) *kgo.Record {
		return &kgo.Record{Topic: "t", Key: []byte(key), Value: value}
	}
	for i := range 200 {
		put(t, addrs, keyed(fmt.Sprintf("k%d", i%10), fmt.Appendf(nil, "v%03d", i)))
	}

	for i := range 10 {
		put(t, addrs, keyed(fmt.Sprintf("k%d", i), nil))
	}

	// A new segment begins with a record, which is then taken away as well, until the cleaner has been.
	var values []string

	require.Eventually(t, func() bool {
		put(t, addrs, keyed("last", []byte("still here")))
		values = scan(t, client, topic.ScanConfig{Topic: "t"})

		return len(values) < 20
	}, testTime, 300*time.Millisecond, "the cleaner has been there")
	require.Contains(t, values, "still here")

	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), "t")
	require.NoError(t, err)

	end, _ := ends.Lookup("t", 0)
	require.Greater(t, end.Offset, int64(len(values)), "offsets without records")
}

// Records go while the scan is on its way: a real broker's answer does not say where the log begins then.
func TestKafkaScanGoesOnBehindWhatRetentionTook(t *testing.T) {
	const begins = 3

	c := kafkatest.Start(t, kafkatest.Options{Roles: true})
	c.CreateTopic(t, "t", 1, "max.message.bytes", "4000000")

	large := make([]byte, 900_000) // more than a fetch takes two of
	_, _ = rand.Read(large)

	for i := range begins + 1 {
		put(t, c.Addrs(), &kgo.Record{Topic: "t", Key: fmt.Appendf(nil, "%d", i), Value: large})
	}

	client := dialAsReport(t, c)

	var seen []string

	require.NoError(t, topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, func(r *kgo.Record) error {
		if seen = append(seen, string(r.Key)); len(seen) == 1 {
			gone, err := kadm.NewClient(producer(t, c.Addrs())).DeleteRecords(t.Context(), kadm.Offsets{"t": {0: {Topic: "t", Partition: 0, At: begins}}})
			require.NoError(t, err)
			require.NoError(t, gone.Error())
		}

		return nil
	}))
	require.Equal(t, "3", seen[len(seen)-1])
	require.NotContains(t, seen, "2")
}

// Three brokers, every codec, one of the brokers stopped in between.
func TestKafkaScanWhileABrokerGoes(t *testing.T) {
	const n = 60

	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3, Roles: true})
	c.CreateTopic(t, "t", 6)

	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(codec))
		require.NoError(t, err)

		for j := range n {
			value := make([]byte, 100_000) // so that it takes many fetches
			_, _ = rand.Read(value)
			require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Key: fmt.Appendf(nil, "%d-%d", i, j), Value: value}).FirstErr())
		}

		client.Close()
	}

	seen := map[string]int{}
	require.NoError(t, topic.Scan(t.Context(), dialAsReport(t, c), topic.ScanConfig{Topic: "t"}, func(r *kgo.Record) error {
		if len(seen) == 0 {
			c.Kill(t, 2)
		}

		seen[string(r.Key)]++

		return nil
	}))
	require.Len(t, seen, 5*n)

	for key, times := range seen {
		require.Equal(t, 1, times, key)
	}
}
