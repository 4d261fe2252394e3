package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/retry"
)

// session is the work of one group generation.
type session struct {
	p       *Pipeline
	a       *broker.Assignment
	offsets *broker.Coordinator
	parts   map[broker.TopicPartition]*partition
	order   []*partition // the same, in a fixed order
	buffers *broker.FetchBuffers

	// fetch ends when the generation or the process does; work goes on after it, for
	// as long as what is in flight may take.
	fetch     context.Context //nolint:containedctx // a session is the length of these contexts
	stopFetch context.CancelFunc
	work      context.Context //nolint:containedctx // as above

	failOnce sync.Once
	failed   chan struct{}
	err      error

	fetching sync.WaitGroup
	railMu   sync.Mutex
	rail     *retry.Rail // what comes due of all partitions together; nil: as it comes
	railBy   int         // the serial of the rules that it was made by

	mu       sync.Mutex // guards what partitions say of fetching
	fetchers map[int32]chan struct{}
}

// partition is one owned input partition.
type partition struct {
	broker.TopicPartition

	inbox chan *chunk

	steps  atomic.Int64 // odd while the worker is at a batch
	newest atomic.Int64 // timestamp of the newest record of the batch that was worked through last; 0: none was

	position int64 // the offset after the last batch worked through; guarded by Pipeline.turn

	// Guarded by session.mu.
	next        int64 // the next offset to fetch
	outstanding int   // chunks delivered and not yet worked through
	asked       bool  // part of a request that is out
	doubt       bool  // an error may have hidden that the topic is another one now; see settleDoubts
	turn        int   // counts the times that the partition was set back
	askedTurn   int   // the turn that the request is of
	replica     int32 // where to read; -1: from the leader
	retryAt     time.Time
	failing     time.Time // since when no request for it was answered well; zero: it is, or nobody asked
	leaderless  time.Time // since when it has no leader
	nowhere     int       // answers in a row that did not lead on
	waiting     int64     // timestamp of the record that the partition waits for; 0: it does not wait
	start       int64     // where this generation began
	highWater   int64
	committed   int64
}

// prefetch is the most chunks of a partition that may wait or be worked on at once; see Pipeline.prefetch.
const prefetch = 2

// drainMargin is what a revoked member leaves of the rebalance timeout for joining again.
const drainMargin = 2 * time.Second

// revokeLimit is how long a revoked member finishes what it has, with transactions: the whole
// group waits for it, and giving up costs no more than to do it again. Without them it
// would cost duplicates, so there it may take all of the rebalance timeout.
const revokeLimit = 5 * time.Second

// session runs until the generation ends (gen), the process is asked to stop (ctx), or
// something fails; then it settles what is in flight.
func (p *Pipeline) session(ctx, gen context.Context, a *broker.Assignment, offsets *broker.Coordinator) error {
	fetch, stopFetch := context.WithCancel(ctx)
	defer stopFetch()
	unlink := context.AfterFunc(gen, stopFetch)
	defer unlink()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()

	s := &session{
		p: p, a: a, offsets: offsets, fetch: fetch, stopFetch: stopFetch, work: work,
		parts: map[broker.TopicPartition]*partition{}, failed: make(chan struct{}),
		buffers: broker.NewFetchBuffers(fetchBudget), fetchers: map[int32]chan struct{}{},
	}
	if err := s.begin(); err != nil {
		if fetch.Err() != nil {
			return nil
		}
		return err
	}
	p.current.Store(s)
	p.settled.CompareAndSwap(0, time.Now().UnixMilli())
	p.state.Store(int32(Running))

	var working sync.WaitGroup
	for _, part := range s.order {
		working.Go(func() { newWorker(s, part).run() })
	}
	s.fetching.Go(s.supervise)
	s.commitLoop()

	stopFetch()
	s.fetching.Wait()
	for _, part := range s.order {
		close(part.inbox)
	}
	return s.settle(ctx, stopWork, &working)
}

// railOf is the rail of the rules, and for those who still have a batch in hand under earlier ones too.
func (s *session) railOf(r *rules) *retry.Rail {
	s.railMu.Lock()
	defer s.railMu.Unlock()
	if r.serial > s.railBy {
		s.rail, s.railBy = s.newRail(r.Retry.DuePerSecond), r.serial
	}
	return s.rail
}

// newRail is this process's part of what may come due in a second: that of its partitions among all. They share it, so that
// nothing of it is lost on tiers from which little comes due.
func (s *session) newRail(perSecond float64) *retry.Rail {
	all := 0
	for _, n := range s.p.inputs {
		all += int(n)
	}
	if perSecond == 0 || len(s.a.Partitions) == 0 {
		return nil
	}
	return retry.NewRail(perSecond*float64(len(s.a.Partitions))/float64(all), len(s.a.Partitions))
}

