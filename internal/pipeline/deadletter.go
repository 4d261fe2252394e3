package pipeline

import (
	"fmt"
	"strconv"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// Headers of a dead letter: why it is one, and where the record came from. Key, value,
// timestamp and the record's own headers stay as they came.
const (
	headerReason    = "dlq-reason"
	headerError     = "dlq-error"
	headerTopic     = "dlq-topic"
	headerPartition = "dlq-partition"
	headerOffset    = "dlq-offset"
	headerTimestamp = "dlq-timestamp"
	headerOmitted   = "dlq-omitted" // "value" or "all": what did not fit the topic
)

// deadLetterHeaders are replaced if a dead letter dies again.
func deadLetterHeaders() []string {
	return []string{headerReason, headerError, headerTopic, headerPartition, headerOffset, headerTimestamp, headerOmitted}
}

// reasonCorrupt is the reason of a batch that cannot be read, put aside as it came, headers of
// the format included (input.on_corrupt: skip). It counts as one malformed event.
const reasonCorrupt = "corrupt_batch"

// maxDetail bounds dlq-error, so that a dead letter fits where its event did.
const maxDetail = 256

// deadLetter puts a record on the dead-letter topic, or stops the pipeline if there is none.
func (w *worker) deadLetter(rec *recordbatch.Record, reason, detail string) error {
	if w.p.dead == nil {
		return fmt.Errorf("offset %d: event cannot be enriched (%s: %s); set dead_letter.topic to put such events aside and go on", rec.Offset, reason, detail)
	}
	if len(detail) > maxDetail {
		detail = detail[:maxDetail]
	}
	w.out = broker.Record{
		TimestampMS: rec.Timestamp, Key: rec.Key, Value: [3][]byte{rec.Value}, Headers: rec.Headers, Drop: deadLetterHeaders(),
		Add: []recordbatch.Header{
			{Name: headerReason, Value: []byte(reason)},
			{Name: headerError, Value: []byte(detail)},
			{Name: headerTopic, Value: []byte(w.part.Topic)},
			{Name: headerPartition, Value: strconv.AppendInt(nil, int64(w.part.Partition), 10)},
			{Name: headerOffset, Value: strconv.AppendInt(nil, rec.Offset, 10)},
			{Name: headerTimestamp, Value: strconv.AppendInt(nil, rec.Timestamp, 10)},
		},
	}
	if broker.BatchSize(&w.out) > w.p.dead.maxRecord {
		w.out.Value = [3][]byte{{}}
		w.out.Add = append(w.out.Add, recordbatch.Header{Name: headerOmitted, Value: []byte("value")})
	}
	if broker.BatchSize(&w.out) > w.p.dead.maxRecord {
		w.out.Key, w.out.Headers = nil, []byte{0}
		w.out.Add[len(w.out.Add)-1].Value = []byte("all")
	}
	if size := broker.BatchSize(&w.out); size > w.p.dead.maxRecord {
		return fmt.Errorf("offset %d: a dead letter of %d bytes, its headers alone, is larger than topic %q takes (%d): raise its max.message.bytes", rec.Offset, size, w.p.dead.topic, w.p.dead.maxRecord)
	}
	if err := w.append(w.p.dead, rec, &w.out); err != nil {
		return err
	}
	w.tally.dead(reason)
	return nil
}
