package report

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.034: "0.03", 1.005: "1.00", 9.99: "9.99", 9.996: "10.0", 12.34: "12.3", 99.94: "99.9", 99.96: "100",
		1234.4: "1,234", 1234567: "1,234,567", -1234: "-1,234", -0.5: "-0.50",
	} {
		require.Equal(t, want, number(v))
	}
}

func TestSpanned(t *testing.T) {
	require.Equal(t, "–", spanned(measure.Range{}))
	require.Equal(t, "2.50", spanned(measure.Range{Median: 2.5, Min: 2.5, Max: 2.5, N: 1}))
	require.Equal(t, "2.50 (1.00–12.0)", spanned(measure.Range{Median: 2.5, Min: 1, Max: 12, N: 3}))
	require.Equal(t, "2.00", scaled(measure.Range{Median: 2 << 20, N: 1}, mebibyte))
}

func TestTable(t *testing.T) {
	tab := newTable("a", "b")
	tab.row("x|y\nz")
	require.Equal(t, "| a | b |\n| --- | --- |\n| x\\|y z |  |\n", tab.String())
}

// run makes a run of one value.
func run(part, kase, who string, round int, name string, v float64) result.Run {
	return result.Run{Part: part, Case: kase, Contestant: who, Round: round, Values: map[string]float64{name: v}}
}

// good is a result in which each goal is just met.
func good() *result.Result {
	r := &result.Result{Rounds: 2, Began: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Took: 2400, Command: "make bench", Config: "kafka: {}\n", Fields: []string{"code"}}
	for id, title := range map[string]string{
		plan.EnricherALO: "enricher, at least once", plan.EnricherEO: "enricher <&> exactly once", plan.FranzALO: "franz-go, at least once",
		plan.FranzEO: "franz-go, exactly once", plan.StreamsALO: "Streams", plan.StreamsEO: "Streams, exactly once", plan.StreamsTree: "Streams tree", plan.Copier: "copier",
	} {
		r.Who = append(r.Who, result.Contestant{ID: id, Title: title, Version: "1"})
	}
	cost := map[string]map[string]float64{
		"none": {plan.FranzALO: 2, plan.FranzEO: 2.3},
		"lz4":  {plan.FranzALO: 1 / 0.6, plan.FranzEO: 1.15 / 0.6},
		"zstd": {plan.FranzALO: 1 / 0.7, plan.FranzEO: 1.15 / 0.7},
	}
	for _, codec := range codecs() {
		for round := 1; round <= 2; round++ {
			slow := float64(round) // everything takes twice as long in the second round
			who := map[string][2]float64{
				plan.EnricherALO: {1, 300}, plan.EnricherEO: {1.15, 300}, plan.Copier: {0.5, 500},
				plan.FranzALO: {cost[codec][plan.FranzALO], 200}, plan.FranzEO: {cost[codec][plan.FranzEO], 200},
				plan.StreamsALO: {10, 74}, plan.StreamsEO: {9.6, 75}, plan.StreamsTree: {30, 10},
			}
			for id, v := range who {
				one := run(plan.Throughput, codec, id, round, result.PerMillion, v[0]*slow)
				one.Values[result.Rate], one.Values[result.PeakRSS], one.Values[result.Events] = v[1]/slow, 64*mebibyte, 1e6
				r.Runs = append(r.Runs, one)
			}
		}
	}
	for _, id := range own() {
		r.Runs = append(
			r.Runs,
			run(plan.Partitions, "4", id, 1, result.PerMillion, 1), run(plan.Partitions, "256", id, 1, result.PerMillion, 1.25),
			run(plan.Partitions, "4", id, 2, result.PeakRSS, 64*mebibyte), run(plan.Partitions, "256", id, 2, result.PeakRSS, 160*mebibyte),
			run(plan.Allocations, "", id, 1, result.Allocations, 0.0049),
		)
	}
	r.Runs = append(
		r.Runs,
		run(plan.Micro, "outbound683", plan.Enrich, 1, againstGJSON, 1), run(plan.Micro, "inbound683", plan.Enrich, 1, againstGJSON, 0.7),
		run(plan.Latency, "10000", plan.EnricherALO, 1, result.P99, 10), run(plan.Latency, "10000", plan.FranzALO, 1, result.P99, 11), run(plan.Latency, "10000", plan.StreamsALO, 1, result.P99, 11),
		run(plan.Latency, "10000", plan.EnricherEO, 1, result.P99, 150), run(plan.Latency, "10000", plan.FranzEO, 1, result.P99, 151), run(plan.Latency, "10000", plan.StreamsEO, 1, result.P99, 151),
		result.Run{Part: plan.Backlog, Case: "10000000", Contestant: plan.EnricherEO, Round: 1, Values: map[string]float64{result.Events: 1e7}, Samples: samples(50, 100, 110)},
	)
	return r
}

