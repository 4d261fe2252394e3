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

	var last [64]byte // a copy of what does not fill a block

	copy(last[:], p[len(p)&^63:])

	var high bool
	if haveMarkBlocks() {
		high = markFast(p, &last, d.marks)
	} else {
		high = markPortable(p, &last, d.marks)
	}

	d.marks[words-1] |= 1 << (uint(len(p)-1) & 63)

	return high
}

func markFast(p []byte, last *[64]byte, marks []uint64) bool {
	var high uint32

	full := len(p) / 64
	if full > 0 {
		high = markBlocks(&p[0], full, &marks[0])
	}

	if full < len(marks) {
		high |= markBlocks(&last[0], 1, &marks[full])
	}

	return high != 0
}

func markPortable(p []byte, last *[64]byte, marks []uint64) bool {
	var high uint64

	for w := range marks {
		b := last
		if 64*w+64 <= len(p) {
			b = (*[64]byte)(p[64*w:])
		}

		m, h := block(b)
		marks[w] = m
		high |= h
	}

	return high != 0
}

// block gives one bit for each byte of b that may end or break a string, in
// order from the lowest, and the top bits of all words, ored.
func block(b *[64]byte) (marks, high uint64) {
	w0, w1 := binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])
	w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	w4, w5 := binary.LittleEndian.Uint64(b[32:]), binary.LittleEndian.Uint64(b[40:])
	w6, w7 := binary.LittleEndian.Uint64(b[48:]), binary.LittleEndian.Uint64(b[56:])

	if high = (w0 | w1 | w2 | w3 | w4 | w5 | w6 | w7) & highs; high != 0 {
		return blockNotASCII(b), high
	}

	// Eight times eight bits: bit 8r+c is about byte r of word c.
	x := special(w0)>>7 | special(w1)>>6 | special(w2)>>5 | special(w3)>>4 |
		special(w4)>>3 | special(w5)>>2 | special(w6)>>1 | special(w7)

	// Swap rows and columns: within squares of 2, of 4, of 8.
	t := (x ^ x>>7) & 0x00AA00AA00AA00AA
	x ^= t ^ t<<7
	t = (x ^ x>>14) & 0x0000CCCC0000CCCC
	x ^= t ^ t<<14
	t = (x ^ x>>28) & 0x00000000F0F0F0F0

	return x ^ t ^ t<<28, 0
}

// blockNotASCII is block where some bytes are not ASCII.
func blockNotASCII(b *[64]byte) uint64 {
	var marks uint64

	for i := 0; i < len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// The multiplication moves the eight top bits next to each other.
		marks |= (special(w) &^ w) * 0x0002040810204081 >> 56 << i
	}

	return marks
}

// special sets the top bit of each byte of w that is a quote, a backslash or a
// control byte. Flipping bit 1 brings the quote next to the control bytes, so
// that one subtraction finds both. It is inexact in two ways: bytes from 0x80 on
// give nonsense, which blockNotASCII clears; and a borrow may mark the byte behind a
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
