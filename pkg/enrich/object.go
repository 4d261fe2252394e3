package enrich

import (
	"strconv"
	"strings"

	"github.com/callstream/enricher/pkg/catalog"
)

// Member is one member that the object may have.
type Member struct {
	Name    string // a member of retry as "retry.class"
	Default bool   // written if Options.Fields is empty
}

// Members lists the members of the object, in the order in which they are written.
func Members() []Member {
	var out []Member

	for _, m := range members() {
		if m.within == nil {
			out = append(out, Member{m.name, !m.onRequest})

			continue
		}

		for _, sub := range m.within {
			out = append(out, Member{m.name + "." + sub.name, !m.onRequest})
		}
	}

	return out
}

// member says how one member is written.
type member struct {
	name      string
	onRequest bool
	write     func(t *templateWriter, s *subject) // nil with within
	within    []member
}

// subject is what a template is made for: a kind of event.
type subject struct {
	entry    *catalog.Entry // nil: nothing known
	evidence Evidence
	reason   Reason // why nothing is known
	advice   kind
	id       string // of the catalog
}

// kind tells events of one cause apart by what is written about them.
type kind uint8

const (
	notRetryable kind = iota
	retryableAt       // with a time
	retryable         // without, as the record has no timestamp
	numKinds
)

func (k kind) retryable() bool { return k != notRetryable }

// members lists them in order. A write that writes nothing leaves the member out.
func members() []member {
	return []member{
		{name: "code", write: func(t *templateWriter, s *subject) {
			switch {
			case s.entry != nil:
				t.literal(strconv.Itoa(int(s.entry.Code)))
			case s.reason == CodeNotInCatalog:
				t.slot(slotCode)
			}
		}},
		{name: "known", write: func(t *templateWriter, s *subject) { t.literal(strconv.FormatBool(s.entry != nil)) }},
		{name: "provisional", write: known(func(t *templateWriter, e *catalog.Entry) {
			if e.Provisional {
				t.literal("true")
			}
		})},
		{name: "evidence", write: func(t *templateWriter, s *subject) { t.textValue(string(s.evidence)) }},
		{name: "reason", write: func(t *templateWriter, s *subject) { t.textValue(string(s.reason)) }},
		{name: "code_raw", write: rawOf(BadCode)},
		{name: "name_raw", write: rawOf(UnknownName)},
		{name: "name", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(e.Name) })},
		{name: "summary", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(e.Summary) })},
		{name: "sources", write: known(func(t *templateWriter, e *catalog.Entry) { writeList(t, parties(e)) })},
		{name: "directions", write: known(func(t *templateWriter, e *catalog.Entry) { writeList(t, e.Directions) })},
		{name: "states", write: known(func(t *templateWriter, e *catalog.Entry) { writeList(t, e.States) })},
		{name: "surfaces", onRequest: true, write: known(func(t *templateWriter, e *catalog.Entry) { writeList(t, e.Surfaces) })},
		{name: "fault", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Fault)) })},
		{name: "flags", write: known(func(t *templateWriter, e *catalog.Entry) { writeList(t, e.Flags) })},
		{name: "remedy", onRequest: true, write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(e.Remedy) })},
		{name: "sip", onRequest: true, write: known(func(t *templateWriter, e *catalog.Entry) { t.number(e.Nearest.SIP) })},
		{name: "q850", onRequest: true, write: known(func(t *templateWriter, e *catalog.Entry) { t.number(e.Nearest.Q850) })},
		{name: "retry", within: retryMembers()},
		{name: "catalog", write: func(t *templateWriter, s *subject) { t.textValue(s.id) }},
	}
}

// memberRetryID is the full name of the member that somebody has to work for.
const memberRetryID = "retry.retry_id"

func retryMembers() []member {
	return []member{
		{name: "retryable", write: func(t *templateWriter, s *subject) { t.literal(strconv.FormatBool(s.advice.retryable())) }},
		{name: "class", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Retry.Class)) })},
		{name: "auto", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Retry.Auto)) })},
		{name: "target", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Retry.Target)) })},
		{name: "scope", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Retry.Scope)) })},
		{name: "delay_s", write: func(t *templateWriter, s *subject) {
			if s.advice.retryable() {
				t.slot(slotDelay)
			}
		}},
		{name: "not_before", write: func(t *templateWriter, s *subject) {
			if s.advice == retryableAt {
				t.slot(slotNotBefore)
			}
		}},
		{name: "attempt", write: func(t *templateWriter, _ *subject) { t.slot(slotAttempt) }},
		{name: "attempt_evidence", write: func(t *templateWriter, _ *subject) { t.slot(slotAttemptEvidence) }},
		{name: "max_attempts", write: known(func(t *templateWriter, e *catalog.Entry) {
			if e.Retry.MaxRetries > 0 {
				t.number(1 + e.Retry.MaxRetries)
			}
		})},
		{name: "retry_id", write: func(t *templateWriter, s *subject) {
			if s.advice.retryable() {
				t.slot(slotRetryID)
			}
		}},
		{name: "reason", write: func(t *templateWriter, _ *subject) { t.slot(slotReason) }},
		{name: "fix", write: known(func(t *templateWriter, e *catalog.Entry) { t.textValue(string(e.Retry.Fix)) })},
	}
}

