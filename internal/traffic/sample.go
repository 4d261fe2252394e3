package traffic

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/privacy"
)

const (
	sampleBytes = 1200 // the length of a sample
	textBytes   = 100  // that of a text in it
	sampleDepth = 6
)

// sample shows a JSON object with numbers and addresses hidden, without the member that was added to it. Its texts are masked
// with escapes undone: what is hidden is not hidden from those who undo them. A long one is cut.
func sample(value []byte, without string) string {
	var b strings.Builder

	writeMasked(&b, gjson.ParseBytes(value), without, 1)

	return cut(b.String(), sampleBytes)
}

func writeMasked(b *strings.Builder, v gjson.Result, without string, depth int) {
	switch {
	case b.Len() > sampleBytes: // it is cut in any case
	case (v.IsObject() || v.IsArray()) && depth > sampleDepth:
		b.WriteString(`"…"`)
	case v.IsObject():
		writeMembers(b, v, without, depth, '{', '}')
	case v.IsArray():
		writeMembers(b, v, without, depth, '[', ']')
	case v.Type == gjson.String:
		b.WriteString(quoted(v.Str))
	default:
		if masked := privacy.Mask(v.Raw); masked != v.Raw {
			b.WriteString(quoted(masked))
		} else {
			b.WriteString(v.Raw)
		}
	}
}

func writeMembers(b *strings.Builder, v gjson.Result, without string, depth int, open, end byte) {
	b.WriteByte(open)

	first := true

	v.ForEach(func(key, member gjson.Result) bool {
		if depth == 1 && key.Str == without && v.IsObject() {
			return true
		}

		if !first {
			b.WriteByte(',')
		}

		first = false

		if v.IsObject() {
			b.WriteString(quoted(key.Str) + ":")
		}

		writeMasked(b, member, without, depth+1)

		return b.Len() <= sampleBytes
	})
	b.WriteByte(end)
}

// quoted is a text as JSON, masked and then cut: a number cut in two might look like none.
func quoted(text string) string {
	var b strings.Builder

	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(cut(privacy.Mask(cut(text, sampleBytes)), textBytes)) //nolint:errchkjson // a string always can be

	return strings.TrimSuffix(b.String(), "\n")
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
