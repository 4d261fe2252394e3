package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// batchHead is what stands before the records of a batch, in bytes. Offsets in it:
const (
	batchHead = 61

	atLength     = 8 // of what follows it
	atMagic      = 16
	atChecksum   = 17
	atAttributes = 21 // the checksum covers everything from here on
	atLastDelta  = 23
	atBaseTime   = 27
	atMaxTime    = 35
	atProducer   = 43
	atEpoch      = 51
	atSequence   = 53
	atCount      = 57

	magic         = 2
	codecMask     = 7
	timeTypeBit   = 8
	controlBit    = 32
	lengthAndBase = 12 // bytes up to the end of the length
)

var (
	errCorrupt = errors.New("corrupt record batch")
	errCut     = errors.New("batch is cut off") // as answers to fetches end
)

// batch is one that was fetched.
type batch struct {
	base     int64 // offset
	next     int64 // offset after it
	time     int64 // base of its records' times
	codec    codec
	skip     bool // no records: a control batch
	payload  []byte
	complete int // length in bytes
}

// parse reads the batch at the start of buf.
func (b *batch) parse(buf []byte, table *crc32.Table) error {
	if len(buf) < batchHead {
		return errCut
	}
	size := lengthAndBase + int(int32(binary.BigEndian.Uint32(buf[atLength:]))) //nolint:gosec // as the protocol has it
	if size < batchHead || buf[atMagic] != magic {
		return errCorrupt
	}
	if len(buf) < size {
		return errCut
	}
	if crc32.Checksum(buf[atAttributes:size], table) != binary.BigEndian.Uint32(buf[atChecksum:]) {
		return fmt.Errorf("%w: wrong checksum", errCorrupt)
	}
	attributes := binary.BigEndian.Uint16(buf[atAttributes:])
	if attributes&timeTypeBit != 0 {
		return errors.New("the topic has the broker's times, which the copier does not know")
	}
	b.base = int64(binary.BigEndian.Uint64(buf))                                   //nolint:gosec // as the protocol has it
	b.next = b.base + int64(int32(binary.BigEndian.Uint32(buf[atLastDelta:]))) + 1 //nolint:gosec // the same
	b.time = int64(binary.BigEndian.Uint64(buf[atBaseTime:]))                      //nolint:gosec // the same
	b.codec = codec(attributes & codecMask)
	b.skip = attributes&controlBit != 0
	b.payload = buf[batchHead:size]
	b.complete = size
	return nil
}

// record is one of a batch. Key and headers are as on the wire, lengths included.
type record struct {
	time    int64 // after the batch's
	offset  int64 // after the batch's
	key     []byte
	value   []byte
	null    bool // value
	headers []byte
}

// parse reads the record at p[i:] and returns the index behind it; -1 if there is none.
func (r *record) parse(p []byte, i int) int {
	size, i := varint(p, i)
	if i < 0 || size < 1 || size > int64(len(p)-i) {
		return -1
	}
	end := i + int(size)
	p = p[:end]
	i++ // attributes, which have no meaning yet
	if r.time, i = varint(p, i); i < 0 {
		return -1
	}
	if r.offset, i = varint(p, i); i < 0 {
		return -1
	}
	from := i
	if i = skipBytes(p, i); i < 0 {
		return -1
	}
	r.key = p[from:i]
	size, from = varint(p, i)
	if from < 0 || size > int64(end-from) {
		return -1
	}
	r.null = size < 0
	i = from + int(max(size, 0))
	r.value, r.headers = p[from:i], p[i:]
	return end
}

// skipBytes returns the index behind a length and as many bytes.
func skipBytes(p []byte, i int) int {
	size, i := varint(p, i)
	if i < 0 || size > int64(len(p)-i) {
		return -1
	}
	return i + int(max(size, 0))
}

// varint reads a number in zigzag form and returns the index behind it; -1 if there is none.
func varint(p []byte, i int) (int64, int) {
	if i < len(p) && p[i] < 0x80 { // most
		return unzigzag(uint64(p[i])), i + 1
	}
	if i > len(p) {
		return 0, -1
	}
	u, n := binary.Uvarint(p[i:])
	if n <= 0 {
		return 0, -1
	}
	return unzigzag(u), i + n
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// skim tells the length of the batch at the start of buf and the offset after it. The length is 0 if it is cut off and
// -1 if it is none.
func skim(buf []byte) (size int, next int64) {
	if len(buf) < batchHead {
		return 0, 0
	}
	size = lengthAndBase + int(int32(binary.BigEndian.Uint32(buf[atLength:]))) //nolint:gosec // as the protocol has it
	switch {
	case size < batchHead:
		return -1, 0
	case size > len(buf):
		return 0, 0
	}
	return size, int64(binary.BigEndian.Uint64(buf)) + int64(int32(binary.BigEndian.Uint32(buf[atLastDelta:]))) + 1 //nolint:gosec // the same
}
