// Package route decides which further topics an event is copied to. A matcher is
// compiled once from a rule and then only compares; it knows nothing of Kafka.
package route

import (
	"errors"
	"fmt"
	"slices"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// Rule says which events match. Within one member any value may hold; all members that
// are given must hold. A rule without members is an error: it would copy everything.
type Rule struct {
	Outcomes   []string // enriched, unknown_code, no_code, malformed, tombstone
	Codes      []CodeRange
	Faults     []string
	Classes    []string // retry class of the entry
	Flags      []string
	Retryable  *bool    // the advice for this event
	Directions []string // of the event: outbound, inbound
	Sources    []string // parties that the entry names as ending the call
}

// Matcher is a compiled rule. It is safe for concurrent use.
type Matcher struct {
	outcomes   [enrich.NumOutcomes]bool
	anyOutcome bool
	codes      []CodeRange
	faults     []catalog.Fault
	classes    []catalog.Class
	flags      []catalog.Flag
	retryable  *bool
	directions []catalog.Direction
	sources    []catalog.Source
}

// CodeRange is a range of codes, both ends included.
type CodeRange struct{ From, To int32 }

// Compile checks a rule against the closed lists; all mistakes are reported together.
func Compile(r Rule) (*Matcher, error) {
	m := &Matcher{anyOutcome: len(r.Outcomes) == 0, retryable: r.Retryable}
	var errs []error
	for _, name := range r.Outcomes {
		o, ok := outcomeOf(name)
		if !ok {
			errs = append(errs, fmt.Errorf("outcome %q is none of enriched, unknown_code, no_code, malformed, tombstone", name))
			continue
		}
		m.outcomes[o] = true
	}
	for _, c := range r.Codes {
		if c.From < 0 || c.To < c.From {
			errs = append(errs, fmt.Errorf("codes %d-%d are no range from a lower to a higher code", c.From, c.To))
		}
	}
	m.codes = r.Codes
	m.faults = closed("fault", r.Faults, catalog.Faults(), &errs)
	m.classes = closed("class", r.Classes, catalog.Classes(), &errs)
	m.flags = closed("flag", r.Flags, catalog.Flags(), &errs)
	m.directions = closed("direction", r.Directions, catalog.Directions(), &errs)
	m.sources = closed("source", r.Sources, catalog.Sources(), &errs)
	if m.empty() {
		errs = append(errs, errors.New("match is empty: it would copy every event; name at least one of outcome, codes, fault, class, flags, retryable, direction, source"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// AboutCall tells whether the rule asks for more than an event's outcome and cause: for the advice or the direction.
func (m *Matcher) AboutCall() bool { return m.retryable != nil || m.directions != nil }

// Matches tells whether an event goes to the route.
func (m *Matcher) Matches(res *enrich.Result) bool {
	if !m.anyOutcome && !m.outcomes[res.Outcome] {
		return false
	}
	if m.retryable != nil && res.Advice.Retryable != *m.retryable {
		return false
	}
	if len(m.codes) > 0 && !(res.HasCode && slices.ContainsFunc(m.codes, func(c CodeRange) bool { return c.From <= res.Code && res.Code <= c.To })) {
		return false
	}
	if m.directions != nil && !slices.Contains(m.directions, res.Direction) {
		return false
	}
	return m.matchesEntry(res.Entry)
}

// matchesEntry tests what only an entry can have.
func (m *Matcher) matchesEntry(e *catalog.Entry) bool {
	if m.faults == nil && m.classes == nil && m.flags == nil && m.sources == nil {
		return true
	}
	if e == nil {
		return false
	}
	return (m.faults == nil || slices.Contains(m.faults, e.Fault)) &&
		(m.classes == nil || slices.Contains(m.classes, e.Retry.Class)) &&
		(m.flags == nil || slices.ContainsFunc(e.Flags, func(f catalog.Flag) bool { return slices.Contains(m.flags, f) })) &&
		(m.sources == nil || slices.ContainsFunc(e.Sources, func(s catalog.SourceRef) bool { return slices.Contains(m.sources, s.By) }))
}

func (m *Matcher) empty() bool {
	return m.anyOutcome && len(m.codes) == 0 && m.faults == nil && m.classes == nil && m.flags == nil &&
		m.retryable == nil && m.directions == nil && m.sources == nil
}

func outcomeOf(name string) (enrich.Outcome, bool) {
	for o := range enrich.Outcome(enrich.NumOutcomes) {
		if o.String() == name {
			return o, true
		}
	}
	return 0, false
}

// closed checks words against a closed list.
func closed[T ~string](what string, words []string, known []T, errs *[]error) []T {
	if len(words) == 0 {
		return nil // not given: any will do
	}
	out := make([]T, 0, len(words))
	for _, w := range words {
		if !slices.Contains(known, T(w)) {
			*errs = append(*errs, fmt.Errorf("%s %q is none of %v", what, w, known))
		}
		out = append(out, T(w))
	}
	return out
}
