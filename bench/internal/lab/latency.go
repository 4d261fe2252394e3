package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/events"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/verify"
)

// LatencyTrial is one run of one contestant at several rates, one after the other.
type LatencyTrial struct {
	Contestant *contest.Contestant // nil: nobody; the reader reads the input itself
	Rates      []int               // events/s
	Warm       time.Duration       // at each rate before what counts
	Measure    time.Duration       // what counts
	WarmUp     time.Duration       // at the highest rate, before all others
	Partitions int32
	MeanBytes  int
}

// Latencies are those of one rate.
type Latencies struct {
	Sorted  []float64 // milliseconds
	Offered float64   // events/s that were really sent
}

// sentHeader carries when and as which an event was made, through the contestant.
const sentHeader = "bench-sent"

// stamp is what is in it.
type stamp struct {
	phase int   // index of the rate
	warm  bool  // does not count
	event int   // which of the pool
	seq   int64 // by partition, from 0
	at    time.Duration
}

const stampLen = 1 + 1 + 4 + 8 + 8

func (s *stamp) bytes() []byte {
	b := make([]byte, 0, stampLen)
	warm := byte(0)
	if s.warm {
		warm = 1
	}
	b = append(b, byte(s.phase), warm)
	b = binary.BigEndian.AppendUint32(b, uint32(s.event))
	b = binary.BigEndian.AppendUint64(b, uint64(s.seq))
	return binary.BigEndian.AppendUint64(b, uint64(s.at))
}

func parseStamp(r *kgo.Record) (stamp, error) {
	for _, h := range r.Headers {
		if h.Key == sentHeader && len(h.Value) == stampLen {
			v := h.Value
			return stamp{
				phase: int(v[0]), warm: v[1] != 0, event: int(binary.BigEndian.Uint32(v[2:])),
				seq: int64(binary.BigEndian.Uint64(v[6:])), at: time.Duration(binary.BigEndian.Uint64(v[14:])),
			}, nil
		}
	}
	return stamp{}, errors.New("an event came without the header that it was sent with")
}

// pool are events to send over and over, and what should come out.
type pool struct {
	records []kgo.Record
	want    [][]byte // values
}

// poolSize is how many different events there are: more than a processor learns by heart.
const poolSize = 5000

func (l *Lab) pool(mean int, changed bool) pool {
	g := events.New(1, l.entries, mean, time.Now())
	var p pool
	for len(p.records) < poolSize {
		e := g.Next()
		if e.Kind == events.Broken || e.Kind == events.Tombstone {
			continue // dead letters are read by nobody here
		}
		r := kgo.Record{Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value)}
		want := r.Value
		if changed {
			_, out := l.oracle.expect(contest.Same, &verify.Record{Key: r.Key, Value: r.Value})
			want = bytes.Clone(out.Value)
		}
		p.records, p.want = append(p.records, r), append(p.want, want)
	}
	return p
}

// latency is a LatencyTrial under way.
type latency struct {
	*LatencyTrial
	pool   pool
	base   time.Time
	seqs   []int64 // sent, by partition
	mu     sync.Mutex
	next   []int64 // expected, by partition
	got    int64
	ms     [][]float64 // by phase
	failed error
	came   chan struct{} // an event has come; has room for one
}

// Latency measures the time from an event's making, which is its record's timestamp, until a reader with read_committed has it.
// The header has it in nanoseconds; the reader's clock is the same.
func (l *Lab) Latency(ctx context.Context, t *LatencyTrial) (map[int]Latencies, error) {
	limit := time.Minute + time.Duration(len(t.Rates))*(t.Warm+t.Measure)*2 + 2*t.WarmUp
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	in, err := l.Client.CreateTopic(ctx, l.name("in"), t.Partitions)
	if err != nil {
		return nil, err
	}
	input := &Input{Spec: InputSpec{Partitions: t.Partitions, Compression: "none"}, Topic: in}
	defer l.Unload(context.WithoutCancel(ctx), input) //nolint:errcheck // the broker is thrown away in the end
	s := &latency{
		LatencyTrial: t, pool: l.pool(t.MeanBytes, t.Contestant != nil), base: time.Now(),
		seqs: make([]int64, t.Partitions), next: make([]int64, t.Partitions), ms: make([][]float64, len(t.Rates)), came: make(chan struct{}, 1),
	}
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	if t.Contestant == nil {
		return s.drive(ctx, l, in, in, nil)
	}
	r, err := l.prepare(ctx, &Trial{Contestant: t.Contestant, Input: input})
	if err != nil {
		return nil, err
	}
	defer r.clear()
	if err := r.start(); err != nil {
		return nil, err
	}
	found, err := s.drive(ctx, l, in, r.topics[0], r.procs[0])
	if err != nil {
		return nil, err
	}
	return found, r.stop()
}

