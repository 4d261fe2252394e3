// Package recordbatch reads and writes Kafka's record batches, format 2 (the only one that
// brokers have written since 0.11), as bytes.
//
// Reading: [Next] splits what a fetch returned into batches, a [Decompressor] unpacks a
// batch's payload, a [Reader] walks its records without allocating. Writing: a [Builder]
// collects records into one contiguous buffer, which goes to the socket as it is.
//
// The package is not a client: it opens no connection, keeps no state between batches and
// decides nothing about transactions. The layout is that of
// https://kafka.apache.org/documentation/#recordbatch.
package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// HeaderSize is what stands before the records of a batch, in bytes. A topic's
// max.message.bytes bounds header and records together.
const HeaderSize = 61

// Offsets of the header's fields.
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21 // what the CRC covers begins here
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57

	lengthFrom = 12 // the length field counts the bytes from here on
	magic      = 2
)

// Bits of Batch.Attributes.
const (
	attrCodec         = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

// Batch is the header of one record batch, and its records as they came.
type Batch struct {
	BaseOffset      int64
	LeaderEpoch     int32
	Attributes      int16
	LastOffsetDelta int32 // kept by compaction, so it may exceed Count-1
	BaseTimestamp   int64 // milliseconds since 1970; record timestamps are relative to it
	MaxTimestamp    int64 // milliseconds since 1970
	ProducerID      int64 // -1: neither idempotent nor transactional
	ProducerEpoch   int16
	BaseSequence    int32
	Count           int32  // records; 0 after compaction has removed all
	Payload         []byte // the records, compressed as Codec says; aliases the buffer read from
}

// Control reports whether the batch carries a transaction marker instead of records.
func (b *Batch) Control() bool { return b.Attributes&attrControl != 0 }

// Transactional reports whether the batch is part of a transaction.
func (b *Batch) Transactional() bool { return b.Attributes&attrTransactional != 0 }

// LogAppendTime reports whether the broker's clock replaced the timestamps: every
// record then has MaxTimestamp.
func (b *Batch) LogAppendTime() bool { return b.Attributes&attrLogAppendTime != 0 }

// Codec is how the payload is compressed. It may be one this package does not know.
func (b *Batch) Codec() Codec { return Codec(b.Attributes & attrCodec) }

// NextOffset is the offset that follows the batch, whatever compaction removed from it.
func (b *Batch) NextOffset() int64 { return b.BaseOffset + int64(b.LastOffsetDelta) + 1 }

// ErrPartial means that the buffer ends inside a batch. Brokers cut answers at a byte
// count, so this is how a fetch normally ends.
var ErrPartial = errors.New("record batch is cut off")

// ErrCorrupt means that bytes are not what the format or their checksum requires. Errors
// that wrap it say what is wrong.
var ErrCorrupt = errors.New("corrupt record batch")

// UnsupportedMagicError says that a log holds message sets of the formats before 0.11.
type UnsupportedMagicError struct {
	Magic int8 // 0 or 1 for those formats; anything else is not Kafka's
}

func (e *UnsupportedMagicError) Error() string {
	if e.Magic == 0 || e.Magic == 1 {
		return fmt.Sprintf("message format %d (before Kafka 0.11) is not supported: the topic was written under "+
			"log.message.format.version (broker) or message.format.version (topic) below 0.11; "+
			"copy it into a new topic with format 2, or wait until its old segments are deleted", e.Magic)
	}
	return fmt.Sprintf("message format %d is unknown: these bytes are not a record batch", e.Magic)
}

// Next reads the batch at the start of buf into b and returns what follows it. Nothing
// is copied: b.Payload aliases buf. The errors are ErrPartial, ErrCorrupt (wrapped), and
// *UnsupportedMagicError; after an error b is not valid.
//
// A length that is too large cannot be told from a batch that is cut off: it gives ErrPartial.
func Next(buf []byte, b *Batch) (rest []byte, err error) {
	size, err := batchSize(buf)
	if err != nil {
		return nil, err
	}
	h := buf[:size:size]
	be := binary.BigEndian
	want, got := be.Uint32(h[atCRC:]), checksum(h[atAttributes:])
	if want != got {
		return nil, fmt.Errorf("%w: CRC is %08x, header says %08x", ErrCorrupt, got, want)
	}
	*b = Batch{
		BaseOffset:      int64At(h, atBaseOffset),
		LeaderEpoch:     int32At(h, atLeaderEpoch),
		Attributes:      int16At(h, atAttributes),
		LastOffsetDelta: int32At(h, atLastOffsetDelta),
		BaseTimestamp:   int64At(h, atBaseTimestamp),
		MaxTimestamp:    int64At(h, atMaxTimestamp),
		ProducerID:      int64At(h, atProducerID),
		ProducerEpoch:   int16At(h, atProducerEpoch),
		BaseSequence:    int32At(h, atBaseSequence),
		Count:           int32At(h, atCount),
		Payload:         h[HeaderSize:],
	}
	if b.Count < 0 {
		return nil, fmt.Errorf("%w: %d records", ErrCorrupt, b.Count)
	}
	return buf[size:], nil
}

// Skim walks the headers of what a fetch returned, without looking at records or
// checksums. next is the offset after the last complete batch, -1 if there is none, and
// complete the number of bytes up to there. A partial batch after them is no error.
func Skim(buf []byte) (next int64, complete int, err error) {
	next = -1
	for {
		size, err := batchSize(buf[complete:])
		if errors.Is(err, ErrPartial) {
			return next, complete, nil
		}
		if err != nil {
			return next, complete, err
		}
		h := buf[complete:]
		next = int64At(h, atBaseOffset) + int64(int32At(h, atLastOffsetDelta)) + 1
		complete += size
	}
}

// First is the length of the batch at the start of buf and the offset after it, as its header
// says, whatever its checksum says. The errors are those of Next but for the checksum.
func First(buf []byte) (size int, next int64, err error) {
	if size, err = batchSize(buf); err != nil {
		return 0, -1, err
	}
	return size, int64At(buf, atBaseOffset) + int64(int32At(buf, atLastOffsetDelta)) + 1, nil
}

// batchSize checks that buf starts with a complete batch whose header can be
// trusted as far as no checksum is needed, and returns its length.
func batchSize(buf []byte) (int, error) {
	if len(buf) <= atMagic {
		return 0, ErrPartial
	}
	if m := int8(buf[atMagic]); m != magic { //nolint:gosec // a byte read as Kafka's int8
		return 0, &UnsupportedMagicError{m}
	}
	length := int64(int32At(buf, atLength))
	if length < HeaderSize-lengthFrom {
		return 0, fmt.Errorf("%w: a length of %d bytes is below that of the header", ErrCorrupt, length)
	}
	if int64(len(buf)) < lengthFrom+length {
		return 0, ErrPartial
	}
	base, delta := int64At(buf, atBaseOffset), int64(int32At(buf, atLastOffsetDelta))
	if base < 0 || delta < 0 || base > math.MaxInt64-delta-1 {
		return 0, fmt.Errorf("%w: base offset %d, last offset delta %d", ErrCorrupt, base, delta)
	}
	return int(lengthFrom + length), nil
}

// The conversions below read two's complement: nothing can overflow.

func int16At(b []byte, i int) int16 { return int16(binary.BigEndian.Uint16(b[i:])) } //nolint:gosec // see above
func int32At(b []byte, i int) int32 { return int32(binary.BigEndian.Uint32(b[i:])) } //nolint:gosec // see above
func int64At(b []byte, i int) int64 { return int64(binary.BigEndian.Uint64(b[i:])) } //nolint:gosec // see above
