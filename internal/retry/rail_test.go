package retry_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

func TestRail(t *testing.T) {
	t.Parallel()

	type take struct{ at, want int64 } // at counts from now

	for name, tt := range map[string]struct {
		perSecond float64
		takes     []take
	}{
		"one a second":             {1, []take{{0, 0}, {0, 1000}, {400, 600}, {999, 1}, {1000, 0}, {1000, 1000}}},
		"one in three and a third": {0.3, []take{{0, 0}, {0, 3334}, {3333, 1}, {3334, 0}, {3335, 3333}}},
		"three a second":           {3, []take{{0, 0}, {0, 334}, {334, 0}, {334, 334}, {667, 1}, {668, 0}}},
		"a long rest saves one":    {2, []take{{0, 0}, {60_000, 0}, {60_000, 500}}},
		"or a tenth of a second's": {30, []take{{0, 0}, {0, 34}, {60_000, 0}, {60_000, 0}, {60_000, 0}, {60_000, 34}}},
		"a clock that goes back":   {1, []take{{0, 0}, {-5000, 1000}, {-4000, 0}, {-4000, 1000}}},
		"several a millisecond":    {10_000, []take{{0, 0}, {0, 1}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 1}}},
		"nothing a second":         {0, []take{{0, 0}, {0, hour}, {hour, 0}}},
		"less than nothing":        {-1, []take{{0, 0}, {0, hour}}},
		"no number":                {math.NaN(), []take{{0, 0}, {0, hour}}},
		"more than can be told":    {math.Inf(1), []take{{0, 0}, {0, 1}, {1, 0}, {1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := retry.NewRail(tt.perSecond)
			for i, take := range tt.takes {
				require.Equal(t, take.want, r.Take(now+take.at), "take %d, at %d", i, take.at)
			}
		})
	}
}

func TestNoRail(t *testing.T) {
	t.Parallel()

	var r *retry.Rail
	for range 1000 {
		require.Zero(t, r.Take(now))
	}
}

// TestRailKeepsItsRate: an owner who asks whenever he is told to gets the rate, and no
// second sees more than it and what was saved.
func TestRailKeepsItsRate(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.Float64Range(0.05, 3000).Draw(t, "rate")
		burst := max(1, perSecond/10)
		r := retry.NewRail(perSecond)
		var taken []int64
		at, end := now, now+int64(20_000*max(1, 1/perSecond))
		for at < end {
			wait := r.Take(at)
			if wait == 0 {
				taken = append(taken, at)
				continue
			}
			require.Positive(t, wait)
			if at += wait; rapid.IntRange(0, 99).Draw(t, "pause") == 0 {
				at += rapid.Int64Range(0, 5000).Draw(t, "rest")
			} else {
				require.Zero(t, r.Take(at), "after the wait it may")
				taken = append(taken, at)
			}
		}
		for i, first := 0, 0; i < len(taken); i++ {
			for taken[first] <= taken[i]-1000 {
				first++
			}
			require.LessOrEqual(t, float64(i-first+1), perSecond+burst+1e-6, "in the second before %d", taken[i]-now)
		}
	})
}

func TestRailLosesNothing(t *testing.T) {
	t.Parallel()

	for _, perSecond := range []float64{0.3, 1, 7, 33.3, 1000, 5000} {
		r := retry.NewRail(perSecond)
		taken, length := 0, int64(100_000)
		for at := now; at < now+length; {
			wait := r.Take(at)
			if wait == 0 {
				taken++
			}
			at += wait
		}
		require.InDelta(t, perSecond*float64(length)/1000, float64(taken), perSecond*float64(length)/1000*0.01+1, "%v a second", perSecond)
	}
}
