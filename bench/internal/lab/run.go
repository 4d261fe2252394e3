package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/measure"
)

// Figures are what one run gave.
type Figures struct {
	Events int64
	Wall   float64 // from the first moment to the last
	CPU    float64 // of all processes, between the same moments
	// ColdEvents were written during the warm-up, before the first moment, with ColdCPU; 0 if there was none.
	ColdEvents int64
	ColdCPU    float64
	// Start is the time from starting the process to the first moment, and its CPU.
	Start    float64
	StartCPU float64
	// FirstOut is the time from starting the process to the first look at which a reader could see some output.
	FirstOut float64
	// PeakRSS is of the process that had most.
	PeakRSS int64
	// Sent and Received went over TCP, from the start on.
	Sent        int64
	Received    int64
	Connections int
	// Busy and Stolen are shares of the machine's processors, between the two moments: by whomever.
	Busy   float64
	Stolen float64
	// RSS is resident memory over time, if it was asked for.
	RSS []Sample
}

// Sample is one moment of a run.
type Sample struct {
	At   float64
	Done int64 // offsets written by then
	RSS  int64
	CPU  float64
}

// PerMillion is CPU-seconds for a million events.
func (f *Figures) PerMillion() float64 { return f.CPU * 1e6 / float64(f.Counted()) }

// Counted are the events that were written between the first moment and the last.
func (f *Figures) Counted() int64 { return f.Events - f.ColdEvents }

// Cold is CPU-seconds for a million events of the warm-up; 0 if there was none.
func (f *Figures) Cold() float64 {
	if f.ColdEvents == 0 {
		return 0
	}
	return f.ColdCPU * 1e6 / float64(f.ColdEvents)
}

// Rate is events/s.
func (f *Figures) Rate() float64 { return float64(f.Counted()) / f.Wall }

// Trial is one run to be made.
type Trial struct {
	Contestant *contest.Contestant
	Input      *Input
	// Compression of what is written; "" is the input's.
	Compression string
	Processes   int // 0 is 1
	// WarmUp is how many events have to be written before the first moment. At 0 that is when the processes begin.
	WarmUp int64
	// Poll is the time between two looks at the end offsets; 0 is 5 ms.
	Poll time.Duration
	// SampleEvery asks for samples.
	SampleEvery time.Duration
	Limit       time.Duration // of the whole run
	Ops         string        // see contest.Run
	// AtEnd is called when the last event can be seen, with the processes still there.
	AtEnd func() error
}

// defaults
const (
	pollEvery = 5 * time.Millisecond
	stopLimit = 40 * time.Second
)

// Run makes one run: fresh topics and a fresh group, the processes, the clocks, the comparison. A figure is
// returned only if the output is right and each process ended well.
func (l *Lab) Run(ctx context.Context, t *Trial) (*Figures, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Limit)
	defer cancel()
	r, err := l.prepare(ctx, t)
	if err != nil {
		return nil, err
	}
	defer r.clear()
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	if err := r.start(); err != nil {
		return nil, err
	}
	figures, err := r.watch(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.stop(); err != nil {
		return nil, err
	}
	if err := l.check(ctx, t.Input, t.Contestant.Work, r.topics[0], r.topics[1]); err != nil {
		return nil, err
	}
	return figures, nil
}

// run is a Trial under way.
type run struct {
	*Trial
	lab     *Lab
	dir     string
	group   string
	topics  []kafka.Topic // output and dead letters
	procs   []*contest.Process
	meters  []*measure.Meter // by process
	looked  time.Time        // at the meters
	sampled time.Time

	mu      sync.Mutex
	began   []moment // by process; zero: not yet
	warm    []moment // at the end of the warm-up
	cold    int64    // what had been written by then
	started time.Time
}

func (l *Lab) prepare(ctx context.Context, t *Trial) (*run, error) {
	r := &run{Trial: t, lab: l, group: l.name("group")}
	var err error
	if r.dir, err = os.MkdirTemp(l.dir, "run-"); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	for _, name := range []string{"out", "dead"} {
		topic, err := l.Client.CreateTopic(ctx, l.name(name), t.Input.Spec.Partitions)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(r.dir))
		}
		r.topics = append(r.topics, topic)
	}
	return r, nil
}

