package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FetchRequest asks one broker for several partitions at once: kafka-go carries one
// request per connection, so a request per partition would cost a connection each.
type FetchRequest struct {
	Node          int32
	Rack          string
	MaxWait       time.Duration // how long the broker may wait for the first byte
	MaxBytes      int32         // of the whole answer; one batch may exceed it
	ReadCommitted bool
	Partitions    []FetchPartition
}

// FetchPartition is one partition's part of a request.
type FetchPartition struct {
	TopicPartition
	Offset   int64
	MaxBytes int32
}

// FetchResult is one partition's part of an answer.
type FetchResult struct {
	TopicPartition
	Err              error // a kafka.Error, or nil
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	PreferredReplica int32 // -1: read from the leader
	Aborted          []AbortedTransaction
	Records          []byte // undecoded record batches, the last may be cut off; valid until Release
}

// AbortedTransaction names records that a read_committed reader must not see: those
// of the producer from the first offset up to its abort marker.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// FetchResponse is an answer. Its results share one buffer: Release it once for the
// response and once for each Retain.
type FetchResponse struct {
	Results []FetchResult
	refs    atomic.Int32
	buf     []byte
	pool    *FetchBuffers
}

// Retain keeps the buffer for one more holder.
func (r *FetchResponse) Retain() { r.refs.Add(1) }

// Release gives the buffer back when the last holder is done.
func (r *FetchResponse) Release() {
	if r.refs.Add(-1) == 0 {
		r.pool.put(r.buf)
		r.buf, r.Results = nil, nil
	}
}

// FetchBuffers is a stock of response buffers, and keeps the account of those in use. A sync.Pool would lose
// them with each garbage collection.
type FetchBuffers struct {
	budget int64
	held   atomic.Int64  // bytes of answers that are in use
	room   chan struct{} // some have been given back

	mu   sync.Mutex
	free [][]byte
	idle int64 // bytes of those in free
}

// NewFetchBuffers makes a stock. budget, in bytes, is for Wait, and bounds what is kept.
func NewFetchBuffers(budget int64) *FetchBuffers {
	return &FetchBuffers{budget: budget, room: make(chan struct{}, 1)}
}

// Wait waits until answers in use take less than the budget, so that each fetcher goes over it by one
// answer at most. An answer is in use as long as any partition in it is: with many
// partitions, that is long. It returns false if ctx ended first.
func (s *FetchBuffers) Wait(ctx context.Context) bool {
	for s.held.Load() >= s.budget {
		select {
		case <-ctx.Done():
			return false
		case <-s.room:
		}
	}
	signal(s.room) // there may be room for whoever else waits
	return ctx.Err() == nil
}

// get takes the buffer that was given back last: some of it may still be in a cache.
func (s *FetchBuffers) get() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return nil
	}
	b := s.free[n-1]
	s.free = s.free[:n-1]
	s.idle -= int64(cap(b))
	return b
}

func (s *FetchBuffers) hold(b []byte) { s.held.Add(int64(cap(b))) }

func (s *FetchBuffers) put(b []byte) {
	s.held.Add(-int64(cap(b)))
	s.mu.Lock()
	if s.idle+int64(cap(b)) <= s.budget {
		s.free = append(s.free, b)
		s.idle += int64(cap(b))
	}
	s.mu.Unlock()
	signal(s.room)
}

// Fetch sends a request. An error concerns the whole of it; what went wrong with one
// partition is in its result.
func (c *Client) Fetch(ctx context.Context, req *FetchRequest, pool *FetchBuffers) (*FetchResponse, error) {
	x := &exchange{client: c, node: req.Node, req: fetchMessage(req), buf: pool.get()}
	if err := c.roundTrip(ctx, x, req.MaxWait+requestTimeout); err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", nodeName(req.Node), err) // the buffer may still be written to: dropped
	}
	fetched, ok := x.resp.(*kmsg.FetchResponse)
	if !ok {
		return nil, errFrame
	}
	pool.hold(x.buf)
	resp := &FetchResponse{buf: x.buf, pool: pool}
	resp.refs.Store(1)
	if err := codeError(fetched.ErrorCode); err != nil {
		resp.Release()
		return nil, fmt.Errorf("fetch from %s: %w", nodeName(req.Node), err)
	}
	for i := range fetched.Topics {
		t := &fetched.Topics[i]
		for j := range t.Partitions {
			resp.Results = append(resp.Results, fetchResult(t.Topic, &t.Partitions[j]))
		}
	}
	resp.Results = onlyAsked(req, resp.Results)
	return resp, nil
}

