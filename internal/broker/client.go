// Package broker talks to Kafka: fetch, produce, consumer group, offsets and
// topic checks. Connections come from internal/login, their pool, metadata and routing are kafka-go's
// Transport; the requests of the data path are encoded here, so that record
// batches go from the socket to a worker and back without being copied record
// by record.
//
// It is not a general client: it speaks one fixed version of each request
// (Kafka 2.8 and later have them all), and it knows nothing of call events.
package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Config is what a Client needs to reach a cluster.
type Config struct {
	Brokers  []string // bootstrap addresses, host:port
	ClientID string
	Topics   []string // the topics whose metadata is kept; others are not seen
	// Dial opens connections, encrypted and logged in where that is wanted; nil: TCP. Tests put faults here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ConnectTimeout is how long Dial and the first answer may take; 0: three seconds.
	ConnectTimeout time.Duration
	Log            *zap.Logger // nil: none
}

// AnyNode routes a request to whichever broker answers, over the connection
// that is kept for small requests.
const AnyNode = -1

const (
	dialTimeout    = 3 * time.Second
	keepAlive      = 15 * time.Second
	requestTimeout = 10 * time.Second
	idleTimeout    = 5 * time.Minute
	// metadataTTL is an upper bound (kafka-go draws from below it): a moved
	// leader is seen within a second even if no request to the old one failed.
	metadataTTL = time.Second
	// refreshPause keeps many senders that fail together from asking for
	// metadata many times.
	refreshPause = 50 * time.Millisecond
	// maxFrame bounds what a response may claim to be: broker.fetch responses
	// are at most FetchMaxBytes plus one batch.
	maxFrame = 256 << 20
)

// Client sends requests to the brokers of one cluster. It is safe for
// concurrent use.
type Client struct {
	transport atomic.Pointer[kafka.Transport] // replaced by Watch
	addr      net.Addr
	brokers   []string
	clientID  string
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	connect   time.Duration
	log       *zap.Logger
	formatter *kmsg.RequestFormatter

	refreshing lock
	refreshed  time.Time

	mu      sync.Mutex
	retired []func() // close what Watch has replaced
}

// NewClient prepares a client; it connects with the first request.
func NewClient(cfg Config) *Client {
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	}
	cfg.Dial = guarded(cfg.Dial)
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	c := &Client{
		log:        cfg.Log,
		addr:       kafka.TCP(cfg.Brokers...),
		brokers:    cfg.Brokers,
		clientID:   cfg.ClientID,
		dial:       cfg.Dial,
		connect:    cmp.Or(cfg.ConnectTimeout, dialTimeout),
		refreshing: newLock(),
		formatter:  kmsg.NewRequestFormatter(kmsg.FormatterClientID(cfg.ClientID)),
	}
	c.transport.Store(c.newTransport(cfg.Topics))
	return c
}

// newTransport makes the connections of a client that keeps the metadata of these topics.
func (c *Client) newTransport(topics []string) *kafka.Transport {
	return &kafka.Transport{
		Dial:           c.dial,
		DialTimeout:    c.connect,
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
		ClientID:       c.clientID,
	}
}

// Brokers are the addresses that the client began with.
func (c *Client) Brokers() []string { return c.brokers }

// Close closes the idle connections; those in use close when they fall idle.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, retire := range c.retired {
		retire()
	}
	c.transport.Load().CloseIdleConnections()
}

// Request sends req, whose version must be set, to a broker and waits for the
// answer for at most ten seconds. Error codes inside the answer are the
// caller's to read.
func (c *Client) Request(ctx context.Context, node int32, req kmsg.Request) (kmsg.Response, error) {
	x := &exchange{client: c, node: node, req: req}
	if err := c.roundTrip(ctx, x, requestTimeout); err != nil {
		return nil, fmt.Errorf("send %s to %s: %w", kmsg.NameForKey(req.Key()), nodeName(node), err)
	}
	return x.resp, nil
}

func nodeName(node int32) string {
	if node == AnyNode {
		return "the cluster"
	}
	return fmt.Sprintf("broker %d", node)
}

// roundTrip bounds every exchange by a deadline: kafka-go cannot cancel one, only
// time it out. After an error the exchange may still be running, so its
// buffers must not be used again.
func (c *Client) roundTrip(ctx context.Context, m protocol.Message, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err := c.transport.Load().RoundTrip(ctx, c.addr, m); err != nil {
		return c.explain(err)
	}
	return nil
}

// explain puts the configured addresses into an error that says nothing of them: one of
// connecting, or of a broker that accepts and does not answer.
func (c *Client) explain(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if ok && (op.Op == "dial" || op.Timeout()) {
		return fmt.Errorf("connect to Kafka (kafka.brokers: %s): %w", strings.Join(c.brokers, ", "), err)
	}
	return err
}

// Layout is the cached view of the cluster: no request, no copy, read only.
func (c *Client) Layout(ctx context.Context) (protocol.Cluster, error) {
	return c.layoutOf(ctx, c.transport.Load())
}

func (c *Client) layoutOf(ctx context.Context, t *kafka.Transport) (protocol.Cluster, error) {
	var l layoutPeek
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := t.RoundTrip(ctx, c.addr, &l)
	if errors.Is(err, errPeek) {
		return l.cluster, nil
	}
	if err != nil {
		return protocol.Cluster{}, fmt.Errorf("read cluster metadata: %w", c.explain(err))
	}
	return l.cluster, nil
}

