// Package progress shows how far a long sequence of steps is: what runs now, and how long the rest
// will take, by what steps of the same kind have taken.
package progress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Step is one to come.
type Step struct {
	Kind     string        // steps of one kind take equally long
	Label    string        // what runs
	Estimate time.Duration // while none of its kind has been done
}

// Bar shows the progress. It is not safe for concurrent use.
type Bar struct {
	out   io.Writer
	live  bool // a terminal: a line is written over the one before
	steps []Step
	at    int
	begun time.Time // the step that runs
	now   func() time.Time
	took  map[string]mean
}

type mean struct {
	sum time.Duration
	n   int
}

// New makes a Bar. live is for terminals.
func New(out io.Writer, live bool, steps []Step, now func() time.Time) *Bar {
	return &Bar{out: out, live: live, steps: steps, now: now, took: map[string]mean{}}
}

// Begin shows that the next step runs.
func (b *Bar) Begin() {
	b.begun = b.now()
	if !b.live {
		return
	}
	const width = 24
	full := width * b.at / max(1, len(b.steps))
	b.print("\r\x1b[K[%s%s] %d/%d  %s left  %s", strings.Repeat("#", full), strings.Repeat(".", width-full), b.at+1, len(b.steps), clock(b.Left()), b.steps[b.at].Label)
}

// End says what the step gave. A step that was not really made (skipped) is not taken for the measure of its kind.
func (b *Bar) End(outcome string, made bool) {
	s := &b.steps[b.at]
	spent := b.now().Sub(b.begun)
	if made {
		m := b.took[s.Kind]
		b.took[s.Kind] = mean{m.sum + spent, m.n + 1}
	}
	b.at++
	if b.live {
		b.print("\r\x1b[K")
	}
	b.print("%*d/%d  %-52s %s  (%.1f s, %s left)\n", len(strconv.Itoa(len(b.steps))), b.at, len(b.steps), s.Label, outcome, spent.Seconds(), clock(b.Left()))
}

func (b *Bar) print(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, format, args...) // it is for people to look at
}

// Left is the time that the steps from the present one on will take.
func (b *Bar) Left() time.Duration {
	var left time.Duration
	for _, s := range b.steps[b.at:] {
		if m := b.took[s.Kind]; m.n > 0 {
			left += m.sum / time.Duration(m.n)
		} else {
			left += s.Estimate
		}
	}
	return left
}

// clock writes a time that nobody needs to the second, but for the last minute.
func clock(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}
