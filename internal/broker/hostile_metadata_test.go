package broker_test

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

// Metadata that says something else each time it is asked for: what is produced arrives once, in order, whenever it
// happens to be right.
func TestMetadataThatFlaps(t *testing.T) {
	c, client := cluster(t, 1, 1, "out")
	var asked atomic.Int64
	metadata(c, func(resp *kmsg.MetadataResponse) {
		resp.Topics[0].Topic = new("out")
		topic := &resp.Topics[0]
		switch asked.Add(1) % 8 {
		case 0: // the leader is a broker that nobody knows
			topic.Partitions[0].Leader = 99
		case 1: // there is none
			topic.Partitions[0].Leader = math.MinInt32
		case 2: // the partition is another
			topic.Partitions[0].Partition = -7
		case 3: // there are none
			topic.Partitions = nil
		case 4: // there is no topic
			resp.Topics = nil
		case 5: // there are no brokers
			resp.Brokers = nil
		case 6: // the broker is nowhere
			resp.Brokers[0].Host, resp.Brokers[0].Port = "", -1
		default: // as it is
		}
	})
	p, q, acked := one(t, client, 1<<20)
	for i := range 10 {
		require.NoError(t, q.Append(deadline(t), record(i)))
	}
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	require.EqualValues(t, 10, acked.Load())
}

// A topic of twenty thousand partitions, many of them the same, is too much for nobody.
func TestAbsurdPartitionCounts(t *testing.T) {
	c, client := cluster(t, 1, 1, "in")
	metadata(c, func(resp *kmsg.MetadataResponse) {
		topic := &resp.Topics[0]
		for i := range int32(20_000) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = i%1000-10, i
			topic.Partitions = append(topic.Partitions, p)
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	topics, err := client.Topics(deadline(t), []string{"in"})
	require.NoError(t, err)
	require.Equal(t, int32(20_001), topics["in"].Partitions)
	layout, err := client.Layout(deadline(t))
	require.NoError(t, err)
	require.Equal(t, int32(-1), broker.Leader(layout, "in", -10))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<20))
}
