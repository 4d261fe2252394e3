// Package result is what a benchmark gives: the raw figures of each run, where they were measured, and who took
// part. It is written as docs/benchmarks.json, from which the report can be made again.
package result

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/callstream/enricher/bench/internal/measure"
)

// Result is one benchmark.
type Result struct {
	Began    time.Time    `json:"began"`
	Took     float64      `json:"took_s"`
	Command  string       `json:"command"`
	Revision string       `json:"revision"` // of the enricher
	Rounds   int          `json:"rounds"`
	Machine  Machine      `json:"machine"`
	Versions []Named      `json:"versions"`
	Broker   []Named      `json:"broker_settings"`
	Config   string       `json:"enricher_config"` // of a run of the enricher
	Fields   []string     `json:"fields"`
	Who      []Contestant `json:"contestants"`
	Runs     []Run        `json:"runs"`
	Troubles []Trouble    `json:"troubles,omitempty"`
	Loads    []Load       `json:"inputs"`
}

// Machine is what everything ran on.
type Machine struct {
	Cores    int    `json:"cores"`
	Model    string `json:"model"`
	MemoryGB int    `json:"memory_gb"`
	Kernel   string `json:"kernel"`
	Logs     string `json:"logs"` // file system of the broker's logs
}

// Named is a name and what it stands for.
type Named struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Contestant is one that was to take part.
type Contestant struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Version  string `json:"version"`
	Settings string `json:"settings"`
	Skipped  string `json:"skipped,omitempty"` // why it could not
	Failed   string `json:"failed,omitempty"`  // why it could not be built
}

// Load is a topic, or file, of events.
type Load struct {
	Part        string `json:"part"`
	Case        string `json:"case"`
	Events      int64  `json:"events"`
	Bytes       int64  `json:"bytes"` // of values
	Compression string `json:"compression"`
	Partitions  int32  `json:"partitions"`
	Seed        uint64 `json:"seed"`
}

// Run is one run of one contestant: its figures, or why it failed.
type Run struct {
	Part       string             `json:"part"`
	Case       string             `json:"case"` // such as the codec
	Contestant string             `json:"contestant"`
	Round      int                `json:"round"` // from 1
	Values     map[string]float64 `json:"values,omitempty"`
	Samples    []Sample           `json:"samples,omitempty"`
	Failure    string             `json:"failure,omitempty"`
}

// Trouble is a step that failed: one that was mended by a second try, or a preparation, without which others cannot run.
type Trouble struct {
	Step    string `json:"step"`
	Failure string `json:"failure"`
	Mended  bool   `json:"mended"`
}

// Sample is one moment of a run.
type Sample struct {
	At   float64 `json:"at_s"`
	Done int64   `json:"done"`
	RSS  int64   `json:"rss_bytes"`
}

// Names of values. All times are in seconds, all sizes in bytes, but where the name says something else.
const (
	Events      = "events"
	Wall        = "wall_s"
	CPU         = "cpu_s"
	PerMillion  = "cpu_s_per_million"
	Rate        = "events_per_s"
	Counted     = "counted_events"         // those after the warm-up, to which the times belong; all, where there is none
	Cold        = "cold_cpu_s_per_million" // of the warm-up
	PeakRSS     = "peak_rss"
	Sent        = "sent_per_event"
	Received    = "received_per_event"
	Connections = "connections"
	Start       = "start_s"
	StartCPU    = "start_cpu_s"
	FirstOut    = "first_out_s" // from the start to the first output that a reader can see
	Busy        = "machine_busy"
	Stolen      = "machine_stolen"
	P50         = "p50_ms"
	P99         = "p99_ms"
	P999        = "p999_ms"
	MaxLatency  = "max_ms"
	Offered     = "offered_per_s" // events/s that were really sent
	Allocations = "allocations_per_event"
)

// Key picks runs.
type Key struct{ Part, Case, Contestant string }

// Values are one value of all rounds that did not fail, by round.
func (r *Result) Values(k Key, name string) map[int]float64 {
	all := map[int]float64{}
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Part != k.Part || run.Case != k.Case || run.Contestant != k.Contestant || run.Failure != "" {
			continue
		}
		if v, ok := run.Values[name]; ok {
			all[run.Round] = v
		}
	}
	return all
}

// Summary is one value over all rounds.
func (r *Result) Summary(k Key, name string) measure.Range {
	var all []float64
	for _, v := range r.Values(k, name) {
		all = append(all, v)
	}
	return measure.Summary(all)
}

// Failures are the reasons why runs failed.
func (r *Result) Failures(k Key) (reasons []string) {
	for i := range r.Runs {
		if run := &r.Runs[i]; run.Part == k.Part && run.Case == k.Case && run.Contestant == k.Contestant && run.Failure != "" {
			reasons = append(reasons, run.Failure)
		}
	}
	return reasons
}

// Failed tells whether any contestant or preparation failed. To be skipped is no failure, nor is what a second try mended.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Runs, func(run Run) bool { return run.Failure != "" }) ||
		slices.ContainsFunc(r.Who, func(c Contestant) bool { return c.Failed != "" }) ||
		slices.ContainsFunc(r.Troubles, func(t Trouble) bool { return !t.Mended })
}

// Cases are the cases of a part in which there are runs, in the order in which they came.
func (r *Result) Cases(part string) (cases []string) {
	for i := range r.Runs {
		if run := &r.Runs[i]; run.Part == part && !slices.Contains(cases, run.Case) {
			cases = append(cases, run.Case)
		}
	}
	return cases
}

// Contestants are those of a part, in the order of Who.
func (r *Result) Contestants(part string) (all []Contestant) {
	for _, c := range r.Who {
		if slices.ContainsFunc(r.Runs, func(run Run) bool { return run.Part == part && run.Contestant == c.ID }) {
			all = append(all, c)
		}
	}
	return all
}

// Add adds a run. One with a figure that is not a number has failed: JSON has no word for such, and nobody a use.
func (r *Result) Add(run Run) {
	for _, name := range slices.Sorted(maps.Keys(run.Values)) {
		if v := run.Values[name]; run.Failure == "" && (math.IsNaN(v) || math.IsInf(v, 0)) {
			run.Failure = fmt.Sprintf("its %s is %v", name, v)
		}
	}
	if run.Failure != "" {
		run.Values, run.Samples = nil, nil
	}
	r.Runs = append(r.Runs, run)
}

// Write writes the result to a file.
func (r *Result) Write(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// Read reads what Write wrote.
func Read(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read results in %s: %w", path, err)
	}
	return &r, nil
}
