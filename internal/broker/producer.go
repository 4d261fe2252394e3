package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// ProducerConfig sets how records are batched and sent.
type ProducerConfig struct {
	Codec       recordbatch.Codec
	BatchBytes  int           // largest batch, before compression
	BufferBytes int64         // all queues together never hold more than this
	Linger      time.Duration // how long a sender waits for more after the first record
	// Transaction makes the producer transactional; nil: idempotent only.
	Transaction *Transaction
	Answered    func(took time.Duration) // called for each request that was answered; nil: nobody wants to know
	Log         *zap.Logger
}

// Producer sends record batches, idempotently: sequence numbers let the broker
// drop a batch that was sent twice because its acknowledgement was lost.
// Queues are filled by any goroutine and sent by one goroutine for each broker.
//
// Records are counted in epochs. Cut ends one: what was appended before it and what
// comes after it are never in one batch. With a transaction, an epoch is one
// transaction, and the batches of the next wait until it has ended: the broker
// does not reliably refuse records that are sent too early, and would take
// them into the transaction that is being committed.
type Producer struct {
	client *Client
	cfg    ProducerConfig
	log    *zap.Logger
	ids    identifier

	queues     atomic.Pointer[[]*Queue] // grown by Queue, never changed
	batchBytes atomic.Int64
	spare      spares

	mu      sync.Mutex
	senders map[int32]*sender
	lost    []*Queue // those whose leader is not known
	start   func(*sender)
	seek    chan struct{} // wakes the search for leaders

	fillEpoch atomic.Uint64
	sendEpoch atomic.Uint64   // batches up to this one may be sent
	live      [2]atomic.Int64 // batches not yet acknowledged, of even and odd epochs: at most two are alive
	progress  chan struct{}   // an epoch may have drained
	draining  atomic.Bool
	drained   uint64 // epochs below this one have drained; the committer's own

	failure     atomic.Pointer[error] // for good
	failed      chan struct{}
	breach      atomic.Pointer[error] // until Recover
	interrupted chan struct{}

	stock   chan *recordbatch.Compressor
	waiting atomic.Int64 // who waits for room in a queue

	refusedMu sync.Mutex
	refused   map[string]int // by topic: size of the smallest record that it did not take
}

// identifier gives batches their identity: a plain idempotent one or a transaction's.
type identifier interface {
	identify(ctx context.Context) (identity, error)
	// prepare is called before partitions are written.
	prepare(ctx context.Context, parts []producePart) error
	// renew forgets an identity that a broker does not know any more. It returns an
	// error if going on with a new one would not be right.
	renew(serial uint32, cause error) error
	// restart voids everything that was sent under the identity and is not committed.
	restart(ctx context.Context) error
}

// identity is what a batch is stamped with.
type identity struct {
	serial        uint32 // counts identities of this process; 0 is none
	producerID    int64
	epoch         int16
	transactional bool
}

// Sizes below which batches are not worth a request, and above which a request is
// split over rounds.
const (
	minBatchBytes = 16 << 10
	maxRequest    = 8 << 20
)

// ErrInterrupted says that what was appended since the last commit cannot be committed:
// the work has to be done again from the committed offsets, after Recover.
var ErrInterrupted = errors.New("output since the last commit is void")

// NewProducer prepares a producer; Run makes it work.
func NewProducer(c *Client, cfg ProducerConfig) *Producer {
	p := &Producer{
		client: c, cfg: cfg, log: cfg.Log,
		senders:     map[int32]*sender{},
		refused:     map[string]int{},
		seek:        make(chan struct{}, 1),
		progress:    make(chan struct{}, 1),
		failed:      make(chan struct{}),
		interrupted: make(chan struct{}, 1),
		stock:       make(chan *recordbatch.Compressor, 8), //nolint:mnd // more than cores would be idle
	}
	p.ids = &idempotence{client: c, log: cfg.Log, mu: newLock()}
	p.sendEpoch.Store(math.MaxUint64)
	if cfg.Transaction != nil {
		p.ids = cfg.Transaction
		p.sendEpoch.Store(0)
	}
	return p
}

// Queue makes the queue of one output partition. acked counts its acknowledged records. Before Run, or while the
// producer works; one caller at a time, and once for each partition.
func (p *Producer) Queue(tp TopicPartition, acked *atomic.Int64) *Queue {
	q := &Queue{TopicPartition: tp, producer: p, acked: acked, node: -1}
	q.room.L = &q.mu
	all := append(slices.Clone(p.all()), q)
	p.queues.Store(&all)
	// Each queue has one batch open and maxLine behind it, so this bound is also
	// the bound of the whole. Batches that were begun before may be larger.
	share := p.cfg.BufferBytes / int64(len(all)*(maxLine+1))
	p.batchBytes.Store(min(max(share, minBatchBytes), int64(p.cfg.BatchBytes)))
	return q
}

