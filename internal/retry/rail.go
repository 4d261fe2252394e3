package retry

import "math"

// The bounds of a rail's rate. Below, nobody would wait for it; above, milliseconds are
// too coarse.
const (
	leastPerSecond = 1.0 / 3600
	mostPerSecond  = 1e6
)

// Rail holds back what comes due too fast. It is one partition's: its owner divides the
// rate among partitions. It is not safe for concurrent use. A nil Rail lets everything pass.
//
// It is a token bucket that holds a tenth of a second's worth, and one at the least, so
// that an owner who wakes up late by less than that loses nothing; it begins with one. Any
// second sees at most the rate and a tenth of it.
type Rail struct {
	perMS  float64
	burst  float64
	tokens float64
	lastMS int64
	begun  bool
}

// NewRail takes the number of orders a second, a fraction too: 0.3 is one in three and a
// third seconds. Rates below one an hour, and what is no number, count as one an hour, and
// those above a million as a million.
func NewRail(perSecond float64) *Rail {
	if !(perSecond >= leastPerSecond) { // not a number too
		perSecond = leastPerSecond
	}
	perSecond = min(perSecond, mostPerSecond)
	return &Rail{perMS: perSecond / 1000, burst: max(1, perSecond/10), tokens: 1}
}

// Take gives 0 if an order may come due now, and counts it; otherwise the milliseconds to
// wait before asking again, and counts nothing. nowMS is the present. If it goes back,
// the time that passes twice counts twice.
func (r *Rail) Take(nowMS int64) (waitMS int64) {
	if r == nil {
		return 0
	}
	if passed := nowMS - r.lastMS; r.begun && passed > 0 {
		r.tokens = min(r.burst, r.tokens+float64(passed)*r.perMS)
	}
	r.lastMS, r.begun = nowMS, true

	const enough = 1 - 1e-9 // what rounding leaves of one
	if r.tokens >= enough {
		r.tokens = max(0, r.tokens-1)
		return 0
	}
	return max(1, int64(math.Ceil((enough-r.tokens)/r.perMS)))
}