// drive sends at each rate, and reads until all has come.
func (s *latency) drive(ctx context.Context, l *Lab, in, out kafka.Topic, p *contest.Process) (map[int]Latencies, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if p != nil {
		go func() {
			select {
			case <-p.Exited():
				stop(p.Ended())
			case <-ctx.Done():
			}
		}()
	}
	loader, err := kafka.NewLoader(l.addrs, "none", 0)
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	var reading sync.WaitGroup
	reading.Go(func() {
		if err := s.read(ctx, l, out); err != nil {
			stop(err)
		}
	})
	found, err := s.phases(ctx, loader, in)
	if err == nil {
		err = s.drain(ctx)
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	stop(nil)
	reading.Wait()
	if err != nil {
		return nil, err
	}
	for i, rate := range s.Rates {
		f := found[rate]
		f.Sorted = slices.Sorted(slices.Values(s.ms[i]))
		found[rate] = f
	}
	return found, nil
}

// phases sends one event until it has come, so that the contestant is known to be at work, and then at each rate.
func (s *latency) phases(ctx context.Context, loader *kafka.Loader, in kafka.Topic) (map[int]Latencies, error) {
	s.send(ctx, loader, in, &stamp{warm: true})
	if err := s.drain(ctx); err != nil {
		return nil, err
	}
	if s.WarmUp > 0 {
		if _, err := s.pace(ctx, loader, in, 0, slices.Max(s.Rates), s.WarmUp, true); err != nil {
			return nil, err
		}
		if err := s.drain(ctx); err != nil {
			return nil, err
		}
	}
	found := map[int]Latencies{}
	for phase, rate := range s.Rates {
		if _, err := s.pace(ctx, loader, in, phase, rate, s.Warm, true); err != nil {
			return nil, err
		}
		offered, err := s.pace(ctx, loader, in, phase, rate, s.Measure, false)
		if err != nil {
			return nil, err
		}
		found[rate] = Latencies{Offered: offered}
	}
	return found, loader.Flush(ctx)
}

// pace sends at a rate: each millisecond what is due by then, so that a late tick is made up for.
func (s *latency) pace(ctx context.Context, loader *kafka.Loader, in kafka.Topic, phase, rate int, lasting time.Duration, warm bool) (float64, error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start, sent := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err() //nolint:wrapcheck // its cause is reported
		case <-tick.C:
		}
		passed := min(time.Since(start), lasting)
		for due := int(passed.Seconds() * float64(rate)); sent < due; sent++ {
			s.send(ctx, loader, in, &stamp{phase: phase, warm: warm})
		}
		if passed == lasting {
			return float64(sent) / time.Since(start).Seconds(), nil
		}
	}
}

func (s *latency) send(ctx context.Context, loader *kafka.Loader, in kafka.Topic, st *stamp) {
	var n int64
	for _, seq := range s.seqs {
		n += seq
	}
	st.event = int(n % poolSize)
	r := s.pool.records[st.event] // a copy, whose slices are shared and only read
	r.Topic, r.Partition = in.Name, int32(n%int64(s.Partitions))
	st.seq = s.seqs[r.Partition]
	s.seqs[r.Partition]++
	r.Timestamp = time.Now()
	st.at = r.Timestamp.Sub(s.base)
	r.Headers = append(kgoHeaders(), kgo.RecordHeader{Key: sentHeader, Value: st.bytes()})
	loader.Put(ctx, &r)
}

// drain waits until as many have come as were sent.
func (s *latency) drain(ctx context.Context) error {
	var sent int64
	for _, seq := range s.seqs {
		sent += seq
	}
	for {
		s.mu.Lock()
		got, failed := s.got, s.failed
		s.mu.Unlock()
		if failed != nil || got == sent {
			return failed
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events came: %w", got, sent, ctx.Err())
		case <-s.came:
		}
	}
}

// read takes what comes out.
func (s *latency) read(ctx context.Context, l *Lab, out kafka.Topic) error {
	from := map[int32]kgo.Offset{}
	for p := range out.Partitions {
		from[p] = kgo.NewOffset().At(0)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(l.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{out.Name: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		at := time.Since(s.base)
		if ctx.Err() != nil {
			return nil
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read: %w", e.Err)
		}
		if err := s.take(fetches, at); err != nil {
			return err
		}
	}
}

// take checks what came at that time.
func (s *latency) take(fetches kgo.Fetches, at time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fetches.EachRecord(func(r *kgo.Record) {
		st, err := parseStamp(r)
		switch {
		case err != nil:
			s.failed = err
			return
		case st.seq != s.next[r.Partition]:
			s.failed = fmt.Errorf("partition %d: event %d came where %d was due", r.Partition, st.seq, s.next[r.Partition])
		case st.event >= len(s.pool.want) || !bytes.Equal(r.Value, s.pool.want[st.event]):
			s.failed = fmt.Errorf("partition %d: event %d is not what it should be: %.1000q", r.Partition, st.seq, r.Value)
		}
		s.next[r.Partition] = st.seq + 1
		s.got++
		if !st.warm {
			s.ms[st.phase] = append(s.ms[st.phase], float64(at-st.at)/float64(time.Millisecond))
		}
	})
	select {
	case s.came <- struct{}{}:
	default:
	}
	return s.failed
}
