package pipeline

import (
	"fmt"

	"github.com/callstream/enricher/internal/broker"
)

// target is one topic that the pipeline writes to, with one queue for each of its partitions.
type target struct {
	topic     string
	queues    []*broker.Queue
	byNumber  bool // output partition = input partition
	grown     bool // that the topic has more partitions now has been said
	maxRecord int  // largest record, encoded, that fits the topic
}

// limit sets what the topic takes, where that could be read.
func (t *target) limit(maxMessageBytes int) {
	t.maxRecord = defaultMaxMessage
	if maxMessageBytes > 0 {
		t.maxRecord = maxMessageBytes
	}
}

// rule says in words how output partitions are chosen.
func (t *target) rule() string {
	if t.byNumber {
		return "the input's partition number"
	}
	return fmt.Sprintf("murmur2 of the key, modulo %d; without a key the input's partition number, modulo %d", len(t.queues), len(t.queues))
}

// queue picks the output partition of a record. The rule was fixed at the start: if
// it followed a changing partition count, keys would change places mid-stream.
func (t *target) queue(partition int32, key []byte) *broker.Queue {
	switch {
	case t.byNumber:
		return t.queues[partition]
	case key == nil:
		return t.queues[int(partition)%len(t.queues)]
	default:
		return t.queues[int(murmur2(key)&0x7fffffff)%len(t.queues)]
	}
}

// murmur2 is the hash by which the Java client's default partitioner places keys
// (org.apache.kafka.common.utils.Utils.murmur2), so that a topic written by
// both has a key in one place.
func murmur2(data []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(data)) //nolint:gosec // as the Java client does
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
