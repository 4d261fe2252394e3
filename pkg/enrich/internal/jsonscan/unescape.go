package jsonscan

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendUnescaped appends the text of a sound JSON string, given without its
// quotes. A lone surrogate becomes U+FFFD, as in encoding/json.
func AppendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		switch {
		case s[i] != '\\':
			dst = append(dst, s[i])
			i++
		case s[i+1] != 'u':
			dst = append(dst, unescaped(s[i+1]))
			i += 2
		default:
			r := hex4(s[i+2:])
			i += 6

			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					low = hex4(s[i+2:])
				}

				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}

			dst = utf8.AppendRune(dst, r)
		}
	}

	return dst
}

// unescaped gives what c stands for behind a backslash, 0 if nothing; \u apart.
func unescaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return 0
	}
}

func hex4(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		if c > '9' {
			c = c | 0x20 - 'a' + 10 + '0'
		}

		r = r<<4 | rune(c-'0')
	}

	return r
}

func le64(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }
