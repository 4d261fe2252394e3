package replay_test

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/replay"
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
