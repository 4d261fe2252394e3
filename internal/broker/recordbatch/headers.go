package recordbatch

import "fmt"

// Header is a record header to be written.
type Header struct {
	Name  string
	Value []byte // nil is null
}

// EachHeader calls f for each header of raw, in order, until f returns false. raw is a
// Record's Headers: a varint count, then name and value each with its varint length in
// front. A null value is nil. The slices alias raw. The error wraps ErrCorrupt; it is
// found where f has not been stopped before.
func EachHeader(raw []byte, f func(key, value []byte) bool) error {
	count, i, err := headerCount(raw)
	if err != nil {
		return err
	}
	for ; count > 0; count-- {
		var h header
		if i, err = h.read(raw, i); err != nil {
			return err
		}
		if !f(h.key, h.value) {
			return nil
		}
	}
	return endOfHeaders(raw, i)
}

// HeaderNames tells which header names may be among some, and which are not: one bit for several names. So
// a look decides that most records have none of those that somebody looks for.
type HeaderNames uint64

// NamesOf is the set of names.
func NamesOf(names ...string) (set HeaderNames) {
	for _, name := range names {
		set |= nameBit([]byte(name))
	}
	return set
}

// nameBit goes by length and first letter.
func nameBit(name []byte) HeaderNames {
	bit := uint(len(name))
	if len(name) > 0 {
		bit += uint(name[0])
	}
	return 1 << (bit & 63) //nolint:mnd // bits of a word
}

// ValidateHeaders checks that raw holds exactly the headers it says, and gives the set of their names. The
// error wraps ErrCorrupt.
func ValidateHeaders(raw []byte) (names HeaderNames, err error) {
	if len(raw) == 1 && raw[0] == 0 {
		return 0, nil
	}
	count, i, err := headerCount(raw)
	if err != nil {
		return 0, err
	}
	var h header
	for ; count > 0; count-- {
		if i, err = h.read(raw, i); err != nil {
			return 0, err
		}
		names |= nameBit(h.key)
	}
	return names, endOfHeaders(raw, i)
}

// minHeader is the least a header takes: two lengths.
const minHeader = 2

// headerCount reads the count, and refuses one that raw has no room for.
func headerCount(raw []byte) (count, next int, err error) {
	count, next = varint(raw, 0)
	if next < 0 || count < 0 || count > (len(raw)-next)/minHeader {
		return 0, 0, fmt.Errorf("%w: header count does not fit %d bytes", ErrCorrupt, len(raw))
	}
	return count, next, nil
}

func endOfHeaders(raw []byte, i int) error {
	if i != len(raw) {
		return fmt.Errorf("%w: %d bytes follow the last header", ErrCorrupt, len(raw)-i)
	}
	return nil
}

// header is one header as it stands in a record.
type header struct{ key, value []byte }

// read reads the header at raw[i:] and returns the index after it.
func (h *header) read(raw []byte, i int) (next int, err error) {
	if name := short(raw, i); name > i { // as most
		if value := short(raw, name); value > name {
			h.key, h.value = raw[i+1:name:name], raw[name+1:value:value]
			return value, nil
		}
	}
	if h.key, i = lengthPrefixed(raw, i); i < 0 || h.key == nil {
		return 0, fmt.Errorf("%w: header name does not fit the record", ErrCorrupt)
	}
	if h.value, i = lengthPrefixed(raw, i); i < 0 {
		return 0, fmt.Errorf("%w: header value does not fit the record", ErrCorrupt)
	}
	return i, nil
}

// lengthPrefixed reads a varint length and that many bytes at b[i:]. -1 is null: nil.
// It returns the index after them, or -1.
func lengthPrefixed(b []byte, i int) (v []byte, next int) {
	n, i := varint(b, i)
	switch {
	case i < 0 || n < -1 || n > len(b)-i:
		return nil, -1
	case n < 0:
		return nil, i
	default:
		return b[i : i+n : i+n], i + n
	}
}

// short gives the index after the text at b[i:] if its length, 0 to 63, is one byte, and it fits; else 0.
func short(b []byte, i int) (next int) {
	if uint(i) >= uint(len(b)) {
		return 0
	}
	if c := int(b[i]); c&(more|1) == 0 && c>>1 < len(b)-i {
		return i + 1 + c>>1
	}
	return 0
}