// onlyAsked leaves out what was not asked for, and repeats: who asks has room for one answer for each partition.
// Brokers answer in the order of the request, so there is mostly nothing to look up.
func onlyAsked(req *FetchRequest, results []FetchResult) []FetchResult {
	inOrder := len(results) <= len(req.Partitions)
	for i := 0; inOrder && i < len(results); i++ {
		inOrder = results[i].TopicPartition == req.Partitions[i].TopicPartition
	}
	if inOrder {
		return results
	}
	left := make(map[TopicPartition]struct{}, len(req.Partitions))
	for i := range req.Partitions {
		left[req.Partitions[i].TopicPartition] = struct{}{}
	}
	return slices.DeleteFunc(results, func(r FetchResult) bool {
		_, ok := left[r.TopicPartition]
		delete(left, r.TopicPartition)
		return !ok
	})
}

// fetchVersion has racks and preferred replicas, names topics by name, and is
// spoken from Kafka 2.3 to 4.x.
const fetchVersion = 11

func fetchMessage(req *FetchRequest) *kmsg.FetchRequest {
	m := kmsg.NewPtrFetchRequest()
	m.SetVersion(fetchVersion)
	m.ReplicaID, m.SessionEpoch = -1, -1 // a consumer, without a fetch session
	m.MaxWaitMillis, m.MinBytes, m.MaxBytes = milliseconds(req.MaxWait), 1, req.MaxBytes
	m.Rack = req.Rack
	if req.ReadCommitted {
		m.IsolationLevel = 1
	}
	// Consecutive partitions of a topic go together, in the order given: the broker
	// fills the answer in this order, so the caller's rotation decides who comes first.
	for _, p := range req.Partitions {
		if n := len(m.Topics); n == 0 || m.Topics[n-1].Topic != p.Topic {
			t := kmsg.NewFetchRequestTopic()
			t.Topic = p.Topic
			m.Topics = append(m.Topics, t)
		}
		fp := kmsg.NewFetchRequestTopicPartition()
		fp.Partition, fp.FetchOffset, fp.PartitionMaxBytes = p.Partition, p.Offset, p.MaxBytes
		fp.CurrentLeaderEpoch, fp.LogStartOffset = -1, -1
		t := &m.Topics[len(m.Topics)-1]
		t.Partitions = append(t.Partitions, fp)
	}
	return m
}

func fetchResult(topic string, p *kmsg.FetchResponseTopicPartition) FetchResult {
	r := FetchResult{
		TopicPartition:   TopicPartition{topic, p.Partition},
		Err:              codeError(p.ErrorCode),
		HighWatermark:    p.HighWatermark,
		LastStableOffset: p.LastStableOffset,
		LogStartOffset:   p.LogStartOffset,
		PreferredReplica: p.PreferredReadReplica,
		Records:          p.RecordBatches,
	}
	for _, a := range p.AbortedTransactions {
		r.Aborted = append(r.Aborted, AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	return r
}

// IsOutOfRange tells whether a fetch asked for an offset that the log does not hold.
func IsOutOfRange(err error) bool { return kafkaCode(err) == kafka.OffsetOutOfRange }

// IsLeadership tells whether new metadata and another attempt may mend err.
func IsLeadership(err error) bool { return leadershipCode(kafkaCode(err)) }

// IsTopicAuthorization tells whether the user lacks a right on a topic.
func IsTopicAuthorization(err error) bool { return kafkaCode(err) == kafka.TopicAuthorizationFailed }

func kafkaCode(err error) kafka.Error {
	k, _ := errors.AsType[kafka.Error](err)
	return k
}

var (
	_ protocol.BrokerMessage = (*exchange)(nil)
	_ protocol.RawExchanger  = (*exchange)(nil)
)