// known is for members that only an entry has.
func known(write func(t *templateWriter, e *catalog.Entry)) func(*templateWriter, *subject) {
	return func(t *templateWriter, s *subject) {
		if s.entry != nil {
			write(t, s.entry)
		}
	}
}

// rawOf is for the text that stands for a cause nobody knows.
func rawOf(reason Reason) func(*templateWriter, *subject) {
	return func(t *templateWriter, s *subject) {
		if s.reason == reason {
			t.slot(slotRaw)
		}
	}
}

// parties names an entry's sources, each once: the same party may be listed
// under several conditions.
func parties(e *catalog.Entry) []catalog.Source {
	var out []catalog.Source

	for _, s := range e.Sources {
		seen := false
		for _, o := range out {
			seen = seen || o == s.By
		}

		if !seen {
			out = append(out, s.By)
		}
	}

	return out
}

// template is the text of an object with gaps. It is made once for each kind of event.
type template []segment

type segment struct {
	text []byte
	gap  slot // what follows the text
}

// slot is what an object says about the single event.
type slot uint8

const (
	slotNone slot = iota
	slotCode
	slotRaw
	slotDelay
	slotNotBefore
	slotAttempt
	slotAttemptEvidence
	slotRetryID
	slotReason
)

// newTemplate makes the template for s: a comma, the key, the object.
func newTemplate(field string, fields map[string]bool, s *subject) template {
	t := &templateWriter{}
	t.literal("," + string(appendQuoted(nil, field)) + ":")
	t.object(members(), "", fields, s)
	t.slot(slotNone)

	return t.done
}

// templateWriter builds a template from front to back.
type templateWriter struct {
	done template
	text []byte // of the segment under way
	used bool   // something has been written since
}

// object writes those of list that are asked for and have something to say. It
// reports whether there were any.
func (t *templateWriter) object(list []member, prefix string, fields map[string]bool, s *subject) bool {
	t.literal("{")

	first := true

	for i := range list {
		m := &list[i]
		if m.within == nil && !fields[prefix+m.name] || m.within != nil && !asked(fields, m.name+".") {
			continue
		}

		mark := len(t.text)
		if !first {
			t.text = append(t.text, ',')
		}

		t.text = append(appendQuoted(t.text, m.name), ':')
		t.used = false

		if m.within != nil {
			t.used = t.object(m.within, m.name+".", fields, s)
		} else {
			m.write(t, s)
		}

		if !t.used {
			t.text = t.text[:mark]

			continue
		}

		first = false
	}

	t.literal("}")

	return !first
}

func asked(fields map[string]bool, prefix string) bool {
	for name := range fields {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}

	return false
}

func (t *templateWriter) literal(s string) { t.text, t.used = append(t.text, s...), true }

func (t *templateWriter) slot(gap slot) {
	t.done = append(t.done, segment{text: t.text, gap: gap})
	t.text, t.used = nil, true
}

// textValue writes a string, unless it is empty.
func (t *templateWriter) textValue(s string) {
	if s != "" {
		t.text, t.used = appendQuoted(t.text, strings.ToValidUTF8(s, "\uFFFD")), true
	}
}

// number writes a number, unless it is 0, which stands for none.
func (t *templateWriter) number(n int) {
	if n != 0 {
		t.literal(strconv.Itoa(n))
	}
}

// writeList writes a list of strings, unless it is empty.
func writeList[S ~string](t *templateWriter, list []S) {
	for i, s := range list {
		if i == 0 {
			t.literal("[")
		} else {
			t.literal(",")
		}

		t.textValue(string(s))
	}

	if len(list) > 0 {
		t.literal("]")
	}
}

// render appends the object for r.
func (t template) render(dst []byte, r *Result) []byte {
	for i := range t {
		dst = append(dst, t[i].text...)

		switch t[i].gap {
		case slotNone:
		case slotCode:
			dst = strconv.AppendInt(dst, int64(r.Code), 10)
		case slotRaw:
			dst = appendQuoted(dst, strings.ToValidUTF8(r.scratch.raw, "\uFFFD"))
		case slotDelay:
			dst = strconv.AppendInt(dst, r.Advice.DelayS, 10)
		case slotNotBefore:
			dst = append(append(append(dst, '"'), r.scratch.notBefore.text[:]...), '"')
		case slotAttempt:
			dst = strconv.AppendInt(dst, int64(r.Advice.Attempt), 10)
		case slotAttemptEvidence:
			dst = append(append(append(dst, '"'), r.AttemptEvidence...), '"')
		case slotRetryID:
			dst = append(append(append(dst, '"'), r.RetryID...), '"')
		case slotReason:
			dst = append(append(append(dst, '"'), r.Advice.Reason...), '"')
		}
	}

	return dst
}
