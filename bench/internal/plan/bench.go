package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/progress"
	"github.com/callstream/enricher/bench/internal/result"
)

// Bench runs parts.
type Bench struct {
	Size        Size
	Lab         *lab.Lab
	Kit         *contest.Kit
	Contestants []*contest.Contestant // that have been built
	Pipes       []*contest.Pipe       // the same
	Result      *result.Result        // gets what is found
	// Save, if not nil, is called after each step, to keep what has been found.
	Save func()
	// Alive, if not nil, is called after a step has failed. If the broker is gone, there is no use in going on.
	Alive func(context.Context) error
	// Bar makes a progress bar.
	Bar func([]progress.Step) *progress.Bar
}

// step is one thing to do.
type step struct {
	run      result.Run // what is run; without a contestant, it is a preparation
	kind     string
	label    string
	estimate time.Duration
	do       func(ctx context.Context, run *result.Run) (string, error)
}

// maxFailures is how often a contestant may fail in one case before it is left alone.
const maxFailures = 2

// What keeps a step from being tried.
var (
	errGivenUp = errors.New("it has failed before")
	errNoInput = errors.New("its input could not be loaded")
)

// Run runs parts. Each step that fails is tried once more. What fails again is noted in the Result, and the rest goes on; an error
// means that the benchmark itself cannot go on.
func (b *Bench) Run(ctx context.Context, parts []string) error {
	var steps []step
	for _, part := range parts {
		steps = append(steps, b.steps(part)...)
	}
	return b.run(ctx, steps)
}

func (b *Bench) run(ctx context.Context, steps []step) error {
	shown := make([]progress.Step, len(steps))
	for i := range steps {
		shown[i] = progress.Step{Kind: steps[i].kind, Label: steps[i].label, Estimate: steps[i].estimate}
	}
	bar := b.Bar(shown)
	for i := range steps {
		s := &steps[i]
		bar.Begin()
		outcome, err := b.twice(ctx, s)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", s.label, ctx.Err())
		}
		b.note(s, err)
		if err != nil {
			outcome = fmt.Sprintf("FAILED: %.600v", err)
		}
		bar.End(outcome, err == nil)
		if b.Save != nil {
			b.Save()
		}
		if err != nil && !untried(err) && b.Alive != nil {
			if dead := b.Alive(ctx); dead != nil {
				return fmt.Errorf("%s: %w; it cannot go on: %w", s.label, err, dead)
			}
		}
	}
	return nil
}

// twice makes a step, and once more if it fails. That it was needed is noted.
func (b *Bench) twice(ctx context.Context, s *step) (string, error) {
	if s.run.Contestant != "" {
		failures := b.Result.Failures(result.Key{Part: s.run.Part, Case: s.run.Case, Contestant: s.run.Contestant})
		if len(failures) >= maxFailures {
			return "", errGivenUp
		}
	}
	outcome, first := s.do(ctx, &s.run)
	if first == nil || untried(first) || ctx.Err() != nil {
		return outcome, first
	}
	outcome, err := s.do(ctx, &s.run)
	if err == nil {
		b.Result.Troubles = append(b.Result.Troubles, result.Trouble{Step: s.label, Failure: first.Error(), Mended: true})
		return outcome + fmt.Sprintf(" (at the second try; at the first: %.300v)", first), nil
	}
	if err.Error() != first.Error() {
		err = fmt.Errorf("%w; and before: %w", err, first)
	}
	return "", err
}

func untried(err error) bool { return errors.Is(err, errGivenUp) || errors.Is(err, errNoInput) }

// note puts what a step gave into the Result.
func (b *Bench) note(s *step, err error) {
	switch {
	case errors.Is(err, errGivenUp):
	case s.run.Contestant != "":
		if err != nil {
			s.run.Failure = err.Error()
		}
		b.Result.Add(s.run)
	case err != nil:
		b.Result.Troubles = append(b.Result.Troubles, result.Trouble{Step: s.label, Failure: err.Error()})
	default: // a preparation that went well
	}
}

func (b *Bench) steps(part string) []step {
	switch part {
	case Throughput:
		return b.throughput()
	case Sizes:
		return b.sizes()
	case Latency:
		return b.latency()
	case Startup:
		return b.startup()
	case Partitions:
		return b.partitions()
	case Processes:
		return b.processes()
	case Backlog:
		return b.backlog()
	case Allocations:
		return b.allocations()
	case Pipe:
		return b.pipe()
	default:
		return b.micro()
	}
}

// some are the contestants with these ids, those that are there.
func (b *Bench) some(ids ...string) (found []*contest.Contestant) {
	for _, c := range b.Contestants {
		if slices.Contains(ids, c.ID) {
			found = append(found, c)
		}
	}
	return found
}

