package enrich

import (
	"fmt"
	"strings"

	"github.com/callstream/enricher/pkg/catalog"
)

// Explanation says step by step how an event came by its outcome and advice. It
// is for people and for JSON; programs use Result.
type Explanation struct {
	Outcome  Outcome        `json:"outcome"`
	Reason   Reason         `json:"reason,omitempty"`
	Detail   string         `json:"detail,omitempty"`
	Evidence Evidence       `json:"evidence,omitempty"`
	Code     *int32         `json:"code,omitempty"`
	Entry    *catalog.Entry `json:"entry,omitempty"`
	Facts    []Fact         `json:"facts"`
	Rules    []Step         `json:"rules"`
	Retry    *Verdict       `json:"retry,omitempty"` // nil if there is no cause to give advice on
}

// Fact is something present in the event at a place where a field may stand.
type Fact struct {
	Field  string `json:"field"`
	Path   string `json:"path"`   // where it stands; "header" for the attempt's header
	Raw    string `json:"raw"`    // as it stands there, at most 64 bytes of it
	Counts bool   `json:"counts"` // the outcome hangs on it; else another place came first, or it says nothing
}

// Step is one rule for advice that was asked. Only the last one decided.
type Step struct {
	Rule    AdviceReason `json:"rule"`
	Saw     string       `json:"saw"`
	Decides bool         `json:"decides"`
}

// Verdict is the advice in the words of the object.
type Verdict struct {
	Retryable       bool            `json:"retryable"`
	Class           catalog.Class   `json:"class,omitempty"`
	DelayS          int64           `json:"delay_s,omitempty"`
	NotBefore       string          `json:"not_before,omitempty"`
	Attempt         int             `json:"attempt"`
	AttemptEvidence AttemptEvidence `json:"attempt_evidence"`
	MaxAttempts     int             `json:"max_attempts,omitempty"`
	RetryID         string          `json:"retry_id,omitempty"`
	Reason          AdviceReason    `json:"reason"`
}

// Explain enriches rec and tells how. It runs Enrich and then asks the same
// look-ups and rules again, so that it cannot tell anything else.
func (e *Enricher) Explain(rec *Record) *Explanation {
	r := &Result{}
	e.Enrich(rec, r)

	x := &Explanation{
		Outcome: r.Outcome, Reason: r.Reason, Detail: r.Detail, Evidence: r.Evidence, Entry: r.Entry,
		Facts: []Fact{}, Rules: []Step{},
	}
	if r.HasCode {
		x.Code = &r.Code
	}

	if r.Outcome == Malformed || r.Outcome == Tombstone {
		return x
	}

	x.Facts = e.facts(rec, r)

	if r.Outcome != NoCode {
		x.Rules = e.steps(r)
		x.Retry = newVerdict(r)
	}

	return x
}

// facts lists what is present in the event that r has been filled from.
func (e *Enricher) facts(rec *Record, r *Result) []Fact {
	v, ok := e.read(rec.Value, r)
	if !ok {
		return nil // Enrich has read the same bytes
	}

	ev := event{text: textOf(v.value[v.base:]), doc: &r.scratch.doc}
	facts := []Fact{}

	for _, it := range e.find.fields(&e.opt) {
		found := false // an earlier place has something

		for i := range it.field.places {
			raw := ev.raw(&it.field.places[i])
			if !present(raw) {
				continue
			}

			counts := !found
			found = true

			switch it.field {
			case &e.find.billed:
				counts = billed(r.text(raw))
			case &e.find.status:
				counts = talking(r.text(raw))
			case &e.find.attempt:
				counts = r.AttemptEvidence == AttemptFromEvent && attemptIn(r.text(raw)) == r.Attempt
			case &e.find.direction:
				counts = counts && r.Direction != ""
			case &e.find.name:
				counts = counts && r.Evidence == EvidenceName
			case &e.find.code:
				counts = counts && r.Evidence == EvidenceCode
			}

			facts = append(facts, Fact{it.name, it.field.places[i].path, cut(strings.Clone(raw), longestRaw), counts})
		}
	}

	if len(rec.HeaderAttempt) > 0 {
		facts = append(facts, Fact{"attempt", "header", cut(string(rec.HeaderAttempt), longestRaw), r.AttemptEvidence == AttemptFromHeader})
	}

	return facts
}

// steps asks the rules up to the one that decides.
func (e *Enricher) steps(r *Result) []Step {
	decided := e.decide(r)

	steps := make([]Step, 0, decided+1)

	for i, rule := range e.rules[:decided+1] {
		steps = append(steps, Step{rule.reason, rule.saw(e, r), i == decided})
	}

	return steps
}

func newVerdict(r *Result) *Verdict {
	a := &r.Advice

	v := &Verdict{
		Retryable: a.Retryable, Class: a.Class, DelayS: a.DelayS, Attempt: a.Attempt, AttemptEvidence: r.AttemptEvidence,
		MaxAttempts: a.MaxAttempts, RetryID: string(r.RetryID), Reason: a.Reason,
	}
	if a.NotBeforeMS >= 0 {
		var s stamp

		s.set(a.NotBeforeMS)
		v.NotBefore = string(s.text[:])
	}

	return v
}

// String is the explanation as text of several lines.
func (x *Explanation) String() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "outcome: %s", x.Outcome)

	if x.Reason != "" {
		fmt.Fprintf(b, " (%s)", x.Reason)
	}

	b.WriteByte('\n')

	if x.Detail != "" {
		fmt.Fprintf(b, "detail: %s\n", x.Detail)
	}

	if x.Entry != nil {
		fmt.Fprintf(b, "cause: %d %s, by %s\n", x.Entry.Code, x.Entry.Name, x.Evidence)
	}

	if len(x.Facts) > 0 {
		b.WriteString("\nfound in the event (* what counts):\n")

		for _, f := range x.Facts {
			fmt.Fprintf(b, "%s %-11s  %s = %s\n", mark(f.Counts, '*'), f.Field, f.Path, f.Raw)
		}
	}

	if len(x.Rules) > 0 {
		b.WriteString("\nrules for a redial (> the one that decides):\n")

		for _, s := range x.Rules {
			fmt.Fprintf(b, "%s %-18s  %s\n", mark(s.Decides, '>'), s.Rule, s.Saw)
		}
	}

	if x.Retry != nil {
		fmt.Fprintf(b, "\nadvice: %s\n", x.Retry)
	}

	return b.String()
}

func mark(on bool, c byte) string {
	if on {
		return " " + string(c)
	}

	return "  "
}

// String is the verdict as one line.
func (v *Verdict) String() string {
	if !v.Retryable {
		return fmt.Sprintf("do not redial (%s)", v.Reason)
	}

	when := ""
	if v.NotBefore != "" {
		when = ", not before " + v.NotBefore
	}

	assumed := ""
	if v.AttemptEvidence == AttemptAssumed {
		assumed = " (assumed)"
	}

	return fmt.Sprintf("redial after %d s%s (%s); attempt %d%s of %d has ended", v.DelayS, when, v.Reason, v.Attempt, assumed, v.MaxAttempts)
}
