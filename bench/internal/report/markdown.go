// Package report makes docs/benchmarks.md and its chart out of results. It decides nothing that is not in them, so that
// a report can be made anew without measuring anew.
package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// Markdown writes the report. notes is text that people wrote about the figures; it may be empty.
func Markdown(r *result.Result, notes string) string {
	var b strings.Builder
	b.WriteString("<!-- Written by `make bench`; do not edit. The raw figures are in benchmarks.json, the notes in bench/notes.md. -->\n\n# Benchmarks\n\n")
	m := &r.Machine
	fmt.Fprintf(&b, `The enricher beside other programs that do the same work on the same machine and the same Apache Kafka, measured from outside.
Figures of one machine: how they compare carries over to others, how large they are does not.

    %s

%s, in one go of %.0f minutes: %d cores (%s), %d GB, %s; the broker runs on the same cores, with its logs on %s.
Medians of %d rounds (at most three for slow contestants and in some parts), with the least and the greatest in brackets.
`, r.Command, r.Began.Format("2 January 2006"), r.Took/60, m.Cores, m.Model, m.MemoryGB, m.Kernel, m.Logs, r.Rounds)
	failures(&b, r)
	goals(&b, r)
	if notes = strings.TrimSpace(notes); notes != "" {
		b.WriteString("\n" + notes + "\n")
	}
	for _, section := range []func(*strings.Builder, *result.Result){throughput, sizes, latency, startup, partitions, processes, backlog, allocations, pipe, micro, method, contestants} {
		section(&b, r)
	}
	return b.String()
}

func failures(b *strings.Builder, r *result.Result) {
	var lines []string
	for _, c := range r.Who {
		if c.Skipped != "" {
			lines = append(lines, fmt.Sprintf("- SKIPPED %s: %s", c.Title, c.Skipped))
		}
		if c.Failed != "" {
			lines = append(lines, fmt.Sprintf("- FAILED %s: %s", c.Title, oneLine(c.Failed)))
		}
	}
	for _, t := range r.Troubles {
		if t.Mended {
			lines = append(lines, fmt.Sprintf("- At the second try: %s. At the first: %s", t.Step, oneLine(t.Failure)))
		} else {
			lines = append(lines, fmt.Sprintf("- FAILED %s: %s", t.Step, oneLine(t.Failure)))
		}
	}
	for i := range r.Runs {
		if run := &r.Runs[i]; run.Failure != "" {
			lines = append(lines, fmt.Sprintf("- FAILED %s %s, round %d, %s: %s", run.Part, run.Case, run.Round, run.Contestant, oneLine(run.Failure)))
		}
	}
	if len(lines) > 0 {
		b.WriteString("\n**Not everything ran, or not at once:**\n\n" + strings.Join(lines, "\n") + "\n")
	}
}

func oneLine(s string) string { return cut(strings.Join(strings.Fields(s), " "), 400) }

func goals(b *strings.Builder, r *result.Result) {
	b.WriteString("\n## Goals\n\nQuotients are of two runs in the same round, and then their median: at most, or at least, what is wanted.\n\n")
	t := newTable("figure", "goal", "measured", "")
	met, all := 0, Goals(r)
	for _, g := range all {
		t.row(g.Figure, g.Want, g.Measured, g.Met.String())
		if g.Met == Yes {
			met++
		}
	}
	fmt.Fprintf(b, "%s\n%d of %d met.\n", t, met, len(all))
}

// cell is a value over all rounds, or what is wrong.
func cell(r *result.Result, k result.Key, name string, unit float64) string {
	v := r.Summary(k, name)
	failed := len(r.Failures(k))
	if v.N == 0 && failed > 0 {
		return "failed"
	}
	text := scaled(v, unit)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	return text
}

func throughput(b *strings.Builder, r *result.Result) {
	if len(r.Cases(plan.Throughput)) == 0 {
		return
	}
	b.WriteString("\n## Cost and throughput\n\n![CPU-seconds per million events](benchmarks.svg)\n")
	for _, codec := range r.Cases(plan.Throughput) {
		fmt.Fprintf(b, "\n### %s\n\n", map[string]string{"none": "Uncompressed", "lz4": "LZ4", "zstd": "Zstandard"}[codec])
		t := newTable("", "CPU-s per million", "the enricher's share of it", "events/s", "peak RSS, MiB", "received, B per event", "sent, B per event", "events")
		for _, c := range r.Contestants(plan.Throughput) {
			k := result.Key{Part: plan.Throughput, Case: codec, Contestant: c.ID}
			if r.Summary(k, result.PerMillion).N == 0 && len(r.Failures(k)) == 0 {
				continue // not every one runs with each codec
			}
			share := "–"
			if !strings.HasPrefix(c.ID, "enricher") {
				share = spanned(ratio(r, plan.Throughput, codec, counterpart(c.ID), c.ID, result.PerMillion))
			}
			t.row(c.Title, cell(r, k, result.PerMillion, 1), share, cell(r, k, result.Rate, 1), cell(r, k, result.PeakRSS, mebibyte),
				number(r.Summary(k, result.Received).Median), number(r.Summary(k, result.Sent).Median), thousands(int64(r.Summary(k, result.Events).Median)))
		}
		b.WriteString(t.String())
	}
	b.WriteString(`
Share: the CPU of the enricher with the same delivery, over that of the row. The bytes are those of TCP, of all connections of the process.
`)
	warmUp(b, r)
}

