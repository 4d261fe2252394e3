package enrich

import (
	"slices"
	"strconv"
)

// HeaderNames lists the headers that can be added, in the order in which they are.
func HeaderNames() []string {
	return []string{headerCode, headerFault, headerRetryable, headerRetryClass, headerNotBefore, headerRetryID, headerCatalog}
}

const (
	headerCode       = "hangup-code"
	headerFault      = "hangup-fault"
	headerRetryable  = "hangup-retryable"
	headerRetryClass = "hangup-retry-class"
	headerNotBefore  = "hangup-not-before"
	headerRetryID    = "hangup-retry-id"
	headerCatalog    = "hangup-catalog"
)

// headers are those of one kind of event, with gaps for values of the single event.
type headers struct {
	list []Header
	gaps []headerGap
}

type headerGap struct {
	at   int // index in the list
	what slot
}

// newHeaders chooses those of names that apply to s, in the order of HeaderNames.
func newHeaders(names []string, s *subject) headers {
	var h headers

	for _, name := range HeaderNames() {
		if !slices.Contains(names, name) {
			continue
		}

		if text, gap, ok := headerValue(name, s); ok {
			if gap != slotNone {
				h.gaps = append(h.gaps, headerGap{len(h.list), gap})
			}

			h.list = append(h.list, Header{Name: name, Value: []byte(text)})
		}
	}

	return h
}

// headerValue gives what a header says of s, or what it says of the single event; ok is
// false if it says nothing.
func headerValue(name string, s *subject) (text string, gap slot, ok bool) {
	switch name {
	case headerRetryable:
		return strconv.FormatBool(s.advice.retryable()), slotNone, true
	case headerNotBefore:
		return "", slotNotBefore, s.advice == retryableAt
	case headerRetryID:
		return "", slotRetryID, s.advice.retryable()
	case headerCatalog:
		return s.id, slotNone, true
	}

	if s.entry == nil {
		return "", slotCode, name == headerCode && s.reason == CodeNotInCatalog
	}

	switch name {
	case headerCode:
		text = strconv.Itoa(int(s.entry.Code))
	case headerFault:
		text = string(s.entry.Fault)
	case headerRetryClass:
		text = string(s.entry.Retry.Class)
	}

	return text, slotNone, true
}

// fill gives r the headers. Values that are the event's own go into its scratch.
func (h *headers) fill(r *Result) {
	r.Headers = append(r.Headers, h.list...)

	for _, g := range h.gaps {
		value := &r.Headers[g.at].Value

		switch s := &r.scratch; g.what { //nolint:exhaustive // others have no header
		case slotCode:
			s.codeText = strconv.AppendInt(s.codeText[:0], int64(r.Code), 10)
			*value = s.codeText
		case slotNotBefore:
			*value = s.notBefore.text[:]
		case slotRetryID:
			*value = r.RetryID
		}
	}
}
