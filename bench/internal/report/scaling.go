package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// Scaling writes docs/scaling.md: what was measured about partitions, processes, a backlog and the start, and a capacity model
// that is fed by it. All of it is about exactly_once, which is the default.
func Scaling(r *result.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by %s; do not edit. The raw figures are in benchmarks.json. -->

# Scaling

What more partitions, more processes and a backlog cost, and a capacity model for sizing before anything is bought. The figures are those of one machine, of
the run of %s that [benchmarks.md](benchmarks.md) describes: %d cores, with the broker on the same ones. So events/s are those of a
machine that is full, and CPU per event is what carries over. Measure your own events (%[1]s) before relying on it. Exactly once throughout, since that is the default.
`, "`make bench`", r.Began.Format("2 January 2006"), r.Machine.Cores)
	for _, section := range []func(*strings.Builder, *result.Result){growing, waiting, model} {
		section(&b, r)
	}
	return b.String()
}

// eo is the enricher with exactly_once in a part.
func eo(part, kase string) result.Key {
	return result.Key{Part: part, Case: kase, Contestant: plan.EnricherEO}
}

// growing is more partitions and more processes.
func growing(b *strings.Builder, r *result.Result) {
	b.WriteString("\n## Partitions and processes\n\nThe same events, uncompressed, in more and more partitions, one process:\n\n")
	t := newTable("partitions", "CPU-s per million", "against 4", "events/s", "peak RSS, MiB", "connections")
	for _, n := range r.Cases(plan.Partitions) {
		k := eo(plan.Partitions, n)
		t.row(n, cell(r, k, result.PerMillion, 1), spanned(across(r, plan.EnricherEO, n, "4")), cell(r, k, result.Rate, 1), cell(r, k, result.PeakRSS, mebibyte), count(r, k, result.Connections))
	}
	b.WriteString(t.String())
	b.WriteString("\nTwelve partitions, shared by more and more processes of one group (CPU of all, memory of the largest):\n\n")
	t = newTable("processes", "CPU-s per million", "events/s", "peak RSS of one, MiB", "connections of all")
	for _, n := range r.Cases(plan.Processes) {
		k := eo(plan.Processes, n)
		t.row(n, cell(r, k, result.PerMillion, 1), cell(r, k, result.Rate, 1), cell(r, k, result.PeakRSS, mebibyte), count(r, k, result.Connections))
	}
	b.WriteString(t.String())
}

// count is a median of what is counted; "–" if there is none.
func count(r *result.Result, k result.Key, name string) string {
	v := r.Summary(k, name)
	if v.N == 0 {
		return "–"
	}
	return thousands(int64(math.Round(v.Median)))
}

// waiting is a backlog, and the start.
func waiting(b *strings.Builder, r *result.Result) {
	b.WriteString("\n## Backlog and start\n\n")
	t := newTable("figure", "value")
	for _, kase := range r.Cases(plan.Backlog) {
		k, events := eo(plan.Backlog, kase), kase
		if n, err := strconv.ParseInt(kase, 10, 64); err == nil {
			events = thousands(n)
		}
		t.row("backlog of "+events+" events, LZ4: events/s of one process", cell(r, k, result.Rate, 1))
		t.row("the same: seconds until it is caught up", cell(r, k, result.Wall, 1))
		t.row("the same: CPU-seconds per million", cell(r, k, result.PerMillion, 1))
		t.row("the same: peak RSS, MiB", cell(r, k, result.PeakRSS, mebibyte))
	}
	k := eo(plan.Startup, "")
	t.row("start: from the process's start to its first output that a reader sees, ms", cell(r, k, result.FirstOut, millisecond))
	t.row("start: CPU until it begins to work, ms", cell(r, k, result.StartCPU, millisecond))
	b.WriteString(t.String())
	b.WriteString(`
A backlog of *N* events with *R* more coming each second is caught up after *N* ÷ (what all processes can do − *R*) seconds. At 60 % use, an outage takes one and a
half times its own length to catch up. How memory went during the backlog stands in [benchmarks.md](benchmarks.md).
`)
}

// capacity is what the model is fed with. All is of medians.
type capacity struct {
	cpu       float64 // CPU-seconds for an event, LZ4
	partition float64 // events/s
	received  float64 // B for an event, LZ4
	sent      float64
}

func capacityOf(r *result.Result) (c capacity, ok bool) {
	k := eo(plan.Throughput, "lz4")
	values := []measure.Range{r.Summary(k, result.PerMillion), r.Summary(eo(plan.Partitions, "1"), result.Rate), r.Summary(k, result.Received), r.Summary(k, result.Sent)}
	for _, v := range values {
		if v.N == 0 || v.Median <= 0 {
			return capacity{}, false
		}
	}
	return capacity{cpu: values[0].Median / 1e6, partition: values[1].Median, received: values[2].Median, sent: values[3].Median}, true
}

// Assumptions of the model. They are not measured.
const (
	coresEach   = 2
	used        = 0.6
	replication = 3
	brokerBytes = 100e6 // written to disk by one broker each second
	commitEvery = 0.1   // seconds
	leastOf     = 2     // processes
	leastBroker = 3
)

func model(b *strings.Builder, r *result.Result) {
	c, ok := capacityOf(r)
	if !ok {
		b.WriteString("\n## Model\n\nThis run lacks figures that the model needs: throughput with LZ4, and one partition.\n")
		return
	}
	fmt.Fprintf(b, `
## Model

For *R* events/s, with %d cores given to each process, %.0f %% of them to be used (so that a third of the processes may fail), and *B* brokers:

- processes = *R* × CPU per event ÷ (cores × use), and at least %d. One core does %s events/s with LZ4 in and out.
- partitions = the larger of 2 × processes (so that work divides evenly after a failure) and *R* ÷ half of what one partition does (%s events/s, uncompressed)
- memory of a process: the table above; `+"`limits.buffer_bytes`"+` (64 MiB), 16 MiB of fetched answers, and what batches unpack to (8 MiB for each processor, at least 32 MiB, or one batch of up to 64 MiB) bound what is buffered
- network = *R* × %.0f B received and %.0f B sent for each event (LZ4, all that TCP carries); disks take what is sent %d times over
- connections = processes × *B* × 2 for data (one for fetches, one for produce requests), and some for the group and metadata
- transactions/s = processes ÷ `+"`limits.commit_interval`"+` (100 ms); markers/s = partitions ÷ `+"`limits.commit_interval`"+`, and again for dead letters and routes that are written to
`, coresEach, used*100, leastOf, thousands(int64(1/c.cpu)), thousands(int64(c.partition)), c.received, c.sent, replication)
	checked(b, r)
	worked(b, &c)
	billion(b, r)
}

// checked compares the model's predictions with figures that did not go into it.
func checked(b *strings.Builder, r *result.Result) {
	t := newTable("prediction", "predicted", "measured", "off by")
	add := func(what string, predicted float64, v measure.Range) {
		if v.N > 0 && predicted > 0 && !math.IsInf(predicted, 0) {
			t.row(what, number(predicted), number(v.Median), fmt.Sprintf("%+.0f %%", (v.Median/predicted-1)*100))
		}
	}
	none, lz4 := eo(plan.Throughput, "none"), eo(plan.Throughput, "lz4")
	for _, n := range r.Cases(plan.Processes) {
		if n != "1" {
			add("CPU-s per million, "+n+" processes on 12 partitions: as one on 4", r.Summary(none, result.PerMillion).Median, r.Summary(eo(plan.Processes, n), result.PerMillion))
		}
	}
	small, middle := r.Summary(eo(plan.Sizes, "300"), result.PerMillion), r.Summary(eo(plan.Sizes, "600"), result.PerMillion)
	if small.N > 0 && middle.N > 0 {
		perByte := (middle.Median - small.Median) / 300
		add("CPU-s per million for events of 2,000 B: on the line through 300 and 600 B", small.Median+1700*perByte, r.Summary(eo(plan.Sizes, "2000"), result.PerMillion))
	}
	for _, kase := range r.Cases(plan.Backlog) {
		events, err := strconv.ParseFloat(kase, 64)
		rate := r.Summary(lz4, result.Rate)
		if err == nil && rate.N > 0 {
			add("seconds for the backlog: at the rate of short runs", events/rate.Median, r.Summary(eo(plan.Backlog, kase), result.Wall))
		}
	}
	b.WriteString("\n### Checked\n\nAgainst figures that did not go into it:\n\n" + t.String())
}

func worked(b *strings.Builder, c *capacity) {
	fmt.Fprintf(b, "\n### Worked through\n\nBrokers at an assumed %.0f MB/s written to disk by each. Which saturates first is told for the smallest set-up, %d processes and %d brokers.\n\n", brokerBytes/1e6, leastOf, leastBroker)
	t := newTable("events/s", "processes", "cores", "partitions", "received, MB/s", "sent, MB/s", "to disks, MB/s", "brokers", "transactions/s", "markers/s", "saturates first")
	for _, rate := range []float64{1e4, 1e6, 1e7} {
		processes := max(leastOf, math.Ceil(rate*c.cpu/(coresEach*used)))
		partitions := max(2*processes, math.Ceil(rate/(c.partition/2)))
		disks := rate * c.sent * replication
		brokers := max(leastBroker, math.Ceil(disks/brokerBytes))
		t.row(thousands(int64(rate)), number0(processes), number0(processes*coresEach), number0(partitions), number(rate*c.received/1e6), number(rate*c.sent/1e6),
			number(disks/1e6), number0(brokers), number0(processes/commitEvery), number0(partitions/commitEvery), saturates(c, rate))
	}
	b.WriteString(t.String())
	b.WriteString(`
Markers and transactions grow with partitions and processes, not with events: with more partitions than this needs, raise ` + "`commit_interval`" + ` before adding brokers. A large
group is rebalanced as a whole: several groups on topics of their own fail in smaller parts.
`)
}

func number0(v float64) string { return thousands(int64(math.Round(v))) }

// saturates says what is full first in the smallest set-up.
func saturates(c *capacity, rate float64) string {
	cores := rate * c.cpu / (leastOf * coresEach * used)
	disks := rate * c.sent * replication / (leastBroker * brokerBytes)
	what, share := "the processes' cores", cores
	if disks > cores {
		what, share = "brokers' disks", disks
	}
	if share < 1 {
		return fmt.Sprintf("nothing (%s at %.0f %%)", what, share*100)
	}
	return fmt.Sprintf("%s (%s times what there is)", what, number(share))
}

func billion(b *strings.Builder, r *result.Result) {
	b.WriteString("\n### Cost of a billion events\n\nCPU-hours of the program alone, LZ4, from the same run.\n\n")
	t := newTable("", "CPU-hours")
	for _, c := range r.Contestants(plan.Throughput) {
		v := r.Summary(result.Key{Part: plan.Throughput, Case: "lz4", Contestant: c.ID}, result.PerMillion)
		if v.N > 0 {
			t.row(c.Title, number(v.Median*1000/3600))
		}
	}
	b.WriteString(t.String())
}
