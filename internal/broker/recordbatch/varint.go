package recordbatch

import "math"

// Variable-length integers: groups of seven bits, least significant first, of the
// zigzag form (0, -1, 1, -2, …), as in Protocol Buffers.

// Each byte has seven bits and says whether there is more.
const (
	more     = 0x80
	bits     = 0x7f
	bitsEach = 7
	signBit  = 63
)

// maxVarint and maxVarlong are the longest encodings of 32 and 64 bits.
const (
	maxVarint  = 5
	maxVarlong = 10
)

// varlong reads the integer at b[i:] and returns the index after it, or -1 if there is none.
func varlong(b []byte, i int) (v int64, next int) {
	if uint(i) < uint(len(b)) && b[i] < more { // most lengths and deltas
		return unzigzag(uint64(b[i])), i + 1
	}
	var u uint64
	for shift := 0; uint(i) < uint(len(b)) && shift < 64; shift += bitsEach {
		c := b[i]
		i++
		if c < more {
			if shift == signBit && c > 1 {
				return 0, -1 // more than 64 bits
			}
			return unzigzag(u | uint64(c)<<shift), i
		}
		u |= uint64(c&bits) << shift
	}
	return 0, -1
}

// varint is varlong for what must fit 32 bits.
func varint(b []byte, i int) (v, next int) {
	n, i := varlong(b, i)
	if n < math.MinInt32 || n > math.MaxInt32 {
		return 0, -1
	}
	return int(n), i
}

func appendVar(b []byte, v int64) []byte {
	u := zigzag(v)
	for u >= more {
		b = append(b, byte(u)|more)
		u >>= bitsEach
	}
	return append(b, byte(u))
}

// varSize is how many bytes appendVar adds.
func varSize(v int64) int {
	n := 1
	for u := zigzag(v); u >= more; u >>= bitsEach {
		n++
	}
	return n
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>signBit) } //nolint:gosec // bits, not numbers
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
