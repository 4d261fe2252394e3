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

// ValidateHeaders checks that raw holds exactly the headers it says. The error wraps ErrCorrupt.
func ValidateHeaders(raw []byte) error {
	if len(raw) == 1 && raw[0] == 0 {
		return nil
	}
	return EachHeader(raw, func(_, _ []byte) bool { return true })
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
