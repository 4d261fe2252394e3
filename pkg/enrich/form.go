package enrich

import (
	"bytes"
	"strings"
)

// startsForm says whether the first pair of a form body has a '='.
func startsForm(body []byte) bool {
	body = bytes.TrimLeft(body, "&")
	pair, _, _ := bytes.Cut(body, []byte{'&'})

	return bytes.IndexByte(pair, '=') >= 0
}

// formBytes has the bytes that stand for themselves in a form, and in a JSON string too. A
// run of them is copied at once.
type formBytes [256]bool

func newFormBytes() *formBytes {
	t := &formBytes{}
	for c := range t {
		t[c] = c >= ' ' && strings.IndexByte(`"\&=+%`, byte(c)) < 0
	}

	return t
}

// appendJSON appends a form body as a JSON object of its pairs, in order,
// repeated ones too, every value a string. bad is the offset of a broken percent
// escape, or -1. Bytes that are not UTF-8 come out as they are.
//
// An event from a form goes on as this JSON, the same way as any other: what
// comes out for a form is then by construction what comes out for its JSON.
func (plain *formBytes) appendJSON(dst, body []byte) (out []byte, bad int) {
	dst = append(dst, '{')
	first := true

	for i := 0; i < len(body); {
		if body[i] == '&' { // also what stands before an empty pair
			i++

			continue
		}

		if !first {
			dst = append(dst, ',')
		}

		first = false
		dst = append(dst, '"')

		if dst, i = plain.appendDecoded(dst, body, i, '='); i < 0 {
			return dst, -i - 1
		}

		dst = append(dst, '"', ':', '"')

		if i < len(body) && body[i] == '=' {
			if dst, i = plain.appendDecoded(dst, body, i+1, '&'); i < 0 {
				return dst, -i - 1
			}
		}

		dst = append(dst, '"')
	}

	return append(dst, '}'), -1
}

// appendDecoded decodes from i up to stop, '&', or the end, as the inside of a
// JSON string. It gives the offset where it stopped; -1-offset of a bad escape.
func (plain *formBytes) appendDecoded(dst, body []byte, i int, stop byte) ([]byte, int) {
	for {
		from := i
		for i < len(body) && plain[body[i]] {
			i++
		}

		dst = append(dst, body[from:i]...)

		if i == len(body) || body[i] == stop || body[i] == '&' {
			return dst, i
		}

		c := body[i]

		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(body) || !isHex(body[i+1]) || !isHex(body[i+2]) {
				return dst, -1 - i
			}

			c = hexValue(body[i+1])<<4 | hexValue(body[i+2])
			i += 2
		}

		dst = appendEscapedByte(dst, c)
		i++
	}
}

func isHex(c byte) bool { return c-'0' < 10 || (c|0x20)-'a' < 6 }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}

	return (c | 0x20) - 'a' + 10
}

// appendQuoted appends s as a JSON string, with as few escapes as there can be.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		dst = appendEscapedByte(dst, s[i])
	}

	return append(dst, '"')
}

func appendEscapedByte(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"

	if c >= ' ' && c != '"' && c != '\\' {
		return append(dst, c)
	}

	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	default:
		return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
	}
}
