package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceVersion carries error messages and zstd, and is spoken from Kafka 2.4 to 4.x.
const produceVersion = 8

// produceTimeout is how long the broker may wait for its replicas.
const produceTimeout = 10 * time.Second

// produceExchange is one Produce request with several batches, at most one for each
// partition, for the broker that leads them all. The batches are written from
// where they were built: each has room in front for what the protocol puts
// before it, so that a large one costs one write and no copy.
type produceExchange struct {
	client *Client
	node   int32
	txnID  *string
	parts  []producePart // grouped by topic
	resp   kmsg.ProduceResponse
}

type producePart struct {
	queue  *Queue
	batch  *batch
	framed []byte // the batch behind its head; kafka-go's goroutine may read it after the exchange was given up
}

// frame writes the head in front of each batch, once they are stamped. It is done before the
// exchange begins, which afterwards only reads, and nothing of the batches but these bytes.
func (x *produceExchange) frame() {
	be := binary.BigEndian
	for i := range x.parts {
		p := &x.parts[i]
		var h [partHead]byte
		be.PutUint32(h[:], uint32(p.queue.Partition))     //nolint:gosec // not negative
		be.PutUint32(h[4:], uint32(p.batch.build.Size())) //nolint:gosec // at most a batch
		p.framed = p.batch.build.Framed(h[:])
	}
}

func (*produceExchange) ApiKey() protocol.ApiKey                 { return protocol.Produce } //nolint:revive // kafka-go's name
func (*produceExchange) Required(map[protocol.ApiKey]int16) bool { return true }
func (x *produceExchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.node}, nil
}

func (x *produceExchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := x.write(rw); err != nil {
		return nil, fmt.Errorf("write produce request: %w", err)
	}
	body, err := readFrame(rw, nil, maxAnswer)
	if err != nil {
		return nil, err
	}
	if err := plausible(int16(protocol.Produce), produceVersion, body); err != nil {
		return nil, err
	}
	x.resp.SetVersion(produceVersion)
	if err := x.resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: decode Produce: %w", errFrame, err)
	}
	return x, nil
}

// partHead is what stands before each batch: partition and size.
const partHead = 8

// write sends the request in the layout of Produce v8.
func (x *produceExchange) write(w io.Writer) error {
	be := binary.BigEndian
	head := make([]byte, 4, 256)
	head = be.AppendUint16(head, uint16(protocol.Produce))
	head = be.AppendUint16(head, produceVersion)
	head = be.AppendUint32(head, correlationID)
	head = appendString(head, &x.client.clientID)
	head = appendString(head, x.txnID)
	head = be.AppendUint16(head, 0xffff)                               // acks: all in-sync replicas
	head = be.AppendUint32(head, uint32(milliseconds(produceTimeout))) //nolint:gosec // not negative
	topics, size := x.count()
	head = be.AppendUint32(head, uint32(topics)) //nolint:gosec // a handful
	be.PutUint32(head, uint32(len(head)-4+size)) //nolint:gosec // bounded by maxRequest

	out := coalescer{w: w, buf: head}
	for i := 0; i < len(x.parts); {
		n := sameTopic(x.parts[i:])
		topic := x.parts[i].queue.Topic
		out.buf = appendString(out.buf, &topic)
		out.buf = be.AppendUint32(out.buf, uint32(n)) //nolint:gosec // bounded by the partitions
		for _, p := range x.parts[i : i+n] {
			out.add(p.framed)
		}
		i += n
	}
	return out.flush()
}

// count gives the number of topics and the bytes after the topic count.
func (x *produceExchange) count() (topics, size int) {
	for i := 0; i < len(x.parts); {
		n := sameTopic(x.parts[i:])
		topics++
		size += 2 + len(x.parts[i].queue.Topic) + 4
		for _, p := range x.parts[i : i+n] {
			size += len(p.framed)
		}
		i += n
	}
	return topics, size
}

func sameTopic(parts []producePart) int {
	n := 1
	for n < len(parts) && parts[n].queue.Topic == parts[0].queue.Topic {
		n++
	}
	return n
}

func appendString(b []byte, s *string) []byte {
	if s == nil {
		return binary.BigEndian.AppendUint16(b, 0xffff)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(*s))) //nolint:gosec // names are short
	return append(b, *s...)
}

// coalescer gathers small pieces into one write and passes large ones through.
type coalescer struct {
	w   io.Writer
	buf []byte
	err error
}

const coalesceBelow = 16 << 10

func (c *coalescer) add(piece []byte) {
	if len(piece) < coalesceBelow {
		c.buf = append(c.buf, piece...)
		if len(c.buf) < 4*coalesceBelow {
			return
		}
		piece = nil
	}
	c.write(c.buf)
	c.buf = c.buf[:0]
	c.write(piece)
}

func (c *coalescer) write(b []byte) {
	if c.err == nil && len(b) > 0 {
		_, c.err = c.w.Write(b)
	}
}

func (c *coalescer) flush() error {
	c.write(c.buf)
	return c.err
}
