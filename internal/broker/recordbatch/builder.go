package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Room is how many bytes stand free in front of a built batch, see Framed.
const Room = 16

// MaxRecordOverhead is the most a record takes beyond its key, value and headers: its
// length, attributes, both deltas, the lengths of key and value, and a header count.
// Each header added takes two lengths more, five bytes each at most.
const MaxRecordOverhead = maxVarint + 1 + maxVarlong + 4*maxVarint

// ErrNotDivisible is returned by Split for a batch of fewer than two records.
var ErrNotDivisible = errors.New("a batch of one record cannot be split")

// Builder builds one record batch. Records are written once, into the buffer that goes to
// the socket. The order of calls is Append…, Seal, Stamp, Bytes or Framed, Reset. A
// Builder has one user at a time. Its buffers are kept by Reset.
type Builder struct {
	raw    []byte // Room, header, records
	packed []byte // Room, header, compressed records; empty if not compressed
	codec  Codec  // of packed
	expect int    // see Expect

	count    int32
	baseTime int64
	maxTime  int64
}

// NewBuilder makes an empty one.
func NewBuilder() *Builder {
	return &Builder{raw: make([]byte, Room+HeaderSize)}
}

// Expect tells at which Size the batch will be closed: its buffer, which grows in steps, stops
// there. A batch that grows on all the same is right too.
func (b *Builder) Expect(size int) { b.expect = Room + size + maxVarint }

// Reset empties the batch.
func (b *Builder) Reset() {
	b.raw, b.packed = b.raw[:Room+HeaderSize], b.packed[:0]
	b.count, b.baseTime, b.maxTime, b.codec = 0, 0, 0, None
}

// Append adds a record. The value is the concatenation of the three parts; if all are
// nil it is null. headers is as Record.Headers has it, and must have come from a Reader or
// be empty for none. Those whose name is in drop are left out; add follows the rest.
// Nothing passed is kept. Append on a sealed batch opens it again.
func (b *Builder) Append(timestamp int64, key []byte, value [3][]byte, headers []byte, drop []string, add []Header) {
	b.packed, b.codec = b.packed[:0], None
	if b.count == 0 {
		b.baseTime, b.maxTime = timestamp, timestamp
	}
	b.maxTime = max(b.maxTime, timestamp)

	hs := selectHeaders(headers, drop, add)
	timeDelta, offsetDelta := timestamp-b.baseTime, int64(b.count)
	keyLen, valueLen := lengthOf(key), valueLength(value)
	size := 1 + varSize(timeDelta) + varSize(offsetDelta) +
		varSize(keyLen) + len(key) +
		varSize(valueLen) + int(max(valueLen, 0)) + hs.size()

	d := b.raw
	if need := len(d) + maxVarint + size; need > cap(d) {
		d = enlarge(d, need, b.expect)
	}
	d = appendVar(d, int64(size))
	d = append(d, 0) // attributes: none defined
	d = appendVar(d, timeDelta)
	d = appendVar(d, offsetDelta)
	d = appendVar(d, keyLen)
	d = append(d, key...)
	d = appendVar(d, valueLen)
	for _, part := range value {
		d = append(d, part...)
	}
	b.raw = hs.append(d)
	b.count++
}

// enlarge makes the capacity four times as large, at least need and no more than expected: append's own steps
// of a quarter would copy a large batch ten times on its way up.
func enlarge(d []byte, need, expected int) []byte {
	size := max(4*cap(d), smallest)
	if expected > 0 {
		size = min(size, expected)
	}
	out := make([]byte, len(d), max(need, size))
	copy(out, d)
	return out
}

const smallest = 4 << 10 // bytes, the first capacity

// Len is the number of records.
func (b *Builder) Len() int { return int(b.count) }

// Empty reports whether there is none.
func (b *Builder) Empty() bool { return b.count == 0 }

// Size is the batch's length in bytes, header included: compressed after Seal,
// uncompressed before.
func (b *Builder) Size() int { return len(b.buffer()) - Room }

// RawSize is Size before compression, also after Seal.
func (b *Builder) RawSize() int { return len(b.raw) - Room }

// Seal compresses the records. For None nothing is done. The records stay as
// well, for Split and for sealing again.
func (b *Builder) Seal(c *Compressor, codec Codec) error {
	b.packed, b.codec = b.packed[:0], None
	if codec == None {
		return nil
	}
	if cap(b.packed) == 0 {
		b.packed = make([]byte, 0, Room+HeaderSize+len(b.raw)/2) // events shrink to less than half
	}
	packed, err := c.Compress(codec, b.raw[Room+HeaderSize:], b.packed[:Room+HeaderSize])
	if err != nil {
		return fmt.Errorf("seal batch of %d records: %w", b.count, err)
	}
	b.packed, b.codec = packed, codec
	return nil
}

