package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/pkg/enrich"
)

// Ledger proves that nothing is lost: in every input partition each event has one outcome
// and went to one place, and every record handed to a topic was acknowledged by it.
//
//	in = enriched + unknown_code + no_code + malformed + tombstone
//	   = output + dead-lettered + filtered
//
// and for the delay role, whose output is the due topic:
//
//	in = output + moved + gave up + cancelled + dead-lettered
type Ledger struct {
	Abandoned atomic.Int64 // records given up at a revocation, unacknowledged; their input is repeated
	Replaced  atomic.Int64 // events that had an object under the field already

	mu         sync.Mutex
	partitions map[broker.TopicPartition]*Account
	acked      map[string]*atomic.Int64 // by topic
	copies     map[string]*atomic.Int64 // by route, those of the past among them
	reasons    map[string]int64         // dead letters by reason
	codes      map[int32]int64          // events by code, known or not
	otherCodes int64
	tiers      []TierCount
	gaveUp     map[retry.Reason]int64
}

// TierCount counts the records written to a tier of the retry loop.
type TierCount struct {
	Topic   string
	Entered int64
}

// Account is the ledger of one input partition, for as long as the process runs.
type Account struct {
	Outcomes [enrich.NumOutcomes]int64 // events read, by outcome
	Output   int64                     // handed to the output topic
	Dead     int64                     // handed to the dead-letter topic
	Filtered int64                     // left out because the configuration says so

	// Of the delay role.
	Retries   int64 // read from a tier
	Moved     int64 // handed to a further tier
	GaveUp    int64 // handed to the topic of calls that are given up
	Cancelled int64 // left out because of a cancel record
}

// In is the number of events read.
func (a *Account) In() int64 {
	in := a.Retries
	for _, n := range a.Outcomes {
		in += n
	}
	return in
}

// conserved tells whether each event went to one place.
func (a *Account) conserved() bool {
	return a.In() == a.Output+a.Dead+a.Filtered+a.Moved+a.GaveUp+a.Cancelled
}

func (a *Account) add(b *Account) {
	for i, n := range b.Outcomes {
		a.Outcomes[i] += n
	}
	a.Output += b.Output
	a.Dead += b.Dead
	a.Filtered += b.Filtered
	a.Retries += b.Retries
	a.Moved += b.Moved
	a.GaveUp += b.GaveUp
	a.Cancelled += b.Cancelled
}

// maxCodes bounds how many different codes are counted apart: a broken producer that
// sends random codes must not fill the memory, or the metrics.
const maxCodes = 512

// LongCode tells whether a code that the catalog does not know is not counted by itself nor shown: with seven digits or more it
// may be a telephone number, in a field that was taken for the code's.
func LongCode(code int32) bool { return code >= 1_000_000 || code <= -1_000_000 }

func newLedger(tiers []retry.Tier) *Ledger {
	l := &Ledger{
		partitions: map[broker.TopicPartition]*Account{}, acked: map[string]*atomic.Int64{}, reasons: map[string]int64{}, codes: map[int32]int64{},
		gaveUp: map[retry.Reason]int64{}, copies: map[string]*atomic.Int64{},
	}
	for _, tier := range tiers {
		l.tiers = append(l.tiers, TierCount{Topic: tier.Topic})
	}
	return l
}

// ackedOf counts the records that a topic has acknowledged, and copiesOf those handed to one by a route.
func (l *Ledger) ackedOf(topic string) *atomic.Int64  { return l.counter(l.acked, topic) }
func (l *Ledger) copiesOf(route string) *atomic.Int64 { return l.counter(l.copies, route) }

func (l *Ledger) counter(of map[string]*atomic.Int64, name string) *atomic.Int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, ok := of[name]
	if !ok {
		n = new(atomic.Int64)
		of[name] = n
	}
	return n
}

// Totals is the ledger at one moment.
type Totals struct {
	Partitions map[broker.TopicPartition]Account // every input partition that the process had events of
	In         int64                             // the sum over the partitions, as are the next four
	Outcomes   map[string]int64
	Output     int64
	Dead       int64
	Filtered   int64
	Retries    int64 // this and the next two are of the delay role
	Moved      int64
	Cancelled  int64
	Abandoned  int64
	Replaced   int64
	Routes     map[string]int64
	Acked      map[string]int64 // by topic
	Reasons    map[string]int64
	Codes      map[int32]int64
	OtherCodes int64 // events whose code came after maxCodes others, or is a LongCode
	Tiers      []TierCount
	GaveUp     map[string]int64 // records handed to the topic of calls that are given up, by reason
}

