package broker_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 30 * time.Second

// cluster starts an in-process broker and a client that is closed before it.
func cluster(t *testing.T, brokers int, partitions int32, topics ...string) (*kfake.Cluster, *broker.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.SeedTopics(partitions, topics...))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	client := broker.NewClient(broker.Config{Brokers: c.ListenAddrs(), ClientID: "test", Topics: topics})
	t.Cleanup(client.Close)
	return c, client
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// running starts a producer and returns a function that stops it and gives its error.
func running(t *testing.T, p *broker.Producer) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// consume reads n records as an independent client sees them.
func consume(t *testing.T, c *kfake.Cluster, topic string, n int, opts ...kgo.Opt) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics(topic)}, opts...)...)
	require.NoError(t, err)
	defer cl.Close()
	var out []*kgo.Record
	for ctx := deadline(t); len(out) < n; {
		fs := cl.PollFetches(ctx)
		require.NoError(t, fs.Err0())
		out = append(out, fs.Records()...)
	}
	return out
}

func record(i int) *broker.Record {
	return &broker.Record{
		TimestampMS: 1_700_000_000_000 + int64(i), Key: fmt.Appendf(nil, "k%d", i),
		Value: [3][]byte{[]byte(`{"n":`), fmt.Append(nil, i), []byte("}")}, Headers: []byte{0},
	}
}

func TestProducerDeliversInOrder(t *testing.T) {
	for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			c, client := cluster(t, 3, 4, "out")
			p := broker.NewProducer(client, broker.ProducerConfig{Codec: codec, BatchBytes: 1 << 20, BufferBytes: 1, Log: zaptest.NewLogger(t)}) // BufferBytes: the smallest batches
			var acked atomic.Int64
			var queues []*broker.Queue
			for i := range int32(4) {
				queues = append(queues, p.Queue(broker.TopicPartition{Topic: "out", Partition: i}, &acked))
			}
			stop := running(t, p)
			const n = 20000
			for i := range n {
				require.NoError(t, queues[i%4].Append(deadline(t), record(i)))
			}
			require.NoError(t, p.Drained(deadline(t), p.Cut()))
			require.EqualValues(t, n, acked.Load())
			require.NoError(t, stop())

			last := map[int32]int{}
			for _, r := range consume(t, c, "out", n) {
				var i int
				_, err := fmt.Sscanf(string(r.Key), "k%d", &i)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf(`{"n":%d}`, i), string(r.Value))
				require.EqualValues(t, i%4, r.Partition)
				require.Equal(t, 1_700_000_000_000+int64(i), r.Timestamp.UnixMilli())
				if prev, ok := last[r.Partition]; ok {
					require.Equal(t, prev+4, i, "order in partition %d", r.Partition)
				}
				last[r.Partition] = i
			}
		})
	}
}

