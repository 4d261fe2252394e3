package broker

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// Record is one record to be produced. Its value is the concatenation of the three
// parts; all nil is a null value. Nothing of it is kept after Append.
type Record struct {
	TimestampMS int64
	Key         []byte
	Value       [3][]byte
	Headers     []byte               // as they came: a varint count and that many headers
	Drop        []string             // names of headers to leave out
	Add         []recordbatch.Header // headers to put after them
}

// Queue collects the records of one output partition into batches, in order. Its
// batches are sent one after the other, never two at once: with acknowledgements
// from all replicas and sequence numbers, order holds through any retry.
type Queue struct {
	TopicPartition

	producer *Producer
	acked    *atomic.Int64 // records acknowledged

	mu     sync.Mutex
	room   sync.Cond // broadcast when a batch leaves the line, and on failure
	open   *batch    // being filled; nil if empty
	line   []*batch  // closed ones, oldest first; line[0] may be on the wire
	queued bool      // in a sender's list, or being sent by one
	node   int32     // the leader as last seen; -1: not known
	seq    int32     // the next batch's first sequence number
	seqOf  uint32    // the identity that seq belongs to
}

// batch is one record batch on its way.
type batch struct {
	build  *recordbatch.Builder
	epoch  uint64 // between which two cuts it was filled
	state  batchState
	sentAs uint32 // identity it was stamped with; 0: never sent
}

type batchState uint8

const (
	filling batchState = iota
	closed             // in the line, not yet compressed
	sealing            // a worker compresses it
	sealed             // may be sent
)

// spares are batches that wait to be used again, for all queues together: there are never more
// than were in use at one time, and that is bounded by ProducerConfig.BufferBytes. A queue
// that falls idle leaves its memory to the others.
type spares struct {
	mu   sync.Mutex
	free []*batch
}

func (s *spares) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return &batch{build: recordbatch.NewBuilder()}
	}
	b := s.free[n-1] // the last one used may still be in the cache
	s.free = s.free[:n-1]
	return b
}

func (s *spares) put(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, b)
}

// maxLine is how many closed batches wait behind each other before Append blocks.
const maxLine = 2

// Append adds a record. It blocks while the queue is full, until ctx ends or the
// producer is interrupted.
func (q *Queue) Append(ctx context.Context, rec *Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open != nil && int64(q.open.build.Size()+recordSize(rec)) > q.producer.batchBytes.Load() {
		if err := q.rotate(ctx); err != nil {
			return err
		}
	}
	if q.open == nil {
		q.open = q.newBatch()
	}
	q.open.build.Append(rec.TimestampMS, rec.Key, rec.Value, rec.Headers, rec.Drop, rec.Add)
	if !q.queued {
		q.queued = true
		q.producer.enqueue(q)
	}
	return nil
}

// BatchSize is an upper bound of a batch that holds nothing but the record, in bytes: what
// a topic's max.message.bytes is held against.
func BatchSize(rec *Record) int { return recordbatch.HeaderSize + recordSize(rec) }

// recordSize is an upper bound of what a record adds to a batch, in bytes.
func recordSize(rec *Record) int {
	n := recordbatch.MaxRecordOverhead + len(rec.Key) + len(rec.Headers)
	for _, v := range rec.Value {
		n += len(v)
	}
	for i := range rec.Add {
		n += len(rec.Add[i].Name) + len(rec.Add[i].Value) + 2*maxVarint
	}
	return n
}

const maxVarint = 5

// rotate puts the open batch into the line and compresses it here, in the worker:
// compression then runs on as many cores as there are workers. The lock is
// not held meanwhile; the place in the line keeps the order.
func (q *Queue) rotate(ctx context.Context) error {
	if err := q.await(ctx, func() bool { return len(q.line) < maxLine }); err != nil {
		return err
	}
	b := q.open
	if b == nil { // another worker was faster
		return nil
	}
	q.open = nil
	q.line = append(q.line, b)
	b.state = sealing
	q.mu.Unlock()
	err := q.producer.seal(b)
	q.mu.Lock()
	b.state = sealed
	if err != nil {
		q.producer.fail(err)
		return err
	}
	q.producer.full(q)
	return nil
}

// await waits with q.mu until ready says so.
func (q *Queue) await(ctx context.Context, ready func() bool) error {
	if ready() {
		return nil
	}
	q.producer.waiting.Add(1)
	defer q.producer.waiting.Add(-1)
	stop := context.AfterFunc(ctx, q.wake)
	defer stop()
	for !ready() {
		if err := q.producer.stopped(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err //nolint:wrapcheck // the caller knows whose context it is
		}
		q.room.Wait()
	}
	return nil
}

