package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client asks the broker. It is safe for concurrent use.
type Client struct {
	addrs []string
	kgo   *kgo.Client
	read  kgo.Decompressor
}

// Connect makes a Client. Nothing is sent yet.
func Connect(addrs []string) (*Client, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Client{addrs: addrs, kgo: c, read: kgo.DefaultDecompressor()}, nil
}

// Close closes the connections.
func (c *Client) Close() { c.kgo.Close() }

// Topic is a topic that was made here.
type Topic struct {
	Name       string
	Partitions int32
	id         [16]byte
}

// CreateTopic makes a topic and waits until each of its partitions can be asked for its end.
func (c *Client) CreateTopic(ctx context.Context, name string, partitions int32) (Topic, error) {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.kgo)
	if err != nil {
		return Topic{}, fmt.Errorf("create topic %s: %w", name, err)
	}
	topic := Topic{Name: name, Partitions: partitions}
	for i := range resp.Topics {
		if err := kerr.ErrorForCode(resp.Topics[i].ErrorCode); err != nil {
			return Topic{}, fmt.Errorf("create topic %s: %w", name, err)
		}
		topic.id = resp.Topics[i].TopicID
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err = c.Ends(ctx, topic); err == nil {
			return topic, nil
		}
		select {
		case <-ctx.Done():
			return Topic{}, fmt.Errorf("wait for topic %s: %w: %w", name, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// DeleteTopics removes topics.
func (c *Client) DeleteTopics(ctx context.Context, topics ...Topic) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	for i := range topics {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &topics[i].Name
		req.Topics = append(req.Topics, t)
		req.TopicNames = append(req.TopicNames, topics[i].Name)
	}
	resp, err := req.RequestWith(ctx, c.kgo)
	if err != nil {
		return fmt.Errorf("delete topics: %w", err)
	}
	for i := range resp.Topics {
		if err := kerr.ErrorForCode(resp.Topics[i].ErrorCode); err != nil {
			return fmt.Errorf("delete topic: %w", err)
		}
	}
	return nil
}

// Ends asks for the end offset of each partition, as a reader with read_committed sees it: in one
// request for all topics.
func (c *Client) Ends(ctx context.Context, topics ...Topic) ([][]int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = readCommitted
	for i := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topics[i].Name
		for p := range topics[i].Partitions {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp = p, -1 // the end
			t.Partitions = append(t.Partitions, part)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, c.kgo.SeedBrokers()[0]) // there is one broker, and nothing to look up
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	ends := make([][]int64, len(topics))
	for i := range topics {
		ends[i] = make([]int64, topics[i].Partitions)
	}
	for i := range resp.Topics {
		n := slices.IndexFunc(topics, func(t Topic) bool { return t.Name == resp.Topics[i].Topic })
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("list offsets of %s partition %d: %w", resp.Topics[i].Topic, p.Partition, err)
			}
			ends[n][p.Partition] = p.Offset
		}
	}
	return ends, nil
}

var errAnswer = errors.New("the answer is not about what was asked")

// readCommitted is the isolation level's number.
const readCommitted = 1

// LastKey is the key of the last record before an end offset, as a reader with read_committed sees it;
// nil if there is none. Offsets just before the end may be those of transactions' markers.
func (c *Client) LastKey(ctx context.Context, t Topic, partition int32, end int64) ([]byte, error) {
	for back := int64(1); end > 0; back *= 4 {
		from := max(0, end-back)
		records, err := c.fetch(ctx, t, partition, from)
		if err != nil {
			return nil, err
		}
		if n := len(records); n > 0 {
			return records[n-1].Key, nil
		}
		if from == 0 {
			break
		}
	}
	return nil, nil
}

func (c *Client) fetch(ctx context.Context, t Topic, partition int32, from int64) ([]*kgo.Record, error) {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, from, 16<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = t.Name, t.id
	topic.Partitions = append(topic.Partitions, part)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.IsolationLevel, req.SessionEpoch = 16<<20, readCommitted, -1
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, c.kgo.SeedBrokers()[0])
	if err != nil {
		return nil, fmt.Errorf("fetch %s partition %d: %w", t.Name, partition, err)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch %s partition %d: %w", t.Name, partition, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("fetch %s partition %d: %w", t.Name, partition, errAnswer)
	}
	got, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: t.Name, Partition: partition,
	}, &resp.Topics[0].Partitions[0], c.read, nil)
	if got.Err != nil {
		return nil, fmt.Errorf("fetch %s partition %d: %w", t.Name, partition, got.Err)
	}
	return got.Records, nil
}
