package plan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/result"
)

// Ids of contestants that parts other than throughput have. Nobody is a reader of the input itself.
const (
	EnricherALO  = "enricher-alo"
	EnricherEO   = "enricher-eo"
	EnricherFull = "enricher-full"
	FranzALO     = "franz-alo"
	FranzEO      = "franz-eo"
	Copier       = "copier"
	StreamsALO   = "streams-alo"
	StreamsEO    = "streams-eo"
	StreamsTree  = "streams-tree"
	Nobody       = "nobody"
)

func (b *Bench) spec(events int64, compression string, works ...contest.Work) *lab.InputSpec {
	return &lab.InputSpec{Seed: b.Size.Seed, Events: events, MeanBytes: b.Size.MeanBytes, Compression: compression, Partitions: b.Size.Inputs, Works: works}
}

// throughput is everybody on every codec.
func (b *Bench) throughput() (steps []step) {
	for _, codec := range b.Size.Codecs {
		fast, long := new(*lab.Input), new(*lab.Input)
		steps = append(
			steps,
			b.load(Throughput, codec, b.spec(b.Size.Fast, codec, contest.Same, contest.Full, contest.Copy), fast),
			b.load(Throughput, codec+" (long)", b.spec(b.Size.Long, codec, contest.Same, contest.Tree), long),
		)
		who := b.Contestants
		if codec != b.Size.Codecs[0] { // it is never the best variant, and takes long
			who = slices.DeleteFunc(slices.Clone(who), func(c *contest.Contestant) bool { return c.ID == StreamsTree })
		}
		steps = append(steps, b.inRounds(who, func(round int, c *contest.Contestant) step {
			if c.WarmsUp {
				return b.trial(Throughput, codec, round, c, long, 40*time.Second, func(t *lab.Trial) { t.WarmUp = b.Size.WarmUp })
			}
			return b.trial(Throughput, codec, round, c, fast, 7*time.Second, nil)
		})...)
		steps = append(steps, b.unload(Throughput, codec, fast, long))
	}
	return steps
}

// sizes is events of several sizes, uncompressed.
func (b *Bench) sizes() (steps []step) {
	for _, size := range b.Size.ByBytes {
		in, kase := new(*lab.Input), strconv.Itoa(size.Mean)
		spec := b.spec(size.Events, "none", contest.Same)
		spec.MeanBytes = size.Mean
		steps = append(steps, b.load(Sizes, kase, spec, in))
		steps = append(steps, inRounds(b.Size.FewRounds, b.some(EnricherALO, EnricherEO, FranzALO), func(round int, c *contest.Contestant) step {
			return b.trial(Sizes, kase, round, c, in, 6*time.Second, nil)
		})...)
		steps = append(steps, b.unload(Sizes, kase, in))
	}
	return steps
}

// startup is from the start of a process to its first output.
func (b *Bench) startup() []step {
	in := new(*lab.Input)
	steps := []step{b.load(Startup, "", b.spec(b.Size.Start, "none", contest.Same), in)}
	steps = append(steps, inRounds(b.Size.FewRounds, b.some(EnricherALO, EnricherEO, FranzALO, FranzEO, StreamsALO, StreamsEO), func(round int, c *contest.Contestant) step {
		return b.trial(Startup, "", round, c, in, 4*time.Second, func(t *lab.Trial) { t.Poll = time.Millisecond })
	})...)
	return append(steps, b.unload(Startup, "", in))
}

// partitions is the same number of events in more and more partitions.
func (b *Bench) partitions() (steps []step) {
	for _, n := range b.Size.Partitions {
		in, kase := new(*lab.Input), strconv.Itoa(int(n))
		spec := b.spec(b.Size.Fast, "none", contest.Same)
		spec.Partitions = n
		steps = append(steps, b.load(Partitions, kase, spec, in))
		steps = append(steps, inRounds(b.Size.FewRounds, b.some(EnricherALO, EnricherEO), func(round int, c *contest.Contestant) step {
			return b.trial(Partitions, kase, round, c, in, 7*time.Second, func(t *lab.Trial) {
				if n > 32 {
					t.Poll = 20 * time.Millisecond // a look at hundreds of partitions costs the broker something
				}
			})
		})...)
		steps = append(steps, b.unload(Partitions, kase, in))
	}
	return steps
}

