package ops

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// The page's memory. Rates are those of the last recentTime, charts show the last pastTime. A look is taken each second
// while somebody has asked within the last watchedTime, and else each tenth second only: whoever opens the page because
// something has happened sees what came before, for a tenth of the work.
const (
	lookEvery   = time.Second
	restEvery   = 10 * time.Second
	watchedTime = 15 * time.Second
	recentTime  = 10 * time.Second
	pastTime    = 180 * time.Second
)

// live keeps of the near past what the page tells about it.
type live struct {
	source Source

	mu     sync.Mutex
	asked  time.Time // when somebody last did
	recent []*Status // oldest first
	past   []sample  // oldest first
	seen   map[int32]sighting
}

// sample is what the charts show of one moment.
type sample struct {
	at    time.Time
	roles []roleSample // as in Status.Roles
}

type roleSample struct {
	became  []int64 // as in Role.Became
	lag     int64
	commits Histogram
}

// sighting is when the count of a code without an entry was last found to have grown.
type sighting struct {
	n  int64
	at time.Time
}

func newLive(s Source) *live { return &live{source: s, seen: map[int32]sighting{}} }

// run looks until ctx ends.
func (l *live) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var looked time.Time
	for now := time.Now(); ; {
		if l.due(looked, now) {
			l.look()
			looked = now
		}
		select {
		case <-ctx.Done():
			return
		case now = <-tick.C:
		}
	}
}

// due tells whether it is time for another look.
func (l *live) due(looked, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Half a tick of slack: they do not come to the nanosecond.
	return now.Sub(l.asked) < watchedTime || now.Sub(looked) > restEvery-lookEvery/2
}

// look takes a sample.
func (l *live) look() {
	st := l.source.Status()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sight(st)
	// One that is older stays to compare with, or for the chart's left edge.
	n := 0
	for n < len(l.recent)-1 && st.At.Sub(l.recent[n+1].At) >= recentTime {
		n++
	}
	l.recent = append(slices.Delete(l.recent, 0, n), st)
	n = 0
	for n < len(l.past)-1 && st.At.Sub(l.past[n+1].at) >= pastTime {
		n++
	}
	l.past = append(slices.Delete(l.past, 0, n), sampleOf(st))
}

func sampleOf(st *Status) sample {
	s := sample{at: st.At, roles: make([]roleSample, len(st.Roles))}
	for i := range st.Roles {
		for _, c := range st.Roles[i].Became {
			s.roles[i].became = append(s.roles[i].became, c.N)
		}
		s.roles[i].lag, _ = st.Roles[i].lag()
		s.roles[i].commits = st.Roles[i].Commits.Times
	}
	return s
}

// lag is the sum over the partitions; known is false as long as that of any is not.
func (r *Role) lag() (sum int64, known bool) {
	known = true
	for i := range r.Partitions {
		if p := &r.Partitions[i]; p.Lag != nil {
			sum += *p.Lag
		} else {
			known = false
		}
	}
	return sum, known
}

// sight notes which unknown codes were seen since the last time. The source bounds how many there are.
func (l *live) sight(st *Status) {
	for i := range st.Codes {
		c := &st.Codes[i]
		if c.Name != "" {
			continue
		}
		s := l.seen[c.Code]
		if s.n != c.N {
			s = sighting{c.N, st.At}
			l.seen[c.Code] = s
		}
		c.LastSeen = &s.at
	}
}

// status is the present, with what the past adds to it. The past comes with it.
func (l *live) status() (*Status, []sample) {
	st := l.source.Status()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = time.Now()
	l.sight(st)
	if len(l.recent) > 0 {
		st.compare(l.recent[0])
	} else {
		st.compare(&Status{At: st.At})
	}
	past := make([]sample, len(l.past))
	copy(past, l.past)
	return st, past
}

// leastWindow is the shortest time that a rate is worked out over: in less, a batch more or less is all.
const leastWindow = 900 * time.Millisecond

// compare works out rates and latencies since an older status of the same process.
func (st *Status) compare(old *Status) {
	w := window(st.At.Sub(old.At))
	st.WindowS = round(time.Duration(w).Seconds())
	w.counts(st.Routes, old.Routes)
	for i := range st.Roles {
		before := &Role{}
		if i < len(old.Roles) {
			before = &old.Roles[i]
		}
		w.role(&st.Roles[i], before)
	}
	if st.Retry == nil {
		return
	}
	for i := range st.Retry.Tiers {
		if t := &st.Retry.Tiers[i]; t.Late != nil {
			t.LateP99 = t.Late.Quantile(nearlyAll) // since the start: few come due in a few seconds
		}
	}
}

// window is the time between two statuses.
type window time.Duration

func (w window) role(r, before *Role) {
	r.Events.PerS = w.per(r.Events.N, before.Events.N)
	w.counts(r.Became, before.Became)
	w.counts(r.Places, before.Places)
	w.counts(r.DeadLetters, before.DeadLetters)
	had := make(map[place]int64, len(before.Partitions))
	for _, p := range before.Partitions {
		had[place{p.Topic, p.Number}] = p.Events
	}
	for i := range r.Partitions {
		p := &r.Partitions[i]
		if n, ok := had[place{p.Topic, p.Number}]; ok { // else it has just come here
			p.PerS = w.per(p.Events, n)
		}
	}
	times := r.Commits.Times.Since(before.Commits.Times)
	r.Commits.Count, r.Commits.P50, r.Commits.P99 = r.Commits.Times.Count, times.Quantile(median), times.Quantile(nearlyAll)
}

func (w window) counts(now, before []Count) {
	for i := range now {
		now[i].PerS = w.per(now[i].N, countOf(before, now[i].Name))
	}
}

func (w window) per(now, before int64) float64 {
	if time.Duration(w) < leastWindow {
		return 0
	}
	return round(float64(max(now-before, 0)) / time.Duration(w).Seconds())
}

const (
	median    = 0.5
	nearlyAll = 0.99
)

type place struct {
	topic  string
	number int32
}

func countOf(counts []Count, name string) int64 {
	for _, c := range counts {
		if c.Name == name {
			return c.N
		}
	}
	return 0
}

// round keeps one place behind the point: more says nothing of a rate.
func round(f float64) float64 { return math.Round(10*f) / 10 }
