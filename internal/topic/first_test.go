package topic_test

import (
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// first gives the values of first records, by partition.
func first(t *testing.T, c *kfake.Cluster, cfg topic.FirstConfig) map[int32]string {
	t.Helper()

	seen := map[int32]string{}
	require.NoError(t, topic.First(t.Context(), dial(t, c.ListenAddrs()), cfg, func(r *kgo.Record) {
		require.NotContains(t, seen, r.Partition)
		seen[r.Partition] = string(r.Value)
	}))

	return seen
}

func TestFirstGivesOneRecordOfEachPartition(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(5, "t"))
	for i := range 4 * 3 {
		put(t, c.ListenAddrs(), record(int32(i%4), strconv.Itoa(i)))
	}

	// Of partition 3 nothing is wanted, 2 has been read, and 4 is empty.
	from := map[int32]int64{0: 0, 1: 2, 2: 3, 4: 0}
	require.Equal(t, map[int32]string{0: "0", 1: "9"}, first(t, c, topic.FirstConfig{Topic: "t", From: from}))
}

func TestFirstInABatch(t *testing.T) {
	c := serving(t, 4, batch(t, 0, recordbatch.Gzip, []byte("0"), []byte("1")), batch(t, 2, recordbatch.Zstd, []byte("2"), []byte("3")))
	for from, want := range []string{"0", "1", "2", "3"} {
		require.Equal(t, map[int32]string{0: want}, first(t, c, topic.FirstConfig{Topic: "t", From: map[int32]int64{0: int64(from)}}))
	}
}

// Who reads what is not committed reads what was aborted, too.
func TestFirstGoesByWhatIsRead(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	inTransaction(t, c.ListenAddrs(), kgo.TryAbort, "aborted")
	inTransaction(t, c.ListenAddrs(), kgo.TryCommit, "committed")

	cfg := topic.FirstConfig{Topic: "t", From: map[int32]int64{0: 0}}
	require.Equal(t, map[int32]string{0: "committed"}, first(t, c, cfg))

	cfg.Uncommitted = true
	require.Equal(t, map[int32]string{0: "aborted"}, first(t, c, cfg))

	open := producer(t, c.ListenAddrs(), kgo.TransactionalID("open"))
	require.NoError(t, open.BeginTransaction())
	require.NoError(t, open.ProduceSync(t.Context(), record(0, "undecided")).FirstErr())

	cfg.From[0] = 4
	require.Equal(t, map[int32]string{0: "undecided"}, first(t, c, cfg))

	cfg.Uncommitted = false
	require.Empty(t, first(t, c, cfg))
	require.NoError(t, open.EndTransaction(t.Context(), kgo.TryAbort))
}

// A batch that would take too much memory is not unpacked for its first record, and neither is what stands behind the first.
func TestFirstPassesOverWhatIsTooLarge(t *testing.T) {
	from := topic.FirstConfig{Topic: "t", From: map[int32]int64{0: 1}}
	small := batch(t, 0, recordbatch.Gzip, []byte("0"), []byte("1"))
	large := batch(t, 2, recordbatch.Gzip, make([]byte, 16<<20))
	crowded := batch(t, 2, recordbatch.Gzip, make([][]byte, 1<<20+1)...)

	require.Empty(t, first(t, serving(t, 3, large), from))
	require.Empty(t, first(t, serving(t, 1<<20+3, crowded), from))
	require.Equal(t, map[int32]string{0: "1"}, first(t, serving(t, 3, small, large), from))

	c := serving(t, 3, small, large)
	client := dial(t, c.ListenAddrs())

	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)
	require.NoError(t, topic.First(t.Context(), client, from, func(*kgo.Record) {}))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}
