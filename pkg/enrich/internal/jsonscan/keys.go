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
	name  string
	start uint64 // its first eight bytes, if it has as many
	end   uint64 // its last eight bytes, or all of them
	next  uint8  // the next candidate with the same hash, as in bucket
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

		if len(name) >= 8 {
			k.list[i].start = binary.LittleEndian.Uint64([]byte(name))
		}

		k.bucket[h] = uint8(i + 1)
	}

	return k, nil
}

// find gives the index of the key p[from:to], or -1.
func (k *Keys) find(p []byte, from, to int) int {
	end := ending(p, from, to)

	if c := k.bucket[hash(end, to-from)]; c != 0 {
		return k.match(c, end, p[from:to])
	}

	return -1
}

// match goes through the candidates from c on. It is apart from find so that the
// many keys that nobody asked for cost no call.
func (k *Keys) match(c uint8, end uint64, name []byte) int {
	for ; c != 0; c = k.list[c-1].next {
		cand := &k.list[c-1]
		if cand.end != end || len(cand.name) != len(name) {
			continue
		}

		// Up to 16 bytes, the first and the last eight are all there is.
		if len(name) <= 8 || cand.start == binary.LittleEndian.Uint64(name) && (len(name) <= 16 || cand.name == string(name)) {
			return int(c) - 1
		}
	}

	return -1
}

// ending packs the last eight bytes of p[from:to], or all of fewer. The length
// of keys is hard to foresee, so there is no branch on it.
func ending(p []byte, from, to int) uint64 {
	if to >= 8 {
		spare := 8 - min(to-from, 8) // bytes that stand before the key

		return binary.LittleEndian.Uint64(p[to-8:to]) >> uint(8*spare)
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
