package traffic

import (
	"crypto/sha256"
	_ "embed" // the page's template and style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// WritePage writes the report as one HTML page. It asks for nothing from elsewhere and runs no script, which its content
// security policy holds it to; the charts are SVG. now is when it was made.
func WritePage(w io.Writer, rep *Report, now time.Time) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"num": Thousands, "pct": percent, "time": clock, "width": barWidth, "span": span,
	}).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("parse page: %w", err)
	}

	sum := sha256.Sum256([]byte(pageCSS))
	view := pageView{
		Report: rep, Now: now.UTC(), Chart: newChart(rep.Buckets),
		Style: template.HTML("<style>" + pageCSS + "</style>"), //nolint:gosec // our own
		Hash:  base64.StdEncoding.EncodeToString(sum[:]),
		Cards: []card{
			{"events", Thousands(rep.Events), ""},
			{"ended as they should", percent(kindShare(rep, KindOK)), "ok"},
			{"to be dialled again", percent(kindShare(rep, KindRetryable)), "retryable"},
			{"failed for good", percent(kindShare(rep, KindFailed)), "failed"},
			{"unknown codes", percent(kindShare(rep, KindUnknown)), "unknown"},
		},
		Lists: []list{
			{"By fault", rep.Faults},
			{"Dial again?", rep.Retryable},
			{"By retry class", rep.Classes},
			{"By direction", rep.Directions},
			{"By outcome", rep.Outcomes},
			{"Malformed, by reason", rep.Malformed},
			{"By catalog", rep.Catalogs},
		},
	}

	if err := page.Execute(w, &view); err != nil {
		return fmt.Errorf("write page: %w", err)
	}

	return nil
}

type pageView struct {
	*Report
	Now   time.Time
	Chart *chart
	Style template.HTML
	Hash  string
	Cards []card
	Lists []list
}

type card struct{ Label, Value, Class string }

type list struct {
	Title  string
	Counts []Count
}

// Most is the largest share in the list, whose bar is the longest.
func (l list) Most() float64 {
	most := 0.0
	for _, c := range l.Counts {
		most = max(most, c.Share)
	}

	return most
}

// kindShare is the share of a kind in all events that the chart counts. Those without a timestamp are missing in it,
// so that the counts by code are asked.
func kindShare(rep *Report, kind Kind) float64 {
	var n, failed int64

	for i := range rep.Codes {
		c := &rep.Codes[i]

		switch ok := c.Fault == "success" || c.Fault == "neutral"; {
		case kind == KindRetryable:
			n += c.Retryable
		case ok && kind == KindOK, !ok && kind == KindFailed:
			failed += c.Events - c.Retryable
		}
	}

	if kind == KindUnknown {
		for _, u := range rep.Unknown {
			n += u.Events
		}

		n += rep.MoreUnknown
	}

	return share(n+failed, rep.Events)
}

// chart is the stacked bars over time, in the units of its picture: one wide for each bucket, and chartHeight high.
type chart struct {
	Wide   int
	High   int
	Max    int64 // events at the top
	Bars   []bar
	Legend []card
	From   time.Time
	Middle time.Time
	To     time.Time
}

type bar struct {
	X     string
	Title string
	Parts []part
}

type part struct{ Y, Height, Class string }

const chartHeight = 100

// kindNames are the classes and labels of the kinds, in their order.
func kindNames() [numKinds]card {
	return [numKinds]card{
		{"ended as they should", "", "ok"},
		{"to be dialled again", "", "retryable"},
		{"failed for good", "", "failed"},
		{"unknown code", "", "unknown"},
		{"no code, malformed, tombstone", "", "other"},
	}
}

// newChart lays the bars out; nil without buckets.
func newChart(buckets []Bucket) *chart {
	if len(buckets) == 0 {
		return nil
	}

	c := &chart{Wide: len(buckets), High: chartHeight}
	kinds := kindNames()
	c.Legend = kinds[:]

	for i := range buckets {
		c.Max = max(c.Max, buckets[i].Events)
	}

	c.Max = roundUp(c.Max)

	for i := range buckets {
		c.Bars = append(c.Bars, newBar(&buckets[i], i, c.Max))
	}

	width := time.Duration(0)
	if len(buckets) > 1 {
		width = buckets[1].From.Sub(buckets[0].From)
	}

	c.From, c.To = buckets[0].From, buckets[len(buckets)-1].From.Add(width)
	c.Middle = c.From.Add(c.To.Sub(c.From) / 2)

	return c
}

func newBar(b *Bucket, x int, most int64) bar {
	one := bar{X: strconv.Itoa(x), Title: fmt.Sprintf("%s: %s events", clock(b.From), Thousands(b.Events))}
	y := float64(chartHeight)

	for kind, n := range b.Of() {
		if n == 0 {
			continue
		}

		name := kindNames()[kind]
		high := chartHeight * float64(n) / float64(most)
		y -= high
		one.Title += fmt.Sprintf("\n%s: %s", name.Label, Thousands(n))
		one.Parts = append(one.Parts, part{decimal(y), decimal(high), name.Class})
	}

	return one
}

// roundUp gives the next number with one digit and zeros, for an axis.
func roundUp(n int64) int64 {
	step := int64(math.Pow10(len(strconv.FormatInt(n, 10)) - 1))
	for factor := range int64(10) {
		if factor > 0 && factor*step >= n {
			return factor * step
		}
	}

	return 10 * step
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

func percent(f float64) string {
	if f > 0 && f < 0.0005 {
		return "<0.1 %"
	}

	return strconv.FormatFloat(100*f, 'f', 1, 64) + " %"
}

// barWidth is the width of a share's bar, beside the longest one.
func barWidth(f, most float64) string {
	if most == 0 {
		return "0%"
	}

	return decimal(100*f/most) + "%"
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// span says how long a bucket is.
func span(seconds int64) string {
	d := time.Duration(seconds) * time.Second

	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / u.unit; n > 0 && d%u.unit == 0 {
			return amount(int64(n), u.name)
		}
	}

	return amount(seconds, "second")
}

func amount(n int64, unit string) string {
	if n != 1 {
		unit += "s"
	}

	return fmt.Sprintf("%d %s", n, unit)
}

// Thousands writes a number in groups of three.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)

	var b strings.Builder

	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}

		b.WriteRune(digit)
	}

	return b.String()
}
