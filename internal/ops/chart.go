package ops

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// chart is areas that lie on each other, over the last pastTime. A unit of its picture is a second wide; it is
// chartHigh units high.
type chart struct {
	ID    string   `json:"id"`
	Title string   `json:"-"`
	Top   string   `json:"top"`   // what the upper edge stands for
	Areas []string `json:"areas"` // path data, the lowest first
}

const (
	chartHigh = 100
	chartWide = int(pastTime / time.Second)
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
	return newChart(r.Name+"-rates", words(r.Name).Rates, times(past, 1), lines)
}

func perSecond(n int64, in time.Duration) float64 {
	if n <= 0 || in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

// lagChart shows how far a role is behind.
func lagChart(r *Role, past []sample, role int) chart {
	line := make([]float64, len(past))
	for i := range past {
		line[i] = float64(past[i].roles[role].lag)
	}
	return newChart(r.Name+"-lags", words(r.Name).Lag, times(past, 0), [][]float64{line})
}

// commitsChart shows in milliseconds within which half of a role's commits were done, and above it 99 of 100.
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
	c := newChart(r.Name+"-commits", "Commit times: half within, 99 of 100 within", times(past, 1), [][]float64{half, rest})
	c.Top += " ms"
	return c
}

// times are where samples stand in the picture: the newest at the right edge, from the one called first on.
func times(past []sample, first int) []int {
	var at []int
	for i := first; i < len(past); i++ {
		at = append(at, max(chartWide-int(past[len(past)-1].at.Sub(past[i].at).Round(time.Second)/time.Second), 0))
	}
	return at
}

// newChart draws lines that have a value at each of some places.
func newChart(id, title string, at []int, lines [][]float64) chart {
	var sums []float64
	for _, line := range lines {
		for i, f := range line {
			if i == len(sums) {
				sums = append(sums, 0)
			}
			sums[i] += f
		}
	}
	top := 1.0
	for _, sum := range sums {
		top = max(top, sum)
	}
	top = roundUp(top)
	c := chart{ID: id, Title: title, Top: group(int64(top)), Areas: make([]string, len(lines))}
	lower := make([]float64, len(sums))
	for i, line := range lines {
		upper := make([]float64, len(sums))
		for j, f := range line {
			upper[j] = lower[j] + f
		}
		c.Areas[i] = area(at, lower, upper, top)
		lower = upper
	}
	return c
}

// area is the path around what lies between two lines; "" if that is nothing.
func area(at []int, lower, upper []float64, top float64) string {
	if len(upper) < 2 {
		return ""
	}
	flat := true
	for i := range upper {
		flat = flat && upper[i] == lower[i]
	}
	if flat {
		return ""
	}
	path := make([]byte, 0, 16*len(upper))
	point := func(command byte, i int, f float64) {
		path = append(path, command)
		path = strconv.AppendInt(path, int64(at[i]), 10)
		path = append(path, ' ')
		path = strconv.AppendFloat(path, chartHigh*(1-f/top), 'f', 1, 64)
	}
	command := byte('M')
	for i, f := range upper {
		point(command, i, f)
		command = 'L'
	}
	for i, f := range slices.Backward(lower) {
		point(command, i, f)
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
