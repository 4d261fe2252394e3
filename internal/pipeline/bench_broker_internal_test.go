package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// memoryBroker is a cluster of one broker behind connections that are no sockets: it takes
// whatever is produced, counts it, and says that all is well. Of record batches it
// looks at the header only, where they were built, so that what is measured is the
// program's own work. Nothing can be fetched from it, and nothing fails.
type memoryBroker struct {
	partitions map[string]int32 // by topic

	records  atomic.Int64 // taken
	batches  atomic.Int64
	bytes    atomic.Int64 // of batches, as on the wire
	requests atomic.Int64 // to produce
}

func (m *memoryBroker) dial(context.Context, string, string) (net.Conn, error) {
	c := &memoryConn{broker: m}
	c.answered.L = &c.mu
	return c, nil
}

// Versions that it speaks: what the client uses, and what kafka-go asks by itself.
const (
	memoryMetadata = 10
	memoryProduce  = 8 // the last that is not flexible
)

// answer is the answer to one request, without its size.
func (m *memoryBroker) answer(frame *pieces) ([]byte, error) {
	key, version, correlation := int16(frame.uint16()), int16(frame.uint16()), frame.uint32()
	frame.skip(int(max(0, int16(frame.uint16())))) // the client's id, -1 for none
	req := kmsg.RequestForKey(key)
	if req == nil {
		return nil, fmt.Errorf("request %d is unknown", key)
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		frame.skip(1) // no tags
	}
	resp, err := m.respond(req, frame)
	if err != nil {
		return nil, err
	}
	resp.SetVersion(version)
	out := binary.BigEndian.AppendUint32(nil, correlation)
	if req.IsFlexible() && key != int16(kmsg.ApiVersions) {
		out = append(out, 0)
	}
	return resp.AppendTo(out), nil
}

func (m *memoryBroker) respond(req kmsg.Request, frame *pieces) (kmsg.Response, error) {
	if produce, ok := req.(*kmsg.ProduceRequest); ok {
		return m.produce(produce.Version, frame)
	}
	if err := req.ReadFrom(frame.rest()); err != nil {
		return nil, err
	}
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		return apiVersions(), nil
	case *kmsg.MetadataRequest:
		return m.metadata(req), nil
	case *kmsg.InitProducerIDRequest:
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ProducerID = 1
		return resp, nil
	case *kmsg.DescribeConfigsRequest: // defaults hold
		return kmsg.NewPtrDescribeConfigsResponse(), nil
	default:
		return nil, fmt.Errorf("the memory broker has no answer to %s", kmsg.NameForKey(req.Key()))
	}
}

func apiVersions() *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	for key, most := range map[kmsg.Key]int16{
		kmsg.Produce: memoryProduce, kmsg.Metadata: memoryMetadata, kmsg.ApiVersions: 3, kmsg.InitProducerID: 4, kmsg.DescribeConfigs: 1,
	} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = int16(key), most
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	return resp
}

