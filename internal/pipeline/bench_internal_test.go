package pipeline

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// pathCase is one way to run the data path.
type pathCase struct {
	name     string
	codec    recordbatch.Codec // of what is read and what is written
	perBatch int               // records in a batch that is read
	outputs  int32             // partitions of the output topic; the input has one
	routes   int
	broken   bool // malformed events among them, as life has them: five in a thousand
	static   bool // only what depends on the code alone is written, as in the benchmark beside others
	large    bool // more input than caches hold, with two headers on each record
}

func pathCases() []pathCase {
	const usual = 200
	cases := []pathCase{}
	for _, c := range []recordbatch.Codec{recordbatch.None, recordbatch.LZ4, recordbatch.Zstd, recordbatch.Snappy, recordbatch.Gzip} {
		cases = append(cases, pathCase{name: c.String(), codec: c, perBatch: usual, outputs: 1})
	}
	return append(cases,
		pathCase{name: "small_batches", perBatch: 10, outputs: 1},
		pathCase{name: "by_key_to_12", perBatch: usual, outputs: 12},
		pathCase{name: "by_key_to_256", perBatch: usual, outputs: 256},
		pathCase{name: "routes=1", perBatch: usual, outputs: 1, routes: 1},
		pathCase{name: "routes=8", perBatch: usual, outputs: 1, routes: 8},
		pathCase{name: "broken", perBatch: usual, outputs: 1, broken: true},
		pathCase{name: "large", perBatch: usual, outputs: 1, large: true},
		pathCase{name: "large_static", perBatch: usual, outputs: 1, large: true, static: true},
	)
}

// path is a worker with all that is behind it, up to the connections of a memoryBroker.
type path struct {
	tb     testing.TB
	p      *Pipeline
	w      *worker
	broker *memoryBroker
	input  []byte // what a fetch brought: whole batches
	events int64  // in input
	handed int64  // records that have gone to topics
	ctx    context.Context
}

// fetched is how much a chunk has, the default of limits.fetch_bytes.
const fetched = 1 << 20

func newPath(tb testing.TB, pc pathCase) *path {
	tb.Helper()
	ctx, stop := context.WithCancel(tb.Context())
	cfg := Config{
		Topics: []string{"in"}, Output: "out", DeadLetter: "dead", Codec: pc.codec,
		FetchBytes: fetched, BatchBytes: 512 << 10, BufferBytes: 64 << 20, Linger: 2 * time.Millisecond, // the defaults of limits
	}
	mb := &memoryBroker{partitions: map[string]int32{"in": 1, "out": pc.outputs, "dead": 1}}
	for i, rule := range routeRules()[:pc.routes] {
		m, err := route.Compile(rule)
		require.NoError(tb, err)
		topic := fmt.Sprintf("route-%d", i)
		cfg.Routes = append(cfg.Routes, Route{Name: topic, Match: m, Topic: topic})
		mb.partitions[topic] = 1
	}
	client := broker.NewClient(broker.Config{Brokers: []string{"memory:9092"}, ClientID: "bench", Topics: cfg.AllTopics(), Dial: mb.dial})
	opt := enrich.DefaultOptions()
	if pc.static {
		opt.Fields = []string{"code", "known", "name", "sources", "fault", "retry.class", "retry.auto", "catalog"}
		opt.Headers, opt.WrittenOnly = []string{"hangup-code"}, true
	}
	e, err := enrich.New(catalog.Default(), opt)
	require.NoError(tb, err)
	cfg.Enricher = e
	p := New(cfg, client, zap.NewNop())
	require.NoError(tb, p.prepare(ctx))
	sent := make(chan error, 1)
	go func() { sent <- p.producer.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		require.NoError(tb, <-sent)
		client.Close()
	})
	part := &partition{TopicPartition: broker.TopicPartition{Topic: "in"}}
	b := &path{tb: tb, p: p, w: newWorker(&session{p: p, fetch: ctx, work: ctx}, part), broker: mb, ctx: ctx}
	b.input, b.events = fetchedBatches(tb, pc)
	return b
}

// routeRules are some that people write.
func routeRules() []route.Rule {
	yes, no := true, false
	return []route.Rule{
		{Retryable: &yes},
		{Flags: []string{"suppress_destination"}},
		{Outcomes: []string{"unknown_code"}},
		{Faults: []string{"account", "app_config"}, Directions: []string{"outbound"}},
		{Codes: []route.CodeRange{{From: 3080, To: 3099}, {From: 9000, To: 9199}}},
		{Classes: []string{"long_delay", "short_delay"}, Retryable: &no},
		{Sources: []string{"carrier"}, Outcomes: []string{"enriched"}},
		{Codes: []route.CodeRange{{From: 4010, To: 4010}}, Directions: []string{"inbound"}},
	}
}