// Leader finds a partition's leader in a layout; -1 if there is none now.
func Leader(l protocol.Cluster, topic string, partition int32) int32 {
	p, ok := l.Topics[topic].Partitions[partition]
	if !ok || p.Error != 0 && kafka.Error(p.Error) != kafka.ReplicaNotAvailable {
		return -1
	}
	if _, ok := l.Brokers[p.Leader]; !ok {
		return -1
	}
	return p.Leader
}

// Refresh asks for new metadata and waits for it, at most once every 50 ms for
// the whole client.
func (c *Client) Refresh(ctx context.Context) {
	if !c.refreshing.acquire(ctx) {
		return
	}
	defer c.refreshing.release()
	if time.Since(c.refreshed) < refreshPause {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	_, _ = c.transport.Load().RoundTrip(ctx, c.addr, wake{}) // if it fails, the periodic refresh goes on
	c.refreshed = time.Now()
}

// layoutPeek never reaches a broker: it is shown the cached cluster in order to
// be routed, keeps it, and refuses.
type layoutPeek struct{ cluster protocol.Cluster }

var errPeek = errors.New("layout peeked")

func (*layoutPeek) ApiKey() protocol.ApiKey { return protocol.Metadata } //nolint:revive // kafka-go's name

func (l *layoutPeek) Broker(c protocol.Cluster) (protocol.Broker, error) {
	l.cluster = c
	return protocol.Broker{}, errPeek
}

// wake makes the Transport refresh its metadata, which it does after any
// *createtopics.Response, whoever made it.
type wake struct{}

func (wake) ApiKey() protocol.ApiKey                 { return protocol.CreateTopics } //nolint:revive // kafka-go's name
func (wake) Required(map[protocol.ApiKey]int16) bool { return true }
func (wake) RawExchange(io.ReadWriter) (protocol.Message, error) {
	return &createtopics.Response{}, nil
}

// exchange carries one request of any version over a connection of kafka-go's.
// kafka-go routes by the broker's id alone, and hands over the connection for
// the time of RawExchange.
type exchange struct {
	client *Client
	node   int32
	req    kmsg.Request
	resp   kmsg.Response
	buf    []byte // the answer; byte fields of resp are slices of it
}

func (x *exchange) ApiKey() protocol.ApiKey               { return protocol.ApiKey(x.req.Key()) } //nolint:revive // kafka-go's name
func (*exchange) Required(map[protocol.ApiKey]int16) bool { return true }
func (x *exchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.node}, nil
}

func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	out := x.client.formatter.AppendRequest(nil, x.req, correlationID)
	if _, err := rw.Write(out); err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	var err error
	if x.buf, err = readFrame(rw, x.buf, maxAnswerOf(x.req.Key())); err != nil {
		return nil, err
	}
	x.resp, err = parse(x.req, x.buf)
	return x, err
}

// correlationID is the same for all: a connection carries one exchange at a time.
const correlationID = 1

// readFrame reads one answer of at most so many bytes, without its size and correlation id, into buf if it fits.
func readFrame(r io.Reader, buf []byte, most int) ([]byte, error) {
	var head [answerHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return buf, fmt.Errorf("read response: %w", err)
	}
	n, err := checkHead(head[:], correlationID, most)
	if err != nil {
		return buf, err
	}
	buf, err = readInto(r, buf, n)
	if err != nil {
		return buf, fmt.Errorf("read response of %d bytes: %w", n, err)
	}
	return buf, nil
}

// trusted is how large an answer may say it is without having sent so much: fetch answers are no
// larger, as a rule.
const trusted = 8 << 20

// readInto reads n bytes. A frame that claims to be larger than trusted gets its buffer as its bytes
// arrive, so that one which lies about its size does not make us allocate it.
func readInto(r io.Reader, buf []byte, n int) ([]byte, error) {
	for buf = buf[:0]; len(buf) < n; {
		have := len(buf)
		want := min(n, max(trusted, 2*have, cap(buf)))
		if cap(buf) < want {
			grown := make([]byte, have, roundUp(want))
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:want]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return buf, err //nolint:wrapcheck // wrapped by the caller
		}
	}
	return buf, nil
}

// roundUp makes the sizes of buffers few, so that one serves the next answer as well.
func roundUp(n int) int {
	const step = 256 << 10
	if n < step {
		return n
	}
	return (n + step - 1) / step * step
}

// parse decodes an answer to req. ApiVersions answers alone have no header tags.
func parse(req kmsg.Request, body []byte) (kmsg.Response, error) {
	if err := plausible(req.Key(), req.GetVersion(), body); err != nil {
		return nil, err
	}
	if req.IsFlexible() && protocol.ApiKey(req.Key()) != protocol.ApiVersions {
		if len(body) == 0 || body[0] != 0 {
			return nil, fmt.Errorf("%w: header tags of %s", errFrame, kmsg.NameForKey(req.Key()))
		}
		body = body[1:]
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: decode %s: %w", errFrame, kmsg.NameForKey(req.Key()), err)
	}
	return resp, nil
}
