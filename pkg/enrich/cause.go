package enrich

import (
	"math/bits"
	"reflect"
	"slices"

	"github.com/callstream/enricher/pkg/catalog"
)

// cause is what an event may turn out to be about, with all that is written about it
// prepared: an entry of the catalog, or a reason why there is none.
type cause struct {
	entry   *catalog.Entry // nil: nobody knows it
	optedIn bool
	decided [numSituations]uint8 // index of the rule that decides
	byCode  [numKinds]output
	byName  [numKinds]output
}

// output is what is written about events of one kind.
type output struct {
	object  template
	headers headers
}

// newCause prepares what is said about an entry, or if that is nil about a reason.
func (e *Enricher) newCause(entry *catalog.Entry, reason Reason, fields map[string]bool) *cause {
	c := &cause{entry: entry, optedIn: entry != nil && (entry.Retry.OptedIn || slices.Contains(e.opt.OptIn, entry.Code))}
	e.settle(c, reason)

	for k := range numKinds {
		s := subject{entry: entry, reason: reason, advice: k, id: e.snap.ID()}
		head := newHeaders(e.headers, &s)

		s.evidence = EvidenceCode
		c.byCode[k] = output{newTemplate(e.opt.Field, fields, &s), head}
		s.evidence = EvidenceName
		c.byName[k] = output{newTemplate(e.opt.Field, fields, &s), head}
	}

	return c
}

// writesCall reports whether anything that is written depends on the call and not on its cause alone.
func (e *Enricher) writesCall() bool {
	causes := append(slices.Clone(e.causes.slots), e.unknownCode, e.badCode, e.unknownName)

	return slices.ContainsFunc(causes, func(c *cause) bool { return c != nil && (dependOnCall(&c.byCode) || dependOnCall(&c.byName)) })
}

func dependOnCall(of *[numKinds]output) bool {
	for k := range of {
		if !reflect.DeepEqual(of[k], of[0]) { // what is advised shows in what is written
			return true
		}
	}

	aboutCall := func(what slot) bool { return what != slotNone && what != slotCode && what != slotRaw }

	return slices.ContainsFunc(of[0].object, func(s segment) bool { return aboutCall(s.gap) }) ||
		slices.ContainsFunc(of[0].headers.gaps, func(g headerGap) bool { return aboutCall(g.what) })
}

// output chooses what is written about the event.
func (c *cause) output(r *Result) *output {
	k := notRetryable

	if r.Advice.Retryable {
		if k = retryableAt; r.Advice.NotBeforeMS < 0 {
			k = retryable
		}
	}

	if r.Evidence == EvidenceName {
		return &c.byName[k]
	}

	return &c.byCode[k]
}

// causeTable finds causes by code. It is a hash table of a quarter full at most, whose
// hash is one multiplication: BenchmarkCauseTable has what it saves against a map.
type causeTable struct {
	slots []*cause // their number is a power of two
	shift uint
}

func newCauseTable(n int) causeTable {
	width := uint(bits.Len(uint(4 * n)))

	return causeTable{slots: make([]*cause, 1<<width), shift: 32 - width}
}

func (t *causeTable) place(code int32) int {
	return int(uint32(code) * 0x9E3779B1 >> t.shift) //nolint:gosec // a hash
}

func (t *causeTable) put(c *cause) {
	i := t.place(c.entry.Code)
	for t.slots[i] != nil {
		i = (i + 1) & (len(t.slots) - 1)
	}

	t.slots[i] = c
}

// find gives the cause of a code, nil if there is none.
func (t *causeTable) find(code int32) *cause {
	for i := t.place(code); t.slots[i] != nil; i = (i + 1) & (len(t.slots) - 1) {
		if c := t.slots[i]; c.entry.Code == code {
			return c
		}
	}

	return nil
}
