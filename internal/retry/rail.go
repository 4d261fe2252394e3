package retry

import (
	"math"
	"sync"
)

// The bounds of a rail's rate. Below, nobody would wait for it; above, milliseconds are
// too coarse.
const (
	leastPerSecond = 1.0 / 3600
	mostPerSecond  = 1e6
)

// Rail holds back what comes due too fast: it hands out grants, each a time from which on so many orders may come
// due. Grants follow each other in the order in which they were asked for, so nobody who waits is passed over.
// Time for which nobody asks is not saved up. It is safe for concurrent use.
//
// Any second sees at most the rate, and what owners hold of grants that they came too late for: a tenth of the
// rate, or one for each owner.
type Rail struct {
	perMS float64
	size  int

	mu   sync.Mutex
	free float64 // when the next grant begins, in milliseconds since the epoch
}

// NewRail takes the number of orders a second, a fraction too (0.3 is one in three and a third seconds), and among how
// many owners they are divided: a grant is an owner's part of a tenth of a second, and one at the least. Rates
// below one an hour, and what is no number, count as one an hour, and those above a million as a million.
func NewRail(perSecond float64, owners int) *Rail {
	if !(perSecond >= leastPerSecond) { // not a number too
		perSecond = leastPerSecond
	}
	perSecond = min(perSecond, mostPerSecond)
	return &Rail{perMS: perSecond / 1000, size: max(1, int(perSecond/10/float64(max(1, owners))))}
}

// Grant is a number of orders that may come due from a time on. It is one owner's. The zero Grant is used up.
type Grant struct {
	rail   *Rail // who gave it
	fromMS int64
	left   int
}

// Take counts an order against an owner's grant, and asks for another one where that is used up. It gives 0 if the
// order may come due now, and otherwise the milliseconds until it may. A nil Rail lets everything pass. nowMS is
// the present; if it goes back, grants that have been given keep their times.
func (r *Rail) Take(g *Grant, nowMS int64) (waitMS int64) {
	if r == nil {
		return 0
	}
	if g.left == 0 || g.rail != r { // another rail's times mean nothing here
		*g = r.grant(nowMS)
	}
	if nowMS < g.fromMS {
		return g.fromMS - nowMS
	}
	g.left--
	return 0
}

func (r *Rail) grant(nowMS int64) Grant {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := max(r.free, float64(nowMS))
	r.free = from + float64(r.size)/r.perMS
	return Grant{r, int64(math.Ceil(from)), r.size}
}
