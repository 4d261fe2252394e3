package topic

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// BatchError is a batch that is not read, since it would take too much memory. A scan ends at it: to pass over it is for
// whoever began the scan to say.
type BatchError struct {
	Partition int32
	Offset    int64 // the batch's first
	Next      int64 // the one behind its last
	Why       string
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("partition %d, offset %d: the batch from there to offset %d %s, and is not read; begin behind it, at offset %d or at a later time",
		e.Partition, e.Offset, e.Next-1, e.Why, e.Next)
}

// unpacker unpacks batches for kgo with the filter's bound on them. kgo's own has a bound only in clients, and takes
// several times what a batch unpacks to.
type unpacker struct {
	decompressor *recordbatch.Decompressor
	room         []byte // used again
}

func newUnpacker() *unpacker {
	return &unpacker{decompressor: recordbatch.NewDecompressor(recordbatch.DefaultMaxDecompressed)}
}

// Decompress gives memory of its own, and no more than needed: records are kept.
func (u *unpacker) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecNone {
		return src, nil
	}

	out, err := u.decompressor.Decompress(recordbatch.Codec(codec), src, u.room)
	if _, large := errors.AsType[*recordbatch.TooLargeError](err); large {
		return nil, fmt.Errorf("%w: %w", kgo.ErrMaxDecompress, err) // by which kgo says which batch it is
	}

	if err != nil {
		return nil, err
	}

	u.room = out

	return bytes.Clone(out), nil
}

// tooLarge says which batch has unpacked to too much, if that is what is wrong.
func tooLarge(partition int32, err error) (*BatchError, bool) {
	e, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	if !ok {
		return nil, false
	}

	why := fmt.Sprintf("unpacks to more than %d bytes", recordbatch.DefaultMaxDecompressed)

	return &BatchError{partition, e.Offset, e.NextOffset, why}, true
}

// maxRecords bounds the records of a batch. kgo makes room for as many as the batch says it has, 200 bytes for each, and
// seven bytes are enough for one: the bound on what a batch unpacks to lets 2 GB through.
const maxRecords = 1 << 20

// cutCrowded leaves a batch with too many records out of an answer, and what follows it. If nothing that is wanted
// stands before it, it says so: else that comes first, and the next fetch begins at the batch.
func cutCrowded(got *kmsg.FetchResponseTopicPartition, from int64) *BatchError {
	wanted := false

	for at := 0; ; {
		h, ok := headOf(got.RecordBatches[at:])

		switch {
		case !ok:
			return nil // cut off or broken, and kgo says so
		case h.next <= from: // kgo passes over it
		case h.count <= maxRecords:
			wanted = true
		case wanted:
			got.RecordBatches = got.RecordBatches[:at]

			return nil
		default:
			return &BatchError{got.Partition, h.first, h.next, fmt.Sprintf("has more than %d records", maxRecords)}
		}

		at += h.size
	}
}

// head is what stands in front of a batch.
type head struct {
	size        int
	first, next int64 // offsets: its first, and the one behind its last
	count       int64 // of records; 0 in old formats
}

// headOf reads the head of the first batch. It is false if that is not there as a whole.
func headOf(b []byte) (head, bool) {
	const (
		atSize, atMagic, atLast, atCount = 8, 16, 23, 57 // size and magic number stand there in all formats

		sizeFrom = 12
	)

	if len(b) <= atMagic {
		return head{}, false
	}

	number := func(at int) int64 { return int64(int32(binary.BigEndian.Uint32(b[at:]))) } //nolint:gosec // it has a sign

	size := number(atSize) + sizeFrom
	if size <= atMagic || size > int64(len(b)) {
		return head{}, false
	}

	first := int64(binary.BigEndian.Uint64(b)) //nolint:gosec // it has a sign
	h := head{int(size), first, first + 1, 0}

	if b[atMagic] == 2 && size >= recordbatch.HeaderSize {
		h.next, h.count = first+number(atLast)+1, number(atCount)
	}

	return h, true
}