// samples are n, half of them before and half of them after memory has changed.
func samples(n int, before, after int64) (all []result.Sample) {
	for i := range n {
		s := result.Sample{At: float64(i), Done: int64(i), RSS: before}
		if i >= n/2 {
			s.RSS = after
		}
		all = append(all, s)
	}
	return all
}

func TestGoalsMet(t *testing.T) {
	goals := Goals(good())
	require.Len(t, goals, 17)
	for _, g := range goals {
		require.Equal(t, Yes, g.Met, "%s: %s, want %s", g.Figure, g.Measured, g.Want)
	}
	require.Equal(t, "0.50 (0.50–0.50) / 0.60 (0.60–0.60) / 0.70 (0.70–0.70)", goals[0].Measured, "the second round is twice as slow, which quotients do not see")
	require.Equal(t, "≤ 0.50 / ≤ 0.60 / ≤ 0.70", goals[0].Want)
	require.Equal(t, "≤ 0.12", goals[2].Want)
}

// Each goal has to be able to fail, and only by what it is about.
func TestGoalsNotMet(t *testing.T) {
	worse := func(part, kase, who, name string, factor float64) func(*result.Result) {
		return func(r *result.Result) {
			for i := range r.Runs {
				if x := &r.Runs[i]; x.Part == part && x.Case == kase && x.Contestant == who {
					if _, ok := x.Values[name]; ok {
						x.Values[name] *= factor
					}
				}
			}
		}
	}
	for name, tc := range map[string]struct {
		spoil func(*result.Result)
		lost  []string // beginnings of the figures
	}{
		"franz cheaper, zstd":     {worse(plan.Throughput, "zstd", plan.FranzALO, result.PerMillion, 0.9), []string{"CPU per event against tuned franz-go, at least once"}},
		"franz cheaper, eo, none": {worse(plan.Throughput, "none", plan.FranzEO, result.PerMillion, 0.9), []string{"CPU per event against tuned franz-go, exactly once"}},
		"another variant of Streams is the best": {
			worse(plan.Throughput, "lz4", plan.StreamsTree, result.PerMillion, 0.2),
			[]string{"CPU per event against Kafka Streams (its best variant), at least once", "CPU per event against Kafka Streams (its best variant), exactly once"},
		},
		"franz faster": {worse(plan.Throughput, "lz4", plan.FranzEO, result.Rate, 1.1), []string{"events/s against tuned franz-go, exactly once"}},
		"Streams faster": {
			worse(plan.Throughput, "none", plan.StreamsEO, result.Rate, 1.1),
			[]string{"events/s against Kafka Streams (its best variant), at least once", "events/s against Kafka Streams (its best variant), exactly once"},
		},
		"copier cheaper":     {worse(plan.Throughput, "none", plan.Copier, result.PerMillion, 0.9), []string{"CPU against the raw copier"}},
		"gjson faster":       {worse(plan.Micro, "inbound683", plan.Enrich, againstGJSON, 1.6), []string{"time of one event"}},
		"allocations":        {worse(plan.Allocations, "", plan.EnricherEO, result.Allocations, 1.1), []string{"allocations"}},
		"memory, 4":          {worse(plan.Throughput, "zstd", plan.EnricherEO, result.PeakRSS, 1.1), []string{"peak RSS"}},
		"memory, 256":        {worse(plan.Partitions, "256", plan.EnricherALO, result.PeakRSS, 1.1), []string{"peak RSS"}},
		"late":               {worse(plan.Latency, "10000", plan.EnricherALO, result.P99, 1.05), []string{"p99 latency in ms at 10,000 events/s, at least once"}},
		"later than Streams": {worse(plan.Latency, "10000", plan.StreamsALO, result.P99, 0.9), []string{"p99 latency in ms at 10,000 events/s, at least once"}},
		"later than franz":   {worse(plan.Latency, "10000", plan.FranzEO, result.P99, 0.9), []string{"p99 latency in ms at 10,000 events/s, exactly once"}},
		"partitions":         {worse(plan.Partitions, "256", plan.EnricherEO, result.PerMillion, 1.1), []string{"CPU per event with 256 partitions"}},
		"exactly once dearer": {worse(plan.Throughput, "zstd", plan.EnricherEO, result.PerMillion, 1.01), []string{
			"CPU per event against tuned franz-go, exactly once", "CPU per event against Kafka Streams (its best variant), exactly once", "CPU of exactly_once",
		}},
		"growth": {func(r *result.Result) { r.Runs[len(r.Runs)-1].Samples = samples(50, 100, 112) }, []string{"RSS during a backlog"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			tc.spoil(r)
			var lost []string
			for _, g := range Goals(r) {
				if g.Met != Yes {
					require.Equal(t, No, g.Met, g.Figure)
					lost = append(lost, g.Figure)
				}
			}
			require.Len(t, lost, len(tc.lost), "%q", lost)
			for i := range lost {
				require.True(t, strings.HasPrefix(lost[i], tc.lost[i]), "%q is not %q", lost[i], tc.lost[i])
			}
		})
	}
}

