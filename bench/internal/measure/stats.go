package measure

import (
	"math"
	"slices"
)

// Range is what several rounds gave. The zero Range means that there were none.
type Range struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// Summary orders what rounds gave. The median of an even number lies between the middle two.
func Summary(values []float64) Range {
	if len(values) == 0 {
		return Range{}
	}
	v := slices.Sorted(slices.Values(values))
	middle := v[len(v)/2]
	if len(v)%2 == 0 {
		middle = (v[len(v)/2-1] + middle) / 2
	}
	return Range{Median: middle, Min: v[0], Max: v[len(v)-1], N: len(v)}
}

// Ratios divides round by round and orders the quotients: what slows a whole round down, such
// as another guest of the host, falls out. Both are by round; a round that one of them lacks is left out.
func Ratios(of, to map[int]float64) Range {
	var quotients []float64
	for round, a := range of {
		if b, ok := to[round]; ok && b != 0 {
			quotients = append(quotients, a/b)
		}
	}
	return Summary(quotients)
}

// Percentile is the smallest of the sorted values that at least p of all, 0 to 1, are not above: the
// nearest rank, never a value that was not measured. NaN if there are none.
func Percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
