package pipeline

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/pkg/enrich"
)

// worker takes one partition's chunks through decoding and the role's handler into the output
// queues. It is the only goroutine that does so for its partition, which is what
// keeps the partition's order.
type worker struct {
	s    *session
	p    *Pipeline
	part *partition

	batchHead recordbatch.Batch
	reader    recordbatch.Reader
	rec       recordbatch.Record
	turn      int                // chunks of other turns are not used
	corrupt   int                // times that the batch at position was found corrupt in a row
	aborting  map[int64]struct{} // producers whose records are being skipped
	rules     *rules             // of the batch in hand
	handler   handler
	held      hold
	out       broker.Record
	tally     tally
}

// handler is what the role of a pipeline does with the records of one partition.
type handler interface {
	// record takes a record to the one place it belongs. If it has to wait, nothing is done, and
	// until says when to come again, in milliseconds since the epoch; else it is 0.
	record(rec *recordbatch.Record) (until int64, err error)
	// release lets go of the records, whose memory is another batch's from then on.
	release()
}

// hold is where a partition waits, and for what.
type hold struct {
	offset, since, until int64 // since is the record's timestamp; milliseconds since the epoch
}

func newWorker(s *session, part *partition) *worker {
	w := &worker{s: s, p: s.p, part: part, aborting: map[int64]struct{}{}, rules: s.p.rules.Load()}
	w.tally = newTally(len(w.rules.routes), len(s.p.tiers))
	if s.p.cfg.Role == Delay {
		w.handler = newDelay(w)
	} else {
		w.handler = &filter{worker: w, attempt: recordbatch.NamesOf(headerAttempt)}
	}
	return w
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
			w.flush()
		}
		if c.response != nil {
			c.response.Release()
		}
		w.s.finished(w.part)
	}
}

// flush adds what was counted to the ledger.
func (w *worker) flush() { w.tally.flush(w.p.Ledger, w.part.TopicPartition, w.rules.copies) }

// adopt takes up other rules, between two batches.
func (w *worker) adopt(r *rules) {
	w.flush()
	w.rules, w.tally.routes = r, make([]int64, len(r.routes))
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
		w.turn = w.s.refetch(w.part, w.part.position, time.Now().Add(retryPause))
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
	w.part.steps.Add(1)
	defer w.part.steps.Add(1)
	if w.s.fetch.Err() != nil {
		return nil, nil // the session ends: what is left is not committed
	}
	if r := w.p.rules.Load(); r != w.rules {
		w.adopt(r)
	}
	after, err := recordbatch.Next(rest, &w.batchHead)
	if errors.Is(err, recordbatch.ErrCorrupt) {
		return w.damaged(rest, err, true)
	}
	if err != nil {
		return nil, fmt.Errorf("offset %d and later: %w", w.part.position, err)
	}
	from := max(c.from, w.part.position) // a batch that comes twice is worked through once
	if w.batchHead.NextOffset() > from && !filter.skip(&w.batchHead) {
		err := w.batch(&w.batchHead, from)
		if errors.Is(err, errHeld) {
			w.wait()
			return nil, nil
		}
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
	w.part.newest.Store(w.batchHead.MaxTimestamp)
	return after, nil
}

// errHeld says that a record has to wait, and all behind it.
var errHeld = errors.New("held")

// shortestHold is the least time that a partition waits: what is held is fetched anew, and records
// that come due one after the other shall not each cost a fetch.
const shortestHold = 50 * time.Millisecond

// wait gives the answer back and has the partition fetched again when its next record's time has
// come. So waiting costs neither memory nor requests, and other partitions go on.
func (w *worker) wait() {
	w.part.position = w.held.offset
	at := time.UnixMilli(w.held.until)
	if soonest := time.Now().Add(shortestHold); at.Before(soonest) {
		at = soonest
	}
	w.turn = w.s.hold(w.part, w.held, at)
}

// unreadableError says that a batch whose checksum is right cannot be unpacked or read.
type unreadableError struct{ cause error }

func (e *unreadableError) Error() string { return e.cause.Error() }

// batch hands the records of one batch from an offset on to the handler.
func (w *worker) batch(b *recordbatch.Batch, from int64) error {
	batch, err := w.p.unpacker.unpack(w.s.work, b)
	if err != nil {
		return err
	}
	defer w.release(batch)
	w.reader.Reset(b, batch.records)
	rec := &w.rec
	for w.reader.Next(rec) {
		if rec.Offset < from {
			continue
		}
		until, err := w.handler.record(rec)
		if err != nil {
			return err
		}
		if until != 0 {
			w.held = hold{offset: rec.Offset, since: rec.Timestamp, until: until}
			return errHeld
		}
	}
	if err := w.reader.Err(); err != nil {
		return &unreadableError{err}
	}
	return nil
}

// release gives a batch back. A worker may wait long for the next one, and what it pointed to would stay in memory.
func (w *worker) release(batch unpacked) {
	w.handler.release()
	w.reader, w.rec, w.out = recordbatch.Reader{}, recordbatch.Record{}, broker.Record{}
	w.p.unpacker.release(batch)
}

// append hands what was made of a record to a topic.
func (w *worker) append(t *target, rec *recordbatch.Record, out *broker.Record) error {
	if err := t.queue(w.part.Partition, rec.Key).Append(w.s.work, out); err != nil {
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
