package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

func partitions(b *strings.Builder, r *result.Result) {
	cases := r.Cases(plan.Partitions)
	if len(cases) == 0 {
		return
	}
	b.WriteString("\n## Partitions\n\nThe same events in more and more partitions, one process.\n\n")
	t := newTable("partitions", "", "CPU-s per million", "against 4", "events/s", "peak RSS, MiB")
	for _, n := range cases {
		for _, c := range r.Contestants(plan.Partitions) {
			k := result.Key{Part: plan.Partitions, Case: n, Contestant: c.ID}
			t.row(n, c.Title, cell(r, k, result.PerMillion, 1), spanned(across(r, c.ID, n, "4")), cell(r, k, result.Rate, 1), cell(r, k, result.PeakRSS, mebibyte))
		}
	}
	b.WriteString(t.String())
}

func processes(b *strings.Builder, r *result.Result) {
	cases := r.Cases(plan.Processes)
	if len(cases) == 0 {
		return
	}
	b.WriteString(`
## Processes

Of one group, on twelve partitions; they begin when all have their share. CPU is that of all together, memory that of the
largest. On a machine with few cores more processes bring no more events/s; what counts is that they cost no more.

`)
	t := newTable("processes", "", "CPU-s per million", "events/s", "peak RSS of one, MiB", "connections of all")
	for _, n := range cases {
		for _, c := range r.Contestants(plan.Processes) {
			k := result.Key{Part: plan.Processes, Case: n, Contestant: c.ID}
			t.row(n, c.Title, cell(r, k, result.PerMillion, 1), cell(r, k, result.Rate, 1), cell(r, k, result.PeakRSS, mebibyte), cell(r, k, result.Connections, 1))
		}
	}
	b.WriteString(t.String())
}

// backlogRows is how many moments of a long run are shown.
const backlogRows = 10

func backlog(b *strings.Builder, r *result.Result) {
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Part != plan.Backlog || run.Failure != "" {
			continue
		}
		fmt.Fprintf(b, "\n## Backlog\n\n%s events wait, LZ4, %s: %s CPU-s per million, %s events/s, peak RSS %s MiB. Resident memory on the way:\n\n",
			thousands(int64(run.Values[result.Events])), title(r, run.Contestant), number(run.Values[result.PerMillion]), number(run.Values[result.Rate]), number(run.Values[result.PeakRSS]/mebibyte))
		t := newTable("written, thousands", "RSS, MiB")
		for n := 1; n <= backlogRows && len(run.Samples) >= backlogRows; n++ {
			s := run.Samples[n*len(run.Samples)/backlogRows-1]
			t.row(number(float64(s.Done)/thousand), number(float64(s.RSS)/mebibyte))
		}
		b.WriteString(t.String())
	}
}

func title(r *result.Result, id string) string {
	for _, c := range r.Who {
		if c.ID == id {
			return c.Title
		}
	}
	return id
}

func allocations(b *strings.Builder, r *result.Result) {
	if len(r.Cases(plan.Allocations)) == 0 {
		return
	}
	b.WriteString("\n## Allocations\n\nOf the whole process, by its own count: what a longer run has more than a short one, for each event that it has more.\n\n")
	t := newTable("", "allocations per event")
	for _, c := range r.Contestants(plan.Allocations) {
		v := r.Summary(result.Key{Part: plan.Allocations, Contestant: c.ID}, result.Allocations)
		text := "failed"
		if v.N > 0 {
			text = fmt.Sprintf("%.4f", v.Median)
		}
		t.row(c.Title, text)
	}
	b.WriteString(t.String())
}

func pipe(b *strings.Builder, r *result.Result) {
	if len(r.Cases(plan.Pipe)) == 0 {
		return
	}
	b.WriteString("\n## Lines, without Kafka\n\n`enricher pipe` beside other filters: a file of events in, a file out, one process. CPU is that of the whole run, start included.\n\n")
	t := newTable("", "lines/s", "CPU-s per million", "the enricher's share of it", "peak RSS, MiB", "lines")
	for _, c := range r.Contestants(plan.Pipe) {
		k := result.Key{Part: plan.Pipe, Contestant: c.ID}
		share := "–"
		if c.ID != plan.EnricherPipe {
			share = spanned(ratio(r, plan.Pipe, "", plan.EnricherPipe, c.ID, result.PerMillion))
		}
		t.row(c.Title, cell(r, k, result.Rate, 1), cell(r, k, result.PerMillion, 1), share, cell(r, k, result.PeakRSS, mebibyte), thousands(int64(r.Summary(k, result.Events).Median)))
	}
	b.WriteString(t.String())
}

