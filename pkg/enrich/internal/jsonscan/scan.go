package jsonscan

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// Scan checks p and fills d. maxDepth, at least 1, is the deepest nesting taken,
// the object itself being 1. Texts of 2 GiB and more are Syntax. A text that is
// too deep and also broken further on is TooDeep.
func (k *Keys) Scan(p []byte, maxDepth int, d *Doc) Status {
	d.Seen, d.Again, d.Close, d.Empty, d.Escapes, d.At = 0, d.Again[:0], 0, false, false, 0

	// Behind white space, the last byte has to be the closing brace. From here
	// on it stands guard: no string, number, literal or white space goes past
	// a brace, so that the walk needs no check of the length at each step.
	n := len(p)
	for n > 0 && isSpace(p[n-1]) {
		n--
	}

	if n < 2 || n > math.MaxInt32 || p[n-1] != '}' {
		return Syntax
	}

	p = p[:n]
	i := skipSpace(p, 0)
	if p[i] != '{' {
		d.At = i

		return Syntax
	}

	if words := maxDepth/64 + 1; len(d.outer) < words {
		d.outer = make([]uint64, words)
	}

	high := d.mark(p)

	if status := k.walk(p, i, maxDepth, d); status != OK {
		return status
	}

	if high && !utf8.Valid(p) {
		return InvalidUTF8
	}

	return OK
}

// walk follows the grammar from the opening brace at i on. Its state is in
// local variables, and it is one function, because that is what makes it fast.
//
//nolint:funlen,gocognit,nestif // see above
func (k *Keys) walk(p []byte, i, maxDepth int, d *Doc) Status {
	var (
		last   = len(p) - 1
		marks  = d.marks
		outer  = d.outer
		object = true // kind of the current container
		depth  = 1
		slot   = -1 // index of the wanted top-level key whose value is being read
		keyAt  int  // and where that key and its value begin
		start  int
	)

	if i = skipSpace(p, i+1); p[i] == '}' {
		d.Empty, d.Close = true, i

		return d.end(i, last)
	}

	for {
		if object {
			if depth == 1 && p[i-1] > ' ' {
				i = k.plain(p, i, d)
			}

			if p[i] != '"' {
				return d.broken(i)
			}

			from := i + 1
			i = next(marks, from)

			if p[i] == '"' {
				if depth == 1 {
					slot = k.find(p, from, i)
				}
			} else {
				d.Escapes = true

				if i = escapedEnd(p, marks, i); i < 0 {
					return d.broken(from)
				}

				if depth == 1 {
					d.key = AppendUnescaped(d.key[:0], p[from:i])
					slot = k.find(d.key, 0, len(d.key))
				}
			}

			if i++; p[i] <= ' ' {
				i = skipSpace(p, i)
			}

			if p[i] != ':' {
				return d.broken(i)
			}

			if i++; p[i] == ' ' { // one space is common here
				i++
			}

			if p[i] <= ' ' {
				i = skipSpace(p, i)
			}

			if depth == 1 {
				keyAt, start = from-1, i
			}
		}

		switch c := p[i]; c {
		case '"':
			from := i + 1
			if i = next(marks, from); p[i] != '"' {
				d.Escapes = true

				if i = escapedEnd(p, marks, i); i < 0 {
					return d.broken(from)
				}
			}

			i++
		case '{', '[':
			if depth == maxDepth {
				d.At = i

				return TooDeep
			}

			if i++; p[i] <= ' ' {
				i = skipSpace(p, i)
			}

			if p[i] == c+2 { // the closing one is two further, for both kinds
				if i == last {
					return d.broken(i)
				}

				i++

				break
			}

			bit := uint64(1) << (uint(depth) & 63)
			if object {
				outer[depth>>6] |= bit
			} else {
				outer[depth>>6] &^= bit
			}

			depth++
			object = c == '{'

			continue
		default:
			from := i
			if i = scalarEnd(p, i); i < 0 {
				return d.broken(from)
			}
		}

		for { // behind a value: close what ends here
			if slot >= 0 && depth == 1 {
				d.note(slot, keyAt, start, i)
			}

			if p[i] <= ' ' {
				i = skipSpace(p, i)
			}

			if p[i] == ',' {
				if i++; p[i] == ' ' {
					i++
				}

				if p[i] <= ' ' {
					i = skipSpace(p, i)
				}

				break
			}

			if object && p[i] != '}' || !object && p[i] != ']' {
				return d.broken(i)
			}

			if depth == 1 {
				d.Close = i

				return d.end(i, last)
			}

			if i == last {
				return d.broken(i)
			}

			i++
			depth--
			object = outer[depth>>6]>>(uint(depth)&63)&1 != 0
		}
	}
}

