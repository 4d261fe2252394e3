package enrich

import (
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// longestRaw is how many bytes of a code or name that nobody knows are kept.
const longestRaw = 64

// identify finds the cause: the code, or else the name. It returns false if the
// event has none, or one of another code set.
func (e *Enricher) identify(ev *event, r *Result) bool {
	if e.foreign(ev) {
		return false
	}

	if raw := ev.first(&e.find.code); raw != "" {
		r.Evidence = EvidenceCode
		e.identifyCode(r.text(raw), r)

		return true
	}

	if raw := ev.first(&e.find.name); raw != "" {
		r.Evidence = EvidenceName
		e.identifyName(r.text(raw), r)

		return true
	}

	return false
}

func (e *Enricher) foreign(ev *event) bool {
	return ev.first(&e.find.foreign) != ""
}

func (e *Enricher) identifyCode(text string, r *Result) {
	n, ok := integerIn(text)
	if !ok || n > math.MaxInt32 {
		r.unknown(BadCode, e.badCode, text)

		return
	}

	r.Code, r.HasCode = int32(n), true //nolint:gosec // compared above

	if c := e.causes.find(r.Code); c != nil {
		r.known(c)
	} else {
		r.unknown(CodeNotInCatalog, e.unknownCode, "")
	}
}

func (e *Enricher) identifyName(text string, r *Result) {
	entry, ok := e.snap.LookupName(trimSpace(text))
	if !ok {
		r.unknown(UnknownName, e.unknownName, text)

		return
	}

	r.Code, r.HasCode = entry.Code, true
	r.known(e.causes.find(entry.Code))
}

func (r *Result) known(c *cause) {
	r.Outcome, r.Entry, r.scratch.cause = Enriched, c.entry, c
}

func (r *Result) unknown(reason Reason, c *cause, raw string) {
	r.Outcome, r.Reason, r.scratch.cause, r.scratch.raw = UnknownCode, reason, c, cut(raw, longestRaw)
}

// cut shortens s to at most n bytes, without cutting a character in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}

	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}

	return s[:n] // not UTF-8
}

// describe fills in what routes and advice want to know beside the cause.
func (e *Enricher) describe(ev *event, rec *Record, r *Result) {
	if raw := ev.first(&e.find.direction); raw != "" {
		switch text := r.text(raw); {
		case is(text, string(catalog.Outbound)):
			r.Direction = catalog.Outbound
		case is(text, string(catalog.Inbound)):
			r.Direction = catalog.Inbound
		}
	}

	r.CallID = r.bytes(ev, &e.find.callID)
	r.EventType = r.bytes(ev, &e.find.event)
	r.Answered = e.answered(ev, r)
	r.BLeg = e.bLeg(ev, r)
	r.Attempt, r.AttemptEvidence = e.attempt(ev, rec, r)
}

func (r *Result) bytes(ev *event, f *field) []byte {
	raw := ev.first(f)
	if raw == "" {
		return nil
	}

	return bytesOf(r.text(raw))
}

// answered takes any evidence at any place, not only the first: a call that may
// have been answered is not dialled again by mistake.
func (e *Enricher) answered(ev *event, r *Result) bool {
	return ev.first(&e.find.answerTime) != "" || r.any(ev, &e.find.billed, billed) || r.any(ev, &e.find.status, talking)
}

// any says whether some place of f has a text that test takes.
func (r *Result) any(ev *event, f *field, test func(text string) bool) bool {
	if !f.mixed {
		for seen := ev.doc.Seen & f.slots; seen != 0; seen &= seen - 1 {
			m := &ev.doc.First[bits.TrailingZeros64(seen)]
			if raw := ev.text[m.Start:m.End]; present(raw) && test(r.text(raw)) {
				return true
			}
		}

		return false
	}

	for i := range f.places {
		if raw := ev.raw(&f.places[i]); present(raw) && test(r.text(raw)) {
			return true
		}
	}

	return false
}

// talking knows the states that say that somebody has answered. "completed" is
// none: it only says that the call is over.
func talking(state string) bool {
	if n := len(state); n > 0 && (state[0] <= ' ' || state[n-1] <= ' ') { // hardly ever
		state = trimSpace(state)
	}

	return is(state, "in-progress") || is(state, "ANSWER")
}

// is compares with a word of ASCII without regard to case. Letters from elsewhere that fold to ASCII
// are longer, and no spelling of a state or a direction.
func is(text, word string) bool {
	return len(text) == len(word) && (text == word || strings.EqualFold(text, word))
}

func (e *Enricher) bLeg(ev *event, r *Result) bool {
	if ev.first(&e.find.parentCall) != "" {
		return true
	}

	aLeg := ev.first(&e.find.aLeg)

	return aLeg != "" && len(r.CallID) > 0 && r.text(aLeg) != textOf(r.CallID)
}

// attempt takes the largest number of those in the event, at any place, and the header's: a due record that comes back as it
// is has the last attempt in the event and this one in the header, and must not count as the last one again.
func (e *Enricher) attempt(ev *event, rec *Record, r *Result) (int, AttemptEvidence) {
	n, evidence := 0, AttemptAssumed

	if f := &e.find.attempt; !ev.absent(f) {
		for i := range f.places {
			if raw := ev.raw(&f.places[i]); present(raw) {
				n = max(n, attemptIn(r.text(raw)))
			}
		}
	}

	if n > 0 {
		evidence = AttemptFromEvent
	}

	if len(rec.HeaderAttempt) > 0 {
		if found := attemptIn(textOf(rec.HeaderAttempt)); found > n {
			n, evidence = found, AttemptFromHeader
		}
	}

	return max(n, 1), evidence
}

// attemptIn gives the attempt that a text says, 0 if it says none: what is no number from 1 on says nothing. One beyond an
// int32 counts as the largest, which is far beyond any policy.
func attemptIn(text string) int {
	n, ok := integerIn(text)
	if !ok || n < 1 {
		return 0
	}

	return int(min(n, math.MaxInt32))
}

// text gives the text of a JSON string, or the JSON of anything else. With
// escapes it lies in the Result's scratch.
func (r *Result) text(raw string) string {
	if raw[0] != '"' {
		return raw
	}

	raw = raw[1 : len(raw)-1]
	if !r.scratch.doc.Escapes || strings.IndexByte(raw, '\\') < 0 {
		return raw
	}

	// What was appended before stays in place: growing leaves the old array to
	// those who still look at it.
	start := len(r.scratch.text)
	r.scratch.text = jsonscan.AppendUnescaped(r.scratch.text, bytesOf(raw))

	return textOf(r.scratch.text[start:])
}
