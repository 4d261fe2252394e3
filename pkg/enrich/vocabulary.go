package enrich

import "strconv"

// Outcome says what became of one event. The set is closed.
type Outcome uint8

// The outcomes.
const (
	Enriched    Outcome = iota // the code, or else the name, is in the catalog
	UnknownCode                // there is a code or a name, but the catalog does not know it
	NoCode                     // neither code nor name, or the code is of another code set
	Malformed                  // the bytes are broken
	Tombstone                  // the record has no value
	// NumOutcomes is their number.
	NumOutcomes = iota
)

// String is the outcome's name in configuration, metrics and documentation.
func (o Outcome) String() string {
	switch o {
	case Enriched:
		return "enriched"
	case UnknownCode:
		return "unknown_code"
	case NoCode:
		return "no_code"
	case Malformed:
		return "malformed"
	case Tombstone:
		return "tombstone"
	default:
		return "outcome_" + strconv.Itoa(int(o))
	}
}

// MarshalText gives the outcome's name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Reason says why an event is malformed, or why its code is unknown. The set
// is closed.
type Reason string

// The reasons of a malformed event.
const (
	Empty          Reason = "empty"            // a value of no bytes
	SchemaFramed   Reason = "schema_framed"    // begins with 0x00, as a schema registry's frames do
	NotJSON        Reason = "not_json"         // breaks the grammar of RFC 8259
	NotObject      Reason = "not_object"       // sound JSON, but not an object
	TrailingData   Reason = "trailing_data"    // a sound object with something behind it, such as a second one
	TooDeep        Reason = "too_deep"         // nested deeper than Options.MaxDepth
	InvalidUTF8    Reason = "invalid_utf8"     // text that is not UTF-8
	BadForm        Reason = "bad_form"         // a form body with a broken percent escape
	Unrecognised   Reason = "unrecognised"     // neither JSON nor a form
	OutputTooLarge Reason = "output_too_large" // too big for the output topic once enriched; said by the pipeline
)

// The reasons of an unknown code.
const (
	CodeNotInCatalog Reason = "unknown_code" // a sound code that has no entry
	BadCode          Reason = "bad_code"     // no integer from 0 to 2147483647
	UnknownName      Reason = "unknown_name" // no code, and a name that is not in the table
)

// Reasons lists every reason, those of malformed events first.
func Reasons() []Reason {
	return []Reason{
		Empty, SchemaFramed, NotJSON, NotObject, TrailingData, TooDeep, InvalidUTF8, BadForm, Unrecognised, OutputTooLarge,
		CodeNotInCatalog, BadCode, UnknownName,
	}
}

// Evidence says what an entry was found by.
type Evidence string

// The kinds of evidence; "" is none.
const (
	EvidenceCode Evidence = "code"
	EvidenceName Evidence = "name" // weaker: older events carry only a name
)

// AttemptEvidence says where an attempt's number is from. The set is closed.
type AttemptEvidence string

// The kinds of evidence for an attempt; "" if there is no attempt.
const (
	AttemptFromEvent  AttemptEvidence = "event"
	AttemptFromHeader AttemptEvidence = "header" // Record.HeaderAttempt
	// AttemptAssumed: nothing says which attempt it was, so it counts as the first. A
	// provider's callbacks do not count by themselves: they are all of this kind.
	AttemptAssumed AttemptEvidence = "assumed"
)

// AttemptEvidences lists the kinds of evidence for an attempt.
func AttemptEvidences() []AttemptEvidence {
	return []AttemptEvidence{AttemptFromEvent, AttemptFromHeader, AttemptAssumed}
}

// AdviceReason names the rule that decided about a redial. The set is closed.
type AdviceReason string

// The reasons for advice, in the order in which the rules are asked.
const (
	AdviseUnknownCode       AdviceReason = "unknown_code"       // the code has no entry
	AdviseBadCode           AdviceReason = "bad_code"           // the code is no code
	AdviseUnknownName       AdviceReason = "unknown_name"       // only a name, and not in the table
	AdviseDirectionUnknown  AdviceReason = "direction_unknown"  // nobody knows who called whom
	AdviseNotOutbound       AdviceReason = "not_outbound"       // only outbound legs are redialled
	AdviseBLeg              AdviceReason = "b_leg"              // its parent call is over
	AdviseNothingToRetry    AdviceReason = "nothing_to_retry"   // class none: the call did what it should
	AdviseNever             AdviceReason = "never"              // class never
	AdviseNeedsPerson       AdviceReason = "needs_person"       // class manual
	AdviseNeedsFix          AdviceReason = "needs_fix"          // class after_fix, or auto gated
	AdviseBlocked           AdviceReason = "blocked"            // auto blocked: never by machine
	AdviseNeedsOptIn        AdviceReason = "needs_opt_in"       // auto opt_in, and the code is not opted in
	AdviseAnswered          AdviceReason = "answered"           // somebody has been spoken to
	AdviseAttemptsExhausted AdviceReason = "attempts_exhausted" // as many retries as the policy allows
	AdviseOptedIn           AdviceReason = "opted_in"           // retryable, since the operator opted in
	AdvisePolicy            AdviceReason = "policy"             // retryable by the entry's policy
)

// AdviceReasons lists every reason for advice, in the order of the rules.
func AdviceReasons() []AdviceReason {
	return []AdviceReason{
		AdviseUnknownCode, AdviseBadCode, AdviseUnknownName, AdviseDirectionUnknown, AdviseNotOutbound, AdviseBLeg,
		AdviseNothingToRetry, AdviseNever, AdviseNeedsPerson, AdviseNeedsFix, AdviseBlocked, AdviseNeedsOptIn,
		AdviseAnswered, AdviseAttemptsExhausted, AdviseOptedIn, AdvisePolicy,
	}
}
