package cli

import (
	"fmt"
	"strings"

	"github.com/callstream/enricher/internal/demo"
	"github.com/callstream/enricher/pkg/enrich"
)

// liveView repaints a few lines while the demo runs.
type liveView struct {
	w     *world
	p     painter
	lines int
	last  demo.Progress
	rate  float64
}

// barWidth is the width of the progress bar, in characters.
const barWidth = 40

func (v *liveView) show(pr demo.Progress) {
	if d := pr.Elapsed - v.last.Elapsed; d > 0 {
		now := float64(pr.Totals.In-v.last.Totals.In) / d.Seconds()
		v.rate += (now - v.rate) / 4 // smoothed over the last few paintings
	}

	v.last = pr
	rows := make([][]cell, 0, enrich.NumOutcomes)

	for o := range enrich.Outcome(enrich.NumOutcomes) {
		n := pr.Totals.Outcomes[o.String()]
		rows = append(rows, []cell{{o.String(), ""}, {thousands(n), ""}, {strings.Repeat("▪", int(scaled(n, pr.Totals.In))), green}})
	}

	text := fmt.Sprintf("%s  %s/s\n%s", v.bar(pr), thousands(int64(v.rate)), table(rows, v.p))
	if pr.Retry != nil {
		text += "\n" + table(retryRows(pr.Retry), v.p)
	}

	v.clear()
	v.lines = strings.Count(text, "\n")

	_ = write(v.w.err, text) // a view that cannot be shown is no failure
}

func scaled(n, of int64) int64 {
	if of == 0 {
		return 0
	}

	return n * barWidth / of
}

func (v *liveView) bar(pr demo.Progress) string {
	if pr.Goal == 0 {
		return fmt.Sprintf("%s events after %.0f s", thousands(pr.Totals.In), pr.Elapsed.Seconds())
	}

	full := int(min(scaled(pr.Totals.In, pr.Goal), barWidth))

	return fmt.Sprintf("%s%s %s of %s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), thousands(pr.Totals.In), thousands(pr.Goal))
}

// clear takes the painted lines away again.
func (v *liveView) clear() {
	if v.lines > 0 {
		_ = write(v.w.err, fmt.Sprintf("\x1b[%dA\x1b[J", v.lines)) // as in show
		v.lines = 0
	}
}
