package traffic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSeriesGetsWider(t *testing.T) {
	begin := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC).UnixMilli()

	for _, tt := range []struct {
		over    time.Duration
		width   time.Duration
		buckets int
	}{
		{0, time.Second, 1},
		{119 * time.Second, time.Second, 120},
		{120 * time.Second, 5 * time.Second, 25},
		{time.Hour, time.Minute, 61},
		{24 * time.Hour, 15 * time.Minute, 97},
		{30 * 24 * time.Hour, 24 * time.Hour, 31},
		{50 * 365 * 24 * time.Hour, 364 * 24 * time.Hour, 51},
	} {
		t.Run(tt.over.String(), func(t *testing.T) {
			s := newSeries()
			s.add(begin, KindOK)
			s.add(begin+tt.over.Milliseconds(), KindFailed)

			list := s.list()
			require.Equal(t, tt.width.Milliseconds(), s.width)
			require.Len(t, list, tt.buckets)
			require.EqualValues(t, 1, list[0].OK)
			require.EqualValues(t, 1, list[len(list)-1].Failed)
		})
	}
}

// Whatever the times and their order: nothing is lost, each event is in the bucket of its time, and there are not too many.
func TestSeriesKeepsEveryEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSeries()
		times := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(1, lastMS), rapid.Int64Range(1_700_000_000_000, 1_700_000_900_000)), 1, 50).Draw(t, "times")

		for i, ms := range times {
			s.add(ms, Kind(i%int(numKinds)))
		}

		list := s.list()
		require.LessOrEqual(t, len(list), maxBuckets)

		var sum int64

		for i := range list {
			var want int64

			for _, ms := range times {
				if from := list[i].From.UnixMilli(); ms >= from && ms-from < s.width {
					want++
				}
			}

			require.Equal(t, want, list[i].Events)
			sum += list[i].Events
		}

		require.EqualValues(t, len(times), sum)
	})
}