func (p *Producer) all() []*Queue {
	if queues := p.queues.Load(); queues != nil {
		return *queues
	}
	return nil
}

// LimitBatches makes batches no larger than this: another topic takes less. Before Queue, by the same caller.
func (p *Producer) LimitBatches(bytes int) { p.cfg.BatchBytes = min(p.cfg.BatchBytes, bytes) }

// Run sends until ctx ends or something fails that trying again cannot mend.
func (p *Producer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	p.mu.Lock()
	p.start = func(s *sender) { wg.Go(func() { s.run(ctx) }) }
	for _, s := range p.senders {
		p.start(s)
	}
	p.mu.Unlock()
	wg.Go(func() { p.seekLeaders(ctx) })
	defer p.wakeAll()
	select {
	case <-ctx.Done():
		return nil
	case <-p.failed:
		return p.Err()
	}
}

// Cut ends the epoch and returns it. Nobody may append during Cut.
func (p *Producer) Cut() (epoch uint64) {
	for _, q := range p.all() {
		q.cut()
	}
	p.draining.Store(true)
	epoch = p.fillEpoch.Add(1) - 1
	p.mu.Lock()
	for _, s := range p.senders {
		s.hurry()
	}
	p.mu.Unlock()
	for _, q := range p.all() {
		q.offer()
	}
	return epoch
}

// Drained waits until every batch up to an epoch that was cut has been acknowledged. If the
// wait for an earlier epoch was given up, nobody may append during this one: the
// counters tell apart only an epoch and the one that is being filled after it.
func (p *Producer) Drained(ctx context.Context, epoch uint64) error {
	defer p.draining.Store(false)
	if p.cfg.Transaction != nil { // an epoch whose wait was given up goes into this transaction
		p.raiseSendEpoch(epoch)
	}
	for p.live[epoch&1].Load() > 0 || p.drained < epoch && p.live[(epoch+1)&1].Load() > 0 {
		if err := p.stopped(); err != nil {
			return err
		}
		select {
		case <-p.progress:
		case <-p.failed:
		case <-p.interrupted:
			p.signalInterrupt() // for whoever else waits
		case <-ctx.Done():
			return fmt.Errorf("wait for acknowledgements: %w", ctx.Err())
		}
	}
	if err := p.stopped(); err != nil {
		return err
	}
	p.drained = epoch + 1
	return nil
}

// Merge puts the epoch that is being filled into the transaction that is open: a wait was given
// up, so that the open one was not committed, and whoever waits for room has to get it.
// No commit may be under way.
func (p *Producer) Merge() {
	if p.cfg.Transaction != nil {
		p.raiseSendEpoch(p.fillEpoch.Load())
	}
}

func (p *Producer) raiseSendEpoch(epoch uint64) {
	if p.sendEpoch.Load() < epoch {
		p.sendEpoch.Store(epoch)
		for _, q := range p.all() {
			q.offer()
		}
	}
}

// Allow lets the batches after an epoch be sent: its transaction has ended.
func (p *Producer) Allow(epoch uint64) {
	if p.cfg.Transaction == nil {
		return
	}
	p.raiseSendEpoch(epoch + 1)
}

func (p *Producer) transactionalID() *string {
	if p.cfg.Transaction == nil {
		return nil
	}
	return &p.cfg.Transaction.id
}

func (p *Producer) maySend(epoch uint64) bool { return epoch <= p.sendEpoch.Load() }

func (p *Producer) opened(epoch uint64) { p.live[epoch&1].Add(1) }

func (p *Producer) settled(epoch uint64) {
	if p.live[epoch&1].Add(-1) == 0 {
		signal(p.progress)
	}
}

// Recover forgets everything queued and begins anew, after an interruption or when output
// cannot be finished in time. It returns the number of records forgotten. Nobody
// may append meanwhile.
func (p *Producer) Recover(ctx context.Context) (forgotten int64, err error) {
	for _, q := range p.all() {
		forgotten += q.discard()
	}
	// What was on the wire may or may not have used its sequence numbers.
	err = p.ids.restart(ctx)
	if p.cfg.Transaction != nil {
		p.sendEpoch.Store(p.fillEpoch.Load())
	}
	p.drained = p.fillEpoch.Load()
	p.breach.Store(nil)
	select {
	case <-p.interrupted:
	default:
	}
	return forgotten, err
}

// Waiting is how many appends wait for room in a queue.
func (p *Producer) Waiting() int64 { return p.waiting.Load() }