// processes is one, two, three processes that share the partitions. The input is kept from them until they have shared it:
// else the first would be half done before the others are there.
func (b *Bench) processes() (steps []step) {
	spec := b.spec(b.Size.Fast/2, "none", contest.Same)
	spec.Partitions, spec.Gated = b.Size.ProcessesInputs, true
	for _, n := range b.Size.Processes {
		kase := strconv.Itoa(n)
		steps = append(steps, inRounds(b.Size.FewRounds, b.some(EnricherALO, EnricherEO), func(round int, c *contest.Contestant) step {
			in := new(*lab.Input)
			load, unload := b.load(Processes, kase, spec, in), b.unload(Processes, kase, in)
			s := b.trial(Processes, kase, round, c, in, 9*time.Second, func(t *lab.Trial) { t.Processes = n })
			run := s.do
			s.do = func(ctx context.Context, r *result.Run) (string, error) {
				if _, err := load.do(ctx, nil); err != nil {
					return "", err
				}
				outcome, err := run(ctx, r)
				_, ended := unload.do(ctx, nil)
				*in = nil // what is left of it, if it could not be deleted, is not used again
				if err == nil {
					err = ended
				}
				return outcome, err
			}
			return s
		})...)
	}
	return steps
}

// backlog is a long one, during which memory must not grow.
func (b *Bench) backlog() []step {
	in, kase := new(*lab.Input), strconv.FormatInt(b.Size.Backlog, 10)
	steps := []step{b.load(Backlog, kase, b.spec(b.Size.Backlog, "lz4", contest.Same), in)}
	for _, c := range b.some(EnricherEO) {
		steps = append(steps, b.trial(Backlog, kase, 1, c, in, time.Minute, func(t *lab.Trial) {
			t.SampleEvery, t.Limit = 250*time.Millisecond, 4*b.Size.RunLimit
		}))
	}
	return append(steps, b.unload(Backlog, kase, in))
}

// latency is paced load.
func (b *Bench) latency() []step {
	who := append([]*contest.Contestant{{ID: Nobody}}, b.some(EnricherALO, EnricherEO, FranzALO, FranzEO, StreamsALO, StreamsEO)...)
	return b.inRounds(who, func(round int, c *contest.Contestant) step {
		estimate := 4*time.Second + time.Duration(len(b.Size.Rates))*(b.Size.Warm+b.Size.Last)
		if c.WarmsUp {
			estimate += b.Size.LatencyWarmUp
		}
		return step{
			run:   result.Run{Part: Latency, Contestant: c.ID, Round: round},
			label: fmt.Sprintf("%s, round %d: %s", Latency, round, c.ID), kind: Latency + c.ID, estimate: estimate,
			do: func(ctx context.Context, run *result.Run) (string, error) { return b.latencyOf(ctx, c, run) },
		}
	})
}

// latencyOf notes the rates but the last as runs of their own.
func (b *Bench) latencyOf(ctx context.Context, c *contest.Contestant, run *result.Run) (string, error) {
	t := &lab.LatencyTrial{Contestant: c, Rates: b.Size.Rates, Warm: b.Size.Warm, Measure: b.Size.Last, Partitions: b.Size.Inputs, MeanBytes: b.Size.MeanBytes}
	if c.ID == Nobody {
		t.Contestant = nil
	}
	if c.WarmsUp {
		t.WarmUp = b.Size.LatencyWarmUp
	}
	found, err := b.Lab.Latency(ctx, t)
	if err == nil && b.tooFew(found) != nil { // no fault of the contestant: once more
		found, err = b.Lab.Latency(ctx, t)
	}
	if err != nil {
		return "", err
	}
	var outcome strings.Builder
	outcome.WriteString("p99")
	for i, rate := range b.Size.Rates {
		l := found[rate]
		one := result.Run{Part: Latency, Case: strconv.Itoa(rate), Contestant: c.ID, Round: run.Round, Values: latencyValues(&l)}
		if err := b.tooFew(map[int]lab.Latencies{rate: l}); err != nil {
			one.Failure = err.Error()
		}
		fmt.Fprintf(&outcome, " %.1f ms at %d/s", one.Values[result.P99], rate)
		if i < len(b.Size.Rates)-1 {
			b.Result.Add(one)
		} else {
			*run = one
		}
	}
	return outcome.String(), nil
}

// tooFew tells whether less was sent than was to be.
func (b *Bench) tooFew(found map[int]lab.Latencies) error {
	for rate := range found {
		if l := found[rate]; l.Offered < b.Size.Offered*float64(rate) {
			return fmt.Errorf("only %.0f of %d events/s could be sent", l.Offered, rate)
		}
	}
	return nil
}

// EnricherPipe is `enricher pipe`, as a contestant of pipe.
const EnricherPipe = "pipe-enricher"
