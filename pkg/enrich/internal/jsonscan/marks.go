package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// mark fills d.marks for p, whose last byte is marked too, so that a search
// ends there at the latest. It reports whether any byte is not ASCII.
func (d *Doc) mark(p []byte) bool {
	words := (len(p) + 63) / 64
	if cap(d.marks) < words {
		d.marks = make([]uint64, words+words/4)
	}

	d.marks = d.marks[:words]

	var high uint64
	for w := range len(p) / 64 {
		d.marks[w] = block((*[64]byte)(p[64*w:]), &high)
	}

	if rest := p[len(p)&^63:]; len(rest) > 0 {
		var last [64]byte
		copy(last[:], rest)
		d.marks[words-1] = block(&last, &high)
	}

	d.marks[words-1] |= 1 << (uint(len(p)-1) & 63)

	return high&highs != 0
}

// block gives one bit for each byte of b that may end or break a string, and
// gathers in high which bytes are not ASCII.
func block(b *[64]byte, high *uint64) uint64 {
	w0, w1 := binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	w4, w5 := binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	w6, w7 := binary.LittleEndian.Uint64(b[48:]), binary.LittleEndian.Uint64(b[56:])
	*high |= w0 | w1 | w2 | w3 | w4 | w5 | w6 | w7

	return gather(w0) | gather(w1)<<8 | gather(w2)<<16 | gather(w3)<<24 |
		gather(w4)<<32 | gather(w5)<<40 | gather(w6)<<48 | gather(w7)<<56
}

// gather gives one bit for each marked byte of w, the lowest byte's lowest. The
// multiplication moves the eight top bits next to each other.
func gather(w uint64) uint64 {
	return (special(w) &^ w) * 0x0002040810204081 >> 56
}

// special sets the top bit of each byte of w that is a quote, a backslash or a
// control byte. Flipping bit 1 brings the quote next to the control bytes, so
// that one subtraction finds both. It is inexact in two ways: bytes from 0x80 on
// give nonsense, which gather clears; and a borrow may mark the byte behind a
// marked one ('#' behind a quote, ']' behind a backslash), which costs a look.
// The inner parentheses matter: in Go, - and | bind alike.
func special(w uint64) uint64 {
	return (((w ^ 2*ones) - 0x21*ones) | ((w ^ '\\'*ones) - ones)) & highs
}

// next gives the first marked offset from i on. There is one.
func next(marks []uint64, i int) int {
	w := i >> 6
	if m := marks[w] >> (uint(i) & 63); m != 0 {
		return i + bits.TrailingZeros64(m)
	}

	for w++; marks[w] == 0; w++ {
	}

	return w<<6 + bits.TrailingZeros64(marks[w])
}
