package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Transaction is the one transactional producer of a process (KIP-447): outputs and
// input offsets commit together, and the group's generation fences what a former
// owner still tries to commit. It speaks transaction protocol 1, which every
// broker from 2.8 to 4.x takes.
type Transaction struct {
	client      *Client
	id          string
	timeout     time.Duration
	coordinator *Coordinator

	mu        lock
	ident     identity
	ok        bool // ident may be used
	added     map[TopicPartition]struct{}
	opened    time.Time // before the coordinator can have heard of the open transaction; zero: none is open
	fenced    bool      // a request was told so, and no time-out explains it
	reclaimed time.Time // when the id was last taken back

	aborts, fences atomic.Int64
}

// Aborts counts the times that the transaction was given up, and Fences those that brokers refused it because another
// process has its id.
func (t *Transaction) Aborts() int64 { return t.aborts.Load() }

// Fences is explained at Aborts.
func (t *Transaction) Fences() int64 { return t.fences.Load() }

// ErrTwin says that another process runs under the same transactional id and has taken it over.
var ErrTwin = errors.New("another process uses the same instance name")

// NewTransaction prepares a transaction. timeout is how long the coordinator waits for a
// silent owner before it aborts.
func (c *Client) NewTransaction(id string, timeout time.Duration) *Transaction {
	return &Transaction{
		client: c, id: id, timeout: timeout, coordinator: newTransactionCoordinator(c, id),
		added: map[TopicPartition]struct{}{}, mu: newLock(),
	}
}

// Begin takes the transactional id over: what a former process with it left open is
// aborted, and that process, if it still runs, is fenced.
func (t *Transaction) Begin(ctx context.Context) error {
	if !t.mu.acquire(ctx) {
		return fmt.Errorf("wait for the transaction: %w", ctx.Err())
	}
	defer t.mu.release()
	return t.init(ctx)
}

// Abort ends an open transaction without effect and takes the id anew, which fences whatever was
// still on its way under the old epoch.
//
// It never asks with its own id and epoch, although that is meant to tell an owner from a
// process that was fenced: Kafka 3.9 answers "fenced" to an owner whose transaction it has just
// aborted, and 4.3 now and then accepts one that another process has fenced, so that two of one
// name went on for ever. What the owner knows itself is better:
// only a time-out or another process fences it. The other one may have been asleep and
// have taken the id back just now, so it is taken from it once; but who is fenced
// again within reclaimWindow was there first, and gives way with ErrTwin.
func (t *Transaction) Abort(ctx context.Context) error {
	if !t.mu.acquire(ctx) {
		return fmt.Errorf("wait for the transaction: %w", ctx.Err())
	}
	defer t.mu.release()
	t.aborts.Add(1)
	if t.fenced && elapsed(t.reclaimed) < reclaimWindow {
		return fmt.Errorf("%w (transactional id %q): give each process its own kafka.instance or --instance", ErrTwin, t.id)
	}
	if t.fenced || t.timedOut() {
		t.reclaimed = time.Now()
	}
	return t.init(ctx)
}

// timedOut tells whether the coordinator may have given the open transaction up.
func (t *Transaction) timedOut() bool { return !t.opened.IsZero() && elapsed(t.opened) >= t.timeout }

// note keeps in mind that a request was refused for the identity.
func (t *Transaction) note(cause error) {
	if k, ok := errors.AsType[kafka.Error](cause); ok && fencedCode(k) && !t.timedOut() {
		if !t.fenced {
			t.fences.Add(1)
		}
		t.fenced = true
	}
}

// fencedCode tells whether a broker knows a later epoch of the producer. Which of the two it
// says depends on the request and the version.
func fencedCode(k kafka.Error) bool {
	return k == kafka.ProducerFenced || k == kafka.InvalidProducerEpoch
}

// reclaimWindow is how long a process that has taken its id back believes that it is in the
// right. Two processes of one name that both have work meet many times in it.
const reclaimWindow = 10 * time.Minute

// elapsed is the time since t by the clock that has gone further: one of them may stand
// still while the machine sleeps. It is very long for the zero time, "never".
func elapsed(t time.Time) time.Duration {
	return max(time.Since(t), time.Since(t.Round(0)))
}

func (t *Transaction) restart(ctx context.Context) error { return t.Abort(ctx) }

