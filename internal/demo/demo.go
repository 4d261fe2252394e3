// Package demo runs the real filter between a made event source and an independent reader,
// on a Kafka broker inside this process. It is for trying out, and it proves with
// each run that what goes in comes out.
//
// Broker, source and reader are franz-go's; the filter in the middle is the one that
// `enricher run` starts, with the same configuration.
package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
)

// Options say how much goes through.
type Options struct {
	Events int           // how many; 0: as many as fit into For
	For    time.Duration // how long; 0: until Events are through
	Rate   int           // events per second; 0: as fast as it goes
	Seed   uint64        // the same seed gives the same events
	Retry  bool          // failed calls wait, come due, and are dialled again by a simulated dialer

	// Serving is told where health and metrics are, as host:port, and the URL of the status page, "" if there is none; nil:
	// nobody is. Without an address to listen on it is not called.
	Serving func(addr, page string)
}

const partitions = 4

// finish is how long the reader may take to see the last records after the filter has ended.
const finish = 15 * time.Second

// Progress is what a live view shows.
type Progress struct {
	Made    int64 // events produced so far
	Goal    int64 // events to be produced; 0 if only the time is set
	Seen    int64 // records that the reader has seen on the output topic
	Elapsed time.Duration
	Totals  pipeline.Totals
	Retry   *Retry // nil without the retry loop
}

// Run runs the demo until everything that was made has come out, or ctx ends, which stops
// the source early and lets the rest come through. view is called a few times a second; nil: never.
func Run(ctx context.Context, cfg *config.Config, opt Options, log *zap.Logger, view func(Progress)) (*Report, error) {
	topics := topicsOf(cfg)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics.all()...))
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	defer cluster.Close()
	cfg.Kafka.Brokers = cluster.ListenAddrs()

	filter, err := app.New(cfg, log)
	if err != nil {
		return nil, fmt.Errorf("make the filter: %w", err)
	}
	var gen generator = eventgen.New(opt.Seed, catalog.Default().Entries())
	var dl *dialer
	if opt.Retry {
		calls := &callMaker{rng: rand.New(rand.NewPCG(opt.Seed, 1))} //nolint:gosec // the same seed gives the same calls
		if dl, err = newDialer(cfg.Kafka.Brokers, cfg, calls); err != nil {
			return nil, err
		}
		defer dl.close()
		gen = calls
	}
	src, err := newSource(cfg.Kafka.Brokers, topics.in, gen, opt)
	if err != nil {
		return nil, err
	}
	defer src.close()
	rd, err := newReader(cfg.Kafka.Brokers, topics)
	if err != nil {
		return nil, err
	}
	defer rd.close()

	if addr := filter.OpsAddr(); opt.Serving != nil && addr != "" {
		opt.Serving(addr, filter.PageURL()) // the address is open: who asks now is answered once the filter runs
	}
	r := &run{app: filter, src: src, rd: rd, dialer: dl, begun: time.Now(), view: view}
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

// run is one demo under way.
type run struct {
	app    *app.App
	src    *source
	rd     *reader
	dialer *dialer // nil without the retry loop
	begun  time.Time
	view   func(Progress)
	took   time.Duration

	interrupted bool // what waits in the retry loop is left
}

// all lets source, filter and reader work side by side. When the source is done and the
// filter has read everything, the filter is stopped, which drains and commits; then
// the reader has to find what the filter says it wrote.
func (r *run) all(ctx context.Context) error {
	filterCtx, stopFilter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFilter()
	readCtx, stopReader := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReader()
	group, groupCtx := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error { return r.app.Run(filterCtx) })
	group.Go(func() error { return r.rd.run(readCtx) })
	if r.dialer != nil {
		group.Go(func() error { return r.dialer.run(readCtx) })
	}
	produced := make(chan struct{})
	group.Go(func() error {
		defer close(produced)
		return r.src.run(ctx, groupCtx)
	})
	group.Go(func() error {
		defer stopReader()
		defer stopFilter()
		return r.await(ctx, groupCtx, produced)
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// viewEvery is how often the live view is told; also how often the end is looked for.
const viewEvery = 100 * time.Millisecond

// await shows how far it has come until the filter has read what was made and the reader
// has seen what came of it, and nothing waits in the retry loop; after stop what waits is left.
func (r *run) await(stop, ctx context.Context, produced <-chan struct{}) error {
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	var (
		deadline <-chan time.Time
		last     [3]int64
		moved    = time.Now()
	)
	for {
		p := r.progress()
		if now := p.figures(); now != last {
			last, moved = now, time.Now()
		}
		r.interrupted = stop.Err() != nil
		if r.view != nil {
			r.view(p)
		}
		select {
		case <-produced:
			done := p.Totals.In >= p.Made && (p.drained() || r.interrupted)
			if deadline == nil && (done || time.Since(moved) > finish) {
				deadline = time.After(finish)
			}
		default:
		}
		if deadline != nil && r.rd.hasSeen(p.Totals) && (p.drained() || r.interrupted) {
			r.took = r.rd.lastSeen().Sub(r.begun)
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-deadline:
			r.took = time.Since(r.begun)
			return nil // the report says what is missing
		case <-tick.C:
		}
	}
}

func (r *run) progress() Progress {
	p := Progress{
		Made: r.src.made.Load(), Goal: int64(r.src.opt.Events), Seen: r.rd.out.Load(),
		Elapsed: time.Since(r.begun), Totals: r.totals(pipeline.Filter),
	}
	if r.dialer != nil {
		p.Made += r.dialer.dialled.Load()
		p.Retry = r.dialer.report(p.Totals, r.totals(pipeline.Delay))
	}
	return p
}

// figures change as long as anything moves.
func (p *Progress) figures() [3]int64 {
	if p.Retry == nil {
		return [3]int64{p.Totals.In}
	}
	return [3]int64{p.Totals.In, p.Retry.Waiting, p.Retry.Redialled}
}

// drained tells whether nothing waits, and the dialer has dialled all that came due.
func (p *Progress) drained() bool {
	return p.Retry == nil || p.Retry.Waiting == 0 && p.Retry.Redialled == p.Retry.Due
}

func (r *run) totals(role pipeline.Role) pipeline.Totals { return r.app.Pipeline(role).Ledger.Totals() }