// warmUp says what does not count.
func warmUp(b *strings.Builder, r *result.Result) {
	cases := r.Cases(plan.Throughput)
	t := newTable(append([]string{"CPU-s per million during the warm-up", "events"}, cases...)...)
	some := false
	for _, c := range r.Contestants(plan.Throughput) {
		row, events := []string{c.Title, "–"}, measure.Range{}
		for _, codec := range cases {
			k := result.Key{Part: plan.Throughput, Case: codec, Contestant: c.ID}
			cold := r.Summary(k, result.Cold)
			if cold.Max > 0 && events.N == 0 {
				events = measure.Range{Median: r.Summary(k, result.Events).Median - r.Summary(k, result.Counted).Median, N: 1}
				row[1] = thousands(int64(events.Median))
			}
			row = append(row, spanned(cold))
		}
		if events.N > 0 {
			t.row(row...)
			some = true
		}
	}
	if !some {
		return
	}
	b.WriteString(`
A Java machine compiles what is hot while it runs. So Kafka Streams gets more events than the others, and its CPU and its events/s count from the moment at which about half
of them have been written, in the same process: its start and its warm-up do not count. The enricher's do. What Kafka Streams took before that moment:

` + t.String() + `
Slow contestants run in fewer rounds; quotients are of the rounds that both have.
`)
}

// counterpart is the enricher with the same delivery.
func counterpart(id string) string {
	if strings.HasSuffix(id, "-eo") || id == plan.StreamsTree {
		return plan.EnricherEO
	}
	return plan.EnricherALO
}

func sizes(b *strings.Builder, r *result.Result) {
	if len(r.Cases(plan.Sizes)) == 0 {
		return
	}
	b.WriteString("\n## Size of events\n\nUncompressed. Share: the CPU of the enricher, at least once, over that of franz-go, at least once.\n\n")
	t := newTable("average size, B", "", "CPU-s per million", "share", "events/s", "MB/s in", "peak RSS, MiB")
	for _, size := range r.Cases(plan.Sizes) {
		for _, c := range r.Contestants(plan.Sizes) {
			k := result.Key{Part: plan.Sizes, Case: size, Contestant: c.ID}
			share := ""
			if c.ID == plan.EnricherALO {
				share = spanned(ratio(r, plan.Sizes, size, c.ID, plan.FranzALO, result.PerMillion))
			}
			t.row(size, c.Title, cell(r, k, result.PerMillion, 1), share, cell(r, k, result.Rate, 1), megabytes(r, k, size), cell(r, k, result.PeakRSS, mebibyte))
		}
	}
	b.WriteString(t.String())
}

func megabytes(r *result.Result, k result.Key, size string) string {
	bytes, err := strconv.ParseFloat(size, 64)
	v := r.Summary(k, result.Rate)
	if err != nil || v.N == 0 {
		return "–"
	}
	return number(v.Median * bytes / 1e6)
}

func latency(b *strings.Builder, r *result.Result) {
	cases := r.Cases(plan.Latency)
	if len(cases) == 0 {
		return
	}
	b.WriteString(`
## Latency

From an event's making, which is its record's timestamp, until a reader with read_committed has it, in milliseconds. The reader of the input
itself is what the broker and the measuring take: an event through the enricher passes the broker twice. Kafka Streams is warmed up before, at the highest rate.

`)
	t := newTable("events/s", "", "p50", "p99", "p99.9", "greatest")
	who := append([]result.Contestant{{ID: plan.Nobody, Title: "a reader of the input itself"}}, r.Contestants(plan.Latency)...)
	for _, rate := range cases {
		if rate == "" {
			continue // contestants that failed before any rate, whose reasons stand above
		}
		for _, c := range who {
			k := result.Key{Part: plan.Latency, Case: rate, Contestant: c.ID}
			if whole := (result.Key{Part: plan.Latency, Contestant: c.ID}); r.Summary(k, result.P50).N == 0 && len(r.Failures(whole)) > 0 {
				t.row(rate, c.Title, "failed")
				continue
			}
			t.row(rate, c.Title, cell(r, k, result.P50, 1), cell(r, k, result.P99, 1), cell(r, k, result.P999, 1), cell(r, k, result.MaxLatency, 1))
		}
	}
	b.WriteString(t.String())
}

func startup(b *strings.Builder, r *result.Result) {
	if len(r.Cases(plan.Startup)) == 0 {
		return
	}
	b.WriteString("\n## Start\n\nFrom starting the process, with events waiting, until a reader can see the first output; and what the process has used until it began to work.\n\n")
	t := newTable("", "first output, ms", "CPU until it begins, ms")
	for _, c := range r.Contestants(plan.Startup) {
		k := result.Key{Part: plan.Startup, Contestant: c.ID}
		t.row(c.Title, cell(r, k, result.FirstOut, millisecond), cell(r, k, result.StartCPU, millisecond))
	}
	b.WriteString(t.String())
}