// init takes the id over.
func (t *Transaction) init(ctx context.Context) error {
	t.ok = false
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(4)
	req.TransactionalID, req.TransactionTimeoutMillis = &t.id, milliseconds(t.timeout)
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := t.coordinator.do(ctx, req, func(r kmsg.Response) int16 {
		code := codeOf(r)
		if fencedCode(kafka.Error(code)) { // another process takes it over at the same moment
			return int16(concurrentTransaction)
		}
		return code
	})
	if err != nil {
		return fmt.Errorf("begin transactions: %w", err)
	}
	init, ok := resp.(*kmsg.InitProducerIDResponse)
	if !ok {
		return errFrame
	}
	switch code := kafka.Error(init.ErrorCode); code {
	case 0:
	case kafka.TransactionalIDAuthorizationFailed:
		return fmt.Errorf("begin transactions: %w (%s)", code, transactionalRights(t.id))
	case kafka.InvalidTransactionTimeout:
		return fmt.Errorf("begin transactions: %w (kafka.transaction_timeout %v is above the brokers' transaction.max.timeout.ms)", code, t.timeout)
	default:
		return fmt.Errorf("begin transactions: %w", code)
	}
	t.ident = identity{serial: t.ident.serial + 1, producerID: init.ProducerID, epoch: init.ProducerEpoch, transactional: true}
	t.ok, t.fenced, t.opened = true, false, time.Time{}
	clear(t.added)
	return nil
}

func (t *Transaction) identify(ctx context.Context) (identity, error) {
	if !t.mu.acquire(ctx) {
		return identity{}, fmt.Errorf("wait for the transaction: %w", ctx.Err())
	}
	defer t.mu.release()
	if !t.ok {
		return identity{}, fmt.Errorf("%w: transaction has to be begun anew", ErrInterrupted)
	}
	return t.ident, nil
}

func (t *Transaction) renew(serial uint32, cause error) error {
	t.mu <- struct{}{}
	defer t.mu.release()
	if serial != t.ident.serial {
		return nil // about a batch of before the last Abort
	}
	t.note(cause)
	return fmt.Errorf("transaction is over: %w", cause)
}

// open notes that the next request begins a transaction, if none is open.
func (t *Transaction) open() {
	if t.opened.IsZero() {
		t.opened = time.Now()
	}
}

