package replay_test

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/replay"
	"github.com/callstream/enricher/internal/topic"
)

// What earlier runs have looked at is not read again, however much it is.
func TestARunBeginsWhereTheLastEnded(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 20)...) // ten in each partition
	w.run(replay.Options{})
	w.produce(letters(20, 24)...)
	var mu sync.Mutex
	least := int64(math.MaxInt64)
	r := w.open(replay.Options{})
	w.fake.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		for _, p := range req.(*kmsg.FetchRequest).Topics[0].Partitions {
			least = min(least, p.FetchOffset)
		}
		return nil, nil, false
	})
	var last replay.Progress
	rep, err := r.Run(t.Context(), func(p replay.Progress) { last = p })
	require.NoError(t, err)
	require.EqualValues(t, 4, rep.Replayed)
	require.Equal(t, replay.Progress{Done: 4, Total: 4, Replayed: 4}, last)
	mu.Lock()
	defer mu.Unlock()
	require.EqualValues(t, 10, least)
}

// Positions that the answer does not speak of are not committed: the transaction must not be, or the next run would replay its
// letters again.
func TestPositionsLeftOutOfTheAnswer(t *testing.T) {
	for name, leaveOut := range map[string]func(*kmsg.TxnOffsetCommitResponse){
		"a partition":   func(r *kmsg.TxnOffsetCommitResponse) { r.Topics[0].Partitions = r.Topics[0].Partitions[:1] },
		"the topic":     func(r *kmsg.TxnOffsetCommitResponse) { r.Topics = nil },
		"another topic": func(r *kmsg.TxnOffsetCommitResponse) { r.Topics[0].Topic = "in" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.produce(letters(0, 10)...)
			r := w.open(replay.Options{})
			w.fake.ControlKey(int16(kmsg.TxnOffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
				resp := offsetRefusal(req, 0).(*kmsg.TxnOffsetCommitResponse)
				resp.SetVersion(req.GetVersion())
				leaveOut(resp)
				return resp, nil, true
			})
			rep, err := r.Run(t.Context(), nil)
			require.ErrorContains(t, err, "commit the positions of group")
			require.ErrorContains(t, err, `topic "dead", partition `)
			require.Zero(t, rep.Replayed)
			require.Empty(t, w.values("in"))
			require.EqualValues(t, 10, w.run(replay.Options{}).Replayed)
			require.Len(t, w.values("in"), 10)
		})
	}
}

// A batch that is not read ends the run. What stands before it is committed, so that nothing is lost by whoever sets the position
// behind it, as the error says.
func TestABatchThatIsTooLarge(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 6)...)
	cl := w.client(kgo.ProducerBatchMaxBytes(80<<20), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	defer cl.Close()
	large := dead(6)
	large.Value = make([]byte, 64<<20)
	require.NoError(t, cl.ProduceSync(t.Context(), large).FirstErr())
	w.produce(letters(7, 11)...)

	_, err := w.open(replay.Options{}).Plan(t.Context(), nil)
	require.ErrorContains(t, err, "partition 0, offset 3: the batch from there to offset 3 unpacks to more than 67108864 bytes")
	rep, err := w.open(replay.Options{}).Run(t.Context(), nil)
	var e *topic.BatchError
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, fmt.Sprintf("a replay begins where group %q stands: set its partition 0 to 4", rep.Group))
	w.settle()
	require.Subset(t, w.values("in"), []string{"0", "2", "4"})
	require.Len(t, w.values("in"), int(rep.Replayed))

	position := kadm.Offsets{}
	position.AddOffset("dead", e.Partition, e.Next, -1)
	require.NoError(t, kadm.NewClient(cl).CommitAllOffsets(t.Context(), rep.Group, position))
	w.run(replay.Options{})
	require.ElementsMatch(t, []string{"0", "1", "2", "3", "4", "5", "7", "8", "9", "10"}, w.values("in"))
}