// fetchedBatches are events as life mixes them, in batches as a broker sends them.
func fetchedBatches(tb testing.TB, pc pathCase) (raw []byte, events int64) {
	tb.Helper()
	g, build, c := eventgen.New(1, catalog.Default().Entries()), recordbatch.NewBuilder(), recordbatch.NewCompressor()
	headers, want := []byte{0}, fetched
	if pc.large {
		want = 64 << 20
		headers = append([]byte{2 * 2, 2 * 6}, "source\x10webhooks"...)
		headers = append(append(headers, 2*8), "trace-id\x40"+strings.Repeat("0a1b", 8)...)
	}
	for size := 0; size < want; {
		base := events
		for build.Reset(); build.Len() < pc.perBatch; {
			ev := g.Next()
			if ev.Kind == eventgen.Broken && !pc.broken {
				continue
			}
			build.Append(1_700_000_000_000+events, ev.Key, [3][]byte{ev.Value}, headers, nil, nil)
			events++
		}
		size += build.RawSize()
		require.NoError(tb, build.Seal(c, pc.codec))
		build.Stamp(false, -1, -1, -1)
		batch := bytes.Clone(build.Bytes())
		binary.BigEndian.PutUint64(batch, uint64(base)) // the offset, which the broker sets and no checksum covers
		raw = append(raw, batch...)
	}
	return raw, events
}

// chunk takes the whole input through the worker once, as if it were new.
func (b *path) chunk() {
	b.w.part.position = 0
	if err := b.w.chunk(&chunk{records: b.input}); err != nil {
		b.tb.Fatal(err)
	}
	b.w.flush()
}

// drain waits until all that was handed over is acknowledged.
func (b *path) drain() {
	b.tb.Helper()
	require.NoError(b.tb, b.p.producer.Drained(b.ctx, b.p.producer.Cut()))
}

// check holds the ledger, and what the broker has taken, against the number of chunks: a path
// that loses events is a fast one.
func (b *path) check(chunks int64) {
	b.tb.Helper()
	totals := b.p.Ledger.Totals()
	require.Equal(b.tb, chunks*b.events, totals.In)
	require.True(b.tb, totals.Conserved(), totals)
	b.handed = totals.Output + totals.Dead
	for _, n := range totals.Routes {
		b.handed += n
	}
	require.Equal(b.tb, b.handed, b.broker.records.Load())
}

// BenchmarkPath is the whole data path but for the network and the kernel: the bytes of a fetch
// answer are split, unpacked, decoded, enriched, routed, appended, sealed, and written as Produce
// requests to a connection that takes them from where they are.
//
// ns/event is the time on the clock, during which worker and sender run beside each other;
// cpu-ns/event is the processor's time of the whole test process, garbage collection included,
// which also a busy machine says rightly. Allocations are those of the whole process.
func BenchmarkPath(b *testing.B) {
	for _, pc := range pathCases() {
		b.Run(pc.name, func(b *testing.B) {
			bench := newPath(b, pc)
			for range 4 { // buffers grow
				bench.chunk()
			}
			bench.drain()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			chunks, requests, wire, cpu := int64(0), bench.broker.requests.Load(), bench.broker.bytes.Load(), processorTime(b)
			for b.Loop() {
				bench.chunk()
				chunks++
			}
			bench.drain()
			cpu = processorTime(b) - cpu
			runtime.ReadMemStats(&after)
			bench.check(chunks + 4)
			events := float64(chunks * bench.events)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.Elapsed())/events, "ns/event")
			b.ReportMetric(float64(cpu)/events, "cpu-ns/event")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/events, "allocs/event")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/events, "B/event")
			b.ReportMetric(float64(bench.broker.bytes.Load()-wire)/events, "wire-B/event")
			b.ReportMetric(events/float64(bench.broker.requests.Load()-requests), "events/request")
		})
	}
}

// processorTime is what the process has had so far, of all its threads.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkQueueChoice is the choice of an output partition, murmur2 of a key included.
func BenchmarkQueueChoice(b *testing.B) {
	key := []byte("672b0b3f-e4b9-46e7-8fa9-3b48c7da8683")
	for _, bc := range []struct {
		name string
		t    target
		key  []byte
	}{
		{"by_number", target{queues: make([]*broker.Queue, 12), byNumber: true}, key},
		{"by_key", target{queues: make([]*broker.Queue, 12)}, key},
		{"by_short_key", target{queues: make([]*broker.Queue, 12)}, key[:7]},
		{"no_key", target{queues: make([]*broker.Queue, 12)}, nil},
	} {
		b.Run(bc.name, func(b *testing.B) {
			for b.Loop() {
				bc.t.queue(3, bc.key)
			}
		})
	}
}

// outcomes are results of events as life mixes them.
func outcomes(tb testing.TB) []*enrich.Result {
	tb.Helper()
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(tb, err)
	g, out := eventgen.New(1, catalog.Default().Entries()), make([]*enrich.Result, 1000)
	for i := range out {
		out[i] = new(enrich.Result)
		e.Enrich(&enrich.Record{Value: g.Next().Value, TimestampMS: 1}, out[i])
	}
	return out
}

// BenchmarkTally is the count of an event, and of a chunk of a thousand into the ledger.
func BenchmarkTally(b *testing.B) {
	results, l := outcomes(b), newLedger(nil)
	b.Run("event", func(b *testing.B) {
		t := newTally(0, 0)
		for i := 0; b.Loop(); i++ {
			t.event(results[i%len(results)])
		}
	})
	b.Run("flush", func(b *testing.B) {
		t := newTally(0, 0)
		b.ReportAllocs()
		for b.Loop() {
			for _, res := range results {
				t.event(res)
			}
			t.flush(l, broker.TopicPartition{Topic: "in"}, nil)
		}
	})
}
