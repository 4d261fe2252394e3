package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is a connection with one request on its way at a time.
type conn struct {
	net.Conn

	formatter *kmsg.RequestFormatter
	request   []byte
}

const (
	clientID = "copier"
	// maxFrame bounds an answer: a length beyond it is none.
	maxFrame = 128 << 20
	// frameHead is the length and the correlation id before an answer, in bytes.
	frameHead = 8
)

var errFrame = errors.New("answer is no frame of Kafka's protocol")

func dial(ctx context.Context, addr string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &conn{Conn: c, formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))}, nil
}

// ask sends a request and reads the answer into buf, which the answer then shares: kmsg copies
// no bytes. It returns the buffer, which may have grown.
func (c *conn) ask(req kmsg.Request, resp kmsg.Response, buf []byte) ([]byte, error) {
	c.request = c.formatter.AppendRequest(c.request[:0], req, 0)
	buf, err := c.exchange(c.request, buf)
	if err != nil {
		return buf, err
	}
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(buf); err != nil {
		return buf, fmt.Errorf("read answer: %w", err)
	}
	return buf, nil
}

// exchange sends a framed request and reads what comes back.
func (c *conn) exchange(request, buf []byte) ([]byte, error) {
	if _, err := c.Write(request); err != nil {
		return buf, fmt.Errorf("send request: %w", err)
	}
	var head [frameHead]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return buf, fmt.Errorf("read answer: %w", err)
	}
	size := int(binary.BigEndian.Uint32(head[:])) - frameHead/2 // the correlation id counts
	if size < 0 || size > maxFrame {
		return buf, errFrame
	}
	buf = slices.Grow(buf[:0], size)[:size]
	if _, err := io.ReadFull(c, buf); err != nil {
		return buf, fmt.Errorf("read answer: %w", err)
	}
	return buf, nil
}

// Versions of requests: the last ones with fields of fixed width, which Kafka 4 still speaks.
const (
	metadataVersion = 7
	fetchVersion    = 11
	produceVersion  = 8
)

// leaders finds the address of each partition's leader.
func leaders(ctx context.Context, brokers []string, topic string) ([]string, error) {
	c, err := dial(ctx, brokers[0])
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // nothing is on its way
	req := kmsg.NewPtrMetadataRequest()
	req.Version = metadataVersion
	reqTopic := kmsg.NewMetadataRequestTopic()
	reqTopic.Topic = &topic
	req.Topics = append(req.Topics, reqTopic)
	resp := kmsg.NewPtrMetadataResponse()
	if _, err := c.ask(req, resp, nil); err != nil {
		return nil, fmt.Errorf("ask for metadata: %w", err)
	}
	addrs := map[int32]string{}
	for _, b := range resp.Brokers {
		addrs[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("find topic %s: %w", topic, kerr.UnknownTopicOrPartition)
	}
	t := &resp.Topics[0]
	if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
		return nil, fmt.Errorf("find topic %s: %w", topic, err)
	}
	found := make([]string, len(t.Partitions))
	for _, p := range t.Partitions {
		if int(p.Partition) >= len(found) || addrs[p.Leader] == "" {
			return nil, fmt.Errorf("find topic %s: partition %d has no leader", topic, p.Partition)
		}
		found[p.Partition] = addrs[p.Leader]
	}
	return found, nil
}
