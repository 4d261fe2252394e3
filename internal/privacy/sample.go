package privacy

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

const (
	sampleBytes = 1200 // the length of a sample
	textBytes   = 100  // that of a text in it
	sampleDepth = 6
)

// Policy is how texts of events are shown to people. The zero value masks.
type Policy struct {
	Reveal bool // numbers and addresses as they are
}

// Text shows a text.
func (p Policy) Text(text string) string {
	if p.Reveal {
		return text
	}

	return Mask(text)
}

// Word shows a text that should be a word, cut if it is long.
func (p Policy) Word(text string) string { return cut(p.Text(cut(text, sampleBytes)), textBytes) }

// JSON shows a JSON text whole. Its strings and numbers are masked one by one, with escapes undone: what is hidden is not
// hidden from those who undo them. It is JSON again, of the same shape. What is no JSON is masked as a text.
func (p Policy) JSON(value []byte) []byte {
	switch {
	case p.Reveal:
		return value
	case !gjson.ValidBytes(value):
		return []byte(Mask(escape.ReplaceAllStringFunc(string(value), unescape)))
	}

	w := writer{Policy: p, whole: true}
	w.value(gjson.ParseBytes(value), 1)

	return []byte(w.to.String())
}

// Hides tells whether there is something in a text that is not shown.
func (p Policy) Hides(value []byte) bool {
	if p.Reveal {
		return false
	}

	text := escape.ReplaceAllStringFunc(string(value), unescape)

	return Mask(text) != text
}

// Sample shows what a JSON object is like, without the member that was added to it. Long texts in it are cut, as
// is all of it.
func (p Policy) Sample(value []byte, without string) string {
	w := writer{Policy: p, without: without}
	w.value(gjson.ParseBytes(value), 1)

	return cut(w.to.String(), sampleBytes)
}

var escape = regexp.MustCompile(`(?i)\\u00[0-7][0-9a-f]`)

// unescape gives the character of an escape.
func unescape(text string) string {
	n, _ := strconv.ParseUint(text[2:], 16, 8) // the expression lets nothing else through

	return string(rune(n))
}

// writer writes JSON anew.
type writer struct {
	Policy
	to      strings.Builder
	without string // a member of the outermost object
	whole   bool   // nothing is cut
}

func (w *writer) full() bool { return !w.whole && w.to.Len() > sampleBytes }

func (w *writer) value(v gjson.Result, depth int) {
	switch {
	case w.full(): // it is cut in any case
	case (v.IsObject() || v.IsArray()) && depth > sampleDepth && !w.whole:
		w.to.WriteString(`"…"`)
	case v.IsObject():
		w.members(v, depth, '{', '}')
	case v.IsArray():
		w.members(v, depth, '[', ']')
	case v.Type == gjson.String:
		w.quoted(v.Str)
	default:
		if shown := w.Text(v.Raw); shown != v.Raw {
			w.quoted(shown)
		} else {
			w.to.WriteString(v.Raw)
		}
	}
}

func (w *writer) members(v gjson.Result, depth int, open, end byte) {
	w.to.WriteByte(open)

	first := true

	v.ForEach(func(key, member gjson.Result) bool {
		if depth == 1 && w.without != "" && key.Str == w.without && v.IsObject() {
			return true
		}

		if !first {
			w.to.WriteByte(',')
		}

		first = false

		if v.IsObject() {
			w.quoted(key.Str)
			w.to.WriteByte(':')
		}

		w.value(member, depth+1)

		return !w.full()
	})
	w.to.WriteByte(end)
}

// quoted writes a text as JSON, masked and then cut: a number cut in two might look like none.
func (w *writer) quoted(text string) {
	if w.whole {
		text = w.Text(text)
	} else {
		text = w.Word(text)
	}

	var b strings.Builder

	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) //nolint:errchkjson // a string always can be

	w.to.WriteString(strings.TrimSuffix(b.String(), "\n"))
}

// cut shortens a text to at most n bytes and says so, without cutting a character in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}

	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}

	return s[:n] + "…"
}
