package ops

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// chart is areas that lie on each other, over the last pastTime. A unit of its picture is a second wide; it is
// chartHigh units high. Looks are one second apart or ten, so a value is drawn as a step as wide as the time that it
// stands for: a slope would show what nobody has seen.
type chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"-"`
	Legend []string `json:"-"`     // names of the areas, the lowest first; nil: a table has them, or there is one
	Top    string   `json:"top"`   // what the upper edge stands for, or why nothing is drawn
	Areas  []string `json:"areas"` // path data, the lowest first
}

const (
	chartHigh = 100
	chartWide = int(pastTime / time.Second)
)

// What a chart says that has nothing to draw.
const (
	notYet     = "not yet"
	allZero    = "0 all the time"
	noneLately = "none in this time"
)

// Wide is the width of the picture.
func (chart) Wide() int { return chartWide }

// High is its height.
func (chart) High() int { return chartHigh }

// Span says how long a time it shows.
func (chart) Span() string { return duration(pastTime.Seconds()) }

// ratesChart shows what became of a role's records, each second.
func ratesChart(r *Role, past []sample, role int) chart {
	lines := make([][]float64, len(r.Became))
	for i := range lines {
		for j := 1; j < len(past); j++ {
			before, now := &past[j-1], &past[j]
			lines[i] = append(lines[i], perSecond(now.roles[role].became[i]-before.roles[role].became[i], now.at.Sub(before.at)))
		}
	}
	return newChart(r.Name+"-rates", words(r.Name).Rates, times(past), lines)
}

func perSecond(n int64, in time.Duration) float64 {
	if n <= 0 || in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

// lagChart shows how far a role is behind, as it was found at the end of each step.
func lagChart(r *Role, past []sample, role int) chart {
	line := make([]float64, 0, len(past))
	for i := 1; i < len(past); i++ {
		line = append(line, float64(past[i].roles[role].lag))
	}
	return newChart(r.Name+"-lags", words(r.Name).Lag, times(past), [][]float64{line})
}

// commitsChart shows within which time, in milliseconds, each half of a role's commits were done, and above it 99 of 100.
func commitsChart(r *Role, past []sample, role int) chart {
	half, rest := make([]float64, 0, len(past)), make([]float64, 0, len(past))
	for j := 1; j < len(past); j++ {
		lately := past[j].roles[role].commits.Since(past[j-1].roles[role].commits)
		p50, p99 := 0.0, 0.0 // there was none
		if q := lately.Quantile(median); q != nil {
			p50, p99 = 1000**q, 1000**lately.Quantile(nearlyAll)
		}
		half, rest = append(half, p50), append(rest, p99-p50)
	}
	c := newChart(r.Name+"-commits", "Commit times", times(past), [][]float64{half, rest})
	c.Legend = []string{"half within", "99 of 100 within"}
	switch {
	case c.Top == allZero && r.Commits.Count == 0:
		c.Top = notYet
	case c.Top == allZero:
		c.Top = noneLately
	case c.Top != notYet:
		c.Top += " ms"
	}
	return c
}

// times are where samples stand in the picture: the newest at the right edge.
func times(past []sample) []int {
	at := make([]int, 0, len(past))
	for i := range past {
		at = append(at, max(chartWide-int(past[len(past)-1].at.Sub(past[i].at).Round(time.Second)/time.Second), 0))
	}
	return at
}

// newChart draws lines that have a value from each of some places to the next.
func newChart(id, title string, at []int, lines [][]float64) chart {
	c := chart{ID: id, Title: title, Top: notYet, Areas: make([]string, len(lines))}
	steps := len(at) - 1
	if steps < 1 {
		return c
	}
	sums := make([]float64, steps)
	for _, line := range lines {
		for i, f := range line {
			sums[i] += f
		}
	}
	most := slices.Max(sums)
	if most <= 0 {
		c.Top = allZero
		return c
	}
	top := roundUp(max(most, 1))
	c.Top = group(int64(top))
	lower := make([]float64, steps)
	for i, line := range lines {
		upper := make([]float64, steps)
		for j, f := range line {
			upper[j] = lower[j] + f
		}
		c.Areas[i] = area(at, lower, upper, top)
		lower = upper
	}
	return c
}

// area is the path around what lies between two lines of steps; "" if that is nothing.
func area(at []int, lower, upper []float64, top float64) string {
	if slices.Equal(lower, upper) {
		return ""
	}
	path := make([]byte, 0, 16*len(upper))
	across := func(i int) { path = strconv.AppendInt(append(path, 'H'), int64(at[i]), 10) }
	height := func(f float64) { path = strconv.AppendFloat(path, chartHigh*(1-f/top), 'f', 1, 64) }
	path = append(strconv.AppendInt(append(path, 'M'), int64(at[0]), 10), ' ')
	for i, f := range upper {
		if i > 0 {
			path = append(path, 'V')
		}
		height(f)
		across(i + 1)
	}
	for i, f := range slices.Backward(lower) {
		path = append(path, 'V')
		height(f)
		across(i)
	}
	return string(append(path, 'Z'))
}

// roundUp gives the next number of 1, 2 or 5 and zeros, for an axis that does not move with every sample.
func roundUp(f float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(f)))
	for _, factor := range []float64{1, 2, 5} {
		if f <= factor*step {
			return factor * step
		}
	}
	return 10 * step
}
