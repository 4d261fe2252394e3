package main

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// builder builds a produce request with one batch, in the buffer that is written to the connection.
type builder struct {
	buf     []byte // request up to the batch, its head, its records
	prefix  int    // length of the request up to the batch
	count   int
	first   int64 // time
	last    int64 // latest time
	scratch []byte
}

// timeoutMillis is how long a broker may wait for the other replicas.
const timeoutMillis = 10_000

// produceRequest is the request up to the batch; its length and the batch's are still to be filled in. It is
// not kmsg's, which would copy the batch into it.
func produceRequest(topic string, partition int32) []byte {
	b := append([]byte(nil), 0, 0, 0, 0) // length
	b = binary.BigEndian.AppendUint16(b, uint16(kmsg.Produce))
	b = binary.BigEndian.AppendUint16(b, produceVersion)
	b = binary.BigEndian.AppendUint32(b, 0) // correlation id
	b = appendString(b, clientID)
	b = append(b, 0xff, 0xff) // transactional id: none
	b = append(b, 0xff, 0xff) // acknowledgements: all
	b = binary.BigEndian.AppendUint32(b, timeoutMillis)
	b = binary.BigEndian.AppendUint32(b, 1) // topics
	b = appendString(b, topic)
	b = binary.BigEndian.AppendUint32(b, 1)                 // partitions
	b = binary.BigEndian.AppendUint32(b, uint32(partition)) //nolint:gosec // a partition's number
	return append(b, 0, 0, 0, 0)                            // length of the batch
}

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) //nolint:gosec // names are short
}

func (b *builder) reset(prefix []byte) {
	b.prefix, b.count = len(prefix), 0
	b.buf = append(b.buf[:0], prefix...)
	b.buf = append(b.buf, make([]byte, batchHead)...)
}

// size is that of the batch, before compression.
func (b *builder) size() int { return len(b.buf) - b.prefix }

// append adds a record whose value is two parts and what follows them.
func (b *builder) append(time int64, r *record, v1, v2, v3 []byte) {
	if b.count == 0 {
		b.first, b.last = time, time
	}
	b.last = max(b.last, time)
	delta, offset := zigzag(time-b.first), zigzag(int64(b.count))
	size := len(v1) + len(v2) + len(v3)
	valueSize := zigzag(int64(size))
	if r.null {
		valueSize = zigzag(-1)
	}
	all := 1 + width(delta) + width(offset) + len(r.key) + width(valueSize) + size + len(r.headers)
	d := binary.AppendUvarint(b.buf, zigzag(int64(all)))
	d = append(d, 0) // attributes
	d = binary.AppendUvarint(d, delta)
	d = binary.AppendUvarint(d, offset)
	d = append(d, r.key...)
	d = binary.AppendUvarint(d, valueSize)
	d = append(d, v1...)
	d = append(d, v2...)
	d = append(d, v3...)
	d = append(d, r.headers...)
	b.buf = d
	b.count++
}

// finish compresses the batch and fills in what is missing: buf is the request then.
func (b *builder) finish(p *packer, c codec, table *crc32.Table) error {
	if c != codecNone {
		b.scratch = append(b.scratch[:0], b.buf[b.prefix+batchHead:]...)
		var err error
		if b.buf, err = p.pack(c, b.scratch, b.buf[:b.prefix+batchHead]); err != nil {
			return err
		}
	}
	const none = 0xff
	h := b.buf[b.prefix:]
	be := binary.BigEndian
	//nolint:gosec // sizes and counts are far below their fields', times are bits
	{
		be.PutUint32(h[atLength:], uint32(len(h)-lengthAndBase))
		be.PutUint32(h[lengthAndBase:], 0) // leader epoch, the broker's to fill in
		h[atMagic] = magic
		be.PutUint16(h[atAttributes:], uint16(c))
		be.PutUint32(h[atLastDelta:], uint32(b.count-1))
		be.PutUint64(h[atBaseTime:], uint64(b.first))
		be.PutUint64(h[atMaxTime:], uint64(b.last))
		for i := atProducer; i < atCount; i++ { // producer id, its epoch, sequence: none
			h[i] = none
		}
		be.PutUint32(h[atCount:], uint32(b.count))
		be.PutUint32(h[atChecksum:], crc32.Checksum(h[atAttributes:], table))
		be.PutUint32(b.buf[b.prefix-4:], uint32(len(h)))
		be.PutUint32(b.buf, uint32(len(b.buf)-4))
	}
	return nil
}

func zigzag(x int64) uint64 { return uint64(x<<1) ^ uint64(x>>63) } //nolint:gosec // bits, not amounts

// width is how many bytes a number takes, seven bits each.
func width(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }
