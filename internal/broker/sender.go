package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// sender sends the batches of all queues whose partitions one broker leads, one
// request after the other. While a request is out, the queues fill: the busier
// the stream, the larger the batches.
type sender struct {
	p      *Producer
	node   int32
	wake   chan struct{} // something was added
	urgent chan struct{} // do not linger

	mu      sync.Mutex
	queues  []*Queue
	waiting time.Time // since when the first of them, and perhaps longer than that

	begun time.Time // when the round in hand began; run's own
}

// add puts a queue into the next round. Its first record has waited since some time.
func (s *sender) add(q *Queue, since time.Time) {
	s.mu.Lock()
	if len(s.queues) == 0 || since.Before(s.waiting) {
		s.waiting = since
	}
	s.queues = append(s.queues, q)
	s.mu.Unlock()
	signal(s.wake)
}

func (s *sender) hurry() { signal(s.urgent) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *sender) run(ctx context.Context) {
	var (
		pause backoff
		quiet = NewQuiet(s.p.log)
	)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.linger(ctx)
		err := s.round(ctx)
		if ctx.Err() != nil || s.p.Err() != nil {
			return
		}
		if err == nil || errors.Is(err, ErrInterrupted) {
			pause.reset()
			continue
		}
		quiet.Warn("produce failed, trying again", zap.Int32("broker", s.node), zap.Error(err))
		s.p.client.Refresh(ctx)
		pause.wait(ctx)
	}
}

// linger waits a little for more records, so that a slow stream does not pay a
// request for each event. What came while the last request was out has waited already.
func (s *sender) linger(ctx context.Context) {
	if s.p.cfg.Linger <= 0 || s.p.draining.Load() {
		return
	}
	s.mu.Lock()
	rest := s.p.cfg.Linger - time.Since(s.waiting)
	s.mu.Unlock()
	if rest <= 0 {
		return
	}
	t := time.NewTimer(rest)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.urgent:
	case <-t.C:
	}
}

// round sends one request and settles its answer. Queues that have more to send, or
// again, are put back; those of another leader go there.
func (s *sender) round(ctx context.Context) error {
	s.mu.Lock()
	queues := s.queues
	s.queues = nil
	s.mu.Unlock()
	s.begun = time.Now()
	if len(queues) == 0 {
		return nil
	}
	id, err := s.p.ids.identify(ctx)
	if err != nil {
		s.putBack(queues)
		return s.refused(err)
	}
	x := &produceExchange{client: s.p.client, node: s.node, txnID: s.p.transactionalID()}
	s.putBack(s.gather(x, queues))
	if len(x.parts) == 0 {
		return nil
	}
	if err := s.p.ids.prepare(ctx, x.parts); err != nil {
		for _, p := range x.parts {
			s.add(p.queue, s.begun)
		}
		return s.refused(err)
	}
	for _, p := range x.parts {
		p.queue.stamp(p.batch, id)
	}
	x.frame()
	begun := time.Now()
	if err := s.p.client.roundTrip(ctx, x, produceTimeout+requestTimeout); err != nil {
		for _, p := range x.parts {
			p.queue.renew(p.batch)
			s.again(p.queue)
		}
		return fmt.Errorf("produce to %s: %w", nodeName(s.node), err)
	}
	if s.p.cfg.Answered != nil {
		s.p.cfg.Answered(time.Since(begun))
	}
	return s.settle(x, id)
}

// gather takes the first batch of each queue, grouped by topic, and returns the queues
// that have to wait for the next request.
func (s *sender) gather(x *produceExchange, queues []*Queue) (later []*Queue) {
	size := 0
	for _, q := range queues {
		b, err := q.head()
		if err != nil {
			s.p.fail(err)
		}
		switch {
		case b == nil:
			if q.release() {
				later = append(later, q)
			}
		case size > 0 && size+b.build.Size() > maxRequest:
			later = append(later, q)
		default:
			size += b.build.Size()
			x.parts = append(x.parts, producePart{queue: q, batch: b})
		}
	}
	slices.SortStableFunc(x.parts, func(a, b producePart) int { return strings.Compare(a.queue.Topic, b.queue.Topic) })
	return later
}

// refused sorts out why a producer id, or its transaction, is not to be had.
func (s *sender) refused(err error) error {
	switch {
	case Permanent(err):
		s.p.fail(err)
	case errors.Is(err, ErrInterrupted):
		s.p.interrupt(err)
	}
	return err
}

func (s *sender) putBack(queues []*Queue) {
	for _, q := range queues {
		s.add(q, s.begun)
	}
}

// again sends a queue to look for its leader, which may still be this one.
func (s *sender) again(q *Queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.node = -1
	s.p.enqueue(q)
}

