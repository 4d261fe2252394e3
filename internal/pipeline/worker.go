package pipeline

import (
	"errors"
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/pkg/enrich"
)

// worker takes one partition's chunks through decoding, enrichment and routing into the
// output queues. It is the only goroutine that does so for its partition, which is
// what keeps the partition's order.
type worker struct {
	s    *session
	p    *Pipeline
	part *partition

	batchHead recordbatch.Batch
	reader    recordbatch.Reader
	turn      int                // chunks of other turns are not used
	corrupt   int                // times that the batch at position was found corrupt in a row
	aborting  map[int64]struct{} // producers whose records are being skipped
	raw       enrich.Record
	result    enrich.Result
	matched   []int // routes that the event goes to
	out       broker.Record
	add       []recordbatch.Header
	tally     tally
}

func newWorker(s *session, part *partition) *worker {
	return &worker{s: s, p: s.p, part: part, aborting: map[int64]struct{}{}, tally: newTally(len(s.p.routes))}
}

// run works until the inbox closes. Chunks that still wait when the session ends are left:
// they are not committed.
func (w *worker) run() {
	for c := range w.part.inbox {
		switch {
		case c.turn != w.turn: // fetched before the partition was set back
		case c.response == nil:
			w.jump(c.from)
		case w.s.fetch.Err() == nil:
			if err := w.chunk(c); err != nil && w.s.work.Err() == nil {
				w.s.fail(fmt.Errorf("%s/%d: %w", w.part.Topic, w.part.Partition, err))
			}
			w.tally.flush(w.p.Ledger, w.part.TopicPartition)
		}
		if c.response != nil {
			c.response.Release()
		}
		w.s.finished(w.part)
	}
}

// jump moves the position to where the fetcher goes on after the log had lost its place.
func (w *worker) jump(to int64) {
	w.p.turn.enter()
	defer w.p.turn.leave()
	w.part.position = to
}

// chunk works through what one answer held of the partition.
func (w *worker) chunk(c *chunk) error {
	filter := newAbortFilter(w.aborting, c.aborted)
	for rest := c.records; len(rest) > 0; {
		var err error
		if rest, err = w.step(c, rest, &filter); err != nil {
			return err
		}
	}
	return nil
}

// corruptTries is how often a batch with a wrong checksum is fetched before it is believed.
const corruptTries = 3

// damaged decides about a batch that cannot be read. One whose checksum is wrong may have been
// damaged on its way, so it is fetched again; one that was written like that never gets
// better. It returns what is left of the chunk.
func (w *worker) damaged(rest []byte, cause error, mayPass bool) ([]byte, error) {
	if w.corrupt++; mayPass && w.corrupt < corruptTries {
		w.p.log.Warn("corrupt batch, fetching it again", zap.String("topic", w.part.Topic), zap.Int32("partition", w.part.Partition), zap.Int64("offset", w.part.position), zap.Error(cause))
		w.turn = w.s.refetch(w.part, w.part.position)
		return nil, nil
	}
	size, next, err := recordbatch.First(rest)
	if err != nil {
		return nil, fmt.Errorf("offset %d: %w", w.part.position, err)
	}
	if !w.p.cfg.SkipCorrupt {
		return nil, fmt.Errorf("offsets %d to %d: %w; input.on_corrupt: skip puts such batches on the dead-letter topic and goes on", w.part.position, next-1, cause)
	}
	batch := recordbatch.Record{Offset: w.part.position, Timestamp: time.Now().UnixMilli(), Value: rest[:size], Headers: []byte{0}}
	if err := w.deadLetter(&batch, reasonCorrupt, fmt.Sprintf("offsets %d to %d: %v", w.part.position, next-1, cause)); err != nil {
		return nil, err
	}
	w.tally.account.Outcomes[enrich.Malformed]++
	w.part.position, w.corrupt = next, 0
	return rest[size:], nil
}

// step takes one batch from the front. The pipeline's position moves over it together with
// its output: a commit waits for steps to end, and sees none half done.
func (w *worker) step(c *chunk, rest []byte, filter *abortFilter) ([]byte, error) {
	w.p.turn.enter()
	defer w.p.turn.leave()
	if w.s.fetch.Err() != nil {
		return nil, nil // the session ends: what is left is not committed
	}
	after, err := recordbatch.Next(rest, &w.batchHead)
	if errors.Is(err, recordbatch.ErrCorrupt) {
		return w.damaged(rest, err, true)
	}
	if err != nil {
		return nil, fmt.Errorf("offset %d and later: %w", w.part.position, err)
	}
	if w.batchHead.NextOffset() > c.from && !filter.skip(&w.batchHead) {
		err := w.batch(&w.batchHead, c.from)
		if unreadable, ok := errors.AsType[*unreadableError](err); ok {
			return w.damaged(rest, unreadable.cause, false)
		}
		if err != nil {
			return nil, err
		}
	}
	w.corrupt = 0
	// Over control batches and skipped ones too, so that lag reaches 0.
	w.part.position = max(w.part.position, w.batchHead.NextOffset())
	return after, nil
}

// unreadableError says that a batch whose checksum is right cannot be unpacked or read.
type unreadableError struct{ cause error }

func (e *unreadableError) Error() string { return e.cause.Error() }

// unpacker is what one compressed batch needs while it is worked through.
type unpacker struct {
	decompressor *recordbatch.Decompressor
	inflated     []byte
}

