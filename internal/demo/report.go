package demo

import (
	"maps"
	"slices"

	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
)

// Report is what a demo found out. Its JSON form is what `enricher demo -o json` prints.
type Report struct {
	In           int64            `json:"in"`  // events consumed by the filter
	Out          int64            `json:"out"` // records that the reader saw on the output topic
	Outcomes     map[string]int64 `json:"outcomes"`
	DeadLettered int64            `json:"dead_lettered"`
	Filtered     int64            `json:"filtered"`
	Routes       map[string]int64 `json:"routes"`
	Conserved    bool             `json:"conserved"`
	ElapsedS     float64          `json:"elapsed_s"`
	EventsPerS   float64          `json:"events_per_s"`
	LatencyMS    Latency          `json:"latency_ms"`
	Retry        *Retry           `json:"retry,omitempty"` // of a demo of the retry loop

	Made    int64             `json:"-"` // events produced by the source
	Codes   []CodeCount       `json:"-"` // most frequent first
	Reasons map[string]int64  `json:"-"` // dead letters
	Samples map[string]string `json:"-"` // one value for each kind of output
	Totals  pipeline.Totals   `json:"-"`
}

// Latency is the time from a record's timestamp until a read_committed reader had its
// output, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// CodeCount is how often a code came.
type CodeCount struct {
	Code  int32
	Count int64
	Entry *catalog.Entry // nil: not in the catalog
}

func (r *run) report() *Report {
	p := r.progress()
	t, made := p.Totals, p.Made
	rep := &Report{
		In: t.In, Out: r.rd.out.Load(), Outcomes: t.Outcomes, DeadLettered: t.Dead, Filtered: t.Filtered, Routes: t.Routes,
		Conserved: made == t.In && t.Conserved() && r.rd.hasSeen(t),
		ElapsedS:  r.took.Seconds(), LatencyMS: r.rd.percentiles(),
		Retry: p.Retry, Made: made, Reasons: t.Reasons, Samples: map[string]string{}, Totals: t,
	}
	if p.Retry != nil {
		rep.Conserved = rep.Conserved && r.loopConserves(p.Retry, t, r.totals(pipeline.Delay))
	}
	if rep.ElapsedS > 0 {
		rep.EventsPerS = float64(t.In) / rep.ElapsedS
	}
	snap := catalog.Default()
	for code, n := range t.Codes {
		e, _ := snap.Lookup(code)
		rep.Codes = append(rep.Codes, CodeCount{code, n, e})
	}
	slices.SortFunc(rep.Codes, func(a, b CodeCount) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return int(a.Code - b.Code)
	})
	r.rd.mu.Lock()
	defer r.rd.mu.Unlock()
	for kind, v := range maps.All(r.rd.samples) {
		rep.Samples[kind] = string(v)
	}
	return rep
}

// loopConserves tells whether each call that entered the loop left it once, in time, and nothing waits but after
// an interruption. What left is counted by the delay role, by the dialer, and by what the dialer could date.
func (r *run) loopConserves(loop *Retry, filter, delay pipeline.Totals) bool {
	var entered, moved int64
	for i := range filter.Tiers {
		entered += filter.Tiers[i].Entered
		moved += delay.Tiers[i].Entered
	}
	all := loop.Redialled == loop.Due && r.dialer.dated() == loop.Due && loop.Early == 0 && delay.Dead == 0 && delay.Conserved()
	return all && (r.interrupted || loop.Waiting == 0 && entered+moved == delay.Retries)
}

func (r *reader) percentiles() Latency {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.latencies) == 0 {
		return Latency{}
	}
	sorted := slices.Clone(r.latencies)
	slices.Sort(sorted)
	at := func(q float64) float64 { return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)] }
	return Latency{P50: at(0.50), P99: at(0.99)}
}
