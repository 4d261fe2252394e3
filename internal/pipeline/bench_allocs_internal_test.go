package pipeline

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker"
)

func TestTallyAllocatesNothing(t *testing.T) {
	results, l, tally := outcomes(t), newLedger(nil), newTally(0, 0)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, res := range results {
			tally.event(res)
			tally.account.Output++
		}
		tally.flush(l, broker.TopicPartition{Topic: "in"}, nil)
	}))
	require.EqualValues(t, 11*len(results), l.Totals().In)
}

func TestQueueChoiceAllocatesNothing(t *testing.T) {
	by := target{queues: make([]*broker.Queue, 12)}
	key := []byte("672b0b3f-e4b9-46e7-8fa9-3b48c7da8683")
	require.Zero(t, testing.AllocsPerRun(10, func() { by.queue(1, key); by.queue(1, nil) }))
}

// What may be allocated. A sender's share is what kafka-go and the decoding of an answer take.
const (
	perThousandEvents = 1.0
	perBatch          = 4.0  // by the worker that seals it or finds no room
	perRequest        = 30.0 // by the sender
)

// TestPathAllocatesNothing: once buffers have grown, a worker allocates less than once for a
// thousand events, and a bounded number of times for a batch; so does a sender for a request.
func TestPathAllocatesNothing(t *testing.T) {
	for _, pc := range pathCases() {
		if pc.broken {
			continue // each dead letter has headers of its own
		}
		t.Run(pc.name, func(t *testing.T) {
			b := newPath(t, pc)
			if raceDetector { // then the path itself is the test
				b.chunk()
				b.drain()
				b.check(1)
				return
			}
			var excess []string
			// How many batches are in use at once is the schedulers' choice, so that the last
			// of them may be made late. Buffers that are not used again show in every round.
			for range 10 {
				if excess = b.round(); len(excess) == 0 {
					break
				}
			}
			require.Empty(t, excess)
		})
	}
}

// round takes some chunks through, and says what has allocated more than it may.
func (b *path) round() (excess []string) {
	const chunks = 16
	requests, batches := b.broker.requests.Load(), b.broker.batches.Load()
	all := recordAllocations(func() {
		for range chunks {
			b.chunk()
		}
		b.drain()
	})
	requests, batches = b.broker.requests.Load()-requests, b.broker.batches.Load()-batches
	for _, part := range []struct {
		name, within string
		except       []string
		most         float64
	}{
		{"for a thousand events", "pipeline.(*worker).chunk", perBatchCalls(), perThousandEvents * float64(chunks*b.events) / 1000},
		{"for a batch, by the worker", "pipeline.(*worker).chunk", nil, perThousandEvents*float64(chunks*b.events)/1000 + perBatch*float64(batches)},
		{"for a request", "broker.(*sender).round", nil, perRequest * float64(requests)},
	} {
		if n, where := all.within(part.within, part.except...); float64(n) > part.most {
			excess = append(excess, fmt.Sprintf("%s: %d, at most %.0f (%d events, %d batches, %d requests)\n%s", part.name, n, part.most, chunks*b.events, batches, requests, where))
		}
	}
	return excess
}

// perBatchCalls are what a worker does once for each batch, not for each event.
func perBatchCalls() []string {
	return []string{"broker.(*Queue).rotate", "broker.(*Producer).enqueue"}
}

// allocations are where memory was allocated, with the functions that led there.
type allocations map[[32]uintptr]int64

// recordAllocations lists every allocation while f runs, of all goroutines.
func recordAllocations(f func()) allocations {
	rate := runtime.MemProfileRate
	gc := debug.SetGCPercent(-1) // a collection empties the libraries' pools
	defer func() {
		runtime.MemProfileRate = rate
		debug.SetGCPercent(gc)
	}()
	runtime.MemProfileRate = 1
	before := profiled()
	f()
	after := profiled()
	for at, n := range before {
		after[at] -= n
	}
	return after
}

// profiled reads the profile, which tells of allocations once a collection has followed.
func profiled() allocations {
	runtime.GC()
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 0)
	n, ok := runtime.MemProfile(nil, true)
	for !ok {
		records = make([]runtime.MemProfileRecord, n+100)
		n, ok = runtime.MemProfile(records, true)
	}
	out := allocations{}
	for _, r := range records[:n] {
		out[r.Stack0] += r.AllocObjects
	}
	return out
}

// within counts those that were made in a call of a function whose name ends like this, but not
// in one of the others, and says where, a line for each way there.
func (a allocations) within(caller string, except ...string) (total int64, where string) {
	var lines []string
	for stack, n := range a {
		if way, ok := wayTo(stack, caller, except); ok && n > 0 {
			total += n
			lines = append(lines, fmt.Sprintf("%6d %s\n", n, way))
		}
	}
	slices.Sort(lines)
	return total, strings.Join(lines, "")
}

// wayTo lists the calls from where memory was allocated up to caller; false if they do not
// lead there, or by way of one of the others.
func wayTo(stack [32]uintptr, caller string, except []string) (string, bool) {
	record := runtime.MemProfileRecord{Stack0: stack}
	var way []string
	for frames := runtime.CallersFrames(record.Stack()); ; {
		f, more := frames.Next()
		way = append(way, fmt.Sprintf("%s:%d", f.File[strings.LastIndexByte(f.File, '/')+1:], f.Line))
		switch {
		case strings.HasSuffix(f.Function, caller):
			return strings.Join(way, " < "), true
		case !more, slices.ContainsFunc(except, func(e string) bool { return strings.HasSuffix(f.Function, e) }):
			return "", false
		}
	}
}
