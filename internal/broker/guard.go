package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// guarded puts a guard on each connection that dial opens.
func guarded(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &guard{Conn: conn}, nil
	}
}

// guard reads along on a connection, and ends it with a clear error where kafka-go would believe
// what it is told. kafka-go allocates what an answer declares, before it has come: a length near
// 2^63 in a compact string is a panic in a goroutine of its own, an array of 2^31 partitions is
// the end of the process, a count of tags keeps a core busy for years.
//
// So each frame has to answer the oldest request and to be of a possible size; and answers that
// kafka-go decodes are read whole, and walked through once, before it sees a byte of them.
// Those of the data path pass: readFrame and parse check them.
type guard struct {
	net.Conn

	mu      sync.Mutex // one goroutine may write while another reads
	pending []asked    // requests without an answer, oldest first
	head    [requestHead]byte
	have    int   // bytes of head
	skip    int64 // bytes left of the request being written

	held  []byte // of an answer that was checked, or read too much
	body  int64  // bytes left of the answer that is passing
	heads [answerHead]byte
	err   error // what ended it: kafka-go reads on after an error, to pass over the rest of an answer
}

type asked struct {
	key, version int16
	id           int32
}

const (
	requestHead = 12 // size, key, version, correlation id
	answerHead  = 8  // size, correlation id
	sizeField   = 4
)

// maxAnswer bounds an answer that is not a Fetch: one about ten thousand partitions has a megabyte.
const maxAnswer = 16 << 20

// tlsAlert and tlsVersion begin the alert of a port for TLS. An answer that begins so would have more than 350 MB.
const (
	tlsAlert   = 0x15
	tlsVersion = 0x03
)

func (g *guard) Write(p []byte) (int, error) {
	g.note(p)
	return g.Conn.Write(p) //nolint:wrapcheck // the connection's own error
}

// note finds the heads of requests in what is written.
func (g *guard) note(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(g.skip, int64(len(p)))
			g.skip -= n
			p = p[n:]
			continue
		}
		n := copy(g.head[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < requestHead {
			continue
		}
		g.have = 0
		size := int32At(g.head[:])
		g.skip = int64(size) - (requestHead - sizeField)
		g.pending = append(g.pending, asked{int16At(g.head[4:]), int16At(g.head[6:]), int32At(g.head[8:])})
	}
}

func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.held) == 0 && g.body == 0 && g.err == nil {
		g.err = g.next()
	}
	if g.err != nil {
		return 0, g.err
	}
	if len(g.held) > 0 {
		n := copy(p, g.held)
		g.held = g.held[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(int64(len(p)), g.body)])
	g.body -= int64(n)
	return n, err //nolint:wrapcheck // the connection's own error
}

// next reads the head of an answer, and the rest as well if kafka-go is to decode it.
func (g *guard) next() error {
	if n, err := io.ReadFull(g.Conn, g.heads[:]); err != nil {
		if n == 0 {
			return err //nolint:wrapcheck // the end of a connection between two answers is none of ours
		}
		return cutOff(g.heads[:n], err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.pending) == 0 {
		return fmt.Errorf("%w: %d bytes that nothing was asked for", errFrame, int32At(g.heads[:]))
	}
	req := g.pending[0]
	g.pending = g.pending[1:]
	n, err := checkHead(g.heads[:], req.id, maxAnswerOf(req.key))
	if err != nil {
		return fmt.Errorf("%w (%s)", err, kmsg.NameForKey(req.key))
	}
	if !decodedByKafkaGo(req.key) || shapeOf(protocol.ApiKey(req.key), req.version) == "" {
		g.held, g.body = g.heads[:], int64(n)
		return nil
	}
	body, err := readInto(g.Conn, nil, n)
	if err != nil {
		return fmt.Errorf("read response of %d bytes to %s: %w", n, kmsg.NameForKey(req.key), err)
	}
	if err := plausible(req.key, req.version, body); err != nil {
		return err
	}
	g.held = append(g.heads[:answerHead:answerHead], body...)
	return nil
}

// cutOff is the error for an answer that ends in its head. A port for TLS answers a plain
// request with an alert of seven bytes.
func cutOff(head []byte, err error) error {
	if len(head) > 1 && head[0] == tlsAlert && head[1] == tlsVersion {
		return fmt.Errorf("%w: broker appears to be expecting TLS", io.ErrUnexpectedEOF)
	}
	return err
}

// checkHead checks size and correlation id, and returns the number of bytes that follow them.
func checkHead(head []byte, want int32, most int) (int, error) {
	n := int(int32At(head)) - sizeField
	id := int32At(head[sizeField:])
	switch {
	case head[0] == tlsAlert && head[1] == tlsVersion:
		return 0, cutOff(head, io.ErrUnexpectedEOF)
	case n < 0 || n > most:
		return 0, fmt.Errorf("%w: it says that it has %d bytes, and may have %d to %d; is this a Kafka broker's address?",
			errFrame, int32At(head), sizeField, most+sizeField)
	case id != want:
		return 0, fmt.Errorf("%w: correlation id %d instead of %d", errFrame, id, want)
	}
	return n, nil
}

func maxAnswerOf(key int16) int {
	if protocol.ApiKey(key) == protocol.Fetch {
		return maxFrame
	}
	return maxAnswer
}

// decodedByKafkaGo tells which answers are not, or not always, decoded by this package. A version without
// a shape is not kafka-go's: see TestEveryVersionOfKafkaGoHasAShape.
func decodedByKafkaGo(key int16) bool {
	switch protocol.ApiKey(key) { //nolint:exhaustive // the others are ours
	case protocol.ApiVersions, protocol.Metadata, protocol.SaslHandshake, protocol.SaslAuthenticate,
		protocol.FindCoordinator, protocol.JoinGroup, protocol.SyncGroup, protocol.Heartbeat, protocol.LeaveGroup, protocol.OffsetFetch:
		return true
	}
	return false
}

var errFrame = errors.New("broker answered with a broken frame")

func int16At(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) } //nolint:gosec // two's complement
func int32At(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) } //nolint:gosec // two's complement
