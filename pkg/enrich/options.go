package enrich

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/callstream/enricher/pkg/catalog"
)

// Format says how a value is read.
type Format string

// The formats.
const (
	Auto Format = "auto" // JSON or form, by the first bytes
	JSON Format = "json" // RFC 8259, one object
	Form Format = "form" // application/x-www-form-urlencoded, a callback's body
)

// Options say how events are read and written. Start from DefaultOptions: the
// zero Options find no fields.
type Options struct {
	// Format defaults to Auto.
	Format Format
	// PassInvalidUTF8 takes events with invalid UTF-8 as they are, instead of
	// calling them malformed.
	PassInvalidUTF8 bool
	// MaxDepth is the deepest nesting of JSON taken, the event itself being 1.
	MaxDepth int
	// Field is the key that the object is written under.
	Field string
	// Fields are the object's members to write: names as in docs/event.md, a
	// member of retry as "retry.class". Their order does not matter. Empty
	// means the default members.
	Fields []string
	// Headers are the headers to add, out of those that docs/event.md lists.
	// nil means all of them, empty but not nil none.
	Headers []string
	// ForeignWhen are gjson paths; an event in which one is present belongs to
	// another code set and is passed through.
	ForeignWhen []string
	// Paths say where the fields are.
	Paths Paths
	// RetryID fills Result.RetryID also if neither the member retry.retry_id nor the header
	// hangup-retry-id is written, which want it as well.
	RetryID bool
	// WrittenOnly leaves alone what is neither written nor wanted by RetryID. If all members and headers that are
	// written depend on the code or the name alone, the call is not looked at: Direction, Answered, BLeg, Attempt,
	// AttemptEvidence, CallID, EventType and Advice of a Result stay empty.
	WrittenOnly bool
	// RedialAnswered allows calls that were answered to be dialled again.
	RedialAnswered bool
	// RedialBLegs allows B legs to be dialled again.
	RedialBLegs bool
	// OptIn are the codes, among those whose policy asks for an opt-in, that
	// may be dialled again.
	OptIn []int32
}

// Paths are lists of gjson paths. A field is present if it exists, is not null
// and not ""; the first present path wins, save that answered evidence counts
// wherever it stands.
type Paths struct {
	Code       []string
	Name       []string
	Direction  []string
	AnswerTime []string // present: answered
	Billed     []string // above zero: answered
	Status     []string // in-progress or ANSWER: answered
	CallID     []string
	ALeg       []string // not the call id: a B leg
	ParentCall []string // present: a B leg
	Attempt    []string
	Event      []string
}

// DefaultOptions fit the callbacks and call-detail records under testdata/events.
func DefaultOptions() Options {
	return Options{
		Format:      Auto,
		MaxDepth:    10_000, // as in encoding/json
		Field:       "hangup",
		ForeignWhen: []string{"trunk_domain", "transport_protocol", "termination_cause_code"},
		Paths: Paths{
			Code:       []string{"HangupCauseCode", "hangup_cause_code"},
			Name:       []string{"HangupCause", "hangup_cause", "HangupCauseName", "hangup_cause_name"},
			Direction:  []string{"Direction", "call_direction"},
			AnswerTime: []string{"AnswerTime", "answer_time"},
			Billed:     []string{"BillDuration", "bill_duration", "billed_duration"},
			Status:     []string{"CallStatus", "call_state"},
			CallID:     []string{"CallUUID", "call_uuid"},
			ALeg:       []string{"ALegUUID"},
			ParentCall: []string{"parent_call_uuid", "ParentCallUUID"},
			Attempt:    []string{"hangup_attempt", "attempt"},
			Event:      []string{"Event", "EventName", "event"},
		},
	}
}

// clone copies what opt points to, so that the caller may go on changing his.
func (o Options) clone() Options {
	o.OptIn = slices.Clone(o.OptIn)

	p := &o.Paths
	for _, list := range []*[]string{
		&o.Fields, &o.Headers, &o.ForeignWhen, &p.Code, &p.Name, &p.Direction, &p.AnswerTime, &p.Billed, &p.Status,
		&p.CallID, &p.ALeg, &p.ParentCall, &p.Attempt, &p.Event,
	} {
		*list = slices.Clone(*list)
	}

	return o
}

// check gives the members to write, and every mistake that is not in a path.
func (o *Options) check(snap snapshot) (map[string]bool, []error) {
	fields, errs := chooseMembers(o.Fields)

	if !slices.Contains([]Format{Auto, JSON, Form}, o.Format) {
		errs = append(errs, fmt.Errorf("option Format %q: want auto, json or form", o.Format))
	}

	if o.MaxDepth < 1 || o.MaxDepth > deepest {
		errs = append(errs, fmt.Errorf("option MaxDepth %d: want 1 to %d", o.MaxDepth, deepest))
	}

	if o.Field == "" {
		errs = append(errs, errors.New("option Field: must not be empty"))
	} else if !utf8.ValidString(o.Field) {
		errs = append(errs, fmt.Errorf("option Field %q: not UTF-8", o.Field))
	}

	for _, name := range o.Headers {
		if !slices.Contains(HeaderNames(), name) {
			errs = append(errs, fmt.Errorf("option Headers %q: want some of %s", name, strings.Join(HeaderNames(), ", ")))
		}
	}

	entries := snap.Entries()
	for _, code := range o.OptIn {
		if !slices.ContainsFunc(entries, func(e catalog.Entry) bool { return e.Code == code && e.Retry.Auto == catalog.AutoOptIn }) {
			errs = append(errs, fmt.Errorf("option OptIn %d: not a code whose policy asks for an opt-in", code))
		}
	}

	return fields, errs
}

// deepest bounds MaxDepth: each level costs a bit in every Result.
const deepest = 10_000_000

// chooseMembers gives the members to write.
func chooseMembers(names []string) (map[string]bool, []error) {
	var errs []error

	chosen, all := map[string]bool{}, Members()

	for _, name := range names {
		found := false

		for _, m := range all {
			if m.Name == name || strings.HasPrefix(m.Name, name+".") {
				chosen[m.Name], found = true, true
			}
		}

		if !found {
			list := make([]string, len(all))
			for i, m := range all {
				list[i] = m.Name
			}

			errs = append(errs, fmt.Errorf("option Fields %q: want some of retry, %s", name, strings.Join(list, ", ")))
		}
	}

	if len(names) == 0 {
		for _, m := range all {
			if m.Default {
				chosen[m.Name] = true
			}
		}
	}

	return chosen, errs
}