// inRounds lets each of some contestants run once a round. Who begins changes from round to round: nobody
// always finds the machine as somebody else has left it.
func inRounds[C any](rounds int, all []C, one func(round int, c C) step) (steps []step) {
	for round := 1; round <= rounds; round++ {
		for i := range all {
			steps = append(steps, one(round, all[(i+round-1)%len(all)]))
		}
	}
	return steps
}

// inRounds is the same with all rounds for all contestants but the slow ones, which have few.
func (b *Bench) inRounds(all []*contest.Contestant, one func(round int, c *contest.Contestant) step) []step {
	return slices.DeleteFunc(inRounds(b.Size.Rounds, all, func(round int, c *contest.Contestant) step {
		if c.Slow && round > b.Size.FewRounds {
			return step{}
		}
		return one(round, c)
	}), func(s step) bool { return s.do == nil })
}

// prepareLimit is how long a preparation may take.
const prepareLimit = 10 * time.Minute

// prepare is a step that runs nobody.
func prepare(label string, estimate time.Duration, do func(context.Context) error) step {
	return step{label: label, kind: label, estimate: estimate, do: func(ctx context.Context, _ *result.Run) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, prepareLimit)
		defer cancel()
		return "", do(ctx)
	}}
}

// load is a step that fills a topic, to which to will point.
func (b *Bench) load(part, kase string, spec *lab.InputSpec, to **lab.Input) step {
	label := fmt.Sprintf("%s %s: load %d events", part, kase, spec.Events)
	return step{label: label, kind: label, estimate: time.Second + time.Duration(spec.Events)*8*time.Microsecond, do: func(ctx context.Context, _ *result.Run) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, prepareLimit)
		defer cancel()
		in, err := b.Lab.Load(ctx, *spec)
		if err != nil {
			return "", err
		}
		*to = in
		b.Result.Loads = append(b.Result.Loads, result.Load{
			Part: part, Case: kase, Events: spec.Events, Bytes: in.Bytes, Compression: spec.Compression, Partitions: spec.Partitions, Seed: spec.Seed,
		})
		return fmt.Sprintf("%.0f B on average", float64(in.Bytes)/float64(spec.Events)), nil
	}}
}

// unload is a step that deletes topics.
func (b *Bench) unload(part, kase string, inputs ...**lab.Input) step {
	return prepare(fmt.Sprintf("%s %s: delete the input", part, kase), time.Second, func(ctx context.Context) error {
		for _, in := range inputs {
			if *in == nil { // it was not loaded, or has been deleted in a first try
				continue
			}
			if err := b.Lab.Unload(ctx, *in); err != nil {
				return err
			}
			*in = nil
		}
		return nil
	})
}

// trial is a step that makes one run on a topic that will have been loaded.
func (b *Bench) trial(part, kase string, round int, c *contest.Contestant, in **lab.Input, estimate time.Duration, change func(*lab.Trial)) step {
	return step{
		run:   result.Run{Part: part, Case: kase, Contestant: c.ID, Round: round},
		label: fmt.Sprintf("%s %s, round %d: %s", part, kase, round, c.ID), kind: part + kase + c.ID, estimate: estimate,
		do: func(ctx context.Context, run *result.Run) (string, error) {
			if *in == nil {
				return "", errNoInput
			}
			t := &lab.Trial{Contestant: c, Input: *in, Limit: b.Size.RunLimit}
			if change != nil {
				change(t)
			}
			f, err := b.Lab.Run(ctx, t)
			if err != nil {
				return "", err
			}
			run.Values = values(f)
			for _, s := range f.RSS {
				run.Samples = append(run.Samples, result.Sample{At: s.At, Done: s.Done, RSS: s.RSS})
			}
			return fmt.Sprintf("%.0f events/s, %.2f CPU-s per million, %d MiB", f.Rate(), f.PerMillion(), f.PeakRSS>>20), nil
		},
	}
}

func values(f *lab.Figures) map[string]float64 {
	n := float64(f.Events)
	return map[string]float64{
		result.Events: n, result.Wall: f.Wall, result.CPU: f.CPU, result.PerMillion: f.PerMillion(), result.Rate: f.Rate(),
		result.Counted: float64(f.Counted()), result.Cold: f.Cold(), result.PeakRSS: float64(f.PeakRSS), result.Sent: float64(f.Sent) / n, result.Received: float64(f.Received) / n,
		result.Connections: float64(f.Connections), result.Start: f.Start, result.StartCPU: f.StartCPU, result.FirstOut: f.FirstOut,
		result.Busy: f.Busy, result.Stolen: f.Stolen,
	}
}

// latencyValues are those of one rate.
func latencyValues(l *lab.Latencies) map[string]float64 {
	return map[string]float64{
		result.Events: float64(len(l.Sorted)), result.Offered: l.Offered,
		result.P50: measure.Percentile(l.Sorted, 0.5), result.P99: measure.Percentile(l.Sorted, 0.99),
		result.P999: measure.Percentile(l.Sorted, 0.999), result.MaxLatency: measure.Percentile(l.Sorted, 1),
	}
}