// prepare puts partitions into the transaction before the first record goes to them.
func (t *Transaction) prepare(ctx context.Context, parts []producePart) error {
	if !t.mu.acquire(ctx) {
		return fmt.Errorf("wait for the transaction: %w", ctx.Err())
	}
	defer t.mu.release()
	var fresh []TopicPartition
	for _, p := range parts {
		if _, ok := t.added[p.queue.TopicPartition]; !ok {
			fresh = append(fresh, p.queue.TopicPartition)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.SetVersion(3)
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = t.id, t.ident.producerID, t.ident.epoch
	for topic, ids := range byTopic(fresh) {
		rt := kmsg.NewAddPartitionsToTxnRequestTopic()
		rt.Topic, rt.Partitions = topic, ids
		req.Topics = append(req.Topics, rt)
	}
	t.open()
	resp, err := t.coordinator.do(ctx, req, codeOf)
	if err != nil {
		return err
	}
	if code := codeOf(resp); code != 0 {
		return t.check(fmt.Sprintf("add partitions of topic %s to the transaction", strings.Join(refused(resp, code), ", ")), code)
	}
	for _, tp := range fresh {
		t.added[tp] = struct{}{}
	}
	return nil
}

// Commit puts the input offsets into the transaction, guarded by the membership, and ends
// it. ErrLostMembership and ErrInterrupted mean that it was not committed; after any
// error but those its fate is not known until Abort.
func (t *Transaction) Commit(ctx context.Context, group *Coordinator, m Membership, offsets map[TopicPartition]int64) error {
	if !t.mu.acquire(ctx) {
		return fmt.Errorf("wait for the transaction: %w", ctx.Err())
	}
	defer t.mu.release()
	if !t.ok {
		return fmt.Errorf("%w: transaction has to be begun anew", ErrInterrupted)
	}
	if len(offsets) > 0 {
		if err := t.addOffsets(ctx, group, m, offsets); err != nil {
			return err
		}
	}
	if t.opened.IsZero() {
		return nil
	}
	return t.end(ctx)
}

func (t *Transaction) addOffsets(ctx context.Context, group *Coordinator, m Membership, offsets map[TopicPartition]int64) error {
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.SetVersion(3)
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = t.id, t.ident.producerID, t.ident.epoch, m.Group
	t.open()
	resp, err := t.coordinator.do(ctx, add, codeOf)
	if err != nil {
		return err
	}
	if err := t.checkOffsets(fmt.Sprintf("add offsets of group %q to the transaction", m.Group), m.Group, resp); err != nil {
		return err
	}

	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.SetVersion(3)
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = t.id, m.Group, t.ident.producerID, t.ident.epoch
	req.Generation, req.MemberID = m.Generation, m.MemberID
	topics := map[string]int{}
	for tp, offset := range offsets {
		i, ok := topics[tp.Topic]
		if !ok {
			rt := kmsg.NewTxnOffsetCommitRequestTopic()
			rt.Topic = tp.Topic
			i = len(req.Topics)
			topics[tp.Topic] = i
			req.Topics = append(req.Topics, rt)
		}
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = tp.Partition, offset, -1
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	if resp, err = group.do(ctx, req, codeOf); err != nil {
		return err
	}
	return t.checkOffsets(fmt.Sprintf("commit offsets of group %q in generation %d", m.Group, m.Generation), m.Group, resp)
}

// checkOffsets is check for requests about a group's offsets, which want rights to read.
func (t *Transaction) checkOffsets(what, group string, resp kmsg.Response) error {
	switch k := kafka.Error(codeOf(resp)); k {
	case kafka.GroupAuthorizationFailed:
		return fmt.Errorf("%s: %w (%s)", what, k, groupRights(group))
	case kafka.TopicAuthorizationFailed:
		return fmt.Errorf("%s: %w (%s)", what, k, inputRights(resp, k))
	default:
		return t.check(what, int16(k)) //nolint:gosec // from an int16
	}
}

// end commits. A lost answer is asked for again: the coordinator knows that it has
// committed this epoch already.
func (t *Transaction) end(ctx context.Context) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.SetVersion(3)
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = t.id, t.ident.producerID, t.ident.epoch, true
	resp, err := t.coordinator.do(ctx, req, codeOf)
	if err != nil {
		return err
	}
	if err := t.check("commit the transaction", codeOf(resp)); err != nil {
		return err
	}
	t.opened = time.Time{}
	clear(t.added)
	return nil
}

// check turns a code into an error of the right kind.
func (t *Transaction) check(what string, code int16) error {
	switch k := kafka.Error(code); {
	case k == 0:
		return nil
	case k == kafka.IllegalGeneration, k == kafka.UnknownMemberId, k == kafka.FencedInstanceID, k == kafka.RebalanceInProgress:
		return fmt.Errorf("%s: %w: %w", what, ErrLostMembership, k)
	case identityCode(k):
		t.ok = false
		t.note(k)
		return fmt.Errorf("%s: %w: %w", what, ErrInterrupted, k)
	case k == kafka.TopicAuthorizationFailed:
		return fmt.Errorf("%s: %w (allow WRITE on the topic for this user)", what, k)
	case k == kafka.TransactionalIDAuthorizationFailed:
		return fmt.Errorf("%s: %w (%s)", what, k, transactionalRights(t.id))
	default:
		return fmt.Errorf("%s: %w", what, k)
	}
}

// refused names the topics that an answer refuses with a code, in quotes.
func refused(r kmsg.Response, code int16) []string {
	var names []string
	note := func(topic string, c int16) {
		if name := strconv.Quote(topic); c == code && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch r := r.(type) {
	case *kmsg.AddPartitionsToTxnResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				note(t.Topic, p.ErrorCode)
			}
		}
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				note(t.Topic, p.ErrorCode)
			}
		}
	case *kmsg.OffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				note(t.Topic, p.ErrorCode)
			}
		}
	}
	return names
}

// codeOf is the first error code of an answer about transactions; a partition that was
// not tried because of another's error does not count.
func codeOf(r kmsg.Response) int16 {
	worst := int16(0)
	note := func(code int16) {
		if code != 0 && (worst == 0 || kafka.Error(worst) == operationNotAttempted) {
			worst = code
		}
	}
	switch r := r.(type) {
	case *kmsg.InitProducerIDResponse:
		note(r.ErrorCode)
	case *kmsg.AddPartitionsToTxnResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				note(p.ErrorCode)
			}
		}
	case *kmsg.AddOffsetsToTxnResponse:
		note(r.ErrorCode)
	case *kmsg.TxnOffsetCommitResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				note(p.ErrorCode)
			}
		}
	case *kmsg.EndTxnResponse:
		note(r.ErrorCode)
	default:
		note(int16(kafka.Unknown))
	}
	return worst
}