// settle reads the answer for each batch.
func (s *sender) settle(x *produceExchange, id identity) error {
	codes := make(map[TopicPartition]int16, len(x.parts))
	messages := map[TopicPartition]string{}
	for _, t := range x.resp.Topics {
		for i := range t.Partitions {
			tp := TopicPartition{t.Topic, t.Partitions[i].Partition}
			codes[tp] = t.Partitions[i].ErrorCode
			if m := t.Partitions[i].ErrorMessage; m != nil {
				messages[tp] = *m
			}
		}
	}
	var passing error
	for _, p := range x.parts {
		code, answered := codes[p.queue.TopicPartition]
		if !answered {
			code = int16(kafka.Unknown)
		}
		if err := s.settleOne(p, code, messages[p.queue.TopicPartition], id); err != nil {
			passing = err
		}
	}
	return passing
}

// settleOne acts on the answer for one batch. It returns an error if the batch has to
// be sent again after a pause.
func (s *sender) settleOne(p producePart, code int16, message string, id identity) error {
	q := p.queue
	k := kafka.Error(code)
	if k == 0 || k == kafka.DuplicateSequenceNumber { // the latter: it is in already, an acknowledgement was lost
		q.done(p.batch)
		if q.release() {
			s.add(q, s.begun)
		}
		return nil
	}
	where := fmt.Sprintf("%s/%d", q.Topic, q.Partition)
	switch {
	case leadershipCode(k):
		s.again(q)
		return fmt.Errorf("%s: %w", where, k)
	case identityCode(k):
		if err := s.p.ids.renew(id.serial, k); err != nil {
			s.p.interrupt(fmt.Errorf("produce to %s: %w", where, err))
		}
		s.add(q, s.begun)
		return fmt.Errorf("%s: %w", where, k)
	case k == kafka.ConcurrentTransactions:
		s.add(q, s.begun)
		return fmt.Errorf("%s: %w", where, k)
	case k == kafka.MessageSizeTooLarge || k == kafka.RecordListTooLarge:
		return s.split(p, k)
	case k == kafka.TopicAuthorizationFailed:
		s.p.fail(fmt.Errorf("produce to %s: %w (allow WRITE on topic %q for this user)", where, k, q.Topic))
		return s.p.Err()
	case k == kafka.InvalidTimestamp:
		s.p.fail(fmt.Errorf("produce to %s: %w (raise message.timestamp.after.max.ms or message.timestamp.before.max.ms of topic %q: events keep the time that they came with)", where, k, q.Topic))
		return s.p.Err()
	default:
		if message != "" {
			message = ": " + message
		}
		s.p.fail(fmt.Errorf("produce to %s: %w%s", where, k, message))
		return s.p.Err()
	}
}

func (s *sender) split(p producePart, k kafka.Error) error {
	a, b, err := p.batch.build.Split()
	switch {
	case errors.Is(err, recordbatch.ErrNotDivisible):
		// The topic takes less than it did when its limit was read. The work is done again
		// with the new limit, and then the record becomes a dead letter.
		err = fmt.Errorf("produce to %s/%d: %w", p.queue.Topic, p.queue.Partition, k)
		s.p.refuse(p.queue.Topic, p.batch.build.RawSize())
		s.p.interrupt(err)
		s.add(p.queue, s.begun)
		return err
	case err != nil:
		s.p.fail(fmt.Errorf("produce to %s/%d: %w", p.queue.Topic, p.queue.Partition, err))
		return s.p.Err()
	}
	first, second := &batch{build: a}, &batch{build: b}
	for _, half := range []*batch{first, second} {
		if err := s.p.seal(half); err != nil {
			s.p.fail(err)
			return err
		}
	}
	p.queue.replace(p.batch, first, second)
	s.add(p.queue, s.begun)
	return nil
}

// identityCode tells whether a broker does not accept the producer id, its epoch, its
// sequence numbers or its transaction.
func identityCode(k kafka.Error) bool {
	switch k { //nolint:exhaustive // the others are about something else
	case kafka.OutOfOrderSequenceNumber, kafka.UnknownProducerId, kafka.InvalidProducerEpoch, kafka.InvalidProducerIDMapping,
		kafka.InvalidTransactionState, kafka.ProducerFenced, transactionAbortable:
		return true
	}
	return false
}

// Permanent tells whether trying again cannot help.
func Permanent(err error) bool {
	return errors.Is(err, kafka.ClusterAuthorizationFailed) || errors.Is(err, kafka.TransactionalIDAuthorizationFailed) ||
		errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, ErrTwin)
}

// Quiet logs one kind of trouble when it begins and then at most every ten seconds,
// with the number of times it was kept back.
type Quiet struct {
	log     *zap.Logger
	mu      sync.Mutex
	last    time.Time
	skipped int
}

const quietFor = 10 * time.Second

// NewQuiet makes one for one kind of trouble.
func NewQuiet(log *zap.Logger) *Quiet { return &Quiet{log: log} }

// Warn logs a warning, or counts it.
func (q *Quiet) Warn(msg string, fields ...zap.Field) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.last) < quietFor {
		q.skipped++
		return
	}
	if q.skipped > 0 {
		fields = append(fields, zap.Int("repeated", q.skipped))
	}
	q.last, q.skipped = time.Now(), 0
	q.log.Warn(msg, fields...)
}
