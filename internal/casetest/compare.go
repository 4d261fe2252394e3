package casetest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/callstream/enricher/pkg/enrich"
)

// Comparison counts what two subjects, the old and the new one, make different of the same
// events. It is for one goroutine, keeps nothing of the events, and its size is bounded by
// the two catalogs.
type Comparison struct {
	old, now *Subject

	total Tally
	codes map[int32]*tally
}

// Tally counts events.
type Tally struct {
	Events  int64 `json:"events"`
	Changed int64 `json:"changed"` // at least one of the following
	Advice  int64 `json:"advice"`  // another retryable, class, delay or reason
	Outcome int64 `json:"outcome"`
	Route   int64 `json:"route"` // other routes, or in the output topic with one and not with the other
}

// Report is the sum of a Comparison.
type Report struct {
	Tally

	Codes []CodeReport `json:"codes"` // those with changed events, by code
}

// CodeReport is the part of one code.
type CodeReport struct {
	Tally

	Code    int32        `json:"code"`
	Name    string       `json:"name"`    // the old one, or else the new one
	Changes []Transition `json:"changes"` // by aspect, then by number of events
}

// Transition is one way in which events of a code change.
type Transition struct {
	Aspect string `json:"aspect"` // outcome, retryable, class, reason, delay_s, routes or output
	Old    string `json:"old"`    // "": nothing; of a delay the range of these events in seconds, such as 30-60
	New    string `json:"new"`
	Events int64  `json:"events"`
}

// tally is what is counted of one code.
type tally struct {
	Tally

	name    string
	changes map[change]int64
	moved   delays // those that are redialled with both, but not at the same time
	gained  delays // those that are redialled with the new one only
}

// delays counts events whose delay changes.
type delays struct {
	events   int64
	old, now span
}

// span is a range of seconds; {0, 0} is an empty one, since no event is redialled at once.
type span struct{ low, high int64 }

type change struct{ aspect, old, now string }

// NewComparison compares what becomes of events with the old and with the new subject.
func NewComparison(old, now *Subject) *Comparison {
	return &Comparison{old: old, now: now, codes: map[int32]*tally{}}
}

// Add looks at one event.
func (c *Comparison) Add(rec *enrich.Record) {
	old, now := c.old.try(rec), c.now.try(rec)

	var one Tally

	one.Events = 1
	if old.Outcome != now.Outcome {
		one.Outcome = 1
	}

	if old.output != now.output || !slices.Equal(old.routes, now.routes) {
		one.Route = 1
	}

	a, b := &old.Advice, &now.Advice
	if a.Retryable != b.Retryable || a.Class != b.Class || a.Reason != b.Reason || a.DelayS != b.DelayS {
		one.Advice = 1
	}

	one.Changed = max(one.Outcome, one.Route, one.Advice)
	c.total.add(&one)

	// What neither catalog knows is the same to both, and there may be any number of codes.
	if old.Entry == nil && now.Entry == nil {
		return
	}

	t := c.tally(old, now)
	t.add(&one)

	if one.Changed > 0 {
		t.compare(old, now)
	}
}

func (t *Tally) add(one *Tally) {
	t.Events += one.Events
	t.Changed += one.Changed
	t.Advice += one.Advice
	t.Outcome += one.Outcome
	t.Route += one.Route
}

func (c *Comparison) tally(old, now placed) *tally {
	entry := old.Entry // a name may have one in one catalog only
	if entry == nil {
		entry = now.Entry
	}

	t, ok := c.codes[entry.Code]
	if !ok {
		t = &tally{name: entry.Name, changes: map[change]int64{}}
		c.codes[entry.Code] = t
	}

	return t
}

func (t *tally) compare(old, now placed) {
	a, b := &old.Advice, &now.Advice

	t.change("outcome", old.Outcome.String(), now.Outcome.String())
	t.change("retryable", strconv.FormatBool(a.Retryable), strconv.FormatBool(b.Retryable))
	t.change("class", string(a.Class), string(b.Class))
	t.change("reason", string(a.Reason), string(b.Reason))
	t.change("routes", strings.Join(old.routes, ","), strings.Join(now.routes, ","))
	t.change("output", strconv.FormatBool(old.output), strconv.FormatBool(now.output))

	switch {
	case !b.Retryable || a.DelayS == b.DelayS:
	case a.Retryable:
		t.moved.add(a.DelayS, b.DelayS)
	default:
		t.gained.add(0, b.DelayS)
	}
}

func (t *tally) change(aspect, old, now string) {
	if old != now {
		t.changes[change{aspect, old, now}]++
	}
}

func (d *delays) add(old, now int64) {
	d.events++
	d.old.add(old)
	d.now.add(now)
}

func (s *span) add(seconds int64) {
	if seconds == 0 { // not redialled
		return
	}

	if s.high == 0 {
		s.low = seconds
	}

	s.low, s.high = min(s.low, seconds), max(s.high, seconds)
}

func (s *span) String() string {
	switch {
	case s.high == 0:
		return ""
	case s.low == s.high:
		return strconv.FormatInt(s.low, 10)
	default:
		return strconv.FormatInt(s.low, 10) + "-" + strconv.FormatInt(s.high, 10)
	}
}

// Report sums up what has been added so far.
func (c *Comparison) Report() *Report {
	r := &Report{Tally: c.total, Codes: []CodeReport{}}

	for _, code := range slices.Sorted(maps.Keys(c.codes)) {
		if t := c.codes[code]; t.Changed > 0 {
			r.Codes = append(r.Codes, CodeReport{t.Tally, code, t.name, t.transitions()})
		}
	}

	return r
}

func (t *tally) transitions() []Transition {
	out := []Transition{}
	for c, n := range t.changes {
		out = append(out, Transition{c.aspect, c.old, c.now, n})
	}

	for _, d := range []*delays{&t.moved, &t.gained} {
		if d.events > 0 {
			out = append(out, Transition{"delay_s", d.old.String(), d.now.String(), d.events})
		}
	}

	order := []string{"outcome", "retryable", "class", "reason", "delay_s", "routes", "output"}
	slices.SortFunc(out, func(a, b Transition) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Aspect), slices.Index(order, b.Aspect)), cmp.Compare(b.Events, a.Events),
			cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New))
	})

	return out
}