func (q *Queue) wake() {
	q.mu.Lock()
	q.room.Broadcast()
	q.mu.Unlock()
}

func (q *Queue) newBatch() *batch {
	b := q.producer.spare.take()
	b.build.Expect(int(q.producer.batchBytes.Load()))
	b.epoch, b.state, b.sentAs = q.producer.fillEpoch.Load(), filling, 0
	q.producer.opened(b.epoch)
	return b
}

// cut closes the open batch, so that what is appended from now on is in another.
func (q *Queue) cut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		return
	}
	q.open.state = closed
	q.line = append(q.line, q.open)
	q.open = nil
}

// offer puts the queue back into a sender's list if it has anything to send.
func (q *Queue) offer() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.queued && (q.open != nil || len(q.line) > 0) {
		q.queued = true
		q.producer.enqueue(q)
	}
}

// head is the batch to send next, sealed; nil if there is none now. It is the
// sender's to call; only one sender has a queue at a time.
func (q *Queue) head() (*batch, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 && q.open != nil && q.producer.maySend(q.open.epoch) {
		q.open.state = closed
		q.line = append(q.line, q.open)
		q.open = nil
	}
	if len(q.line) == 0 || !q.producer.maySend(q.line[0].epoch) {
		return nil, nil //nolint:nilnil // nothing to send is no error
	}
	b := q.line[0]
	switch b.state {
	case sealed:
		return b, nil
	case closed:
		b.state = sealing
		q.mu.Unlock()
		err := q.producer.seal(b)
		q.mu.Lock()
		b.state = sealed
		return b, err
	case filling, sealing: // a worker is compressing it and will call full
	}
	return nil, nil //nolint:nilnil // as above
}

// stamp gives a batch the producer's identity and its sequence number. A batch that
// was sent before under the same identity keeps both: the broker tells the retry by them.
func (q *Queue) stamp(b *batch, id identity) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b.sentAs == id.serial {
		return
	}
	if q.seqOf != id.serial {
		q.seq, q.seqOf = 0, id.serial
	}
	b.build.Stamp(id.transactional, id.producerID, id.epoch, q.seq)
	b.sentAs = id.serial
	q.seq = addSequence(q.seq, b.build.Len())
}

// renew gives a batch whose exchange failed a buffer of its own: the old bytes may still be on
// their way out.
func (q *Queue) renew(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock() // discard may be counting it
	b.build = b.build.Clone()
}

// addSequence counts on and wraps from 2³¹−1 to 0, as brokers expect.
func addSequence(seq int32, n int) int32 { return int32((int64(seq) + int64(n)) & 0x7fffffff) }

// done takes the first batch out of the line, after its acknowledgement.
func (q *Queue) done(b *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 || q.line[0] != b { // discarded meanwhile
		return
	}
	q.line = append(q.line[:0], q.line[1:]...)
	q.acked.Add(int64(b.build.Len()))
	q.room.Broadcast()
	q.producer.settled(b.epoch)
	b.build.Reset()
	q.producer.spare.put(b) // last: from here on it is another queue's
}

// replace puts two halves in the place of the first batch, which was too large as
// a whole. The broker took nothing of it, so its sequence numbers are free again.
func (q *Queue) replace(b, first, second *batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.line) == 0 || q.line[0] != b { // discarded meanwhile
		return
	}
	for _, half := range []*batch{first, second} {
		half.epoch, half.state = b.epoch, sealed
	}
	q.seq = addSequence(q.seq, -b.build.Len())
	q.line = append([]*batch{first, second}, q.line[1:]...)
	q.producer.opened(b.epoch)
}

// release gives the queue up after a round: it says whether there is more to send now.
func (q *Queue) release() (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var first *batch
	switch {
	case len(q.line) > 0:
		first = q.line[0]
	case q.open != nil:
		first = q.open
	}
	if first == nil || first.state == sealing || !q.producer.maySend(first.epoch) {
		q.queued = false // Append, the worker that seals, or allow puts it back
		return false
	}
	return true
}

// discard forgets what is queued, and says how many records that were: their input
// will be processed again.
func (q *Queue) discard() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	if q.open != nil {
		q.line = append(q.line, q.open)
	}
	for _, b := range q.line {
		n += b.build.Len()
		q.producer.settled(b.epoch)
	}
	q.open, q.line = nil, nil
	q.room.Broadcast()
	return int64(n)
}
