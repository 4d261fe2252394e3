package enrich

import (
	"slices"
	"strconv"
)

// HeaderNames lists the headers that can be added, in the order in which they are.
func HeaderNames() []string {
	return []string{headerCode, headerFault, headerRetryable, headerRetryClass, headerNotBefore, headerCatalog}
}

const (
	headerCode       = "hangup-code"
	headerFault      = "hangup-fault"
	headerRetryable  = "hangup-retryable"
	headerRetryClass = "hangup-retry-class"
	headerNotBefore  = "hangup-not-before"
	headerCatalog    = "hangup-catalog"
)

// headerSet has the values that all events share, and which headers are wanted.
type headerSet struct {
	code, fault, retryable, retryClass, notBefore, catalog bool

	names       []string // of those that are wanted
	yes, no, id []byte
}

func newHeaderSet(names []string, id string) headerSet {
	if names == nil {
		names = HeaderNames()
	}

	return headerSet{
		names:      names,
		code:       slices.Contains(names, headerCode),
		fault:      slices.Contains(names, headerFault),
		retryable:  slices.Contains(names, headerRetryable),
		retryClass: slices.Contains(names, headerRetryClass),
		notBefore:  slices.Contains(names, headerNotBefore),
		catalog:    slices.Contains(names, headerCatalog),
		yes:        []byte("true"),
		no:         []byte("false"),
		id:         []byte(id),
	}
}

// fill appends the headers for r. Values that are the event's own go into the
// Result's scratch.
func (h *headerSet) fill(r *Result) {
	r.DropHeaders = h.names

	s := &r.scratch
	if h.code && r.HasCode {
		if s.cause != nil {
			r.add(headerCode, s.cause.code)
		} else {
			s.codeText = strconv.AppendInt(s.codeText[:0], int64(r.Code), 10)
			r.add(headerCode, s.codeText)
		}
	}

	if h.fault && s.cause != nil {
		r.add(headerFault, s.cause.fault)
	}

	if h.retryable {
		if r.Advice.Retryable {
			r.add(headerRetryable, h.yes)
		} else {
			r.add(headerRetryable, h.no)
		}
	}

	if h.retryClass && s.cause != nil {
		r.add(headerRetryClass, s.cause.class)
	}

	if h.notBefore && r.Advice.NotBeforeMS >= 0 {
		r.add(headerNotBefore, s.timeText)
	}

	if h.catalog {
		r.add(headerCatalog, h.id)
	}
}

func (r *Result) add(name string, value []byte) {
	r.Headers = append(r.Headers, Header{Name: name, Value: value})
}
