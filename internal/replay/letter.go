package replay

import (
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/pkg/enrich"
)

// Headers of a dead letter, as internal/pipeline writes them, which drops those of a former
// death. A test holds the two together.
const (
	headerReason    = "dlq-reason"
	headerError     = "dlq-error"
	headerTopic     = "dlq-topic"
	headerPartition = "dlq-partition"
	headerOffset    = "dlq-offset"
	headerTimestamp = "dlq-timestamp"
	headerOmitted   = "dlq-omitted"
	// headerReplays is how often the event has been replayed, from 1. The event keeps it, also through its
	// next death.
	headerReplays = "dlq-replays"

	reasonCorrupt  = "corrupt_batch"
	reasonNotRetry = "not_a_retry"
)

// NoReason stands for the reason of a letter without the header.
const NoReason = "none"

// Reasons lists what the program writes as the reason of a death. A topic may hold other programs' letters,
// with reasons of their own.
func Reasons() []string {
	var all []string
	for _, r := range enrich.Reasons() {
		switch r {
		case enrich.CodeNotInCatalog, enrich.BadCode, enrich.UnknownName: // of unknown codes, which are no deaths
		default:
			all = append(all, string(r))
		}
	}
	return append(all, reasonCorrupt, reasonNotRetry)
}

// letter is a record of the dead-letter topic, with what its headers say.
type letter struct {
	rec       *kgo.Record
	reason    string
	origin    string // the topic it came from; "": not said
	partition int32  // the partition it came from; -1: not said
	time      time.Time
	replays   int
	omitted   bool
}

func open(rec *kgo.Record) letter {
	l := letter{rec: rec, reason: NoReason, partition: -1, time: rec.Timestamp}
	for _, h := range rec.Headers {
		text := string(h.Value)
		switch h.Key {
		case headerReason:
			l.reason = text
		case headerTopic:
			l.origin = text
		case headerPartition:
			if n, err := strconv.ParseInt(text, 10, 32); err == nil && n >= 0 {
				l.partition = int32(n)
			}
		case headerTimestamp: // the record's own is the time of appending if the topic says so
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
				l.time = time.UnixMilli(ms)
			}
		case headerReplays:
			if n, err := strconv.Atoi(text); err == nil {
				l.replays = max(l.replays, n)
			}
		case headerOmitted:
			l.omitted = true
		}
	}
	return l
}

// restore makes the event that the letter was, with the number of the replay.
func (l *letter) restore(to string) *kgo.Record {
	headers := make([]kgo.RecordHeader, 0, len(l.rec.Headers)+1)
	for _, h := range l.rec.Headers {
		if !deathHeader(h.Key) {
			headers = append(headers, h)
		}
	}
	headers = append(headers, kgo.RecordHeader{Key: headerReplays, Value: strconv.AppendInt(nil, int64(l.replays)+1, 10)})
	return &kgo.Record{Topic: to, Key: l.rec.Key, Value: l.rec.Value, Headers: headers, Timestamp: l.time}
}

// deathHeader says whether a header came with the death. Others stay, like the number of replays: it is
// replaced.
func deathHeader(name string) bool {
	switch name {
	case headerReason, headerError, headerTopic, headerPartition, headerOffset, headerTimestamp, headerOmitted, headerReplays:
		return true
	default:
		return false
	}
}

// partitionOf is the partition it came from, if the topic has it. Otherwise the key decides as with
// Java's producer, so that its events stay together; without a key any fixed rule does.
func (l *letter) partitionOf(partitions int) int32 {
	switch {
	case l.partition >= 0 && int(l.partition) < partitions:
		return l.partition
	case l.rec.Key != nil:
		return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(l.rec, partitions)) //nolint:gosec // below the count
	default:
		return max(l.partition, l.rec.Partition) % int32(partitions) //nolint:gosec // a topic's count
	}
}

// size is what a record takes at most, alone in a batch and uncompressed.
func size(r *kgo.Record) int {
	const (
		batchHead = 61
		recordMax = 5 + 1 + 10 + 5 + 5 + 5 + 5 // lengths and differences, as long as they get
		headerMax = 5 + 5
	)
	n := batchHead + recordMax + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += headerMax + len(h.Key) + len(h.Value)
	}
	return n
}