// plain takes the top-level members from the key at i on that are texts without escapes, numbers
// and literals, with no white space between, as most are. What they have between strings
// is compared at once, so they need few of walk's many looks. It gives the offset of
// the first member that is otherwise, or the last one.
func (k *Keys) plain(p []byte, i int, d *Doc) int {
	const colon, comma = '"' | ':'<<8 | '"'<<16, '"' | ','<<8 | '"'<<16

	for p[i] == '"' {
		end := next(d.marks, i+1)
		var stop int // behind the value

		if three(p, end, colon) {
			if stop = next(d.marks, end+3) + 1; !three(p, stop-1, comma) {
				break
			}
		} else {
			if p[end] != '"' || p[end+1] != ':' {
				break
			}

			if stop = scalarEnd(p, end+2); stop < 0 || p[stop] != ',' || p[stop+1] != '"' {
				break
			}
		}

		if slot := k.find(p, i+1, end); slot >= 0 {
			d.note(slot, i, end+2, stop)
		}

		i = stop + 1
	}

	return i
}

// three says whether the bytes of want, from its lowest on, stand at i.
func three(p []byte, i int, want uint32) bool {
	return i+4 <= len(p) && binary.LittleEndian.Uint32(p[i:])&0xFFFFFF == want
}

// note records the member with key slot.
func (d *Doc) note(slot, keyAt, start, end int) {
	//nolint:gosec // Scan takes no longer texts
	m := Member{Key: int32(keyAt), Start: int32(start), End: int32(end)}
	bit := uint64(1) << (uint(slot) & 63)

	switch {
	case d.Seen&bit == 0:
		d.Seen |= bit
		d.First[slot] = m
	case slot == 0:
		d.Again = append(d.Again, m)
	}
}

func (d *Doc) broken(at int) Status {
	d.At = at

	return Syntax
}

// end is the result of an object whose brace is at i, if nothing may follow last.
func (d *Doc) end(i, last int) Status {
	if i != last {
		return d.broken(i + 1)
	}

	return OK
}

// escapedEnd goes on inside a string from the marked offset i and gives the
// offset of the closing quote, or -1.
func escapedEnd(p []byte, marks []uint64, i int) int {
	for last := len(p) - 1; i < last; i = next(marks, i) {
		switch c := p[i]; {
		case c == '"':
			return i
		case c < ' ':
			return -1
		case c != '\\': // marked by a borrow
			i++
		case p[i+1] == 'u':
			for j := i + 2; j < i+6; j++ {
				if !isHex(p[j]) {
					return -1
				}
			}

			i += 6
		case unescaped(p[i+1]) != 0:
			i += 2
		default:
			return -1
		}
	}

	return -1
}

// scalarEnd gives the offset behind the number or literal at i, or -1.
func scalarEnd(p []byte, i int) int {
	var word string

	switch p[i] {
	case 't':
		word = "true"
	case 'f':
		word = "false"
	case 'n':
		word = "null"
	default:
		return numberEnd(p, i)
	}

	if end := i + len(word); end < len(p) && string(p[i:end]) == word {
		return end
	}

	return -1
}

// numberEnd gives the offset behind the number at i, or -1.
func numberEnd(p []byte, i int) int {
	if p[i] == '-' {
		i++
	}

	switch c := p[i]; {
	case c == '0':
		i++
	case isDigit(c):
		i = digitsEnd(p, i)
	default:
		return -1
	}

	if p[i] == '.' {
		if i++; !isDigit(p[i]) {
			return -1
		}

		i = digitsEnd(p, i)
	}

	if p[i]|0x20 == 'e' {
		if i++; p[i] == '+' || p[i] == '-' {
			i++
		}

		if !isDigit(p[i]) {
			return -1
		}

		i = digitsEnd(p, i)
	}

	return i
}

func digitsEnd(p []byte, i int) int {
	for isDigit(p[i]) {
		i++
	}

	return i
}

// skipSpace gives the first offset from i on that is not white space. After
// the first byte it takes eight spaces at a time: indents are long.
func skipSpace(p []byte, i int) int {
	for isSpace(p[i]) {
		i++
		if i+8 <= len(p) {
			i += bits.TrailingZeros64(le64(p[i:])^' '*ones) >> 3
		}
	}

	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
func isDigit(c byte) bool { return c-'0' < 10 }
func isHex(c byte) bool   { return c-'0' < 10 || c|0x20-'a' < 6 }