func TestTransactionShowsNothingBeforeCommit(t *testing.T) {
	c, client := cluster(t, 1, 1, "in", "out")
	txn := client.NewTransaction("g/filter/a", 10*time.Second)
	require.NoError(t, txn.Begin(deadline(t)))
	p := broker.NewProducer(client, broker.ProducerConfig{BatchBytes: 1 << 20, BufferBytes: 1 << 20, Transaction: txn, Log: zaptest.NewLogger(t)})
	var acked atomic.Int64
	q := p.Queue(broker.TopicPartition{Topic: "out"}, &acked)
	running(t, p)
	group, err := client.JoinGroup(broker.GroupConfig{Group: "g", Topics: []string{"in"}, SessionTimeout: 6 * time.Second, RevokeTimeout: 6 * time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, group.Close()) }()
	a, err := group.Next(deadline(t))
	require.NoError(t, err)
	in := broker.TopicPartition{Topic: "in"}

	// First transaction: aborted.
	require.NoError(t, q.Append(deadline(t), record(1)))
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	forgotten, err := p.Recover(deadline(t))
	require.NoError(t, err)
	require.Zero(t, forgotten, "it was acknowledged, only not committed")

	// Second: committed, with an offset.
	require.NoError(t, q.Append(deadline(t), record(2)))
	epoch := p.Cut()
	require.NoError(t, q.Append(deadline(t), record(3))) // of the next epoch: must wait
	require.NoError(t, p.Drained(deadline(t), epoch))
	require.EqualValues(t, 2, acked.Load(), "a record of the next epoch was sent before the commit")
	require.NoError(t, txn.Commit(deadline(t), group.Offsets(), a.Membership, map[broker.TopicPartition]int64{in: 7}))
	p.Allow(epoch)

	// Third.
	epoch = p.Cut()
	require.NoError(t, p.Drained(deadline(t), epoch))
	require.NoError(t, txn.Commit(deadline(t), group.Offsets(), a.Membership, map[broker.TopicPartition]int64{in: 9}))
	p.Allow(epoch)

	committed := consume(t, c, "out", 2, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.Equal(t, "k2", string(committed[0].Key))
	require.Equal(t, "k3", string(committed[1].Key))
	offsets, err := group.Offsets().FetchOffsets(deadline(t), []broker.TopicPartition{in})
	require.NoError(t, err)
	require.EqualValues(t, 9, offsets[in])

	// A member of another generation commits nothing.
	require.NoError(t, q.Append(deadline(t), record(4)))
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	stale := a.Membership
	stale.Generation++
	require.ErrorIs(t, txn.Commit(deadline(t), group.Offsets(), stale, map[broker.TopicPartition]int64{in: 10}), broker.ErrLostMembership)
	_, err = p.Recover(deadline(t))
	require.NoError(t, err)
}

func TestOffsetsRoundTrip(t *testing.T) {
	_, client := cluster(t, 3, 3, "in")
	group, err := client.JoinGroup(broker.GroupConfig{Group: "g", Topics: []string{"in"}, SessionTimeout: 6 * time.Second, RevokeTimeout: 6 * time.Second})
	require.NoError(t, err)
	defer func() { require.NoError(t, group.Close()) }()
	a, err := group.Next(deadline(t))
	require.NoError(t, err)
	require.Len(t, a.Partitions, 3)
	offsets, err := group.Offsets().FetchOffsets(deadline(t), a.Partitions)
	require.NoError(t, err)
	for _, tp := range a.Partitions {
		require.EqualValues(t, -1, offsets[tp])
	}
	require.NoError(t, group.Offsets().CommitOffsets(deadline(t), a.Membership, map[broker.TopicPartition]int64{a.Partitions[1]: 5}))
	offsets, err = group.Offsets().FetchOffsets(deadline(t), a.Partitions)
	require.NoError(t, err)
	require.EqualValues(t, 5, offsets[a.Partitions[1]])

	stale := a.Membership
	stale.Generation += 3
	require.ErrorIs(t, group.Offsets().CommitOffsets(deadline(t), stale, map[broker.TopicPartition]int64{a.Partitions[0]: 1}), broker.ErrLostMembership)

	starts, err := client.ListOffsets(deadline(t), a.Partitions, broker.Latest, true)
	require.NoError(t, err)
	require.Len(t, starts, 3)
	starts, err = client.ListOffsets(deadline(t), a.Partitions, time.Now().UnixMilli(), true)
	require.NoError(t, err)
	require.Zero(t, starts[a.Partitions[2]], "nothing is that young: the end")
}

func TestMissingTopicsAreNamed(t *testing.T) {
	_, client := cluster(t, 1, 1, "in")
	_, err := client.Topics(deadline(t), []string{"in", "nowhere", "neither"})
	var missing *broker.MissingTopicsError
	require.ErrorAs(t, err, &missing)
	require.ElementsMatch(t, []string{"nowhere", "neither"}, missing.Topics)
	require.Equal(t, 1, missing.Brokers)
	require.ErrorContains(t, err, `topic "nowhere" does not exist`)
	require.ErrorContains(t, err, `topic "neither" does not exist`)
	require.NoError(t, client.CreateTopics(deadline(t), []string{"nowhere", "in"}, 3, nil))
	topics, err := client.Topics(deadline(t), []string{"in", "nowhere"})
	require.NoError(t, err)
	require.EqualValues(t, 3, topics["nowhere"].Partitions)
	require.EqualValues(t, 1, topics["in"].Partitions)
}

func TestUnreachableBrokerIsNamed(t *testing.T) {
	client := broker.NewClient(broker.Config{Brokers: []string{"127.0.0.1:1"}, ClientID: "test"})
	defer client.Close()
	_, err := client.Topics(deadline(t), []string{"in"})
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.ErrorContains(t, err, "kafka.brokers")
}

// A port that accepts and says nothing: something else than Kafka, or a broker that hangs.
func TestSilentBrokerIsNamed(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	client := broker.NewClient(broker.Config{Brokers: []string{l.Addr().String()}, ClientID: "test"})
	defer client.Close()
	_, err = client.Topics(deadline(t), []string{"in"})
	require.ErrorContains(t, err, l.Addr().String())
	require.ErrorContains(t, err, "kafka.brokers")
}
