// Package pipeline moves records from topics to topics: it owns partitions for the length of a
// group generation, hands what they hold to the handler of its role, and moves their
// committed offsets over input whose output is acknowledged. The roles are the
// stream filter, which enriches events, and the delay of the retry loop.
//
// It is not where events are understood (pkg/enrich), routed (internal/route) or put
// on the wire (internal/broker).
//
//	fetcher (one per broker, many partitions a request)
//	  → worker (one goroutine owns one partition: decode, handler of the role, append)
//	    → queues (one per output partition)
//	      → sender (one per broker, many partitions a request)
//	        → acknowledged → commit
//
// A commit is a cut through all of it: between two batches of every worker the
// positions are noted and the output queues closed behind what came before; when
// all of that is acknowledged, the positions are committed. Workers go on
// meanwhile. With exactly_once the part between two cuts is one transaction.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/retry"
)

// Config is what the pipeline needs to know; internal/app makes it from the file.
type Config struct {
	Rules // at the start; see Stage

	Role          Role
	Topics        []string // of the delay role: the tiers
	Group         string
	Start         int64 // where the group has no committed offset: milliseconds since the epoch, broker.Earliest or broker.Latest
	OutOfRange    OutOfRange
	ReadCommitted bool
	SkipCorrupt   bool // put batches that cannot be read on the dead-letter topic, instead of stopping
	Rack          string

	Output       string // of the delay role: the due topic
	DeadLetter   string // "": stop at the first malformed event
	CreateTopics bool

	ExactlyOnce        bool
	Instance           string        // names this process among its group's members, and its transactions; stable over restarts
	TransactionTimeout time.Duration // with exactly_once

	Codec           recordbatch.Codec
	FetchBytes      int32 // per partition and request
	BatchBytes      int
	BufferBytes     int64
	Linger          time.Duration
	CommitInterval  time.Duration
	SessionTimeout  time.Duration
	ShutdownTimeout time.Duration

	// Sample is how the first event of each unknown code is kept for people; nil: it is not. From several goroutines.
	Sample func(event []byte) string
}

// AllTopics are the topics that the pipeline reads and writes, each once.
func (c *Config) AllTopics() []string {
	all := append(c.outputs(), c.inputs()...)
	slices.Sort(all)
	return slices.Compact(all)
}

// inputs are the topics read.
func (c *Config) inputs() []string {
	if c.Role == Delay && c.Retry.Cancels != "" {
		return append(slices.Clone(c.Topics), c.Retry.Cancels)
	}
	return c.Topics
}

// outputs are the topics written to; one that several routes share comes several times.
func (c *Config) outputs() []string {
	names := []string{c.Output}
	if c.DeadLetter != "" {
		names = append(names, c.DeadLetter)
	}
	for _, r := range c.Routes {
		names = append(names, r.Topic)
	}
	if c.Retry != nil {
		names = append(names, c.Retry.GaveUp)
		for _, tier := range c.Retry.Loop.Tiers() {
			names = append(names, tier.Topic)
		}
	}
	return names
}

// Role is what a pipeline does with the records that it reads.
type Role uint8

// The roles.
const (
	Filter Role = iota // enriches events, and sends them into the retry loop
	Delay              // holds the retry loop's records until they are due
)

// String is the role's name in configuration, metrics and transactional ids.
func (r Role) String() string { return [...]string{"filter", "delay"}[r] }

// OutOfRange says what to do where the committed offset is not in the log any more.
type OutOfRange uint8

// The choices for OutOfRange.
const (
	ToEarliest OutOfRange = iota
	ToLatest
	Stop
)

// Pipeline is the running filter.
type Pipeline struct {
	cfg    Config
	client *broker.Client
	log    *zap.Logger

	rules       atomic.Pointer[rules] // nil before prepare is done
	prepared    chan struct{}         // closed when it is
	turn        *turnstile            // between the workers' batches and the cuts
	unpacker    *unpacker
	txn         *broker.Transaction // nil: at least once
	producer    *broker.Producer
	output      *target
	dead        *target             // nil: stop at malformed events
	tiers       []*target           // of the retry loop, by ascending wait
	gaveUp      *target             // nil: no retry loop
	cancels     *retry.Cancels      // nil but in the delay role
	cancelsRead atomic.Int64        // when the control topic was last read, in milliseconds since the epoch
	mu          sync.Mutex          // guards targets
	targets     map[string]*target  // by topic, every one that is or was written to
	inputs      []int32             // partition counts of cfg.Topics at the start
	ids         map[string][16]byte // of cfg.Topics, as last seen by a session's begin

	samples samples // of the filter

	Ledger  *Ledger
	Metrics *Metrics
	state   atomic.Int32
	settled atomic.Int64 // when the last commit that succeeded had begun, in milliseconds since the epoch; 0: none did
	stuck   stuck
	current atomic.Pointer[session] // nil between generations
}

