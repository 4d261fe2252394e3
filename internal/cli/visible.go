package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A terminal obeys what stands in a text, and texts come from events, topics, brokers and files. So all that people read goes
// through one of three: painter.paint (and table, which paints its cells) for what stands within a line, painter.show for whole
// outputs, world.tell for lines of stderr. JSON and the log, which are read by programs as well, go through escaping.

// visible writes out what a terminal would obey, or a text could hide behind: control characters, and those that turn the
// direction of text. Line ends stay.
func visible(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !shows(r) }) {
		return text // nearly always
	}

	var b strings.Builder

	for _, r := range text {
		if shows(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}

	return b.String()
}

func shows(r rune) bool { return r == '\n' || unicode.IsPrint(r) }

// visibleLine is visible for what has to stay within its line.
func visibleLine(text string) string { return strings.ReplaceAll(visible(text), "\n", `\u000a`) }

// show writes an output for people. What is painted in it stays so.
func (p painter) show(out io.Writer, text string) error {
	var b strings.Builder

	for i, part := range strings.Split(text, escape) {
		if i > 0 {
			paint := p.begins(part)
			if paint == "" {
				b.WriteString(visible(escape))
			} else {
				b.WriteString(escape + paint)
			}

			part = part[len(paint):]
		}

		b.WriteString(visible(part))
	}

	return write(out, b.String())
}

// begins gives the colour that a text begins with, but for the escape before it; "" if it is none of the painter's.
func (p painter) begins(text string) string {
	for _, c := range []colour{bold, red, green, yellow, faint, reset} {
		if code := strings.TrimPrefix(string(c), escape); bool(p) && strings.HasPrefix(text, code) {
			return code
		}
	}

	return ""
}

// errorText has a line for each error that is joined in err, and for nothing else: any other line end is in what somebody else
// has said.
func errorText(err error) string {
	var inner []error

	within := visibleLine

	switch e := err.(type) { //nolint:errorlint // the tree itself is walked
	case interface{ Unwrap() []error }:
		inner, within = e.Unwrap(), visible
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			inner = []error{next}
		}
	}

	var b strings.Builder

	rest := err.Error()

	for _, e := range inner {
		if before, after, ok := strings.Cut(rest, e.Error()); ok {
			b.WriteString(within(before))
			b.WriteString(errorText(e))

			rest = after
		}
	}

	b.WriteString(within(strings.TrimRight(rest, "\n")))

	return b.String()
}

// escaping is a stream of JSON. What a terminal would obey and JSON leaves as it is, or what turns the direction of text, becomes
// an escape of JSON, which stands for the same character. A write has whole characters.
type escaping struct{ to io.Writer }

func (e escaping) Write(text []byte) (int, error) {
	n, err := e.to.Write(escapeJSON(text))

	return min(n, len(text)), err
}

// Sync is for the log.
func (e escaping) Sync() error {
	if s, ok := e.to.(interface{ Sync() error }); ok {
		return s.Sync()
	}

	return nil
}

func escapeJSON(text []byte) []byte {
	var out []byte

	done := 0

	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}

		if turnsOrRules(r) || r == utf8.RuneError && size == 1 {
			out = fmt.Appendf(append(out, text[done:i]...), "\\u%04x", r)
			done = i + size
		}

		i += size
	}

	if done == 0 {
		return text
	}

	return append(out, text[done:]...)
}

// harmful tells texts of several lines that should not reach a terminal as they are.
func harmful(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || turnsOrRules(r) })
}

// turnsOrRules tells the characters that JSON may hold as they are, and that should not reach a terminal.
func turnsOrRules(r rune) bool {
	const line, paragraph = 0x2028, 0x2029 // separators

	return r >= 0x7f && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == line || r == paragraph
}
