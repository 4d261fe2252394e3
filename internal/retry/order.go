package retry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Order is one redial on its way: all that the delay role must know about it.
type Order struct {
	FailedMS    int64 // when the call that is to be repeated ended
	NotBeforeMS int64 // when it may be dialled again
	Attempt     int   // that ended, from 1
	// Assumed: nothing said which attempt it was, so that it counts as the first. Enter
	// looks at it; it does not travel.
	Assumed bool
	ID      []byte // of this redial, the same whenever the event is read; never empty
	Key     []byte // what a cancel names; empty: it cannot be cancelled
	Zone    []byte // name of the time zone of who is called; empty: the window's default
}

// Header is a record header to be written.
type Header struct {
	Name  string
	Value []byte
}

// The headers in which an Order travels.
const (
	headerFailed    = "hangup-retry-failed"     // milliseconds since the epoch, decimal
	headerNotBefore = "hangup-retry-not-before" // likewise
	headerAttempt   = "hangup-retry-attempt"    // decimal, from 1
	headerID        = "hangup-retry-id"
	headerKey       = "hangup-retry-key"  // left out if empty
	headerZone      = "hangup-retry-zone" // likewise
)

// HeaderNames lists the headers that an Order may have. Whoever writes an order drops
// those that the record has already.
func HeaderNames() []string {
	return []string{headerFailed, headerNotBefore, headerAttempt, headerID, headerKey, headerZone}
}

// lastMS is the end of the year 9999. Times up to it can be added to without overflow.
const lastMS = 253_402_300_799_999

// AppendHeaders appends o as headers. Their values alias o's. A Parser reads every order
// that Enter has let in, if it has an ID.
func (o *Order) AppendHeaders(dst []Header) []Header {
	const room = 3 * 20 // digits of an int64
	text := strconv.AppendInt(make([]byte, 0, room), o.FailedMS, 10)
	failed := len(text)
	text = strconv.AppendInt(text, o.NotBeforeMS, 10)
	notBefore := len(text)
	text = strconv.AppendInt(text, int64(o.Attempt), 10)

	dst = append(dst,
		Header{headerFailed, text[:failed:failed]},
		Header{headerNotBefore, text[failed:notBefore:notBefore]},
		Header{headerAttempt, slices.Clip(text[notBefore:])},
		Header{headerID, o.ID},
	)
	if len(o.Key) > 0 {
		dst = append(dst, Header{headerKey, o.Key})
	}
	if len(o.Zone) > 0 {
		dst = append(dst, Header{headerZone, o.Zone})
	}
	return dst
}

// Parser finds an order among a record's headers. The zero value is ready for one record.
type Parser struct {
	order Order
	good  part
	bad   part
}

// part is a set of an order's parts that must be there.
type part uint8

const (
	partFailed part = 1 << iota
	partNotBefore
	partAttempt
	partID
)

const allParts = partFailed | partNotBefore | partAttempt | partID

// Header takes the next header of the record. It answers true, to be given the one after
// it. Of headers with one name the last counts. The order will alias value.
func (p *Parser) Header(key, value []byte) bool {
	switch string(key) {
	case headerFailed:
		p.order.FailedMS = p.number(partFailed, value, 0, lastMS)
	case headerNotBefore:
		p.order.NotBeforeMS = p.number(partNotBefore, value, 0, lastMS)
	case headerAttempt:
		p.order.Attempt = int(p.number(partAttempt, value, 1, math.MaxInt32))
	case headerID:
		p.order.ID = present(value)
		p.note(partID, len(value) > 0)
	case headerKey:
		p.order.Key = present(value)
	case headerZone:
		p.order.Zone = present(value)
	}
	return true
}

// Order gives what was found. An error says which headers are missing or broken: the
// record is no retry then.
func (p *Parser) Order() (Order, error) {
	if p.good == allParts {
		return p.order, nil
	}
	var errs []error
	for _, h := range []struct {
		part part
		name string
		want string
	}{
		{partFailed, headerFailed, "milliseconds since the epoch"},
		{partNotBefore, headerNotBefore, "milliseconds since the epoch"},
		{partAttempt, headerAttempt, "a number from 1"},
		{partID, headerID, "not empty"},
	} {
		switch {
		case p.bad&h.part != 0:
			errs = append(errs, fmt.Errorf("header %s is broken: want %s", h.name, h.want))
		case p.good&h.part == 0:
			errs = append(errs, fmt.Errorf("header %s is missing", h.name))
		}
	}
	return Order{}, errors.Join(errs...)
}

// number reads decimal digits. Anything else, a sign too, is broken and gives 0.
func (p *Parser) number(which part, text []byte, least, most int64) int64 {
	var n int64
	ok := len(text) > 0
	for _, c := range text {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 || n > (most-digit)/10 {
			ok = false
			break
		}
		n = 10*n + digit
	}
	if ok = ok && n >= least; !ok {
		n = 0
	}
	p.note(which, ok)
	return n
}

func (p *Parser) note(which part, ok bool) {
	p.good &^= which
	p.bad &^= which
	if ok {
		p.good |= which
	} else {
		p.bad |= which
	}
}

// present gives nil for an empty value.
func present(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	return value
}