// unpackers is a small stock of them. Few workers are in the midst of a batch at one time, and with a
// thousand partitions one for each would be gigabytes.
type unpackers chan *unpacker

const idleUnpackers = 4

func (s unpackers) take() *unpacker {
	select {
	case u := <-s:
		return u
	default:
		return &unpacker{decompressor: recordbatch.NewDecompressor(0)}
	}
}

func (s unpackers) put(u *unpacker) {
	select {
	case s <- u:
	default:
	}
}

// batch enriches the records of one batch from an offset on.
func (w *worker) batch(b *recordbatch.Batch, from int64) error {
	records := b.Payload
	if b.Codec() != recordbatch.None {
		u := w.p.unpackers.take()
		defer w.p.unpackers.put(u)
		var err error
		if u.inflated, err = u.decompressor.Decompress(b.Codec(), b.Payload, u.inflated[:0]); err != nil {
			return &unreadableError{err}
		}
		records = u.inflated
	}
	w.reader.Reset(b, records)
	var rec recordbatch.Record
	for w.reader.Next(&rec) {
		if rec.Offset < from {
			continue
		}
		if err := w.event(&rec); err != nil {
			return err
		}
	}
	if err := w.reader.Err(); err != nil {
		return &unreadableError{err}
	}
	return nil
}

// event takes one raw event to the one place it belongs, and its copies to the routes.
func (w *worker) event(rec *recordbatch.Record) error {
	res := &w.result
	w.raw = enrich.Record{Key: rec.Key, Value: rec.Value, TimestampMS: rec.Timestamp, HeaderAttempt: attemptHeader(rec.Headers)}
	w.p.enricher.Enrich(&w.raw, res)
	w.outgoing(rec)
	if err := w.place(rec); err != nil {
		return err // not counted: it went nowhere, and comes again
	}
	w.tally.event(res)
	return nil
}

// place hands the event to where it belongs.
func (w *worker) place(rec *recordbatch.Record) error {
	res := &w.result

	limit, limiting := math.MaxInt, ""
	toOutput := res.Outcome != enrich.Malformed && !w.p.cfg.Drop[res.Outcome]
	if toOutput {
		limit, limiting = w.p.output.maxRecord, w.p.output.topic
	}
	w.matched = w.matched[:0]
	for i, t := range w.p.routes {
		if w.p.cfg.Routes[i].Match.Matches(res) {
			w.matched = append(w.matched, i)
			if t.maxRecord < limit {
				limit, limiting = t.maxRecord, t.topic
			}
		}
	}
	if size := broker.BatchSize(&w.out); size > limit {
		return w.deadLetter(rec, string(enrich.OutputTooLarge), fmt.Sprintf("%d bytes with what was added; topic %q takes %d (max.message.bytes)", size, limiting, limit))
	}
	for _, i := range w.matched {
		if err := w.append(w.p.routes[i], rec); err != nil {
			return err
		}
		w.tally.routes[i]++
	}
	switch {
	case toOutput:
		if err := w.append(w.p.output, rec); err != nil {
			return err
		}
		w.tally.account.Output++
		return nil
	case res.Outcome == enrich.Malformed:
		return w.deadLetter(rec, string(res.Reason), res.Detail)
	default:
		w.tally.account.Filtered++
		return nil
	}
}

// outgoing fills w.out from the record and what became of it.
func (w *worker) outgoing(rec *recordbatch.Record) {
	w.out = broker.Record{TimestampMS: rec.Timestamp, Key: rec.Key, Value: w.result.Value, Headers: rec.Headers}
	if w.result.Outcome == enrich.Malformed {
		w.out.Value = [3][]byte{rec.Value} // for routes of malformed events: as it came
	}
	w.add = w.add[:0]
	for _, h := range w.result.Headers {
		w.add = append(w.add, recordbatch.Header{Name: h.Name, Value: h.Value})
	}
	w.out.Add, w.out.Drop = w.add, w.result.DropHeaders
}

func (w *worker) append(t *target, rec *recordbatch.Record) error {
	if err := t.queue(w.part.Partition, rec.Key).Append(w.s.work, &w.out); err != nil {
		return fmt.Errorf("offset %d: append to %s: %w", rec.Offset, t.topic, err)
	}
	return nil
}

// abortFilter skips what read_committed readers must not see: control batches, and the
// batches of transactions that were aborted. The broker lists the aborted ones; an
// abort marker ends each.
type abortFilter struct {
	active map[int64]struct{}
	todo   []broker.AbortedTransaction // by first offset
}

func newAbortFilter(active map[int64]struct{}, aborted []broker.AbortedTransaction) abortFilter {
	clear(active) // the list of each answer is complete
	sortAborted(aborted)
	return abortFilter{active: active, todo: aborted}
}

func (f *abortFilter) skip(b *recordbatch.Batch) bool {
	for len(f.todo) > 0 && f.todo[0].FirstOffset < b.NextOffset() {
		f.active[f.todo[0].ProducerID] = struct{}{}
		f.todo = f.todo[1:]
	}
	if b.Control() {
		delete(f.active, b.ProducerID) // an abort marker; a commit marker finds nothing to delete
		return true
	}
	if !b.Transactional() || len(f.active) == 0 {
		return false
	}
	_, aborted := f.active[b.ProducerID]
	return aborted
}
