package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
)

// defaultMaxMessage is Kafka's default for max.message.bytes, taken where the topic's
// own cannot be read.
const defaultMaxMessage = 1048588

// createdPartitions is how many partitions kafka.create_topics gives to a topic.
const createdPartitions = 4

// prepare checks every topic before anything starts, and makes the queues.
func (p *Pipeline) prepare(ctx context.Context) error {
	outputs := p.cfg.outputs()
	topics, err := p.existing(ctx, p.cfg.AllTopics())
	if err != nil {
		return err
	}
	if err := p.checkRights(topics, outputs); err != nil {
		return err
	}
	if err := p.checkLoop(ctx); err != nil {
		return err
	}
	limits := p.client.MaxMessageBytes(ctx, outputs)

	if p.cfg.ExactlyOnce {
		if err := p.beginTransactions(ctx); err != nil {
			return err
		}
	}
	p.producer = broker.NewProducer(p.client, broker.ProducerConfig{
		Codec: p.cfg.Codec, BatchBytes: p.batchBytes(outputs, limits), BufferBytes: p.cfg.BufferBytes,
		Linger: p.cfg.Linger, Transaction: p.txn, Log: p.log.Named("producer"),
		Answered: func(took time.Duration) { p.Metrics.produces.Observe(took.Seconds()) },
	})
	p.ids = map[string][16]byte{}
	for _, n := range p.cfg.Topics {
		p.inputs = append(p.inputs, topics[n].Partitions)
		p.ids[n] = topics[n].ID
	}
	for _, n := range outputs {
		p.addTarget(n, topics[n].Partitions, limits[n])
	}
	p.output, p.dead = p.target(p.cfg.Output), p.target(p.cfg.DeadLetter)
	if p.cfg.Retry != nil {
		p.gaveUp = p.target(p.cfg.Retry.GaveUp)
		for _, tier := range p.cfg.Retry.Loop.Tiers() {
			p.tiers = append(p.tiers, p.target(tier.Topic))
		}
	}
	p.use(p.cfg.Rules)
	close(p.prepared)
	return nil
}

// topicsAttempts is how often the start asks for topics where a connection is lost on the way,
// and topicsPause how long it waits between.
const (
	topicsAttempts = 10
	topicsPause    = 250 * time.Millisecond
)

// topics asks again if the broker that was asked goes away meanwhile: another will answer. If no
// broker can be connected to, the start fails at once.
func (p *Pipeline) topics(ctx context.Context, names []string) (map[string]broker.Topic, error) {
	for attempt := 1; ; attempt++ {
		topics, err := p.client.Topics(ctx, names)
		switch {
		case !broker.ConnectionLost(err) || ctx.Err() != nil:
			return topics, err
		case attempt == topicsAttempts && errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("%w (brokers before Kafka 2.8 close the connection like this)", err)
		case attempt == topicsAttempts:
			return nil, err
		}
		p.log.Warn("cannot read the topics, trying again", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(topicsPause):
		}
	}
}

// readLimits reads again what the topics take: a limit may have been lowered, and the record
// that met it has to become a dead letter now.
func (p *Pipeline) readLimits(ctx context.Context) {
	targets := p.allTargets()
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		names = append(names, t.topic)
	}
	limits := p.client.MaxMessageBytes(ctx, names)
	for _, t := range targets {
		t.limit(limits[t.topic])
		if n := p.producer.Refused(t.topic); n > 0 {
			t.maxRecord = min(t.maxRecord, n-1)
		}
	}
}

// beginTransactions takes over the transactional id of this instance, which also aborts
// what a former process of that name left open: readers need not wait for its time-out. The
// role is part of the id, so that roles do not fence each other.
func (p *Pipeline) beginTransactions(ctx context.Context) error {
	id := p.cfg.Group + "/" + p.cfg.Role.String() + "/" + p.cfg.Instance
	p.txn = p.client.NewTransaction(id, p.cfg.TransactionTimeout)
	limit, cancel := context.WithTimeout(ctx, transactionStart)
	defer cancel()
	if err := p.txn.Begin(limit); err != nil {
		return fmt.Errorf("delivery: exactly_once: %w", err)
	}
	p.log.Info("transactions", zap.String("transactional_id", id), zap.Duration("timeout", p.cfg.TransactionTimeout))
	return nil
}

// transactionStart is how long the start waits for the transaction coordinator; a cluster
// that makes its first transaction creates the internal topic meanwhile.
const transactionStart = 60 * time.Second

// topicsWithin is how long new topics may take to be known everywhere.
const topicsWithin = 30 * time.Second

// awaitTopics waits until new topics are known to the brokers.
func (p *Pipeline) awaitTopics(ctx context.Context, names []string) (map[string]broker.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, topicsWithin)
	defer cancel()
	for {
		topics, err := p.client.Topics(ctx, names)
		if _, ok := errors.AsType[*broker.MissingTopicsError](err); !ok {
			return topics, err
		}
		p.client.Refresh(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err() //nolint:wrapcheck // wrapped by the caller
		}
	}
}

func (p *Pipeline) checkRights(topics map[string]broker.Topic, outputs []string) error {
	var errs []error
	for _, n := range p.cfg.inputs() {
		if !topics[n].Readable {
			errs = append(errs, fmt.Errorf("input topic %q: this user may not read it: allow READ and DESCRIBE on it", n))
		}
	}
	for _, n := range outputs {
		if !topics[n].Writable {
			errs = append(errs, notWritable(n))
		}
	}
	return errors.Join(errs...)
}

func notWritable(topic string) error {
	return fmt.Errorf("topic %q: this user may not write it: allow WRITE and DESCRIBE on it", topic)
}

// batchBytes is the configured size, or what the strictest topic takes.
func (p *Pipeline) batchBytes(outputs []string, limits map[string]int) int {
	n := p.cfg.BatchBytes
	for _, t := range outputs {
		if l := limits[t]; l > 0 {
			n = min(n, l)
		}
	}
	return n
}

// target is that of a topic; nil if it is not written to.
func (p *Pipeline) target(topic string) *target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets[topic]
}

func (p *Pipeline) allTargets() []*target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.targets))
}

// addTarget makes what is needed to write to a topic, once for all that write to it.
func (p *Pipeline) addTarget(topic string, partitions int32, limit int) {
	if p.target(topic) != nil {
		return
	}
	t := &target{topic: topic, byNumber: true}
	t.limit(limit)
	for _, n := range p.inputs {
		t.byNumber = t.byNumber && n == partitions
	}
	for i := range partitions {
		t.queues = append(t.queues, p.producer.Queue(broker.TopicPartition{Topic: topic, Partition: i}, p.Ledger.ackedOf(topic)))
	}
	p.log.Info("writing", zap.String("topic", topic), zap.Int32("partitions", partitions), zap.String("partition_by", t.rule()), zap.Int("max_message_bytes", t.maxRecord))
	p.mu.Lock()
	p.targets[topic] = t
	p.mu.Unlock()
}
