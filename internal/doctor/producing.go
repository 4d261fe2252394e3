package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatool"
)

// producing looks at what the delivery guarantee wants of the cluster.
func (d *doctor) producing(ctx context.Context) {
	d.sessionTimeout()
	d.brokersTopic(offsetsTopic, "offsets.topic.replication.factor", "")

	if !d.exactlyOnce() {
		d.idempotence(ctx)

		return
	}

	d.brokersTopic(transactionsTopic, "transaction.state.log.replication.factor", "transaction.state.log.min.isr")

	for _, m := range members(d.cfg) {
		d.transactionRights(ctx, m)
	}

	d.transactionTimeout()
}

// brokersTopic looks at how safe one of the brokers' own topics is, or will be once it is made.
func (d *doctor) brokersTopic(name, replicasKey, inSyncKey string) {
	s := Subject{Topic: name, Role: internal}

	if t := d.topics[name]; t != nil && t.err == nil {
		d.replicas(s, t)

		if t.settings != nil {
			d.minISR(s, t)
		}

		return
	}

	if t := d.topics[name]; t != nil && !errors.Is(t.err, kerr.UnknownTopicOrPartition) {
		d.note(NotChecked, "replicas", s.String(), "%v", t.err).mend(d.allow([]string{"Describe"}, "--topic", name))

		return
	}

	_, replicas, ok := d.brokerNumber(replicasKey)
	inSync := int64(1)

	if inSyncKey != "" {
		_, inSync, _ = d.brokerNumber(inSyncKey) // told together with the other
	}

	switch nodes := int64(len(d.nodes)); {
	case !ok:
		d.unreadable("replicas", s.String())
	case replicas > nodes:
		d.note(Problem, "replicas", s.String(), "%s is %d and there are %d brokers: it cannot be made, and neither groups nor transactions begin without it", replicasKey, replicas, nodes).
			mend(fmt.Sprintf("# start more brokers, or in each broker's server.properties: %s=%d", replicasKey, nodes))
	case inSync > replicas:
		d.note(Problem, "replicas", s.String(), "%s is %d, more than %s (%d): nothing is ever written to it", inSyncKey, inSync, replicasKey, replicas).
			mend(fmt.Sprintf("# in each broker's server.properties: %s=%d", inSyncKey, max(1, replicas-1)))
	case replicas == 1 && nodes == 1:
		d.note(Warning, "replicas", s.String(), "not made yet; it will have 1: the cluster has one broker")
	case replicas == 1:
		d.note(Warning, "replicas", s.String(), "not made yet; %s is 1: the loss of one broker loses what it holds", replicasKey).
			mend(fmt.Sprintf("# in each broker's server.properties, before the first start: %s=%d", replicasKey, min(kafkatool.Replicas, nodes)))
	default:
		d.note(OK, "replicas", s.String(), "not made yet; it will have %d", replicas)
	}
}

// nobody is a producer id that no broker gives out so soon: they count up from 0.
const nobody = math.MaxInt64

// transactionRights asks whether this user may run a member's transactions. No request
// tells the rights on an id. But adding to a transaction asks for them before anything else, and with a
// producer id that nobody has it does nothing.
func (d *doctor) transactionRights(ctx context.Context, m member) {
	id := m.prefix() + d.instance
	on := id + " (transactional id)"

	if !d.coordinates(ctx, transactionsTopic, d.anyTransaction) {
		d.note(NotChecked, "rights", on, "the cluster has had no transaction yet, and asking would make it create %s", transactionsTopic)

		return
	}

	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.Group, req.ProducerID = id, m.group, nobody

	resp, err := req.RequestWith(ctx, d.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}

	switch {
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		d.note(Problem, "rights", on, "lacks Write, Describe: no transaction can begin").
			mend(d.allow([]string{"Write", "Describe"}, "--transactional-id", m.prefix(), "--resource-pattern-type", "prefixed"))
	case harmless(err):
		d.note(OK, "rights", on, "Write, Describe")
	case errors.Is(err, kerr.CoordinatorNotAvailable):
		d.note(Problem, "rights", on, "there is no coordinator for it: %v", err)
	default:
		d.note(NotChecked, "rights", on, "ask its coordinator: %v", err)
	}
}

// harmless tells whether an answer shows that the right was there and the producer was not.
func harmless(err error) bool {
	return slices.ContainsFunc([]error{
		kerr.InvalidProducerIDMapping, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState,
		kerr.ConcurrentTransactions, kerr.UnknownProducerID,
		kerr.GroupAuthorizationFailed, // asked for after the id's; the group has a check of its own
	}, func(e error) bool { return errors.Is(err, e) })
}

func (d *doctor) transactionTimeout() {
	const check, on, key = "transaction timeout", "kafka.transaction_timeout", "transaction.max.timeout.ms"

	most, _, ok := d.brokerNumber(key)
	asked := d.cfg.Kafka.TransactionTimeout

	switch {
	case !ok:
		d.unreadable(check, on)
	case asked.Milliseconds() > most:
		d.note(Problem, check, on, "%s, and the brokers take %s at most (%s): no transaction can begin", span(asked), spanOrEver(most), key).
			mend("# in the configuration: kafka: {transaction_timeout: " + spanOrEver(most) + "}")
	default:
		d.note(OK, check, on, "%s, the brokers take up to %s", span(asked), spanOrEver(most))
	}
}

// idempotence is what at_least_once wants: producing without gaps or twice the same batch.
func (d *doctor) idempotence(ctx context.Context) {
	const check, on = "rights", "cluster"

	if d.mayWriteSomewhere() { // Kafka 3.0 and later ask for no more (KIP-679)
		d.note(OK, check, on, "Write on a topic lets the producer be idempotent")

		return
	}

	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeClusterAuthorizedOperations = true

	resp, err := req.RequestWith(ctx, d.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}

	switch {
	case err != nil:
		d.note(NotChecked, check, on, "describe the cluster: %v", err)
	case !operations(resp.ClusterAuthorizedOperations).told():
		d.note(NotChecked, check, on, "the broker does not tell what this user may do")
	case !operations(resp.ClusterAuthorizedOperations).allow(kmsg.ACLOperationIdempotentWrite):
		d.note(Problem, check, on, "lacks IdempotentWrite, and this user may write to none of the topics").mend(d.allow([]string{"IdempotentWrite"}, "--cluster"))
	default:
		d.note(OK, check, on, "IdempotentWrite")
	}
}

func (d *doctor) mayWriteSomewhere() bool {
	return slices.ContainsFunc(d.subjects, func(s Subject) bool {
		t := d.topics[s.Topic]

		return s.Role.writes() && t != nil && t.err == nil && t.operations.told() && t.operations.allow(kmsg.ACLOperationWrite)
	})
}