func micro(b *strings.Builder, r *result.Result) {
	cases := r.Cases(plan.Micro)
	if len(cases) == 0 {
		return
	}
	b.WriteString("\n## One event\n\nThe whole of pkg/enrich (strict check of the grammar and of UTF-8, default object, advice, headers) beside parts of that by others, on the same bytes,\n" +
		"in turns of one run: `go test -bench Beside ./pkg/enrich`. Below 1, the enricher takes less time.\n\n")
	t := newTable("event", "ns", "of gjson.ValidBytes", "of gjson.Get of the code", "of encoding/json.Valid", "allocations")
	for _, kind := range cases {
		k := result.Key{Part: plan.Micro, Case: kind, Contestant: plan.Enrich}
		if kind == "" {
			continue // it failed, which stands above
		}
		t.row(kind, cell(r, k, "ns/op", 1), cell(r, k, againstGJSON, 1), cell(r, k, "of-gjson.Get", 1), cell(r, k, "of-json.Valid", 1), cell(r, k, "allocs/op", 1))
	}
	b.WriteString(t.String())
}

func method(b *strings.Builder, r *result.Result) {
	b.WriteString("\n## How it is measured\n\n")
	fmt.Fprintf(b, `- The work: check the whole value (broken: to the dead-letter topic as it is); find the top-level `+"`HangupCauseCode`"+`; if it is in the table, add the object
  `+"`hangup`"+` before the last brace and the header `+"`hangup-code`"+`; keep key, headers, timestamp and partition. The object's members are %s: those that
  depend on the code alone. The table was written by pkg/enrich, so that outputs are byte for byte the same.
- Events: seeded; callbacks, call-detail records and progress events with the fields of the real ones, 60 %% with a code, 0.3 %% broken, 0.2 %% tombstones;
  two headers, keys of 36 B. Batches of at most 128 KiB before compression; what is written is compressed like what is read.
- CPU: user and system time of the process by the kernel's CPU clock of its pid, in nanoseconds, all threads. From the first moment (a peer has its first
  fetched records in hand; the enricher is told its partitions, which is earlier) to the last: the first look, one each 5 ms, at
  which a reader with read_committed could see the last record of each partition.
- Bytes: TCP payload of the process's connections by the kernel's own count (inet_diag), from its start on.
- Every record of every run is compared with what pkg/enrich says: topic, partition, place, key, value, headers, timestamp; none missing, none twice. A run that is
  wrong, or whose process does not end with exit code 0 after SIGTERM, gives no figure. (Of the Jackson tree, whose values are written anew, each sixteenth value is compared as JSON.)
- Each run has fresh topics and a fresh group, and begins when the machine is quiet. In each round, each contestant runs once; who begins changes.
- `+"`benchmarks.json`"+` has every run, also how busy the machine was and how much of it its host gave to others.
`, "`"+strings.Join(r.Fields, "`, `")+"`")
	inputs := newTable("input", "", "events", "average, B", "compression", "partitions", "seed")
	for _, l := range r.Loads {
		inputs.row(l.Part, l.Case, thousands(l.Events), number(float64(l.Bytes)/float64(l.Events)), l.Compression, strconv.Itoa(int(l.Partitions)), strconv.FormatUint(l.Seed, 10))
	}
	b.WriteString("\n<details><summary>All inputs</summary>\n\n" + inputs.String() + "\n</details>\n")
}

func contestants(b *strings.Builder, r *result.Result) {
	b.WriteString("\n## Who takes part\n\n")
	t := newTable("", "id", "version", "settings")
	for _, c := range r.Who {
		version := c.Version
		if c.Skipped != "" {
			version = "skipped"
		}
		t.row(c.Title, "`"+c.ID+"`", version, c.Settings)
	}
	b.WriteString(t.String())
	b.WriteString("\nThe enricher's configuration; all else stands at its default, so the commit interval is 100 ms:\n\n```yaml\n" + r.Config + "```\n\n")
	versions := newTable("", "")
	for _, v := range r.Versions {
		versions.row(v.Name, v.Value)
	}
	b.WriteString(versions.String())
	b.WriteString("\nThe broker, where it differs from Kafka's defaults and from what one node needs:\n\n")
	broker := newTable("", "")
	for _, v := range r.Broker {
		broker.row("`"+v.Name+"`", v.Value)
	}
	b.WriteString(broker.String())
}
