package pipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/callstream/enricher/bench/internal/peer"
)

// vrlProgram writes the table as a program. VRL has no constants that outlive an event: an object with all
// codes in it would be made anew for each. A binary search, written out, makes the one object that is
// needed after some six comparisons.
func vrlProgram(f peer.File) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# vrl --print-object --program enrich.vrl\n")
	b.WriteString("code = to_string(.HangupCauseCode) ?? \"\"\n")
	if err := vrlSearch(&b, f, slices.Sorted(maps.Keys(f.Codes))); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// vrlSearch writes the search among codes, which are sorted as text.
func vrlSearch(b *bytes.Buffer, f peer.File, codes []string) error {
	if len(codes) > 1 {
		middle := len(codes) / 2
		fmt.Fprintf(b, "if code < %q {\n", codes[middle])
		if err := vrlSearch(b, f, codes[:middle]); err != nil {
			return err
		}
		b.WriteString("} else {\n")
		if err := vrlSearch(b, f, codes[middle:]); err != nil {
			return err
		}
		b.WriteString("}\n")
		return nil
	}
	for _, code := range codes {
		d := json.NewDecoder(bytes.NewReader(f.Codes[code]))
		d.UseNumber()
		var object any
		if err := d.Decode(&object); err != nil {
			return fmt.Errorf("code %s: %w", code, err)
		}
		fmt.Fprintf(b, "if code == %q { .%s = ", code, f.Field)
		vrlValue(b, object)
		b.WriteString(" }\n")
	}
	return nil
}

// vrlValue writes a value as a literal: JSON's form, but for texts.
func vrlValue(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case map[string]any:
		sep := "{"
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(sep)
			vrlText(b, k)
			b.WriteString(": ")
			vrlValue(b, v[k])
			sep = ", "
		}
		if len(v) == 0 {
			b.WriteString("{")
		}
		b.WriteString("}")
	case []any:
		b.WriteString("[")
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			vrlValue(b, e)
		}
		b.WriteString("]")
	case string:
		vrlText(b, v)
	case nil:
		b.WriteString("null")
	default: // bool, json.Number
		fmt.Fprint(b, v)
	}
}

// vrlText writes a text. Two opening braces would begin a template.
func vrlText(b *bytes.Buffer, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '{', r < ' ':
			fmt.Fprintf(b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
