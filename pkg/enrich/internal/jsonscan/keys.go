package jsonscan

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTooManyKeys is returned for more than MaxKeys keys.
var ErrTooManyKeys = errors.New("too many keys")

// Keys is a set of keys to look for. It never changes once made.
type Keys struct {
	bucket [256]uint8 // by hash: 1 + the index of the first candidate, 0: none
	list   []key
}

type key struct {
	name string
	end  uint64 // its last eight bytes, or all of them
	next uint8  // the next candidate with the same hash, as in bucket
}

// NewKeys prepares a set of different keys. Their indices follow the order of names.
func NewKeys(names []string) (*Keys, error) {
	if len(names) > MaxKeys {
		return nil, fmt.Errorf("%w: %d of at most %d", ErrTooManyKeys, len(names), MaxKeys)
	}

	k := &Keys{list: make([]key, len(names))}
	for i, name := range names {
		end := ending([]byte(name), 0, len(name))
		h := hash(end, len(name))
		k.list[i] = key{name: name, end: end, next: k.bucket[h]}
		k.bucket[h] = uint8(i + 1) //nolint:gosec // at most MaxKeys
	}

	return k, nil
}

// find gives the index of the key p[from:to], or -1. Events have many keys
// that nobody asked for: these cost one load, one multiplication, one look.
func (k *Keys) find(p []byte, from, to int) int {
	end, n := ending(p, from, to), to-from
	for c := k.bucket[hash(end, n)]; c != 0; {
		cand := &k.list[c-1]
		if cand.end == end && len(cand.name) == n && (n <= 8 || cand.name == string(p[from:to])) {
			return int(c) - 1
		}

		c = cand.next
	}

	return -1
}

// ending packs the last eight bytes of p[from:to], or all of fewer.
func ending(p []byte, from, to int) uint64 {
	if to >= 8 {
		w := binary.LittleEndian.Uint64(p[to-8 : to])
		if n := to - from; n < 8 {
			w >>= uint(64-8*n) & 63 // what stands before the key goes; n = 0 is caught below
			if n == 0 {
				w = 0
			}
		}

		return w
	}

	var w uint64
	for i, c := range p[from:to] {
		w |= uint64(c) << (8 * i)
	}

	return w
}

func hash(end uint64, n int) uint8 {
	return uint8((end ^ uint64(n)) * 0x9E3779B97F4A7C15 >> 56) //nolint:gosec // the top byte
}
