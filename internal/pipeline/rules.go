package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatool"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/enrich"
)

// Rules say what is done with a record. They are all that can change while a pipeline runs.
type Rules struct {
	Enricher *enrich.Enricher         // of the filter
	Drop     [enrich.NumOutcomes]bool // outcomes that are not written to Output
	Routes   []Route
	Retry    *Retry // nil: no retry loop
}

// Retry is the retry loop.
type Retry struct {
	Loop   *retry.Loop
	Fields *retry.Fields
	GaveUp string // topic for calls that are not dialled again

	// Of the delay role.
	Cancels      string        // compacted topic whose records cancel redials; "": none
	MaxAge       time.Duration // cancel records are kept in memory for as long
	DuePerSecond float64       // most that come due in a second, of all partitions together; 0: no limit
}

// Route is a named copy of chosen events to a further topic.
type Route struct {
	Name  string
	Match *route.Matcher
	Topic string
}

// rules are Rules and what belongs to them in a pipeline that runs. They do not change: a worker takes them once for
// each batch.
type rules struct {
	Rules

	serial int                     // later ones have a higher one
	added  recordbatch.HeaderNames // that the enricher adds
	routes []*target
	copies []*atomic.Int64 // of each route
}

// Stage checks new rules against the cluster and prepares what they need: topics and queues that are new are made, and
// stay if the rules are not used after all. Calling swap makes workers use the rules from their next batch on. One
// caller at a time. A route's topic that is new must be there, and may be written, or is made (see
// Config.CreateTopics). That there is a retry loop, its topics and its MaxAge cannot change; they stay as they are.
func (p *Pipeline) Stage(ctx context.Context, next Rules) (swap func(), err error) {
	select {
	case <-p.prepared:
	case <-ctx.Done():
		return nil, fmt.Errorf("the %s is still starting: %w", p.cfg.Role, ctx.Err())
	}
	var fresh []string
	for _, r := range next.Routes {
		if p.target(r.Topic) == nil {
			fresh = append(fresh, r.Topic)
		}
	}
	slices.Sort(fresh)
	if fresh = slices.Compact(fresh); len(fresh) > 0 {
		if err := p.addTargets(ctx, fresh); err != nil {
			return nil, err
		}
	}
	next.Retry = p.rules.Load().Retry.with(next.Retry)
	return func() { p.use(next) }, nil
}

// with is the loop with what may change taken from another.
func (r *Retry) with(next *Retry) *Retry {
	if r == nil || next == nil {
		return r
	}
	merged := *r
	merged.Loop, merged.Fields, merged.DuePerSecond = next.Loop, next.Fields, next.DuePerSecond
	return &merged
}

// stageWithin bounds how long new topics may take to be known.
const stageWithin = 30 * time.Second

// addTargets makes targets of further topics, all or none.
func (p *Pipeline) addTargets(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, stageWithin)
	defer cancel()
	topics, err := p.existing(ctx, names)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if !topics[name].Writable {
			errs = append(errs, notWritable(name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := p.client.Watch(ctx, names); err != nil {
		return err
	}
	limits := p.client.MaxMessageBytes(ctx, names)
	p.producer.LimitBatches(p.batchBytes(names, limits))
	for _, name := range names {
		p.addTarget(name, topics[name].Partitions, limits[name])
	}
	return nil
}

// existing reads topics, and makes those that are missing if the configuration says so.
func (p *Pipeline) existing(ctx context.Context, names []string) (map[string]broker.Topic, error) {
	topics, err := p.topics(ctx, names)
	missing, some := errors.AsType[*broker.MissingTopicsError](err)
	switch {
	case some && p.cfg.CreateTopics:
		p.log.Info("creating topics", zap.Strings("topics", missing.Topics))
		if err := p.client.CreateTopics(ctx, missing.Topics, createdPartitions, p.cfg.topicSettings()); err != nil {
			return nil, fmt.Errorf("kafka.create_topics: %w", err)
		}
		topics, err = p.awaitTopics(ctx, names)
	case some:
		missing.Create = func(topic string) string { return p.creation(topic, p.inputPartitions(topics), missing.Brokers) }
	}
	if err != nil {
		return nil, fmt.Errorf("check topics: %w", err)
	}
	return topics, nil
}

// inputPartitions is how many partitions the input topics have, by what is known of topics; 0 if they differ or that is
// not known.
func (p *Pipeline) inputPartitions(topics map[string]broker.Topic) int {
	counts := p.inputs // of the start, if that is over
	if counts == nil {
		for _, name := range p.cfg.Topics {
			counts = append(counts, topics[name].Partitions)
		}
	}
	if len(slices.Compact(slices.Clone(counts))) > 1 {
		return 0
	}
	return int(counts[0])
}

// creation is the command that makes a topic. It is the doctor's too, but where tiers are missing: the delay role knows the
// input's number of partitions only by them.
func (p *Pipeline) creation(name string, partitions, brokers int) string {
	t := kafkatool.Topic{Name: name, Partitions: partitions, Brokers: brokers, Compacted: p.cfg.Retry != nil && p.cfg.Retry.Cancels == name}
	for _, k := range p.cfg.kept() {
		if k.topic == name {
			t.Keep = k.advised
		}
	}
	return kafkatool.Create(p.client.Brokers(), t)
}

// use puts rules in force. Their topics have targets.
func (p *Pipeline) use(next Rules) {
	r := &rules{Rules: next, serial: 1}
	if old := p.rules.Load(); old != nil {
		r.serial = old.serial + 1
	}
	if next.Enricher != nil { // of the filter
		r.added = recordbatch.NamesOf(next.Enricher.Headers()...)
	}
	for _, to := range next.Routes {
		r.routes = append(r.routes, p.target(to.Topic))
		r.copies = append(r.copies, p.Ledger.copiesOf(to.Name))
	}
	p.rules.Store(r)
	if s := p.current.Load(); s != nil {
		s.lookAgain()
	}
}
