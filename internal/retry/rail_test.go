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

	type take struct {
		owner    int
		at, want int64 // at counts from now
	}

	for name, tt := range map[string]struct {
		perSecond float64
		owners    int
		takes     []take
	}{
		"one a second":              {1, 1, []take{{0, 0, 0}, {0, 0, 1000}, {0, 400, 600}, {0, 999, 1}, {0, 1000, 0}, {0, 1000, 1000}}},
		"one in three and a third":  {0.3, 1, []take{{0, 0, 0}, {0, 0, 3334}, {0, 3333, 1}, {0, 3334, 0}, {0, 3335, 3332}}},
		"a long rest saves nothing": {2, 1, []take{{0, 0, 0}, {0, 60_000, 0}, {0, 60_000, 500}}},
		"a tenth of a second":       {30, 1, []take{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 100}, {0, 100, 0}}},
		"divided":                   {40, 2, []take{{0, 0, 0}, {1, 0, 50}, {0, 0, 0}, {0, 0, 100}, {1, 50, 0}, {1, 50, 0}, {1, 50, 100}, {0, 100, 0}}},
		"in the order of asking":    {1, 3, []take{{0, 0, 0}, {1, 0, 1000}, {2, 0, 2000}, {0, 0, 3000}, {2, 2000, 0}, {2, 2001, 1999}, {1, 1200, 0}}},
		"who is late loses nothing": {1, 1, []take{{0, 0, 0}, {0, 0, 1000}, {0, 1999, 0}, {0, 1999, 1}, {0, 9000, 0}, {0, 9000, 0}, {0, 9000, 1000}}},
		"a clock that goes back":    {1, 1, []take{{0, 0, 0}, {0, -5000, 6000}, {0, 1000, 0}}},
		"nothing a second":          {0, 1, []take{{0, 0, 0}, {0, 0, hour}, {0, hour, 0}}},
		"less than nothing":         {-1, 1, []take{{0, 0, 0}, {0, 0, hour}}},
		"no number":                 {math.NaN(), 0, []take{{0, 0, 0}, {0, 0, hour}}},
		"more than can be told":     {math.Inf(1), 50_000, []take{{0, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, grants := retry.NewRail(tt.perSecond, tt.owners), map[int]*retry.Grant{}
			for i, take := range tt.takes {
				if grants[take.owner] == nil {
					grants[take.owner] = new(retry.Grant)
				}
				require.Equal(t, take.want, r.Take(grants[take.owner], now+take.at), "take %d, at %d", i, take.at)
			}
		})
	}
}

// TestGrantOfAnotherRail: a rate that is raised counts at once.
func TestGrantOfAnotherRail(t *testing.T) {
	t.Parallel()

	var g retry.Grant
	slow, fast := retry.NewRail(0.1, 1), retry.NewRail(1000, 1)
	require.Zero(t, slow.Take(&g, now))
	require.EqualValues(t, 10_000, slow.Take(&g, now))
	require.Zero(t, fast.Take(&g, now))
	require.EqualValues(t, 20_000, slow.Take(&g, now), "and what the other had given is gone")
}

func TestNoRail(t *testing.T) {
	t.Parallel()

	var r *retry.Rail
	for range 1000 {
		require.Zero(t, r.Take(new(retry.Grant), now))
	}
}

// TestRailKeepsItsRate: however late its owners come, no second sees more than the rate and what they can hold.
func TestRailKeepsItsRate(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		perSecond := rapid.Float64Range(0.05, 3000).Draw(t, "rate")
		owners := make([]struct {
			retry.Grant
			next int64
		}, rapid.IntRange(1, 8).Draw(t, "owners"))
		late := rapid.Int64Range(0, 600)
		r := retry.NewRail(perSecond, len(owners))
		var taken []int64
		for at := now; at < now+int64(5000*max(1, 1/perSecond)); at += rapid.Int64Range(1, 20).Draw(t, "step") {
			for i := range owners {
				o := &owners[i]
				for o.next <= at {
					wait := r.Take(&o.Grant, at)
					if wait == 0 {
						taken = append(taken, at)
						continue
					}
					if o.next = at + wait; rapid.IntRange(0, 9).Draw(t, "whether late") == 0 {
						o.next += late.Draw(t, "late")
					}
				}
			}
		}
		for i, first := 0, 0; i < len(taken); i++ {
			for taken[first] <= taken[i]-1000 {
				first++
			}
			held := max(perSecond/10, float64(len(owners)))
			require.LessOrEqual(t, float64(i-first+1), perSecond+held+max(1, held/float64(len(owners))), "in the second before %d", taken[i]-now)
		}
	})
}

func TestRailLosesNothing(t *testing.T) {
	t.Parallel()

	for _, perSecond := range []float64{0.3, 1, 7, 33.3, 1000, 5000} {
		r := retry.NewRail(perSecond, 1)
		var g retry.Grant
		taken, length := 0, int64(100_000)
		for at := now; at < now+length; {
			wait := r.Take(&g, at)
			if wait == 0 {
				taken++
			}
			at += wait
		}
		require.InDelta(t, perSecond*float64(length)/1000, float64(taken), perSecond*float64(length)/1000*0.01+1, "%v a second", perSecond)
	}
}