// clear ends what still runs and removes what was made. What cannot be removed is no reason to call a run failed.
func (r *run) clear() {
	for _, p := range r.procs {
		p.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = r.lab.Client.DeleteTopics(ctx, r.topics...) // the broker is thrown away in the end
	_ = os.RemoveAll(r.dir)
}

func (r *run) start() error {
	n := max(1, r.Processes)
	r.began = make([]moment, n)
	r.started = time.Now()
	for i := range n {
		compression := r.Compression
		if compression == "" {
			compression = r.Input.Spec.Compression
		}
		spec, err := r.Contestant.Program.Spec(&contest.Run{
			Brokers: r.lab.addrs, In: r.Input.Topic.Name, Out: r.topics[0].Name, Dead: r.topics[1].Name, Group: r.group,
			Compression: compression, Delivery: r.Contestant.Delivery, Work: r.Contestant.Work, Table: r.lab.table, Dir: r.dir, Instance: i, Ops: r.Ops,
		})
		if err != nil {
			return fmt.Errorf("start: %w", err)
		}
		if r.lab.Log != nil {
			spec.Log = r.lab.Log
		}
		p, err := contest.Start(spec, func(pid int) {
			m := now(pid)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.began[i] = m
		})
		if err != nil {
			return err
		}
		r.procs, r.meters = append(r.procs, p), append(r.meters, measure.NewMeter(p.Pid()))
	}
	return nil
}

// watch waits until all has been written, and reads the clocks at that moment.
func (r *run) watch(ctx context.Context) (*Figures, error) {
	for _, p := range r.procs {
		if err := p.AwaitFirst(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.openGate(ctx); err != nil {
		return nil, err
	}
	tick := time.NewTicker(cmp.Or(r.Poll, pollEvery))
	defer tick.Stop()
	f := &Figures{Events: r.Input.Spec.Events}
	for last := int64(0); ; {
		done, complete, err := r.poll(ctx, f, last)
		if ctx.Err() != nil { // whatever it was at
			return nil, r.late(ctx, max(done, last))
		}
		if err != nil {
			return nil, err
		}
		if complete {
			return f, r.atEnd()
		}
		last = done
		select {
		case <-ctx.Done():
			return nil, r.late(ctx, done)
		case <-r.ended():
			return nil, r.endedEarly()
		case <-tick.C:
		}
	}
}

func (r *run) late(ctx context.Context, done int64) error {
	return fmt.Errorf("%d of %d records were written in time: %w", done, r.Input.want[r.Contestant.Work].Len(), ctx.Err())
}

// poll looks how much has been written, and notes what the clocks say. The look before saw last.
func (r *run) poll(ctx context.Context, f *Figures, last int64) (done int64, complete bool, err error) {
	ends, err := r.lab.Client.Ends(ctx, r.topics...)
	if err != nil {
		return 0, false, err
	}
	done = total(ends)
	if done > 0 && f.FirstOut == 0 {
		f.FirstOut = time.Since(r.started).Seconds()
	}
	if err := r.look(); err != nil {
		return done, false, err
	}
	if r.SampleEvery > 0 && time.Since(r.sampled) >= r.SampleEvery {
		r.sampled = time.Now()
		if err := r.sample(f, done); err != nil {
			return done, false, err
		}
	}
	if done < r.Input.want[r.Contestant.Work].Len() {
		r.warmedUp(done)
		return done, false, nil
	}
	if done == last {
		return done, false, nil
	}
	if err := r.read(f); err != nil { // at once: all that follows takes time
		return done, false, err
	}
	exact := r.Contestant.Delivery == contest.AtLeastOnce
	complete, err = r.lab.complete(ctx, r.Input, r.Contestant.Work, exact, r.topics, ends)
	return done, complete, err
}

// openGate waits until the processes have shared all partitions among them, and lets them begin. That is
// then the first moment.
func (r *run) openGate(ctx context.Context) error {
	if r.Input.gate == nil {
		return nil
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !r.shared() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until partitions are shared: %w", ctx.Err())
		case <-r.ended():
			return r.endedEarly()
		case <-tick.C:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, p := range r.procs {
		r.began[i] = now(p.Pid())
	}
	gate := r.Input.gate
	r.Input.gate = nil
	return gate.Open(ctx)
}

// shared tells whether each process has some partitions of one generation, and all of them together all.
func (r *run) shared() bool {
	sum, generation := 0, r.procs[0].Assigned().Generation
	for _, p := range r.procs {
		a := p.Assigned()
		if a.Partitions == 0 || a.Generation != generation {
			return false
		}
		sum += a.Partitions
	}
	return sum == int(r.Input.Spec.Partitions)
}

func (r *run) atEnd() error {
	if r.AtEnd == nil {
		return nil
	}
	return r.AtEnd()
}

// ended is closed when the first process has ended; the others are looked at when it is their turn.
func (r *run) ended() <-chan struct{} {
	for _, p := range r.procs {
		select {
		case <-p.Exited():
			return p.Exited()
		default:
		}
	}
	return nil
}

func (r *run) endedEarly() error {
	for _, p := range r.procs {
		select {
		case <-p.Exited():
			return p.Ended()
		default:
		}
	}
	return nil
}

// stop asks all processes to end, at once.
func (r *run) stop() error {
	errs := make([]error, len(r.procs))
	var all sync.WaitGroup
	for i, p := range r.procs {
		all.Go(func() { errs[i] = p.Stop(stopLimit) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// quiet is the share of the machine that may be busy when a run begins.
const quiet = 0.15

// settle waits until the machine has nothing to do: brokers tidy up behind the last run. It gives up after Settle, for
// others' load may not end; Figures.Busy tells.
func (l *Lab) settle(ctx context.Context) error {
	limit := time.Now().Add(l.Settle)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	before, err := measure.MachineNow()
	for err == nil && time.Now().Before(limit) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a quiet machine: %w", ctx.Err())
		case <-tick.C:
		}
		var after measure.Machine
		if after, err = measure.MachineNow(); err == nil {
			spent := after.Sub(before)
			before = after
			if spent.Total > 0 && spent.Busy.Seconds() < quiet*spent.Total.Seconds() {
				return nil
			}
		}
	}
	return err
}