// begin finds out where each partition starts.
func (s *session) begin() error {
	if err := s.checkCounts(); err != nil {
		return err
	}
	s.p.readLimits(s.fetch)
	committed, err := s.offsets.FetchOffsets(s.fetch, s.a.Partitions)
	if err != nil {
		return fmt.Errorf("begin generation %d: %w", s.a.Generation, err)
	}
	remade := s.remade()
	var fresh, anew []broker.TopicPartition
	for _, tp := range s.a.Partitions {
		switch {
		case committed[tp] >= 0:
		case remade[tp.Topic]: // brokers drop a topic's committed offsets when it is deleted
			anew = append(anew, tp)
		default:
			fresh = append(fresh, tp)
		}
	}
	starts, err := s.p.client.ListOffsets(s.fetch, fresh, s.p.cfg.Start, s.p.cfg.ReadCommitted)
	if err != nil {
		return fmt.Errorf("find where to start: %w", err)
	}
	beginnings, err := s.p.client.ListOffsets(s.fetch, anew, broker.Earliest, s.p.cfg.ReadCommitted)
	if err != nil {
		return fmt.Errorf("find where to start: %w", err)
	}
	maps.Copy(starts, beginnings)
	for _, tp := range s.a.Partitions {
		part := &partition{TopicPartition: tp, inbox: make(chan *chunk, prefetch), replica: -1, next: committed[tp], committed: committed[tp], highWater: -1}
		if start, ok := starts[tp]; ok {
			// Committed with the first commit even if nothing arrives: "latest" must
			// not mean a later place each time the group rebalances.
			part.next, part.committed = start, -1
		}
		part.start, part.position = part.next, part.next
		s.parts[tp] = part
		s.order = append(s.order, part)
	}
	return nil
}

// remade tells which input topics were deleted and made anew since the session before, and takes
// note of it. A topic that is not there now counts when it is back.
func (s *session) remade() map[string]bool {
	topics, _ := s.p.client.Topics(s.fetch, s.p.cfg.Topics) // the others stay as they were
	remade := map[string]bool{}
	for name, t := range topics {
		if t.ID != s.p.ids[name] {
			remade[name], s.p.ids[name] = true, t.ID
		}
	}
	return remade
}

// checkCounts refuses partitions that were added after the start: the rule for output
// partitions was fixed then, and must not change under the consumers of the output.
func (s *session) checkCounts() error {
	for i, topic := range s.p.cfg.Topics {
		for _, tp := range s.a.Partitions {
			if tp.Topic == topic && tp.Partition >= s.p.inputs[i] {
				return s.grown(topic, i)
			}
		}
	}
	return nil
}

func (s *session) grown(topic string, i int) error {
	return fmt.Errorf("input topic %q has grown beyond the %d partitions it had at the start: restart to take up the new ones (all instances)", topic, s.p.inputs[i])
}

// fail ends the session with its first error.
func (s *session) fail(err error) {
	s.failOnce.Do(func() {
		s.err = err
		close(s.failed)
		s.stopFetch() // a commit may be waiting for a worker that waits for room
	})
}

// commitLoop commits at every interval until the session ends; after one that has failed, later.
func (s *session) commitLoop() {
	interval := s.p.cfg.CommitInterval
	pause, quiet := interval, broker.NewQuiet(s.p.log)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-s.fetch.Done():
			return
		case <-s.failed:
			return
		case <-s.p.producer.Failed():
			return
		case <-s.p.producer.Interrupted():
			s.fail(errRestart)
			return
		case <-tick.C:
		}
		if s.fetch.Err() != nil {
			return // both were ready
		}
		err := s.commit(s.fetch)
		switch {
		case err == nil && pause == interval:
		case err == nil:
			pause = interval
			tick.Reset(pause)
		case s.endsFor(err):
			return
		default:
			pause = min(2*pause, max(interval, commitPause))
			tick.Reset(pause)
			quiet.Warn("commit failed, trying again", zap.Duration("in", pause), zap.Error(err))
		}
	}
}

// commitPause is the most that is waited after a commit that has failed, if the interval is shorter.
const commitPause = time.Second

// endsFor tells whether the session is over since a commit has failed.
func (s *session) endsFor(err error) bool {
	switch {
	case errors.Is(err, errUndrained) && s.fetch.Err() != nil:
		// settle goes on with it; another cut here would wait for workers behind the gate
	case broker.Permanent(err):
		s.fail(err)
	case s.p.txn != nil || errors.Is(err, broker.ErrInterrupted):
		s.p.log.Warn("commit failed; starting again from the committed offsets", zap.Error(err))
		s.fail(errRestart)
	default:
		return false
	}
	return true
}

// errRestart ends a session whose output since the last commit is void. It is no failure of
// the process: the next generation begins at the committed offsets.
var errRestart = errors.New("start again from the committed offsets")

// errUndrained says that a commit was given up before anything was committed.
var errUndrained = errors.New("output is not acknowledged yet")