// Stamp writes the header with the producer's identity and the checksum. It may be called
// again with another identity. producerID, epoch and sequence are -1 for a producer
// that is not idempotent.
func (b *Builder) Stamp(transactional bool, producerID int64, epoch int16, sequence int32) {
	attributes := uint16(b.codec) //nolint:gosec // 0 to 4
	if transactional {
		attributes |= attrTransactional
	}
	be, h := binary.BigEndian, b.Bytes()
	be.PutUint64(h[atBaseOffset:], 0)                     // the broker's to set
	be.PutUint32(h[atLength:], uint32(len(h)-lengthFrom)) //nolint:gosec // bounded by what a request may carry
	be.PutUint32(h[atLeaderEpoch:], ^uint32(0))           // -1: the broker's to set
	h[atMagic] = magic
	be.PutUint16(h[atAttributes:], attributes)
	be.PutUint32(h[atLastOffsetDelta:], uint32(b.count-1)) //nolint:gosec // as bits
	be.PutUint64(h[atBaseTimestamp:], uint64(b.baseTime))  //nolint:gosec // as bits
	be.PutUint64(h[atMaxTimestamp:], uint64(b.maxTime))    //nolint:gosec // as bits
	be.PutUint64(h[atProducerID:], uint64(producerID))     //nolint:gosec // as bits
	be.PutUint16(h[atProducerEpoch:], uint16(epoch))       //nolint:gosec // as bits
	be.PutUint32(h[atBaseSequence:], uint32(sequence))     //nolint:gosec // as bits
	be.PutUint32(h[atCount:], uint32(b.count))             //nolint:gosec // as bits
	be.PutUint32(h[atCRC:], checksum(h[atAttributes:]))
}

// Bytes is the batch as last stamped. It is valid until the next Append, Seal or Reset.
func (b *Builder) Bytes() []byte { return b.buffer()[Room:] }

// Framed is Bytes with prefix directly in front of it, in one slice and without a copy of
// the batch. prefix has at most Room bytes; a longer one is a programming error and panics.
func (b *Builder) Framed(prefix []byte) []byte {
	buf := b.buffer()[Room-len(prefix):]
	copy(buf, prefix)
	return buf
}

// Clone copies the batch into buffers of its own: for when the old ones may still be
// read by a request that was given up.
func (b *Builder) Clone() *Builder {
	c := *b
	c.raw, c.packed = slices.Clone(b.raw), slices.Clone(b.packed)
	return &c
}

// Split makes two batches of the first and the second half of the records, neither
// sealed nor stamped, and leaves b as it is. It returns ErrNotDivisible for less than two.
func (b *Builder) Split() (first, second *Builder, err error) {
	if b.count < 2 { // two halves
		return nil, nil, ErrNotDivisible
	}
	var (
		r    Reader
		rec  Record
		self = Batch{LastOffsetDelta: b.count - 1, BaseTimestamp: b.baseTime, Count: b.count}
		half = NewBuilder()
	)
	first = half
	for r.Reset(&self, b.raw[Room+HeaderSize:]); r.Next(&rec); {
		if second == nil && rec.Offset >= int64(b.count/2) { // two halves
			second = NewBuilder()
			half = second
		}
		half.Append(rec.Timestamp, rec.Key, [3][]byte{rec.Value}, rec.Headers, nil, nil)
	}
	if err := r.Err(); err != nil { // headers passed to Append were not valid
		return nil, nil, fmt.Errorf("split batch: %w", err)
	}
	return first, second, nil
}

// buffer is what will be sent, with Room in front.
func (b *Builder) buffer() []byte {
	if b.codec != None {
		return b.packed
	}
	return b.raw
}

// lengthOf is a length as records have it: -1 for null.
func lengthOf(b []byte) int64 {
	if b == nil {
		return -1
	}
	return int64(len(b))
}

func valueLength(v [3][]byte) int64 {
	if v[0] == nil && v[1] == nil && v[2] == nil {
		return -1
	}
	return int64(len(v[0]) + len(v[1]) + len(v[2]))
}

// selection is the headers of a record to be written.
type selection struct {
	kept  []byte   // headers that stay, without a count; those in drop among them if dropped > 0
	count int      // headers to be written
	bytes int      // their size
	drop  []string // names to leave out; nil if none of kept has one
	add   []Header
}

// selectHeaders decides what stays. That none is to be dropped is the common case, and
// then they are copied in one piece.
func selectHeaders(raw []byte, drop []string, add []Header) selection {
	s := selection{add: add}
	if len(raw) > 1 {
		if count, at, err := headerCount(raw); err == nil {
			s.count, s.kept = count, raw[at:]
			s.bytes = len(s.kept)
		}
	}
	if s.count > 0 && len(drop) > 0 {
		s.leaveOut(drop)
	}
	for i := range add {
		s.count++
		s.bytes += varSize(int64(len(add[i].Name))) + len(add[i].Name) +
			varSize(lengthOf(add[i].Value)) + len(add[i].Value)
	}
	return s
}

// leaveOut takes the named headers out of count and size.
func (s *selection) leaveOut(drop []string) {
	var h header
	for i := 0; i < len(s.kept); {
		next, err := h.read(s.kept, i)
		if err != nil {
			return
		}
		if named(drop, h.key) {
			s.count--
			s.bytes -= next - i
			s.drop = drop
		}
		i = next
	}
}

func (s *selection) size() int { return varSize(int64(s.count)) + s.bytes }

func (s *selection) append(d []byte) []byte {
	d = appendVar(d, int64(s.count))
	if s.drop == nil {
		d = append(d, s.kept...)
	} else {
		d = s.appendKept(d)
	}
	for i := range s.add {
		h := &s.add[i]
		d = appendVar(d, int64(len(h.Name)))
		d = append(d, h.Name...)
		d = appendVar(d, lengthOf(h.Value))
		d = append(d, h.Value...)
	}
	return d
}

func (s *selection) appendKept(d []byte) []byte {
	var h header
	for i := 0; i < len(s.kept); {
		next, err := h.read(s.kept, i)
		if err != nil {
			return d
		}
		if !named(s.drop, h.key) {
			d = append(d, s.kept[i:next]...)
		}
		i = next
	}
	return d
}

func named(names []string, key []byte) bool {
	return slices.Contains(names, string(key))
}
