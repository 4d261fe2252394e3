package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// sized is a result whose figures are easy to reckon with: 2 CPU-seconds per million, 400,000 events/s of one partition, 100 B in
// and 200 B out for each event.
func sized() *result.Result {
	r := &result.Result{Rounds: 1, Who: []result.Contestant{{ID: plan.EnricherEO, Title: "enricher"}, {ID: plan.FranzEO, Title: "franz-go"}}}
	add := func(part, kase, who string, values map[string]float64) {
		r.Runs = append(r.Runs, result.Run{Part: part, Case: kase, Contestant: who, Round: 1, Values: values})
	}
	add(plan.Throughput, "none", plan.EnricherEO, map[string]float64{result.PerMillion: 1})
	add(plan.Throughput, "lz4", plan.EnricherEO, map[string]float64{result.PerMillion: 2, result.Rate: 500_000, result.Received: 100, result.Sent: 200})
	add(plan.Throughput, "lz4", plan.FranzEO, map[string]float64{result.PerMillion: 3.6})
	add(plan.Partitions, "1", plan.EnricherEO, map[string]float64{result.PerMillion: 1, result.Rate: 400_000})
	add(plan.Partitions, "4", plan.EnricherEO, map[string]float64{result.PerMillion: 2, result.PeakRSS: 50 * mebibyte, result.Connections: 5})
	add(plan.Processes, "1", plan.EnricherEO, map[string]float64{result.PerMillion: 1})
	add(plan.Processes, "3", plan.EnricherEO, map[string]float64{result.PerMillion: 1.1, result.Connections: 15})
	add(plan.Sizes, "300", plan.EnricherEO, map[string]float64{result.PerMillion: 1})
	add(plan.Sizes, "600", plan.EnricherEO, map[string]float64{result.PerMillion: 1.3})
	add(plan.Sizes, "2000", plan.EnricherEO, map[string]float64{result.PerMillion: 2.7})
	add(plan.Backlog, "10000000", plan.EnricherEO, map[string]float64{result.PerMillion: 2, result.Rate: 625_000, result.Wall: 16, result.PeakRSS: 60 * mebibyte})
	add(plan.Startup, "", plan.EnricherEO, map[string]float64{result.FirstOut: 0.3, result.StartCPU: 0.05})
	return r
}

func TestScaling(t *testing.T) {
	text := Scaling(sized())
	for _, line := range []string{
		"| 1 | 1.00 | 0.50 | 400,000 | – | – |", // against 4
		"| 4 | 2.00 | 1.00 | – | 50.0 | 5 |",
		"| 3 | 1.10 | – | – | 15 |",
		"| backlog of 10,000,000 events, LZ4: events/s of one process | 625,000 |",
		"| start: from the process's start to its first output that a reader sees, ms | 300 |",
		"One core does 500,000 events/s",
		"| CPU-s per million, 3 processes on 12 partitions: as one on 4 | 1.00 | 1.10 | +10 % |",
		"on the line through 300 and 600 B | 2.70 | 2.70 | +0 % |",
		"| seconds for the backlog: at the rate of short runs | 20.0 | 16.0 | -20 % |",
		// 1e4: 0.02 of a core, so the least there may be. 6 MB/s of 300 that three brokers take.
		"| 10,000 | 2 | 4 | 4 | 1.00 | 2.00 | 6.00 | 3 | 20 | 40 | nothing (brokers' disks at 2 %) |",
		// 1e6: 2 cores of 2.4; 600 MB/s to disks.
		"| 1,000,000 | 2 | 4 | 5 | 100 | 200 | 600 | 6 | 20 | 50 | brokers' disks (2.00 times what there is) |",
		// 1e7: 20 cores, of which a process gives 1.2.
		"| 10,000,000 | 17 | 34 | 50 | 1,000 | 2,000 | 6,000 | 60 | 170 | 500 | brokers' disks (20.0 times what there is) |",
		"| enricher | 0.56 |",
		"| franz-go | 1.00 |",
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "%!")
}

// A run that was not whole gives no model made of nothing.
func TestScalingUnknown(t *testing.T) {
	text := Scaling(&result.Result{})
	require.Contains(t, text, "This run lacks figures that the model needs")
	require.NotContains(t, text, "NaN")
	require.NotContains(t, text, "%!")

	r := sized()
	for i := range r.Runs {
		if r.Runs[i].Part == plan.Partitions {
			r.Runs[i].Failure = "broke"
		}
	}
	text = Scaling(r)
	require.Contains(t, text, "| 4 | failed | – | failed | failed | – |")
	require.Contains(t, text, "This run lacks figures that the model needs")
}

// What is full first depends on the figures.
func TestSaturates(t *testing.T) {
	require.Equal(t, "the processes' cores (4.17 times what there is)", saturates(&capacity{cpu: 1e-5, sent: 1}, 1e6))
	require.Equal(t, "nothing (the processes' cores at 42 %)", saturates(&capacity{cpu: 1e-6, sent: 1}, 1e6))
}
