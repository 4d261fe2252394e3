package enrich

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// view is a sound event: value[base:] is its JSON text, scanned.
type view struct {
	value []byte
	base  int // length of a byte order mark, which stays where it is
	form  bool
}

const byteOrderMark = "\xEF\xBB\xBF"

// read finds out what value is and scans it into the Result's scratch. ok is
// false if it is malformed; the Result says why.
func (e *Enricher) read(value []byte, res *Result) (v view, ok bool) {
	if len(value) == 0 {
		return v, res.malformed(Empty, "the value has no bytes")
	}

	if value[0] == 0 {
		return v, res.malformed(SchemaFramed, "begins with 0x00, as values framed by a schema registry do")
	}

	format, start := e.opt.Format, 0
	if format == Auto {
		if format, start = detect(value); format == Auto {
			return v, res.malformed(Unrecognised, "neither a JSON text nor a form body")
		}
	}

	if format == Form {
		return e.readForm(value, res)
	}

	v = view{value: value, base: start}

	return v, e.scan(v, res)
}

// detect tells the format by the first bytes, Auto if it is none. start is the
// length of a byte order mark before JSON.
func detect(value []byte) (format Format, start int) {
	if value[0] == '{' {
		return JSON, 0
	}

	text := bytes.TrimPrefix(value, []byte(byteOrderMark))
	start = len(value) - len(text)
	text = bytes.TrimLeft(text, " \t\r\n")

	switch {
	case len(text) == 0:
		return Auto, 0
	case text[0] == '{', text[0] == '[', text[0] == '"':
		return JSON, start
	case startsForm(text):
		return Form, 0
	default:
		return Auto, 0
	}
}

// readForm turns a form body into JSON first. A byte order mark before it and
// white space around it are no part of it: within, both would be escaped.
func (e *Enricher) readForm(value []byte, res *Result) (v view, ok bool) {
	body := bytes.Trim(bytes.TrimPrefix(value, []byte(byteOrderMark)), " \t\r\n")
	if !startsForm(body) {
		return v, res.malformed(BadForm, "the first pair has no '='")
	}

	out, bad := e.plain.appendJSON(res.scratch.form[:0], body)
	res.scratch.form = out

	if bad >= 0 {
		at := bad + bytes.Index(value, body)

		return v, res.malformed(BadForm, fmt.Sprintf("broken percent escape at byte %d", at))
	}

	v = view{value: out, form: true}

	return v, e.scan(v, res)
}

func (e *Enricher) scan(v view, res *Result) bool {
	d := &res.scratch.doc
	text := v.value[v.base:]

	switch e.find.keys.Scan(text, e.opt.MaxDepth, d) {
	case jsonscan.OK:
		return true
	case jsonscan.TooDeep:
		return res.malformed(TooDeep, fmt.Sprintf("nested deeper than %d at byte %d", e.opt.MaxDepth, v.base+d.At))
	case jsonscan.InvalidUTF8:
		if e.opt.PassInvalidUTF8 {
			return true
		}

		if v.form {
			return res.malformed(InvalidUTF8, "not UTF-8 once decoded")
		}

		return res.malformed(InvalidUTF8, fmt.Sprintf("not UTF-8 at byte %d", v.base+invalidAt(text)))
	default:
		return res.malformed(diagnose(text, v.base))
	}
}

// malformed sets the outcome and returns false.
func (r *Result) malformed(reason Reason, detail string) bool {
	r.Outcome, r.Reason, r.Detail = Malformed, reason, detail

	return false
}

// diagnose says what is wrong with a text that the scan refused. Speed matters less here than an
// exact answer, so it asks the standard library.
func diagnose(text []byte, base int) (Reason, string) {
	if bytes.HasPrefix(text, []byte(byteOrderMark)) {
		return NotJSON, "begins with a byte order mark, which JSON does not have"
	}

	var (
		whole  json.RawMessage
		syntax *json.SyntaxError
	)

	begins := bytes.TrimLeft(text, " \t\r\n")
	object := len(begins) > 0 && begins[0] == '{'

	if err := json.Unmarshal(text, &whole); !errors.As(err, &syntax) {
		if object {
			return NotJSON, "2 GiB or more"
		}

		return NotObject, "a JSON value, but not an object"
	}

	at := base + int(syntax.Offset) - 1

	switch message := syntax.Error(); {
	case strings.HasSuffix(message, "max depth"):
		return TooDeep, fmt.Sprintf("nested too deeply at byte %d", at)
	case strings.HasPrefix(message, "unexpected end"):
		return NotJSON, fmt.Sprintf("the JSON text breaks off at byte %d", base+len(text))
	case !strings.HasSuffix(message, "after top-level value"):
		return NotJSON, fmt.Sprintf("broken JSON at byte %d", at)
	case object:
		return TrailingData, fmt.Sprintf("something follows the object at byte %d", at)
	default:
		return NotJSON, fmt.Sprintf("something follows the first value, which is no object, at byte %d", at)
	}
}

// invalidAt gives the offset of the first byte that is not UTF-8.
func invalidAt(p []byte) int {
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}

		i += size
	}

	return len(p)
}
