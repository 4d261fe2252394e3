package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/pipeline"
)

// topicNames are the topics that a demo needs.
type topicNames struct {
	in, out, dead string
	routes        map[string]string // route name → topic
	loop          []string          // of the retry loop: not read here
}

func topicsOf(cfg *config.Config) topicNames {
	t := topicNames{in: cfg.Input.Topics[0], out: cfg.Output.Topic, dead: cfg.DeadLetter.Topic, routes: map[string]string{}}
	for _, r := range cfg.Routes {
		t.routes[r.Name] = r.Topic
	}
	if loop := &cfg.Retry; loop.On() {
		t.loop = []string{loop.Due, loop.GaveUp, loop.Cancel.Topic}
		for _, tier := range loop.Tiers {
			t.loop = append(t.loop, tier.Topic)
		}
	}
	return t
}

func (t topicNames) all() []string {
	all := slices.AppendSeq(append([]string{t.in, t.out, t.dead}, t.loop...), maps.Values(t.routes))
	slices.Sort(all)
	return slices.Compact(all)
}

// reader is an independent consumer of everything that the filter writes; it sees only what
// is committed.
type reader struct {
	client *kgo.Client
	topics topicNames
	out    atomic.Int64

	mu        sync.Mutex
	seen      map[string]int64 // records by topic
	latencies []float64        // milliseconds from a record's timestamp until it was read, on the output topic
	samples   map[string][]byte
	last      time.Time
}

func newReader(brokers []string, topics topicNames) (*reader, error) {
	outputs := slices.DeleteFunc(topics.all(), func(t string) bool { return t == topics.in || slices.Contains(topics.loop, t) })
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(outputs...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond)) // short, for the latency figure
	if err != nil {
		return nil, fmt.Errorf("make the reader: %w", err)
	}
	return &reader{client: cl, topics: topics, seen: map[string]int64{}, samples: map[string][]byte{}, last: time.Now()}, nil
}

func (r *reader) close() { r.client.Close() }

func (r *reader) run(ctx context.Context) error {
	for ctx.Err() == nil {
		fs := r.client.PollFetches(ctx)
		if err := fs.Err(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("read what came out: %w", err)
		}
		now := time.Now()
		r.mu.Lock()
		fs.EachRecord(func(rec *kgo.Record) { r.take(rec, now) })
		r.mu.Unlock()
	}
	return nil
}

// maxLatencies bounds the sample that percentiles are taken from: every record until then,
// later ones replace earlier ones in turn.
const maxLatencies = 1 << 18

func (r *reader) take(rec *kgo.Record, now time.Time) {
	r.seen[rec.Topic]++
	r.last = now
	if rec.Topic != r.topics.out {
		return
	}
	r.out.Add(1)
	ms := max(float64(now.Sub(rec.Timestamp).Microseconds())/1000, 0) // µs to ms
	if len(r.latencies) < maxLatencies {
		r.latencies = append(r.latencies, ms)
	} else {
		r.latencies[r.seen[rec.Topic]%maxLatencies] = ms
	}
	kind := sampleKind(rec)
	if _, ok := r.samples[kind]; !ok && kind != "" && len(rec.Value) > 0 {
		r.samples[kind] = slices.Clone(rec.Value)
	}
}

// sampleKind groups events by what is worth showing one of; "": this one is no good example.
func sampleKind(rec *kgo.Record) string {
	var code, retryable string
	for _, h := range rec.Headers {
		switch h.Key {
		case "hangup-code":
			code = string(h.Value)
		case "hangup-retryable":
			retryable = string(h.Value)
		}
	}
	switch {
	case retryable == "":
		return "passed through"
	case retryable == "true":
		return "to be retried"
	case code == "4000" && !talked(rec.Value): // it rang, and one side gave up
		return ""
	case code == "4000":
		return "ended normally"
	default:
		return "not to be retried"
	}
}

// talked tells whether a call was billed for some time, in a callback or in a record.
func talked(event []byte) bool {
	for _, seconds := range gjson.GetManyBytes(event, "BillDuration", "bill_duration") {
		if seconds.Int() > 0 {
			return true
		}
	}
	return false
}

// hasSeen tells whether everything that the filter says it wrote has been read.
func (r *reader) hasSeen(t pipeline.Totals) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	want := map[string]int64{r.topics.out: t.Output}
	want[r.topics.dead] += t.Dead
	for name, n := range t.Routes {
		want[r.topics.routes[name]] += n
	}
	for topic, n := range want {
		if r.seen[topic] != n {
			return false
		}
	}
	return true
}

func (r *reader) lastSeen() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}