// Unacknowledged lists the topics that have batches closed for sending which are not acknowledged yet.
func (p *Producer) Unacknowledged() []string {
	var topics []string
	for _, q := range p.all() {
		q.mu.Lock()
		if len(q.line) > 0 {
			topics = append(topics, q.Topic)
		}
		q.mu.Unlock()
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// Err is what made the producer fail for good, or nil.
func (p *Producer) Err() error {
	if e := p.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// Failed is closed when the producer has failed for good; Err says why.
func (p *Producer) Failed() <-chan struct{} { return p.failed }

// Interrupted says that an ErrInterrupted waits to be seen.
func (p *Producer) Interrupted() <-chan struct{} { return p.interrupted }

// stopped is why nothing more can be appended or acknowledged.
func (p *Producer) stopped() error {
	if err := p.Err(); err != nil {
		return err
	}
	if e := p.breach.Load(); e != nil {
		return *e
	}
	return nil
}

func (p *Producer) fail(err error) {
	if p.failure.CompareAndSwap(nil, &err) {
		close(p.failed)
		go p.wakeAll() // the caller may hold a queue
	}
}

// interrupt voids what was appended since the last commit.
func (p *Producer) interrupt(err error) {
	err = fmt.Errorf("%w: %w", ErrInterrupted, err)
	if p.breach.CompareAndSwap(nil, &err) {
		p.signalInterrupt()
		go p.wakeAll() // the caller may hold a queue
	}
}

func (p *Producer) signalInterrupt() { signal(p.interrupted) }

func (p *Producer) wakeAll() {
	for _, q := range p.all() {
		q.wake()
	}
}

// Refused tells the size of the smallest batch of one record that a topic did not take,
// uncompressed; 0: none was refused.
func (p *Producer) Refused(topic string) int {
	p.refusedMu.Lock()
	defer p.refusedMu.Unlock()
	return p.refused[topic]
}

func (p *Producer) refuse(topic string, size int) {
	p.refusedMu.Lock()
	defer p.refusedMu.Unlock()
	if n := p.refused[topic]; n == 0 || size < n {
		p.refused[topic] = size
	}
}

// seal compresses a batch.
func (p *Producer) seal(b *batch) error {
	var c *recordbatch.Compressor
	select {
	case c = <-p.stock:
	default:
		c = recordbatch.NewCompressor()
	}
	err := b.build.Seal(c, p.cfg.Codec)
	select {
	case p.stock <- c:
	default:
	}
	if err != nil {
		return fmt.Errorf("compress batch: %w", err)
	}
	return nil
}

// enqueue hands a queue to the sender of its leader. It is called with q.mu held.
func (p *Producer) enqueue(q *Queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.node < 0 {
		p.lost = append(p.lost, q)
		signal(p.seek)
		return
	}
	p.sender(q.node).add(q, time.Now())
}

// full tells the sender that a queue has a batch worth sending at once. It is called
// with q.mu held.
func (p *Producer) full(q *Queue) {
	if !q.queued {
		q.queued = true
		p.enqueue(q)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.senders[q.node]; ok {
		s.hurry()
	}
}

func (p *Producer) sender(node int32) *sender {
	s, ok := p.senders[node]
	if !ok {
		s = &sender{p: p, node: node, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
		p.senders[node] = s
		if p.start != nil {
			p.start(s)
		}
	}
	return s
}

// seekLeaders finds leaders for queues that have lost theirs, for as long as it takes.
func (p *Producer) seekLeaders(ctx context.Context) {
	var pause backoff
	quiet := NewQuiet(p.log)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.seek:
		}
		p.mu.Lock()
		lost := p.lost
		p.lost = nil
		p.mu.Unlock()
		if p.place(ctx, lost, quiet) {
			pause.reset()
			continue
		}
		if !pause.wait(ctx) {
			return
		}
		p.client.Refresh(ctx)
		signal(p.seek)
	}
}

// place hands queues to their leaders' senders and reports whether all have one.
func (p *Producer) place(ctx context.Context, lost []*Queue, quiet *Quiet) bool {
	layout, err := p.client.Layout(ctx)
	all := true
	for _, q := range lost {
		node := int32(-1)
		if err == nil {
			node = Leader(layout, q.Topic, q.Partition)
		}
		if err == nil && kafka.Error(layout.Topics[q.Topic].Error) == kafka.TopicAuthorizationFailed { // who may not write may not see it either
			p.fail(fmt.Errorf("produce to %s/%d: %w (allow WRITE on topic %q for this user)", q.Topic, q.Partition, kafka.TopicAuthorizationFailed, q.Topic))
		}
		if node < 0 {
			all = false
			quiet.Warn("output partition has no leader, waiting for one", zap.String("topic", q.Topic), zap.Int32("partition", q.Partition), zap.Error(err))
		}
		q.mu.Lock()
		q.node = node
		p.enqueue(q)
		q.mu.Unlock()
	}
	return all
}
