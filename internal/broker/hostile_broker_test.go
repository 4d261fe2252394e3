package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

// liar is a connection to a real broker whose answers to one kind of request are replaced.
type liar struct {
	net.Conn
	key kmsg.Key
	lie func(frame []byte) io.Reader // of the whole honest answer; nil: the connection ends

	mu     sync.Mutex
	asked  []kmsg.Key
	answer io.Reader
}

func (l *liar) Write(p []byte) (int, error) {
	l.mu.Lock()
	if len(p) >= 12 && int(binary.BigEndian.Uint32(p)) >= len(p)-4 { // a request begins here: no piece of a body looks so
		l.asked = append(l.asked, kmsg.Key(binary.BigEndian.Uint16(p[4:])))
	}
	l.mu.Unlock()
	return l.Conn.Write(p)
}

func (l *liar) Read(p []byte) (int, error) {
	for {
		if l.answer != nil {
			n, err := l.answer.Read(p)
			if n > 0 {
				return n, nil
			}
			if err != io.EOF {
				return 0, err
			}
			l.answer = nil
		}
		var size [4]byte
		if _, err := io.ReadFull(l.Conn, size[:]); err != nil {
			return 0, err
		}
		frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
		copy(frame, size[:])
		if _, err := io.ReadFull(l.Conn, frame[4:]); err != nil {
			return 0, err
		}
		l.mu.Lock()
		key := l.asked[0]
		l.asked = l.asked[1:]
		l.mu.Unlock()
		l.answer = bytes.NewReader(frame)
		if key == l.key {
			if l.answer = l.lie(frame); l.answer == nil {
				return 0, io.EOF
			}
		}
	}
}

// lying is a client of a broker that lies about one kind of request.
func lying(t *testing.T, key kmsg.Key, lie func(frame []byte) io.Reader) *broker.Client {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "in", "out"))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	client := broker.NewClient(broker.Config{
		Brokers: c.ListenAddrs(), ClientID: "test", Topics: []string{"in", "out"},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &liar{Conn: conn, key: key, lie: lie}, nil
		},
	})
	t.Cleanup(client.Close)
	return client
}

// endless never ends, and is never more than one byte.
type endless struct{ first []byte }

func (e *endless) Read(p []byte) (int, error) {
	if len(e.first) > 0 {
		n := copy(p, e.first)
		e.first = e.first[n:]
		return n, nil
	}
	clear(p)
	return len(p), nil
}

// lies are ways in which an answer can be wrong before it says anything.
func lies() map[string]struct {
	lie  func(frame []byte) io.Reader
	says string
} {
	edit := func(f func(frame []byte) []byte) func([]byte) io.Reader {
		return func(frame []byte) io.Reader { return bytes.NewReader(f(slices.Clone(frame))) }
	}
	put := func(at int, v uint32) func([]byte) io.Reader {
		return edit(func(frame []byte) []byte { binary.BigEndian.PutUint32(frame[at:], v); return frame })
	}
	return map[string]struct {
		lie  func(frame []byte) io.Reader
		says string
	}{
		"another correlation id":        {put(4, 1<<30), "correlation id 1073741824 instead of"},
		"a length of 2 GB":              {put(0, 1<<31-1), "it says that it has 2147483647 bytes"},
		"a negative length":             {put(0, 1<<32-1), "it says that it has -1 bytes"},
		"a length of nothing":           {put(0, 0), "it says that it has 0 bytes"},
		"a length without room for ids": {put(0, 3), "it says that it has 3 bytes"},
		"a web server":                  {edit(func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }), "is this a Kafka broker's address?"},
		"a port for TLS": {func([]byte) io.Reader {
			return io.MultiReader(bytes.NewReader([]byte{0x15, 3, 3, 0, 2, 2, 70}), iotest.ErrReader(net.ErrClosed))
		}, "broker appears to be expecting TLS"},
		"the end of the connection": {func([]byte) io.Reader { return nil }, "EOF"},
		"an empty answer":           {edit(func(frame []byte) []byte { binary.BigEndian.PutUint32(frame, 4); return frame[:8] }), "lengths or counts that do not fit it"},
		"half an answer": {edit(func(frame []byte) []byte {
			frame = frame[:4+(len(frame)-4)/2]
			binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
			return frame
		}), "lengths or counts that do not fit it"},
		"an answer without end": {func(frame []byte) io.Reader {
			head := slices.Clone(frame[:8])
			binary.BigEndian.PutUint32(head, 15<<20)
			return &endless{first: head}
		}, ""},
		"all bits set": {edit(func(frame []byte) []byte {
			for i := 8; i < len(frame); i++ {
				frame[i] = 0xff
			}
			return frame
		}), ""},
	}
}

// A broker that breaks the protocol gives an error that says so, soon, and costs no memory.
func TestHostileAnswers(t *testing.T) {
	tp := broker.TopicPartition{Topic: "in"}
	for kind, tc := range map[string]struct {
		key  kmsg.Key
		call func(ctx context.Context, c *broker.Client) error
	}{
		"versions": {kmsg.ApiVersions, func(ctx context.Context, c *broker.Client) error { _, err := c.Topics(ctx, []string{"in"}); return err }},
		"metadata": {kmsg.Metadata, func(ctx context.Context, c *broker.Client) error { _, err := c.Topics(ctx, []string{"in"}); return err }},
		"settings": {kmsg.DescribeConfigs, func(ctx context.Context, c *broker.Client) error {
			req := kmsg.NewPtrDescribeConfigsRequest()
			req.SetVersion(1)
			r := kmsg.NewDescribeConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, "in"
			req.Resources = append(req.Resources, r)
			_, err := c.Request(ctx, broker.AnyNode, req)
			return err
		}},
		"records": {kmsg.Fetch, func(ctx context.Context, c *broker.Client) error {
			pool := broker.NewFetchBuffers(1 << 20)
			_, err := c.Fetch(ctx, &broker.FetchRequest{
				Node: 0, MaxWait: time.Millisecond, MaxBytes: 1 << 20,
				Partitions: []broker.FetchPartition{{TopicPartition: tp, MaxBytes: 1 << 20}},
			}, pool)
			return err
		}},
	} {
		for name, lie := range lies() {
			t.Run(kind+"/"+name, func(t *testing.T) {
				client := lying(t, tc.key, lie.lie)
				ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
				defer cancel()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := tc.call(ctx, client)
				runtime.ReadMemStats(&after)
				require.NoError(t, ctx.Err(), "answered late: %v", err)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<30), "metadata is asked for again each second")
				if lie.says != "" { // else it may as well be an answer that has nothing in it
					require.ErrorContains(t, err, lie.says)
				}
			})
		}
	}
}
