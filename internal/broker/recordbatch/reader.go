package recordbatch

import "fmt"

// Record is one record of a batch. Its slices alias the payload it was read from.
type Record struct {
	Offset    int64
	Timestamp int64       // milliseconds since 1970; -1: none
	Key       []byte      // nil is null
	Value     []byte      // nil is null: a tombstone
	Headers   []byte      // raw, see EachHeader; always valid and never empty
	Names     HeaderNames // of Headers
}

// Reader walks the records of one batch. It trusts nothing: lengths, counts and
// offsets are checked against the payload and the header, and it allocates only to
// report an error. The zero value has no records.
type Reader struct {
	payload []byte
	at      int
	read    int32 // records so far
	last    int64 // offset delta of the one before, -1 at first

	count      int32
	maxDelta   int64
	baseOffset int64
	baseTime   int64
	appendTime int64
	useAppend  bool
	err        error
}

// Reset starts with another batch. payload is b.Payload after decompression.
func (r *Reader) Reset(b *Batch, payload []byte) {
	*r = Reader{
		payload: payload, last: -1, count: b.Count,
		maxDelta: int64(b.LastOffsetDelta), baseOffset: b.BaseOffset,
		baseTime: b.BaseTimestamp, appendTime: b.MaxTimestamp, useAppend: b.LogAppendTime(),
	}
}

// Next reads the next record into rec. It returns false at the end and after an error,
// which Err gives.
func (r *Reader) Next(rec *Record) bool {
	if r.err != nil {
		return false
	}
	if r.read == r.count {
		if r.at != len(r.payload) {
			r.fail("%d bytes follow the last record", len(r.payload)-r.at)
		}
		return false
	}
	length, i := varint(r.payload, r.at)
	if i < 0 || length < 0 || length > len(r.payload)-i {
		r.fail("its length does not fit the %d bytes left", len(r.payload)-r.at)
		return false
	}
	r.at = i + length
	return r.body(r.payload[i:r.at:r.at], rec)
}

// body reads what follows a record's length: attributes (unused so far), timestamp
// delta, offset delta, key, value, headers.
func (r *Reader) body(p []byte, rec *Record) bool {
	var timestamp, offset int64
	i := 1
	if timestamp, i = varlong(p, i); i < 0 {
		return r.fail("no timestamp")
	}
	if offset, i = varlong(p, i); i < 0 {
		return r.fail("no offset")
	}
	if offset <= r.last || offset > r.maxDelta {
		return r.fail("offset delta %d after %d, last of the batch is %d", offset, r.last, r.maxDelta)
	}
	if rec.Key, i = lengthPrefixed(p, i); i < 0 {
		return r.fail("its key does not fit")
	}
	if rec.Value, i = lengthPrefixed(p, i); i < 0 {
		return r.fail("its value does not fit")
	}
	rec.Headers = p[i:]
	var err error
	if rec.Names, err = ValidateHeaders(rec.Headers); err != nil {
		r.err = fmt.Errorf("record %d of %d: %w", r.read+1, r.count, err)
		return false
	}
	rec.Offset = r.baseOffset + offset
	rec.Timestamp = r.baseTime + timestamp // may wrap; the writer's subtraction has wrapped then too
	if r.useAppend {
		rec.Timestamp = r.appendTime
	}
	r.last = offset
	r.read++
	return true
}

// Err is what stopped the reader before the end of the batch, or nil. It wraps ErrCorrupt.
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(format string, args ...any) bool {
	r.err = fmt.Errorf("%w: record %d of %d: %s", ErrCorrupt, r.read+1, r.count, fmt.Sprintf(format, args...))
	return false
}