// New prepares a pipeline.
func New(cfg Config, client *broker.Client, log *zap.Logger) *Pipeline {
	p := &Pipeline{
		cfg: cfg, client: client, log: log, prepared: make(chan struct{}), turn: newTurnstile(), unpacker: newUnpacker(),
		targets: map[string]*target{}, Metrics: newMetrics(),
	}
	var tiers []retry.Tier
	if cfg.Retry != nil {
		tiers = cfg.Retry.Loop.Tiers()
	}
	if cfg.Role == Delay {
		p.cancels = retry.NewCancels(cfg.Retry.MaxAge)
	}
	p.samples.show = cfg.Sample
	p.Ledger = newLedger(tiers)
	for _, r := range cfg.Routes {
		p.Ledger.copiesOf(r.Name) // told from the beginning, as 0
	}
	return p
}

// Role is what the pipeline does.
func (p *Pipeline) Role() Role { return p.cfg.Role }

// Run checks the topics, joins the group and filters until ctx ends; then it finishes
// what is in flight within ShutdownTimeout, commits and leaves. It returns nil
// after a clean end, or what made it stop.
func (p *Pipeline) Run(ctx context.Context) error {
	defer p.state.Store(int32(Stopped))
	if err := p.prepare(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	// The producer outlives ctx: it has to send what is in flight when ctx ends.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sent := make(chan error, 1)
	go func() { sent <- p.producer.Run(work) }()
	following, err := p.followCancels(ctx, work)
	if err != nil {
		stop()
		if serr := <-sent; ctx.Err() == nil {
			return errors.Join(err, serr)
		}
		return nil // asked to stop
	}
	defer following.Wait()
	defer stop()

	p.releaseFormer(ctx)
	group, err := p.client.JoinGroup(broker.GroupConfig{
		Group: p.cfg.Group, Instance: p.cfg.Instance, Topics: p.cfg.Topics,
		SessionTimeout: p.cfg.SessionTimeout, RevokeTimeout: p.cfg.ShutdownTimeout,
	})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	err = p.generations(ctx, group)
	if cerr := group.Close(); cerr != nil {
		p.log.Warn("leaving the group failed; it will notice after the session timeout", zap.Error(cerr))
	}
	stop()
	if serr := <-sent; !errors.Is(err, serr) { // it is mostly what ended the session
		err = errors.Join(err, serr)
	}
	return err
}

// releaseFormer takes a killed process of this name out of the group. That it cannot is no reason not to begin:
// the group misses the dead member after the session time-out.
func (p *Pipeline) releaseFormer(ctx context.Context) {
	switch n, err := p.client.ReleaseFormer(ctx, p.cfg.Group, p.cfg.Instance); {
	case err != nil && ctx.Err() == nil:
		p.log.Warn("cannot look for a former member of this name; if there is one, its partitions wait for the session time-out", zap.Error(err))
	case n > 0:
		p.log.Info("a former member of this name has been taken out of the group", zap.Int("members", n))
	}
}

// generations works through one assignment after the other.
func (p *Pipeline) generations(ctx context.Context, group *broker.Group) error {
	failing := false
	for ctx.Err() == nil {
		p.state.Store(int32(Joining))
		a, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // asked to stop
		case err != nil && broker.FatalGroupError(err):
			return fmt.Errorf("%w (kafka user needs READ on group %q and on the input topics; session_timeout must be within the broker's group.*.session.timeout.ms)", err, p.cfg.Group)
		case err != nil:
			if !failing {
				p.log.Warn("cannot join the group, trying again", zap.Error(err))
			}
			failing = true
			continue
		}
		failing = false
		p.Metrics.rebalances.Inc()
		p.log.Info("joined the group", zap.Int32("generation", a.Generation), zap.Int("partitions", len(a.Partitions)))
		err = a.Run(func(gen context.Context) error { return p.session(ctx, gen, a, group.Offsets()) })
		if err != nil {
			return err
		}
	}
	return nil
}
