package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// Goal is one that the project has set itself, and what was measured.
type Goal struct {
	Figure   string
	Want     string
	Measured string
	Met      Met
}

// Met is whether a goal was met.
type Met int

// What can be said about a goal.
const (
	Unknown Met = iota // something was not measured, or failed
	Yes
	No
)

func (m Met) String() string { return [...]string{"not measured", "met", "**not met**"}[m] }

// compare collects figures that have to be at most, or at least, what is wanted.
type compare struct {
	wants []string
	got   []string
	met   Met
}

func (c *compare) add(want string, r measure.Range, good bool) {
	c.wants = append(c.wants, want)
	if r.N == 0 {
		if c.got = append(c.got, "–"); c.met != No {
			c.met = Unknown
		}
		return
	}
	c.got = append(c.got, spanned(r))
	switch {
	case !good:
		c.met = No
	case len(c.got) == 1:
		c.met = Yes
	default: // what is known already stays
	}
}

func (c *compare) atMost(limit float64, r measure.Range) {
	c.add("≤ "+number(limit), r, r.Median <= limit)
}

func (c *compare) atLeast(limit float64, r measure.Range) {
	c.add("≥ "+number(limit), r, r.Median >= limit)
}

func (c *compare) goal(figure string) Goal {
	wants := c.wants
	if len(slices.Compact(slices.Clone(wants))) == 1 {
		wants = wants[:1]
	}
	return Goal{Figure: figure, Want: strings.Join(wants, " / "), Measured: strings.Join(c.got, " / "), Met: c.met}
}

// Goals are all of them, in the order in which the project has them.
func Goals(r *result.Result) (goals []Goal) {
	cpu := func(codec, of, to string) measure.Range {
		return ratio(r, plan.Throughput, codec, of, to, result.PerMillion)
	}
	rate := func(codec, of, to string) measure.Range { return ratio(r, plan.Throughput, codec, of, to, result.Rate) }
	pairs := []struct{ title, own, franz string }{
		{"at least once", plan.EnricherALO, plan.FranzALO},
		{"exactly once", plan.EnricherEO, plan.FranzEO},
	}
	for _, p := range pairs {
		var c compare
		for i, limit := range []float64{0.5, 0.6, 0.7} {
			c.atMost(limit, cpu(codecs()[i], p.own, p.franz))
		}
		goals = append(goals, c.goal("CPU per event against tuned franz-go, "+p.title+", none / lz4 / zstd"))
	}
	for _, p := range pairs {
		var c compare
		for _, codec := range codecs() {
			c.atMost(0.12, cpu(codec, p.own, bestStreams(r, codec, result.PerMillion, lower)))
		}
		goals = append(goals, c.goal("CPU per event against Kafka Streams (its best variant), "+p.title+", none / lz4 / zstd"))
	}
	for _, p := range pairs {
		var c compare
		for _, codec := range codecs() {
			c.atLeast(1.5, rate(codec, p.own, p.franz))
		}
		goals = append(goals, c.goal("events/s against tuned franz-go, "+p.title+", none / lz4 / zstd"))
	}
	for _, p := range pairs {
		var c compare
		for _, codec := range codecs() {
			c.atLeast(4, rate(codec, p.own, bestStreams(r, codec, result.Rate, higher)))
		}
		goals = append(goals, c.goal("events/s against Kafka Streams (its best variant), "+p.title+", none / lz4 / zstd"))
	}
	var delivery, floor compare
	for _, codec := range codecs() {
		delivery.atMost(1.15, cpu(codec, plan.EnricherEO, plan.EnricherALO))
		floor.atMost(2, cpu(codec, plan.EnricherALO, plan.Copier))
	}
	goals = append(goals, delivery.goal("CPU of exactly_once against at_least_once, none / lz4 / zstd"))
	goals = append(goals, floor.goal("CPU against the raw copier, which does no JSON work, none / lz4 / zstd"))
	return append(goals, otherGoals(r)...)
}

func otherGoals(r *result.Result) (goals []Goal) {
	var one compare
	for _, kind := range []string{"outbound683", "inbound683"} {
		one.atMost(1, r.Summary(result.Key{Part: plan.Micro, Case: kind, Contestant: plan.Enrich}, againstGJSON))
	}
	goals = append(goals, one.goal("time of one event in pkg/enrich (hangup, 683 B, outbound / inbound) against gjson.ValidBytes on the same bytes"))

	var allocations compare
	for _, who := range own() {
		v := r.Summary(result.Key{Part: plan.Allocations, Contestant: who}, result.Allocations)
		const none = 0.005 // rounds to 0.00
		allocations.add("0", v, v.Median < none)
	}
	goals = append(goals, allocations.goal("allocations per event of the whole process, at least once / exactly once"))

	var memory compare
	for _, limit := range []struct {
		partitions string
		mebibytes  float64
	}{{"4", 64}, {"256", 160}} {
		memory.atMost(limit.mebibytes, peak(r, limit.partitions))
	}
	goals = append(goals, memory.goal("peak RSS in MiB, 4 / 256 partitions, the largest of all runs in both deliveries"))
	goals = append(goals, growth(r))
	goals = append(goals, latencyGoals(r)...)

	var cost compare
	for _, who := range own() {
		cost.atMost(1.25, across(r, who, "256", "4"))
	}
	return append(goals, cost.goal("CPU per event with 256 partitions against 4, at least once / exactly once"))
}