func TestGoalsUnknown(t *testing.T) {
	for _, g := range Goals(&result.Result{}) {
		require.Equal(t, Unknown, g.Met, g.Figure)
		require.Contains(t, g.Measured, "–")
	}
	var c compare
	c.atMost(1, measure.Range{})
	c.atMost(1, measure.Range{Median: 1, N: 1})
	require.Equal(t, Unknown, c.met, "what is good does not make up for what is not known")
	c.atMost(1, measure.Range{Median: 2, N: 1})
	require.Equal(t, No, c.met)
	c.atMost(1, measure.Range{})
	require.Equal(t, No, c.met, "nor is it forgotten")
}

func TestGrowth(t *testing.T) {
	require.Equal(t, measure.Range{}, Growth(samples(9, 1, 1)))
	require.InDelta(t, 2, Growth(samples(10, 100, 200)).Median, 1e-9)
	warming := append(samples(10, 1, 1), samples(40, 100, 100)...)
	require.InDelta(t, 1, Growth(warming).Median, 1e-9, "buffers grow at first")
}

func TestMarkdown(t *testing.T) {
	r := good()
	text := Markdown(r, "## Notes\n\nWhat stands in the way.\n")
	require.Contains(t, text, "17 of 17 met.")
	require.Contains(t, text, "24 November 2026, in one go of 40 minutes")
	require.Contains(t, text, "What stands in the way.")
	require.Contains(t, text, "| copier | 0.75 (0.50–1.00) | 2.00 (2.00–2.00) |")
	require.Contains(t, text, "\n### Uncompressed\n")
	require.NotContains(t, text, "Not everything ran")
	require.NotContains(t, text, "not met")
	require.NotContains(t, text, "NaN")

	r.Runs = append(r.Runs, result.Run{Part: plan.Throughput, Case: "none", Contestant: plan.Copier, Round: 3, Failure: "it\nbroke"})
	r.Who = append(r.Who, result.Contestant{ID: "pipe-vrl", Title: "vrl", Skipped: "not installed"}, result.Contestant{ID: "kafkago", Title: "kafka-go", Failed: "no such compiler"})
	text = Markdown(r, "")
	require.Contains(t, text, "Not everything ran")
	require.Contains(t, text, "- FAILED throughput none, round 3, copier: it broke\n")
	require.Contains(t, text, "- SKIPPED vrl: not installed\n")
	require.Contains(t, text, "- FAILED kafka-go: no such compiler\n")
	r.Troubles = []result.Trouble{{Step: "sizes 600: load", Failure: "it\nbroke", Mended: true}, {Step: "pipe: write", Failure: "full"}}
	text = Markdown(r, "")
	require.Contains(t, text, "- At the second try: sizes 600: load. At the first: it broke\n")
	require.Contains(t, text, "- FAILED pipe: write: full\n")
	require.Contains(t, text, "0.75 (0.50–1.00), 1 failed")

	for i := range r.Runs {
		if r.Runs[i].Contestant == plan.Copier {
			r.Runs[i].Failure = "always"
		}
	}
	require.Contains(t, Markdown(r, ""), "| copier | failed |")
}

func TestChart(t *testing.T) {
	r := good()
	svg := Chart(r)
	d := xml.NewDecoder(strings.NewReader(svg))
	rects := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			rects++
		}
	}
	require.Equal(t, 8*3+2*3, rects, "a bar for each contestant and codec, and the legend")
	require.Contains(t, svg, "enricher &lt;&amp;&gt; exactly once")
	require.Contains(t, svg, "prefers-color-scheme:dark")
	require.Less(t, strings.Index(svg, ">copier<"), strings.Index(svg, ">enricher, at least once<"), "the cheapest comes first")
	require.Less(t, strings.Index(svg, ">Streams<"), strings.Index(svg, ">Streams tree<"))
	require.NotContains(t, Chart(&result.Result{}), "NaN")
}

// What a contestant took while it warmed up is told beside what counts.
func TestWarmUp(t *testing.T) {
	r := good()
	require.NotContains(t, Markdown(r, ""), "warm-up")
	for i := range r.Runs {
		if x := &r.Runs[i]; x.Part == plan.Throughput && x.Contestant == plan.StreamsEO && x.Case != "zstd" {
			x.Values[result.Cold], x.Values[result.Counted] = 12.5, 4e5
		}
	}
	r.Runs = slices.DeleteFunc(r.Runs, func(x result.Run) bool { return x.Contestant == plan.Copier && x.Case != "none" })
	require.Equal(t, 1, strings.Count(Markdown(r, ""), "| copier | 0.75 "), "no row where it did not run")
	require.Contains(t, Markdown(r, ""), "| Streams, exactly once | 600,000 | 12.5 (12.5–12.5) | 12.5 (12.5–12.5) | – |")
}