// commit makes a cut, waits until everything before it is acknowledged, and commits the
// positions of the cut. Once it has begun to commit, it goes on after ctx has ended,
// for a while: a transaction left in the middle would have to be aborted.
func (s *session) commit(ctx context.Context) error {
	begun := time.Now()
	offsets, epoch, ok := s.cut(ctx)
	if !ok {
		return fmt.Errorf("%w: a worker waits for room: %w", errUndrained, ctx.Err())
	}
	if err := s.p.producer.Drained(ctx, epoch); err != nil {
		return fmt.Errorf("%w: %w", errUndrained, err)
	}
	commit, cancel := context.WithTimeout(s.work, s.p.cfg.ShutdownTimeout)
	defer cancel()
	unlink := context.AfterFunc(ctx, func() { time.AfterFunc(commitGrace, cancel) })
	defer unlink()
	if err := s.commitOffsets(commit, offsets); err != nil {
		s.p.Metrics.commitFailures.Inc()
		return err
	}
	s.p.producer.Allow(epoch)
	s.p.settled.Store(begun.UnixMilli())
	if len(offsets) == 0 {
		return nil
	}
	s.p.Metrics.commits.Observe(time.Since(begun).Seconds())
	s.mu.Lock()
	for tp, o := range offsets {
		s.parts[tp].committed = o
	}
	s.mu.Unlock()
	return nil
}

// commitGrace is how long a commit that has begun may take after its generation has ended.
// It holds the whole group up meanwhile.
const commitGrace = 5 * time.Second

func (s *session) commitOffsets(ctx context.Context, offsets map[broker.TopicPartition]int64) error {
	switch {
	case s.p.txn != nil:
		return s.p.txn.Commit(ctx, s.offsets, s.a.Membership, offsets)
	case len(offsets) > 0:
		return s.offsets.CommitOffsets(ctx, s.a.Membership, offsets)
	default:
		return nil
	}
}

// cut stops every worker between two batches for as long as it takes to note where they
// are and to close the output queues behind them. It reports false if ctx ended before they stood.
func (s *session) cut(ctx context.Context) (offsets map[broker.TopicPartition]int64, epoch uint64, ok bool) {
	offsets = map[broker.TopicPartition]int64{}
	ok = s.p.turn.cut(ctx, func() {
		for _, part := range s.order {
			if part.position != part.committed {
				offsets[part.TopicPartition] = part.position
			}
		}
		epoch = s.p.producer.Cut()
	})
	return offsets, epoch, ok
}

// settle lets the workers finish the batch they are at, waits for the acknowledgements,
// and commits under the generation that is ending. What cannot be finished in time
// is forgotten; its input is not committed, so its next owner does it.
func (s *session) settle(ctx context.Context, stopWork func(), working *sync.WaitGroup) error {
	s.p.state.Store(int32(Draining))
	defer s.p.current.Store(nil)
	limit := s.p.cfg.ShutdownTimeout
	switch {
	case ctx.Err() != nil:
	case s.p.txn != nil:
		limit = min(limit, revokeLimit)
	default:
		limit = max(limit-drainMargin, drainMargin)
	}
	drain, cancel := context.WithTimeout(s.work, limit)
	defer cancel()
	// A worker may wait for room behind what a commit was given up for: it gets it, or, if all
	// of it will be aborted anyway, stops waiting.
	switch {
	case s.sessionError() == nil:
		s.p.producer.Merge()
	case s.p.txn != nil:
		stopWork()
	}
	stop := context.AfterFunc(drain, stopWork) // a worker that waits for room gives up
	working.Wait()
	stop()

	err := s.sessionError()
	if err == nil && s.work.Err() != nil {
		// A worker gave up inside a batch: part of its output may be out, and its position
		// does not say so.
		err = fmt.Errorf("%w: %w", errUndrained, context.DeadlineExceeded)
	}
	switch {
	case err == nil:
		if err = s.commit(drain); err == nil {
			return nil
		}
	case s.p.txn == nil && s.p.producer.Err() == nil && !errors.Is(err, errRestart):
		// Without transactions the output is out: commit what it was made from, so that
		// the restart does not repeat it. Part of the failed batch may come twice.
		if cerr := s.commit(drain); cerr == nil {
			return err
		}
	}
	return s.abandon(ctx, err)
}

// abandon gives up what was not committed.
func (s *session) abandon(ctx context.Context, cause error) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	forgotten, err := s.p.producer.Recover(last)
	s.p.Ledger.Abandoned.Add(forgotten)
	s.p.log.Warn("output since the last commit is given up; its input will be processed again", zap.Int64("records", forgotten), zap.Error(cause))
	switch {
	case errors.Is(err, broker.ErrTwin):
		return err
	case err != nil:
		return fmt.Errorf("abort transaction: %w", err)
	case ctx.Err() != nil && !errors.Is(cause, errRestart):
		return fmt.Errorf("shut down: %w (shutdown_timeout is %v; nothing is lost: the input is not committed)", cause, s.p.cfg.ShutdownTimeout)
	case errors.Is(cause, errRestart), errors.Is(cause, broker.ErrLostMembership), errors.Is(cause, broker.ErrInterrupted), errors.Is(cause, context.DeadlineExceeded):
		return nil // the next generation does it again
	default:
		return cause
	}
}

// abandonTimeout bounds the abort of a transaction, whose coordinator may be on its way to
// another broker.
const abandonTimeout = 30 * time.Second

func (s *session) sessionError() error {
	if err := s.p.producer.Err(); err != nil {
		return err
	}
	select {
	case <-s.failed:
		return s.err
	default:
		return nil
	}
}
