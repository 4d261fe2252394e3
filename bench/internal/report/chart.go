package report

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/result"
)

// bar is one contestant in the chart.
type bar struct {
	title string
	own   bool
	of    []measure.Range // by codec
}

// Sizes of the chart, in its own units.
const (
	chartWidth  = 860
	labelWidth  = 290
	valueWidth  = 70
	barHeight   = 11
	groupGap    = 12
	chartTop    = 64
	chartBottom = 30
)

// Chart draws CPU-seconds per million events by contestant, the cheapest first, one bar for each codec, with a
// line from the least to the greatest. It has no script and follows the reader's colours, light or dark.
func Chart(r *result.Result) string {
	cases := r.Cases(plan.Throughput)
	bars, most := bars(r, cases)
	height := chartTop + chartBottom
	for range bars {
		height += len(cases)*barHeight + groupGap
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t">`+"\n", chartWidth, height, chartWidth, height)
	b.WriteString(`<title id="t">CPU-seconds per million events</title>` + "\n" + chartStyle)
	fmt.Fprintf(&b, `<text x="16" y="24" class="h">CPU-seconds per million events (less is better)</text>`+"\n")
	legend(&b, cases)
	scale := float64(chartWidth-labelWidth-valueWidth) / max(most, 1e-9)
	y := chartTop
	for _, group := range bars {
		middle := y + len(cases)*barHeight/2
		class := "n"
		if group.own {
			class = "n own"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="%s" text-anchor="end" dominant-baseline="middle">%s</text>`+"\n", labelWidth-10, middle, class, html.EscapeString(group.title))
		for i, v := range group.of {
			drawBar(&b, y+i*barHeight, i, group.own, v, scale)
		}
		y += len(cases)*barHeight + groupGap
	}
	fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" class="a"/>`+"\n</svg>\n", labelWidth, chartTop-6, labelWidth, y)
	return b.String()
}

const chartStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-size:15px;font-weight:600}.own{font-weight:600}.v{font-size:10px}
.a{stroke:#8c959f}.w{stroke:#1f2328;stroke-opacity:.7}
.c0{fill:#6e7781}.c1{fill:#8c959f}.c2{fill:#afb8c1}.o0{fill:#0a5bc4}.o1{fill:#3f83dc}.o2{fill:#7fb0ee}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.a{stroke:#6e7681}.w{stroke:#e6edf3}
.c0{fill:#8b949e}.c1{fill:#6e7681}.c2{fill:#565d66}.o0{fill:#79b8ff}.o1{fill:#4a90e2}.o2{fill:#2f6cb3}}
</style>
`

func bars(r *result.Result, cases []string) (all []bar, most float64) {
	for _, c := range r.Contestants(plan.Throughput) {
		one := bar{title: c.Title, own: strings.HasPrefix(c.ID, "enricher")}
		some := false
		for _, codec := range cases {
			v := r.Summary(result.Key{Part: plan.Throughput, Case: codec, Contestant: c.ID}, result.PerMillion)
			one.of = append(one.of, v)
			most, some = max(most, v.Max), some || v.N > 0
		}
		if some {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b bar) int {
		switch {
		case a.of[0].Median < b.of[0].Median:
			return -1
		case a.of[0].Median > b.of[0].Median:
			return 1
		default:
			return 0
		}
	})
	return all, most
}

func drawBar(b *strings.Builder, y, n int, own bool, v measure.Range, scale float64) {
	if v.N == 0 {
		return
	}
	class := "c"
	if own {
		class = "o"
	}
	width := v.Median * scale
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" class="%s%d"/>`, labelWidth, y, width, barHeight-1, class, n%3)
	middle := float64(y) + float64(barHeight-1)/2
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="w"/>`, labelWidth+v.Min*scale, middle, labelWidth+v.Max*scale, middle)
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="v" dominant-baseline="middle">%s</text>`+"\n", labelWidth+v.Max*scale+5, middle+.5, number(v.Median))
}

func legend(b *strings.Builder, cases []string) {
	x := labelWidth
	for i, codec := range cases {
		fmt.Fprintf(b, `<rect x="%d" y="36" width="10" height="10" class="o%d"/><rect x="%d" y="36" width="10" height="10" class="c%d"/><text x="%d" y="45">%s</text>`+"\n",
			x, i%3, x+11, i%3, x+27, html.EscapeString(codec))
		x += 90
	}
	fmt.Fprintf(b, `<text x="%d" y="45" class="v">line: least to greatest of the rounds</text>`+"\n", x)
}