func (m *memoryBroker) metadata(req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	resp := kmsg.NewPtrMetadataResponse()
	b := kmsg.NewMetadataResponseBroker()
	b.NodeID, b.Host, b.Port = 1, "memory", 9092
	resp.Brokers, resp.ControllerID = append(resp.Brokers, b), 1
	for _, asked := range req.Topics {
		t := kmsg.NewMetadataResponseTopic()
		t.Topic = asked.Topic
		for i := range m.partitions[*asked.Topic] {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = i, 1, []int32{1}, []int32{1}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// produce reads the request by hand, so that its batches stay where they are.
func (m *memoryBroker) produce(version int16, frame *pieces) (*kmsg.ProduceResponse, error) {
	if version > memoryProduce {
		return nil, fmt.Errorf("the memory broker does not read Produce v%d: teach it", version)
	}
	m.requests.Add(1)
	frame.skip(int(max(0, int16(frame.uint16())))) // the transactional id, -1 for none
	frame.skip(2 + 4)                              // acks, time-out
	resp := kmsg.NewPtrProduceResponse()
	for range frame.uint32() {
		t := kmsg.NewProduceResponseTopic()
		t.Topic = string(frame.take(int(frame.uint16())))
		for range frame.uint32() {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition = int32(frame.uint32()) // as Kafka has it
			size := int(frame.uint32())
			head := frame.take(recordbatch.HeaderSize)
			frame.skip(size - len(head))
			m.batches.Add(1)
			m.bytes.Add(int64(size))
			m.records.Add(int64(binary.BigEndian.Uint32(head[len(head)-4:]))) // their count ends the header
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

// memoryConn answers within Write what it has been asked. Its user writes a request and then
// reads the answer, from one goroutine.
type memoryConn struct {
	broker *memoryBroker
	frame  pieces
	copied []byte

	mu       sync.Mutex
	answered sync.Cond
	out      bytes.Buffer
	closed   bool
}

// small pieces are copied: their buffers are used again while the request is being written.
// Larger ones are batches, which stay until they are answered.
const small = 128 << 10

func (c *memoryConn) Write(p []byte) (int, error) {
	if c.frame.size == 0 {
		c.copied = c.copied[:0]
	}
	piece := p
	if len(p) < small {
		at := len(c.copied)
		c.copied = append(c.copied, p...) // where it grows, what was copied before stays where it is
		piece = c.copied[at:]
	}
	c.frame.add(piece)
	if c.frame.complete() {
		c.frame.uint32() // size
		answer, err := c.broker.answer(&c.frame)
		if err != nil {
			return 0, err
		}
		if c.frame.size > 0 {
			return 0, fmt.Errorf("%d bytes follow the request", c.frame.size)
		}
		c.mu.Lock()
		c.out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(answer)))) // short
		c.out.Write(answer)
		c.answered.Broadcast()
		c.mu.Unlock()
	}
	return len(p), nil
}

func (c *memoryConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.Len() == 0 {
		if c.closed {
			return 0, io.EOF
		}
		c.answered.Wait()
	}
	return c.out.Read(p)
}

func (c *memoryConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.answered.Broadcast()
	return nil
}

func (*memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*memoryConn) SetDeadline(time.Time) error      { return nil }
func (*memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (*memoryConn) SetWriteDeadline(time.Time) error { return nil }

// pieces are what was written of a request so far, read from the front without being put
// together. To read beyond what is there panics: a request is complete when it is read.
type pieces struct {
	list    [][]byte
	at, off int // where to read next: list[at][off:]
	size    int // bytes left
}

func (f *pieces) add(p []byte) {
	if f.size == 0 {
		f.list, f.at, f.off = f.list[:0], 0, 0
	}
	f.list = append(f.list, p)
	f.size += len(p)
}

// complete tells whether a whole request is there, its size in front.
func (f *pieces) complete() bool {
	if f.size < 4 {
		return false
	}
	peek := *f
	return f.size >= 4+int(peek.uint32())
}

// take gives the next n bytes, as a copy if they are in several pieces.
func (f *pieces) take(n int) []byte {
	if n == 0 {
		return nil
	}
	if here := f.here(); len(here) >= n {
		f.skip(n)
		return here[:n]
	}
	out := make([]byte, 0, n)
	for len(out) < n {
		here := f.here()
		here = here[:min(n-len(out), len(here))]
		out = append(out, here...)
		f.skip(len(here))
	}
	return out
}

// here is what is left of the piece that is next.
func (f *pieces) here() []byte {
	for f.off == len(f.list[f.at]) {
		f.at, f.off = f.at+1, 0
	}
	return f.list[f.at][f.off:]
}

func (f *pieces) skip(n int) {
	for n > 0 {
		k := min(n, len(f.here()))
		f.off += k
		f.size -= k
		n -= k
	}
}

func (f *pieces) rest() []byte   { return f.take(f.size) }
func (f *pieces) uint16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *pieces) uint32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
