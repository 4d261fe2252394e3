package pipeline

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/callstream/enricher/pkg/enrich"
)

// Ledger proves that nothing is lost: every event in has one outcome and went to one
// place, and every record handed to a topic was acknowledged by it.
//
//	in = enriched + unknown_code + no_code + malformed + tombstone
//	   = output + dead-lettered + filtered
type Ledger struct {
	Outcomes  [enrich.NumOutcomes]atomic.Int64
	Output    atomic.Int64 // handed to the output topic
	Dead      atomic.Int64 // handed to the dead-letter topic
	Filtered  atomic.Int64 // left out because the configuration says so
	Abandoned atomic.Int64 // records given up at a revocation, unacknowledged; their input is repeated
	Replaced  atomic.Int64 // events that had an object under the field already
	Routes    []RouteCount

	mu         sync.Mutex
	acked      map[string]*atomic.Int64 // by topic
	reasons    map[string]int64         // dead letters by reason
	codes      map[int32]int64          // events by code, known or not
	otherCodes int64
}

// RouteCount counts the copies of one route.
type RouteCount struct {
	Name   string
	Copies atomic.Int64
}

// maxCodes bounds how many different codes are counted apart: a broken producer that
// sends random codes must not fill the memory, or the metrics.
const maxCodes = 512

func newLedger(routes []Route) *Ledger {
	l := &Ledger{acked: map[string]*atomic.Int64{}, reasons: map[string]int64{}, codes: map[int32]int64{}, Routes: make([]RouteCount, len(routes))}
	for i, r := range routes {
		l.Routes[i].Name = r.Name
	}
	return l
}

func (l *Ledger) ackedOf(topic string) *atomic.Int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := l.acked[topic]
	if !ok {
		n = new(atomic.Int64)
		l.acked[topic] = n
	}
	return n
}

// Totals is the ledger at one moment.
type Totals struct {
	In         int64
	Outcomes   map[string]int64
	Output     int64
	Dead       int64
	Filtered   int64
	Abandoned  int64
	Replaced   int64
	Routes     map[string]int64
	Acked      map[string]int64 // by topic
	Reasons    map[string]int64
	Codes      map[int32]int64
	OtherCodes int64 // events whose code came after maxCodes others
}

// Totals reads the ledger. While events flow the figures may be a batch apart.
func (l *Ledger) Totals() Totals {
	t := Totals{
		Outcomes: map[string]int64{}, Routes: map[string]int64{}, Acked: map[string]int64{}, Reasons: map[string]int64{}, Codes: map[int32]int64{},
		Output: l.Output.Load(), Dead: l.Dead.Load(), Filtered: l.Filtered.Load(), Abandoned: l.Abandoned.Load(), Replaced: l.Replaced.Load(),
	}
	for i := range l.Outcomes {
		n := l.Outcomes[i].Load()
		t.Outcomes[enrich.Outcome(i).String()] = n
		t.In += n
	}
	for i := range l.Routes {
		t.Routes[l.Routes[i].Name] = l.Routes[i].Copies.Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for topic, n := range l.acked {
		t.Acked[topic] = n.Load()
	}
	maps.Copy(t.Reasons, l.reasons)
	maps.Copy(t.Codes, l.codes)
	t.OtherCodes = l.otherCodes
	return t
}

// Conserved tells whether nothing is missing: true once everything in flight has been
// acknowledged, and false if anything was lost on the way.
func (t Totals) Conserved() bool {
	handed := t.Output + t.Dead
	for _, n := range t.Routes {
		handed += n
	}
	var acked int64
	for _, n := range t.Acked {
		acked += n
	}
	return t.In == t.Output+t.Dead+t.Filtered && handed == acked+t.Abandoned
}

// String is the conservation line.
func (t Totals) String() string {
	return fmt.Sprintf("in %d = enriched %d + unknown_code %d + no_code %d + malformed %d + tombstone %d = output %d + dead-lettered %d + filtered %d",
		t.In, t.Outcomes["enriched"], t.Outcomes["unknown_code"], t.Outcomes["no_code"], t.Outcomes["malformed"], t.Outcomes["tombstone"],
		t.Output, t.Dead, t.Filtered)
}

// tally is a worker's own count of one chunk, added to the ledger at its end: shared
// counters for each event would cost more than looking its code up.
type tally struct {
	outcomes                                [enrich.NumOutcomes]int64
	output, deadLetters, filtered, replaced int64
	routes                                  []int64
	reasons                                 map[string]int64
	codes                                   map[int32]int64
	last                                    int32 // codes come in runs
	lastN                                   int64
}

func newTally(routes int) tally {
	return tally{routes: make([]int64, routes), reasons: map[string]int64{}, codes: map[int32]int64{}}
}

func (t *tally) event(res *enrich.Result) {
	t.outcomes[res.Outcome]++
	if res.Replaced {
		t.replaced++
	}
	if !res.HasCode {
		return
	}
	if res.Code == t.last {
		t.lastN++
		return
	}
	if t.lastN > 0 {
		t.codes[t.last] += t.lastN
	}
	t.last, t.lastN = res.Code, 1
}

func (t *tally) dead(reason string) {
	t.deadLetters++
	t.reasons[reason]++
}

// flush adds the tally to the ledger and empties it.
func (t *tally) flush(l *Ledger) {
	for i, n := range t.outcomes {
		l.Outcomes[i].Add(n)
	}
	l.Output.Add(t.output)
	l.Dead.Add(t.deadLetters)
	l.Filtered.Add(t.filtered)
	l.Replaced.Add(t.replaced)
	for i, n := range t.routes {
		l.Routes[i].Copies.Add(n)
	}
	if t.lastN > 0 {
		t.codes[t.last] += t.lastN
	}
	l.mu.Lock()
	for r, n := range t.reasons {
		l.reasons[r] += n
	}
	for c, n := range t.codes {
		if _, ok := l.codes[c]; ok || len(l.codes) < maxCodes {
			l.codes[c] += n
		} else {
			l.otherCodes += n
		}
	}
	l.mu.Unlock()
	t.outcomes = [enrich.NumOutcomes]int64{}
	t.output, t.deadLetters, t.filtered, t.replaced, t.lastN = 0, 0, 0, 0, 0
	clear(t.routes)
	clear(t.reasons)
	clear(t.codes)
}
