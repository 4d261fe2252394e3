package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// A transaction is committed when it is so old, or holds so much. Less than kgo buffers, so that
	// producing never waits.
	commitInterval = 500 * time.Millisecond
	commitRecords  = 2_000
	commitBytes    = 8 << 20

	startTime  = 60 * time.Second // for the transaction coordinator; a cluster's first transaction makes its topic
	commitTime = 30 * time.Second
	abortTime  = 5 * time.Second
	retryPause = 50 * time.Millisecond
)

// ErrTakenOver says that another replay of the same letters has begun meanwhile. What this one had not
// committed counts for nothing; the other replays it.
var ErrTakenOver = errors.New("another replay of the same letters has taken over")

// transaction is what has been produced since the last commit.
type transaction struct {
	open    bool
	since   time.Time
	records int
	bytes   int

	mu  sync.Mutex
	err error // the first letter's that could not be produced
}

func (t *transaction) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

func (t *transaction) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// takeOver takes the transactional id: whoever had it is fenced, and what it left open is aborted. The
// positions are read after that.
func (r *Replay) takeOver(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var err error
	if r.producer, r.epoch, err = r.client.ProducerID(ctx); err != nil {
		return fmt.Errorf("take over transactional id %q: %w", r.name, err)
	}
	return nil
}

// produce puts a record into the transaction, which it begins if none is open. An interrupt does not
// undo it.
func (p *pass) produce(ctx context.Context, rec *kgo.Record) error {
	if !p.txn.open {
		if err := p.client.BeginTransaction(); err != nil {
			return fmt.Errorf("begin transaction: %w", err)
		}
		p.txn.open, p.txn.since, p.txn.records, p.txn.bytes = true, time.Now(), 0, 0
	}
	p.txn.records++
	p.txn.bytes += size(rec)
	p.client.Produce(context.WithoutCancel(ctx), rec, func(rec *kgo.Record, err error) {
		if err != nil {
			p.txn.fail(fmt.Errorf("produce to %s/%d: %w", rec.Topic, rec.Partition, err))
		}
	})
	return nil
}

// commitDue commits a transaction that is old or large enough.
func (p *pass) commitDue(ctx context.Context) error {
	if !p.txn.open || p.txn.records < commitRecords && p.txn.bytes < commitBytes && time.Since(p.txn.since) < commitInterval {
		return nil
	}
	return p.commit(ctx)
}

// commit ends the transaction, if one is open, with the positions in it. An interrupt waits for it.
// What has only been looked at since the last letter is not worth a transaction: the next run looks again.
func (p *pass) commit(ctx context.Context) error {
	if !p.txn.open {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil {
		return errors.Join(p.txn.failure(), fmt.Errorf("wait for what was produced: %w", err))
	}
	if err := p.txn.failure(); err != nil {
		return err
	}
	if err := p.commitPositions(ctx); err != nil {
		return err
	}
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	if err := retry(ctx, func() error { return p.end(ctx) }); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	p.txn.open = false
	p.settle()
	return nil
}

// end asks for the commit itself. kgo asks for none, and says that all is well, if it believes that nothing has been
// produced, and now and then (v1.22.2) it is wrong. A commit that has been made already is made again without effect.
func (p *pass) end(ctx context.Context) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.name, p.producer, p.epoch, true
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return err //nolint:wrapcheck // by the caller
	}
	return kerr.ErrorForCode(resp.ErrorCode) //nolint:wrapcheck // by the caller
}

// abort gives up what is open, so that readers need not wait for the transaction's time-out. It is an
// attempt: whoever takes over aborts it as well.
func (p *pass) abort(ctx context.Context) {
	if !p.txn.open {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := p.client.AbortBufferedRecords(ctx); err == nil {
		_ = p.client.EndTransaction(ctx, kgo.TryAbort)
	}
	p.txn.open = false
}

// retry asks again while a coordinator is busy, for as long as the context lasts.
func retry(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if err == nil || !busy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryPause):
		}
	}
}

func busy(err error) bool {
	return errors.Is(err, kerr.ConcurrentTransactions) || errors.Is(err, kerr.UnstableOffsetCommit) ||
		errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator) ||
		errors.Is(err, kerr.CoordinatorNotAvailable) // a cluster's first group makes the internal topic
}

// explain says what to do about an error, where that is known.
func explain(err error) error {
	switch {
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.InvalidTxnState):
		return fmt.Errorf("%w, or a transaction took longer than kafka.transaction_timeout: %w", ErrTakenOver, err)
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return fmt.Errorf("%w; allow WRITE and DESCRIBE on the transactional id", err)
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("%w; allow READ on the group", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w; allow READ on the dead-letter topic, and WRITE where letters go", err)
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w; allow DESCRIBE_CONFIGS on the topic, so that its max.message.bytes can be kept to", err)
	default:
		return err
	}
}
