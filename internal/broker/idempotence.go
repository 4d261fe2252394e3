package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// idempotence is a producer id without a transaction. It lives as long as the process:
// a restart begins another, so duplicates across restarts are not told apart.
type idempotence struct {
	client *Client
	log    *zap.Logger

	mu lock
	id identity
	ok bool
}

func (i *idempotence) identify(ctx context.Context) (identity, error) {
	if !i.mu.acquire(ctx) {
		return identity{}, fmt.Errorf("get a producer id: %w", ctx.Err())
	}
	defer i.mu.release()
	if i.ok {
		return i.id, nil
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.SetVersion(2)
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := i.client.Request(ctx, AnyNode, req)
	if err != nil {
		return identity{}, err
	}
	init, ok := resp.(*kmsg.InitProducerIDResponse)
	if !ok {
		return identity{}, errFrame
	}
	if err := codeError(init.ErrorCode); err != nil {
		if errors.Is(err, kafka.ClusterAuthorizationFailed) {
			return identity{}, fmt.Errorf("get a producer id: %w (allow IDEMPOTENT_WRITE on the cluster, or WRITE on the output topics with Kafka 2.8 or later)", err)
		}
		return identity{}, fmt.Errorf("get a producer id: %w", err)
	}
	i.id = identity{serial: i.id.serial + 1, producerID: init.ProducerID, epoch: init.ProducerEpoch}
	i.ok = true
	return i.id, nil
}

func (*idempotence) prepare(context.Context, []producePart) error { return nil }

// renew takes a new identity. The broker has forgotten the old one (its state expires, or
// was lost with an unclean leader), so a batch whose acknowledgement was lost
// may now come twice: that is what at_least_once allows.
func (i *idempotence) renew(serial uint32, cause error) error {
	i.mu <- struct{}{}
	defer i.mu.release()
	if i.ok && i.id.serial == serial {
		i.ok = false
		i.log.Warn("the broker does not know this producer any more, taking a new id; unacknowledged batches may come twice", zap.Error(cause))
	}
	return nil
}

func (i *idempotence) restart(context.Context) error {
	i.mu <- struct{}{}
	defer i.mu.release()
	i.ok = false
	return nil
}
