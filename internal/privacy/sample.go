package privacy

import (
	"encoding/json"
	"regexp"
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

// Text shows a text. What is hidden behind escapes of JSON, as in JSON within a JSON string, is not hidden from those who undo
// them: if there is something to mask, it is shown with the escapes undone, up to four deep.
func (p Policy) Text(text string) string {
	if p.Reveal {
		return text
	}

	plain := text
	for range escapeDepth {
		if strings.IndexByte(plain, '\\') < 0 {
			break
		}

		plain = escape.ReplaceAllStringFunc(plain, unescape)
	}

	if masked := Mask(plain); masked != plain {
		return masked
	}

	return text
}

// Word shows a text that should be a word, cut if it is long.
func (p Policy) Word(text string) string { return cut(p.Text(cut(text, sampleBytes)), textBytes) }

// JSON shows a JSON text whole. Its strings and numbers are masked one by one. It is JSON again, of the same shape. What is
// no JSON, or nested more than 10,000 deep, is masked as a text.
func (p Policy) JSON(value []byte) []byte {
	shown, _ := p.json(value)

	return shown
}

// Hides tells whether there is something in a JSON text, or in a text, that is not shown.
func (p Policy) Hides(value []byte) bool {
	_, hides := p.json(value)

	return hides
}

// json goes over the tokens once, however deep they are nested.
func (p Policy) json(value []byte) (shown []byte, hides bool) {
	switch {
	case p.Reveal:
		return value, false
	case !json.Valid(value):
		text := p.Text(string(value))

		return []byte(text), text != string(value)
	}

	for i := 0; i < len(value); {
		end := i + 1

		switch value[i] {
		case ' ', '\t', '\n', '\r':
		case '{', '}', '[', ']', ':', ',':
			shown = append(shown, value[i])
		case '"':
			for value[end] != '"' {
				if value[end] == '\\' {
					end++
				}

				end++
			}

			end++
			text := decoded(value[i:end])
			masked := p.Text(text)
			hides = hides || masked != text
			shown = append(shown, quoted(masked)...)
		default: // a number, true, false, null
			for end < len(value) && !strings.ContainsRune(" \t\n\r,]}", rune(value[end])) {
				end++
			}

			if masked := Mask(string(value[i:end])); masked != string(value[i:end]) {
				hides, shown = true, append(shown, quoted(masked)...)
			} else {
				shown = append(shown, value[i:end]...)
			}
		}

		i = end
	}

	return shown, hides
}

// Sample shows what a JSON object is like, without the member that was added to it. Long texts in it are cut, as
// is all of it.
func (p Policy) Sample(value []byte, without string) string {
	w := writer{Policy: p, without: without}
	w.value(gjson.ParseBytes(value), 1)

	return cut(w.to.String(), sampleBytes)
}

// escapeDepth is how many times escapes are undone, so that it ends soon for a text of nothing else.
const escapeDepth = 4

// escape finds escapes of JSON; those by number together, since two may be one character.
var escape = regexp.MustCompile(`(?i)(?:\\u[0-9a-f]{4})+|\\["\\/bfnrt]`)

// unescape gives the characters of escapes.
func unescape(text string) string { return decoded([]byte(`"` + strings.ToLower(text) + `"`)) }

// decoded is what a JSON string says.
func decoded(raw []byte) (text string) {
	_ = json.Unmarshal(raw, &text) // it is valid

	return text
}

// quoted is a text as JSON.
func quoted(text string) string {
	var b strings.Builder

	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) //nolint:errchkjson // a string always can be

	return strings.TrimSuffix(b.String(), "\n")
}

// writer writes a sample.
type writer struct {
	Policy
	to      strings.Builder
	without string // a member of the outermost object
}

func (w *writer) full() bool { return w.to.Len() > sampleBytes }

func (w *writer) value(v gjson.Result, depth int) {
	switch {
	case w.full(): // it is cut in any case
	case (v.IsObject() || v.IsArray()) && depth > sampleDepth:
		w.to.WriteString(`"…"`)
	case v.IsObject():
		w.members(v, depth, '{', '}')
	case v.IsArray():
		w.members(v, depth, '[', ']')
	case v.Type == gjson.String:
		w.to.WriteString(quoted(w.Word(v.Str))) // masked and then cut: a number cut in two might look like none
	default:
		if shown := w.Text(v.Raw); shown != v.Raw {
			w.to.WriteString(quoted(shown))
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
			w.to.WriteString(quoted(w.Word(key.Str)))
			w.to.WriteByte(':')
		}

		w.value(member, depth+1)

		return !w.full()
	})
	w.to.WriteByte(end)
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
