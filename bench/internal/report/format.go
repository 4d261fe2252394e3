package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/callstream/enricher/bench/internal/measure"
)

// number writes three significant digits, or all before the point, with commas between thousands.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return thousands(int64(math.Round(v)))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return sign + s
}

// spanned writes a median with the least and the greatest; "–" if there is nothing.
func spanned(r measure.Range) string { return scaled(r, 1) }

// scaled is spanned of values in a smaller unit.
func scaled(r measure.Range, unit float64) string {
	if r.N == 0 {
		return "–"
	}
	if r.N == 1 {
		return number(r.Median / unit)
	}
	return fmt.Sprintf("%s (%s–%s)", number(r.Median/unit), number(r.Min/unit), number(r.Max/unit))
}

// Units.
const (
	mebibyte    = 1 << 20
	thousand    = 1e3
	millisecond = 1e-3
)

// table writes a Markdown table.
type table struct {
	b       strings.Builder
	columns int
}

func newTable(columns ...string) *table {
	t := &table{columns: len(columns)}
	t.row(columns...)
	t.row(strings.Split(strings.Repeat("---|", len(columns)), "|")[:len(columns)]...)
	return t
}

func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(strings.ReplaceAll(cells[i], "|", `\|`), "\n", " ")
	}
	for len(cells) < t.columns {
		cells = append(cells, "")
	}
	t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func (t *table) String() string { return t.b.String() }

// cut shortens what is said for people.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
