package peer

import (
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

// codeField is where the code stands, at the top of the event.
const codeField = "HangupCauseCode"

// Find does for a Go peer what all contestants do with a value: it checks the whole of it, and looks up what
// its code adds. sound is false if the value is not one JSON object in UTF-8; the splice is
// nil if nothing is to be added. Nothing of value is kept.
//
// How it is tuned: gjson, the fastest of the usual validators, first checks (its Get must
// not see broken JSON) and then scans for the one field; gjson's ForEach, which would visit all, is slower. Get reads value
// through a string view: GetBytes would copy what it found, an allocation for each event.
// The check for UTF-8, which gjson leaves out, passes eight ASCII bytes at a time. sonic would check in two
// thirds of the time, but not the same: its Valid takes control characters and broken escapes in text.
func (t *Table) Find(value []byte) (s *Splice, sound bool) {
	if !isObject(value) || !gjson.ValidBytes(value) || !utf8.Valid(value) {
		return nil, false
	}
	code := gjson.Get(unsafe.String(unsafe.SliceData(value), len(value)), codeField) //nolint:gosec // see above
	switch code.Type {
	case gjson.String:
		return t.Codes[code.Str], true
	case gjson.Number:
		return t.Codes[code.Raw], true
	default:
		return nil, true
	}
}

// isObject tells whether the first thing in value, white space apart, is an opening brace.
func isObject(value []byte) bool {
	for _, c := range value {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return c == '{'
		}
	}
	return false
}
