package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/events"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/verify"
)

// InputSpec says what to load.
type InputSpec struct {
	Seed        uint64
	Events      int64
	MeanBytes   int // of values
	Compression string
	Partitions  int32
	Works       []contest.Work // those that the input will be used for
	// Gated keeps readers from it until a run has all its processes ready. It is then good for one run.
	Gated bool
}

// Input is a topic that contestants read, and what they should write.
type Input struct {
	Spec  InputSpec
	Topic kafka.Topic
	Bytes int64 // of all values
	want  map[contest.Work]*verify.Expectation
	gate  *kafka.Gate // nil: open
}

// Load makes a topic and fills it. Nothing stays of one that cannot be filled.
func (l *Lab) Load(ctx context.Context, spec InputSpec) (*Input, error) {
	topic, err := l.Client.CreateTopic(ctx, l.name("in"), spec.Partitions)
	if err != nil {
		return nil, err
	}
	in := &Input{Spec: spec, Topic: topic, want: map[contest.Work]*verify.Expectation{}}
	for _, w := range spec.Works {
		in.want[w] = verify.New(int(spec.Partitions), normal(w))
	}
	if err := l.fill(ctx, in); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteLimit)
		defer cancel()
		return nil, errors.Join(err, l.Unload(ctx, in))
	}
	return in, nil
}

// deleteLimit is how long the removal of what could not be filled may take.
const deleteLimit = 20 * time.Second

func (l *Lab) fill(ctx context.Context, in *Input) (err error) {
	spec, topic := &in.Spec, in.Topic
	if spec.Gated {
		if in.gate, err = kafka.CloseGate(ctx, l.addrs, topic); err != nil {
			return err
		}
	}
	loader, err := kafka.NewLoader(l.addrs, spec.Compression, 50*time.Millisecond)
	if err != nil {
		return err
	}
	defer loader.Close()
	// One each millisecond, up to now: brokers refuse what is more than an hour ahead.
	g := events.New(spec.Seed, l.entries, spec.MeanBytes, time.Now().Add(-time.Duration(spec.Events)*time.Millisecond))
	var a arena
	for range spec.Events {
		e := g.Next()
		in.Bytes += int64(len(e.Value))
		r := &kgo.Record{Topic: topic.Name, Partition: partitionOf(e.Key, spec.Partitions), Key: a.copy(e.Key), Value: a.copy(e.Value), Timestamp: e.Time}
		r.Headers = kgoHeaders()
		for _, w := range spec.Works {
			in.want[w].Add(l.expectation(w, r))
		}
		loader.Put(ctx, r)
	}
	return loader.Flush(ctx)
}

// Unload deletes the topic.
func (l *Lab) Unload(ctx context.Context, in *Input) error {
	if in.gate != nil { // the run that was to open it failed before
		in.gate.Abandon()
		in.gate = nil
	}
	return l.Client.DeleteTopics(ctx, in.Topic)
}

func (l *Lab) expectation(w contest.Work, r *kgo.Record) (verify.Place, int32, *verify.Record) {
	place, want := l.oracle.expect(w, &verify.Record{Key: r.Key, Value: r.Value, Headers: headers(), TimestampMS: r.Timestamp.UnixMilli()})
	return place, r.Partition, want
}

// partitionOf spreads keys.
func partitionOf(key []byte, partitions int32) int32 {
	h := fnv.New64a()
	_, _ = h.Write(key) // never fails
	return int32(binary.LittleEndian.Uint64(h.Sum(nil)) % uint64(partitions))
}

func kgoHeaders() []kgo.RecordHeader {
	var all []kgo.RecordHeader
	for _, h := range headers() {
		all = append(all, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return all
}

// arena keeps copies of many small slices.
type arena struct{ free []byte }

// copy copies b; nil stays nil.
func (a *arena) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	if cap(a.free)-len(a.free) < len(b) {
		a.free = make([]byte, 0, max(1<<20, len(b)))
	}
	at := len(a.free)
	a.free = append(a.free, b...)
	return a.free[at:len(a.free):len(a.free)]
}

// check compares what was written with what should have been.
func (l *Lab) check(ctx context.Context, in *Input, w contest.Work, out, dead kafka.Topic) error {
	c := in.want[w].Begin()
	var r verify.Record
	err := l.Client.ReadAll(ctx, func(got *kgo.Record) {
		r = verify.Record{Key: got.Key, Value: got.Value, Headers: r.Headers[:0], TimestampMS: got.Timestamp.UnixMilli()}
		for _, h := range got.Headers {
			r.Headers = append(r.Headers, verify.Header{Key: h.Key, Value: h.Value})
		}
		place := verify.Output
		if got.Topic == dead.Name {
			place = verify.DeadLetter
		}
		c.Saw(place, got.Partition, &r)
	}, out, dead)
	if err != nil {
		return err
	}
	return c.End()
}

// complete tells whether all that should be written can be seen by a reader with read_committed.
// exact says that offsets count records alone, which transactions' markers spoil.
func (l *Lab) complete(ctx context.Context, in *Input, w contest.Work, exact bool, topics []kafka.Topic, ends [][]int64) (bool, error) {
	want := in.want[w]
	for place, t := range topics {
		for p := range t.Partitions {
			count := int64(want.Count(verify.Place(place), p))
			if end := ends[place][p]; end < count {
				return false, nil
			} else if exact || count == 0 {
				continue
			}
			key, err := l.Client.LastKey(ctx, t, p, ends[place][p])
			if err != nil || !want.IsLast(verify.Place(place), p, key) {
				return false, err
			}
		}
	}
	return true, nil
}

// total adds up end offsets.
func total(ends [][]int64) (sum int64) {
	for _, e := range slices.Concat(ends...) {
		sum += e
	}
	return sum
}