// againstGJSON is the unit under which the benchmark in pkg/enrich reports the quotient.
const againstGJSON = "of-gjson.ValidBytes"

func codecs() []string { return []string{"none", "lz4", "zstd"} }

// own are the enricher's two deliveries.
func own() []string { return []string{plan.EnricherALO, plan.EnricherEO} }

// ratio compares two contestants round by round.
func ratio(r *result.Result, part, kase, of, to, name string) measure.Range {
	return measure.Ratios(r.Values(result.Key{Part: part, Case: kase, Contestant: of}, name), r.Values(result.Key{Part: part, Case: kase, Contestant: to}, name))
}

// across compares one contestant's cost in two cases, round by round.
func across(r *result.Result, who, of, to string) measure.Range {
	return measure.Ratios(r.Values(result.Key{Part: plan.Partitions, Case: of, Contestant: who}, result.PerMillion),
		r.Values(result.Key{Part: plan.Partitions, Case: to, Contestant: who}, result.PerMillion))
}

func lower(a, b float64) bool  { return a < b }
func higher(a, b float64) bool { return a > b }

// bestStreams is the variant of Kafka Streams with the best median; any, if none was measured.
func bestStreams(r *result.Result, codec, name string, better func(a, b float64) bool) string {
	best, found := plan.StreamsEO, measure.Range{}
	for _, id := range []string{plan.StreamsALO, plan.StreamsEO, plan.StreamsTree} {
		v := r.Summary(result.Key{Part: plan.Throughput, Case: codec, Contestant: id}, name)
		if v.N > 0 && (found.N == 0 || better(v.Median, found.Median)) {
			best, found = id, v
		}
	}
	return best
}

// peak is the largest memory of any run with so many partitions, in MiB. All of throughput has four.
func peak(r *result.Result, partitions string) measure.Range {
	var most []float64
	for i := range r.Runs {
		run := &r.Runs[i]
		same := run.Part == plan.Partitions && run.Case == partitions || run.Part == plan.Throughput && partitions == "4"
		if v, ok := run.Values[result.PeakRSS]; ok && same && run.Failure == "" && slices.Contains(own(), run.Contestant) {
			most = append(most, v/mebibyte)
		}
	}
	if len(most) == 0 {
		return measure.Range{}
	}
	return measure.Summary([]float64{slices.Max(most)})
}

// growthAllowed is what memory may be more in the last fifth of a backlog than in the second: the heap
// breathes between collections.
const growthAllowed = 1.1

func growth(r *result.Result) Goal {
	var c compare
	for i := range r.Runs {
		if run := &r.Runs[i]; run.Part == plan.Backlog && run.Failure == "" {
			v := Growth(run.Samples)
			c.add("no growth (≤ 1.10)", v, v.Median <= growthAllowed)
		}
	}
	if len(c.got) == 0 {
		c.add("no growth (≤ 1.10)", measure.Range{}, false)
	}
	return c.goal("RSS during a backlog of 10 million events, exactly once: last fifth against second fifth")
}

// Growth is the median memory in the last fifth of a run over that in the second fifth. The first is left out: buffers grow to
// their size then. It needs ten samples.
func Growth(samples []result.Sample) measure.Range {
	const least = 10
	if len(samples) < least {
		return measure.Range{}
	}
	rss := make([]float64, len(samples))
	for i := range samples {
		rss[i] = float64(samples[i].RSS)
	}
	fifth := len(rss) / 5
	return measure.Summary([]float64{measure.Summary(rss[len(rss)-fifth:]).Median / measure.Summary(rss[fifth:2*fifth]).Median})
}

// latencyRate is the rate that the goals name.
const latencyRate = "10000"

func latencyGoals(r *result.Result) (goals []Goal) {
	for _, g := range []struct {
		title  string
		own    string
		limit  float64
		others []string
	}{
		{"at least once", plan.EnricherALO, 10, []string{plan.FranzALO, plan.StreamsALO}},
		{"exactly once", plan.EnricherEO, 150, []string{plan.FranzEO, plan.StreamsEO}},
	} {
		p99 := func(who string) measure.Range {
			return r.Summary(result.Key{Part: plan.Latency, Case: latencyRate, Contestant: who}, result.P99)
		}
		own := p99(g.own)
		var c compare
		c.atMost(g.limit, own)
		goal := c.goal("p99 latency in ms at 10,000 events/s, " + g.title)
		goal.Want += " and below the others'"
		for _, other := range g.others {
			v := p99(other)
			goal.Measured += fmt.Sprintf("; %s %s", other, spanned(v))
			switch {
			case v.N == 0 && goal.Met == Yes:
				goal.Met = Unknown
			case v.N > 0 && own.N > 0 && v.Median <= own.Median:
				goal.Met = No
			}
		}
		goals = append(goals, goal)
	}
	return goals
}