// Totals reads the ledger. While events flow the figures may be a batch apart.
func (l *Ledger) Totals() Totals {
	t := Totals{
		Partitions: map[broker.TopicPartition]Account{}, Outcomes: map[string]int64{}, Routes: map[string]int64{},
		Acked: map[string]int64{}, Reasons: map[string]int64{}, Codes: map[int32]int64{}, GaveUp: map[string]int64{},
		Abandoned: l.Abandoned.Load(), Replaced: l.Replaced.Load(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for route, n := range l.copies {
		t.Routes[route] = n.Load()
	}
	var sum Account
	for tp, a := range l.partitions {
		t.Partitions[tp] = *a
		sum.add(a)
	}
	t.In, t.Output, t.Dead, t.Filtered = sum.In(), sum.Output, sum.Dead, sum.Filtered
	t.Retries, t.Moved, t.Cancelled = sum.Retries, sum.Moved, sum.Cancelled
	t.Tiers = slices.Clone(l.tiers)
	for reason, n := range l.gaveUp {
		t.GaveUp[string(reason)] = n
	}
	for i, n := range sum.Outcomes {
		t.Outcomes[enrich.Outcome(i).String()] = n
	}
	for topic, n := range l.acked {
		t.Acked[topic] = n.Load()
	}
	maps.Copy(t.Reasons, l.reasons)
	maps.Copy(t.Codes, l.codes)
	t.OtherCodes = l.otherCodes
	return t
}

// Conserved tells whether nothing is missing, in no partition: true once everything in flight
// has been acknowledged, and false if anything was lost on the way.
func (t Totals) Conserved() bool {
	for _, a := range t.Partitions {
		if !a.conserved() {
			return false
		}
	}
	handed := t.Output + t.Dead
	for _, n := range t.Routes {
		handed += n
	}
	for _, tier := range t.Tiers {
		handed += tier.Entered
	}
	for _, n := range t.GaveUp {
		handed += n
	}
	var acked int64
	for _, n := range t.Acked {
		acked += n
	}
	return handed == acked+t.Abandoned
}

// String is the conservation line.
func (t Totals) String() string {
	if t.Retries > 0 {
		var gaveUp int64
		for _, n := range t.GaveUp {
			gaveUp += n
		}
		return fmt.Sprintf("in %d from %d partitions = due %d + moved %d + gave up %d + cancelled %d + dead-lettered %d", t.In, len(t.Partitions), t.Output, t.Moved, gaveUp, t.Cancelled, t.Dead)
	}
	return fmt.Sprintf("in %d from %d partitions = enriched %d + unknown_code %d + no_code %d + malformed %d + tombstone %d = output %d + dead-lettered %d + filtered %d",
		t.In, len(t.Partitions), t.Outcomes["enriched"], t.Outcomes["unknown_code"], t.Outcomes["no_code"], t.Outcomes["malformed"], t.Outcomes["tombstone"],
		t.Output, t.Dead, t.Filtered)
}

// tally is a worker's own count of one chunk, added to the ledger at its end: shared
// counters for each event would cost more than looking its code up.
type tally struct {
	account   Account
	replaced  int64
	longCodes int64
	routes    []int64
	reasons   map[string]int64
	codes     map[int32]int64
	tiers     []int64
	gaveUp    map[retry.Reason]int64
	// counts is in front of codes, so that most events touch no map. A code that meets another in its
	// place sends that one's count there.
	counts [256]codeCount
}

type codeCount struct {
	code int32
	n    int64
}

func newTally(routes, tiers int) tally {
	return tally{routes: make([]int64, routes), tiers: make([]int64, tiers), reasons: map[string]int64{}, codes: map[int32]int64{}, gaveUp: map[retry.Reason]int64{}}
}

// looped counts a record that was written to a tier, or given up.
func (t *tally) looped(way retry.Decision) {
	if way.Place == retry.GaveUp {
		t.gaveUp[way.Reason]++
	} else {
		t.tiers[way.Tier]++
	}
}

func (t *tally) event(res *enrich.Result) {
	t.account.Outcomes[res.Outcome]++
	if res.Replaced {
		t.replaced++
	}
	if !res.HasCode {
		return
	}
	if res.Outcome == enrich.UnknownCode && LongCode(res.Code) {
		t.longCodes++
		return
	}
	c := &t.counts[uint32(res.Code)*0x9E3779B1>>24] //nolint:gosec // a hash
	if c.code != res.Code {
		t.spill(c)
		c.code = res.Code
	}
	c.n++
}

func (t *tally) spill(c *codeCount) {
	if c.n > 0 {
		t.codes[c.code] += c.n
		c.n = 0
	}
}

func (t *tally) dead(reason string) {
	t.account.Dead++
	t.reasons[reason]++
}

// flush adds the tally of one input partition to the ledger and empties it; copies are the ledger's counters of
// the routes.
func (t *tally) flush(l *Ledger, tp broker.TopicPartition, copies []*atomic.Int64) {
	l.Replaced.Add(t.replaced)
	for i, n := range t.routes {
		copies[i].Add(n)
	}
	for i := range t.counts {
		t.spill(&t.counts[i])
	}
	l.mu.Lock()
	a, ok := l.partitions[tp]
	if !ok {
		a = new(Account)
		l.partitions[tp] = a
	}
	a.add(&t.account)
	for r, n := range t.reasons {
		l.reasons[r] += n
	}
	for i, n := range t.tiers {
		l.tiers[i].Entered += n
	}
	for r, n := range t.gaveUp {
		l.gaveUp[r] += n
	}
	for c, n := range t.codes {
		if _, ok := l.codes[c]; ok || len(l.codes) < maxCodes {
			l.codes[c] += n
		} else {
			l.otherCodes += n
		}
	}
	l.otherCodes += t.longCodes
	l.mu.Unlock()
	t.account, t.replaced, t.longCodes = Account{}, 0, 0
	clear(t.routes)
	clear(t.tiers)
	clear(t.gaveUp)
	clear(t.reasons)
	clear(t.codes)
}
