package broker

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// codeError turns an answer's error code into an error; nil for 0.
func codeError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code) //nolint:wrapcheck // the code is the error; callers say of what
}

// milliseconds is a duration as requests carry it.
func milliseconds(d time.Duration) int32 { return int32(min(d.Milliseconds(), math.MaxInt32)) } //nolint:gosec // bounded

// leadershipCode tells whether a partition's request failed because of where it
// was sent or because its replicas are not ready: new metadata and another
// attempt with the same bytes mend it.
func leadershipCode(code kafka.Error) bool {
	switch code { //nolint:exhaustive // the others are final
	case kafka.UnknownTopicOrPartition, // just created, or deleted and not yet known to be
		kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.RequestTimedOut,
		kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable, kafka.NetworkException,
		kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend,
		kafka.KafkaStorageError, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch,
		kafka.OffsetNotAvailable, unknownServerError:
		return true
	}
	return false
}

// Codes that kafka-go has no name for, or that read better here.
const (
	unknownServerError    = kafka.Unknown
	unstableOffsetCommit  = kafka.Error(88)
	concurrentTransaction = kafka.ConcurrentTransactions
	operationNotAttempted = kafka.Error(55)
	transactionAbortable  = kafka.Error(120)
)

// coordinatorMoved tells whether a coordinator has to be looked up again.
func coordinatorMoved(code int16) bool {
	switch kafka.Error(code) { //nolint:exhaustive // the others are not about the coordinator
	case kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup:
		return true
	}
	return false
}

// coordinatorBusy tells whether the same coordinator will answer in a moment.
func coordinatorBusy(code int16) bool {
	switch kafka.Error(code) { //nolint:exhaustive // the others are answers
	case kafka.GroupLoadInProgress, concurrentTransaction, unstableOffsetCommit, kafka.RequestTimedOut:
		return true
	}
	return false
}

// ConnectionLost tells whether a request failed because its connection broke or fell silent
// after it had been made: another broker, or the same one later, may answer.
func ConnectionLost(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op != "dial"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe)
}

// backoff waits between attempts: 5 ms, doubling up to one second.
type backoff struct{ last time.Duration }

const (
	backoffFirst = 5 * time.Millisecond
	backoffMost  = time.Second
)

// wait sleeps for the next interval and reports whether ctx still lives.
func (b *backoff) wait(ctx context.Context) bool {
	b.last = min(max(2*b.last, backoffFirst), backoffMost)
	return sleep(ctx, b.last)
}

func (b *backoff) reset() { b.last = 0 }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// ErrLostMembership says that the group has gone on without this member: what
// was processed since the last commit is somebody else's to process again.
var ErrLostMembership = errors.New("the consumer group went on without this member")
