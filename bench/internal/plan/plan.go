// Package plan is what the benchmark measures: its parts, each a sequence of steps, and how many events and
// rounds each has.
package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Names of the parts, in the order in which they run.
const (
	Throughput  = "throughput"
	Sizes       = "sizes"
	Latency     = "latency"
	Startup     = "startup"
	Partitions  = "partitions"
	Processes   = "processes"
	Backlog     = "backlog"
	Allocations = "allocations"
	Pipe        = "pipe"
	Micro       = "micro"
)

// Parts are all parts.
func Parts() []string {
	return []string{Throughput, Sizes, Latency, Startup, Partitions, Processes, Backlog, Allocations, Pipe, Micro}
}

// Size says how much is done.
type Size struct {
	Seed      uint64
	MeanBytes int
	Inputs    int32 // partitions of topics, where the part is not about their number

	Rounds int      // of throughput and of what goes into its ratios
	Codecs []string // of throughput
	Fast   int64    // events of a run
	Long   int64    // events of a run of a contestant that warms up
	WarmUp int64    // of them do not count

	ByBytes []Bytes // of sizes

	Rates      []int // events/s, of latency
	Warm, Last time.Duration
	Offered    float64 // the share of a rate that has to be sent for its figures to count
	// LatencyWarmUp is how long those that warm up get the highest rate before the first.
	LatencyWarmUp time.Duration

	Start int64 // events of startup

	Partitions      []int32
	Processes       []int
	ProcessesInputs int32 // partitions
	FewRounds       int   // of all other parts

	Backlog    int64
	Pipe       int64 // lines
	MicroTime  time.Duration
	RunLimit   time.Duration // of one run
	SettleTime time.Duration
}

// Bytes is a size of events, and how many of them a run has.
type Bytes struct {
	Mean   int
	Events int64
}

// Whole is the benchmark. It takes some 55 minutes on two cores.
func Whole(rounds int) Size {
	return Size{
		Seed: 1, MeanBytes: 581, Inputs: 4,
		Rounds: rounds, Codecs: []string{"none", "lz4", "zstd"}, Fast: 1_000_000, Long: 4_000_000, WarmUp: 2_000_000,
		ByBytes: []Bytes{{300, 500_000}, {600, 500_000}, {2_000, 300_000}, {10_000, 80_000}},
		Rates:   []int{1_000, 10_000, 50_000}, Warm: time.Second / 2, Last: 3 * time.Second, Offered: 0.99, LatencyWarmUp: 10 * time.Second,
		Start:      20_000,
		Partitions: []int32{1, 4, 16, 64, 256}, Processes: []int{1, 2, 3}, ProcessesInputs: 12, FewRounds: min(rounds, 3),
		Backlog: 10_000_000, Pipe: 200_000, MicroTime: 300 * time.Millisecond,
		RunLimit: 3 * time.Minute, SettleTime: 5 * time.Second,
	}
}

// Smoke is everything once and small: to see that it works, not how fast.
func Smoke() Size {
	return Size{
		Seed: 1, MeanBytes: 581, Inputs: 4,
		Rounds: 1, Codecs: []string{"lz4"}, Fast: 20_000, Long: 20_000, WarmUp: 5_000,
		ByBytes: []Bytes{{10_000, 1_000}},
		Rates:   []int{1_000}, Warm: time.Second / 4, Last: time.Second / 2, LatencyWarmUp: time.Second / 2,
		Start:      2_000,
		Partitions: []int32{16}, Processes: []int{2}, ProcessesInputs: 4, FewRounds: 1,
		Backlog: 50_000, Pipe: 20_000, MicroTime: 10 * time.Millisecond,
		RunLimit: 90 * time.Second,
	}
}

// Choose checks a list of parts, separated by commas. Empty means all.
func Choose(list string) ([]string, error) {
	if list == "" {
		return Parts(), nil
	}
	var chosen []string
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(Parts(), name) {
			return nil, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(Parts(), ", "))
		}
		chosen = append(chosen, name)
	}
	return chosen, nil
}
