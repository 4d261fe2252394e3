package kafka

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
)

func connect(t *testing.T) *Client {
	t.Helper()
	c, err := Connect(kafkatest.StartFake(t).ListenAddrs())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func topic(t *testing.T, c *Client, name string, partitions int32) Topic {
	t.Helper()
	topic, err := c.CreateTopic(t.Context(), name, partitions)
	require.NoError(t, err)
	return topic
}

// put writes n records, round robin.
func put(t *testing.T, c *Client, to Topic, compression string, n int) {
	t.Helper()
	l, err := NewLoader(c.addrs, compression, 0)
	require.NoError(t, err)
	defer l.Close()
	for i := range n {
		l.Put(t.Context(), &kgo.Record{Topic: to.Name, Partition: int32(i) % to.Partitions, Key: []byte(strconv.Itoa(i)), Value: []byte("v")})
	}
	require.NoError(t, l.Flush(t.Context()))
}

// commit writes one record to each partition in a transaction, and ends it.
func commit(t *testing.T, c *Client, to Topic, key string, how kgo.TransactionEndTry) {
	t.Helper()
	p, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.TransactionalID("x"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer p.Close()
	require.NoError(t, p.BeginTransaction())
	for i := range to.Partitions {
		require.NoError(t, p.ProduceSync(t.Context(), &kgo.Record{Topic: to.Name, Partition: i, Key: []byte(key)}).FirstErr())
	}
	require.NoError(t, p.EndTransaction(t.Context(), how))
}

func keys(t *testing.T, c *Client, topics ...Topic) (all []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, c.ReadAll(ctx, func(r *kgo.Record) { all = append(all, string(r.Key)) }, topics...))
	return all
}

func TestLoadAndRead(t *testing.T) {
	c := connect(t)
	for _, compression := range []string{"none", "lz4", "zstd"} {
		a, b := topic(t, c, "a-"+compression, 3), topic(t, c, "b-"+compression, 1)
		require.Empty(t, keys(t, c, a, b))
		put(t, c, a, compression, 10)
		ends, err := c.Ends(t.Context(), a, b)
		require.NoError(t, err)
		require.Equal(t, [][]int64{{4, 3, 3}, {0}}, ends)
		require.ElementsMatch(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, keys(t, c, a, b))
		require.NoError(t, c.DeleteTopics(t.Context(), a, b))
		_, err = c.Ends(t.Context(), a)
		require.Error(t, err)
	}
}

func TestLastKey(t *testing.T) {
	c := connect(t)
	a := topic(t, c, "a", 2)
	last := func(partition int32) string {
		ends, err := c.Ends(t.Context(), a)
		require.NoError(t, err)
		key, err := c.LastKey(t.Context(), a, partition, ends[0][partition])
		require.NoError(t, err)
		return string(key)
	}
	require.Empty(t, last(0))
	put(t, c, a, "lz4", 9)
	require.Equal(t, "8", last(0))
	require.Equal(t, "7", last(1))
	commit(t, c, a, "committed", kgo.TryCommit)
	require.Equal(t, "committed", last(0), "a marker stands behind it")
	for range 3 {
		commit(t, c, a, "aborted", kgo.TryAbort)
	}
	require.Equal(t, "committed", last(0), "what was aborted is not seen")
	require.NotContains(t, keys(t, c, a), "aborted")
	require.Len(t, keys(t, c, a), 11)
}

func TestGate(t *testing.T) {
	c := connect(t)
	a := topic(t, c, "a", 2)
	gate, err := CloseGate(t.Context(), c.addrs, a)
	require.NoError(t, err)
	put(t, c, a, "none", 6)
	require.Empty(t, keys(t, c, a), "behind the gate")
	require.NoError(t, gate.Open(t.Context()))
	require.ElementsMatch(t, []string{"0", "1", "2", "3", "4", "5"}, keys(t, c, a))
}

func TestErrors(t *testing.T) {
	c := connect(t)
	_, err := NewLoader(c.addrs, "brotli", 0)
	require.ErrorContains(t, err, "brotli")
	a := topic(t, c, "a", 1)
	_, err = c.CreateTopic(t.Context(), "a", 1)
	require.ErrorContains(t, err, "create topic a")
	require.NoError(t, c.DeleteTopics(t.Context(), a))
	require.ErrorContains(t, c.DeleteTopics(t.Context(), a), "delete topic")
	require.ErrorContains(t, c.ReadAll(t.Context(), nil, a), "list offsets")
	_, err = c.LastKey(t.Context(), a, 0, 1)
	require.ErrorContains(t, err, "fetch a partition 0")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Ends(gone, a)
	require.ErrorIs(t, err, context.Canceled)
	_, err = CloseGate(gone, c.addrs, a)
	require.ErrorIs(t, err, context.Canceled)
}

func TestVersion(t *testing.T) {
	t.Setenv("ENRICHER_KAFKA_VERSION", "")
	require.Equal(t, kafkatest.DefaultVersion, Version())
	t.Setenv("ENRICHER_KAFKA_VERSION", "3.9.1")
	require.Equal(t, "3.9.1", Version())
}

// What kafkatest would tell a test becomes an error, and what it leaves behind is removed.
func TestStartFails(t *testing.T) {
	t.Setenv("ENRICHER_KAFKA_LIBS", t.TempDir())
	dir := t.TempDir()
	_, err := Start(t.Context(), dir)
	require.ErrorIs(t, err, errFailed)
	require.ErrorContains(t, err, "no kafka-clients jar in it")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)

	_, err = Start(t.Context(), dir+"/none")
	require.Error(t, err)
}

func TestPanicsPass(t *testing.T) {
	require.PanicsWithValue(t, "other", func() { _ = (&tb{}).run(func() { panic("other") }) })
	var order []int
	b := &tb{}
	b.Cleanup(func() { order = append(order, 1) })
	b.Cleanup(func() { order = append(order, 2) })
	b.cleanUp()
	b.cleanUp()
	require.Equal(t, []int{2, 1}, order, "as with a test, and once")
}
