package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/topic"
	"github.com/callstream/enricher/pkg/enrich"
)

// eventSource is where events to compare come from, and what is done with them.
type eventSource struct {
	cfg   *config.Config
	file  string // "" if not from a file; - is standard input
	topic string // "" if not from a topic
	since time.Time
}

// diffEvents is what became of them.
type diffEvents struct {
	*casetest.Report

	From    string `json:"from"`
	TooLong int64  `json:"too_long,omitempty"` // lines that were left out
}

func newEventSource(f *diffFlags, now time.Time) (*eventSource, error) {
	s := &eventSource{cfg: config.Default(), file: f.events, topic: f.topic}

	switch {
	case f.topic != "" && f.events != "":
		return nil, usagef("--events and --topic: name one source of events")
	case f.topic != "" && f.config == "":
		return nil, usagef("--topic wants -c with a configuration that names the brokers")
	case f.topic == "" && f.since != "":
		return nil, usagef("--since wants --topic: lines have no time")
	}

	var err error
	if s.since, err = parseTime("--since", f.since, now); err != nil {
		return nil, err
	}

	if f.config != "" {
		if s.cfg, err = loadConfig(f.config); err != nil {
			return nil, err
		}
	}

	if f.format.value != "" {
		s.cfg.Input.Format = config.Format(f.format.value)
	}

	return s, nil
}

// compare gives nil if no events are asked for.
func (s *eventSource) compare(ctx context.Context, w *world, r *diffReport) (*diffEvents, error) {
	if s.file == "" && s.topic == "" {
		return nil, nil //nolint:nilnil // nothing asked for
	}

	var subjects [2]*casetest.Subject

	for i, catalog := range []side{r.A, r.B} {
		subject, err := casetest.NewSubject(s.cfg, catalog.snap)
		if err != nil {
			return nil, asConfigError(fmt.Errorf("with catalog %s: %w", catalog.Name, err))
		}

		subjects[i] = subject
	}

	comparison := casetest.NewComparison(subjects[0], subjects[1])

	if s.topic != "" {
		if err := s.readTopic(ctx, w, comparison); err != nil {
			return nil, err
		}

		return &diffEvents{comparison.Report(), "topic " + s.topic, 0}, nil
	}

	tooLong, err := s.readLines(ctx, w, comparison)
	if err != nil {
		return nil, err
	}

	from := s.file
	if from == "-" {
		from = "standard input"
	}

	return &diffEvents{comparison.Report(), from, tooLong}, nil
}

// readTopic compares what a topic holds now.
func (s *eventSource) readTopic(ctx context.Context, w *world, c *casetest.Comparison) error {
	client, err := topic.Dial(ctx, s.cfg.Kafka)
	if err != nil {
		return err
	}
	defer client.Close()

	scan := topic.ScanConfig{Topic: s.topic, Since: s.since}

	view := &progressLine{w: w, p: w.painter(w.err), what: "offsets of " + s.topic}
	if w.repaints() {
		scan.Progress = view.show
	}

	defer view.clear()

	return topic.Scan(ctx, client, scan, func(r *topic.Record) error {
		c.Add(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli(), HeaderAttempt: headerAttempt(r)})

		return nil
	})
}

// readLines compares the events of a file. It gives the number of lines that are too long to be looked at.
func (s *eventSource) readLines(ctx context.Context, w *world, c *casetest.Comparison) (tooLong int64, err error) {
	in := w.in

	if s.file != "-" {
		file, err := os.Open(s.file)
		if err != nil {
			return 0, fmt.Errorf("read events: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read

		in = file
	}

	lines := newLineReader(newInterruptible(ctx, in), longestLine, func() error { return nil })

	for {
		l, err := lines.next()

		switch {
		case errors.Is(err, io.EOF):
			return tooLong, nil
		case err != nil:
			return 0, fmt.Errorf("read events: %w", err)
		case l.text == nil && l.size > 0:
			tooLong++
		case len(bytes.TrimSpace(l.text)) > 0:
			c.Add(&enrich.Record{Value: l.text, TimestampMS: -1})
		}
	}
}

func (e *diffEvents) text(p painter) string {
	var b strings.Builder

	fmt.Fprintf(&b, "%s from %s: %s would change (another advice %s, outcome %s, route %s)\n",
		counted(e.Events, "event"), e.From, thousands(e.Changed), thousands(e.Advice), thousands(e.Outcome), thousands(e.Route))

	if e.TooLong > 0 {
		fmt.Fprintf(&b, "%s not looked at: longer than %d bytes\n", counted(e.TooLong, "line"), longestLine)
	}

	if len(e.Codes) == 0 {
		return b.String()
	}

	rows := [][]cell{{{"CODE", bold}, {"NAME", bold}, {"EVENTS", bold}, {"CHANGED", bold}, {"ADVICE", bold}, {"OUTCOME", bold}, {"ROUTE", bold}, {"WHAT CHANGES", bold}}}

	for i := range e.Codes {
		c := &e.Codes[i]

		row := []cell{{text: strconv.Itoa(int(c.Code))}, {text: c.Name}}
		for _, n := range []int64{c.Events, c.Changed, c.Advice, c.Outcome, c.Route} {
			row = append(row, cell{text: thousands(n)})
		}

		rows = append(rows, append(row, cell{text: whatChanges(c)}))
	}

	b.WriteString("\n" + table(rows, p))

	return b.String()
}

// whatChanges is one line for a code. A number of events stands where it is not all that change.
func whatChanges(c *casetest.CodeReport) string {
	var parts []string

	last := ""

	for _, t := range c.Changes {
		text := orDash(t.Old) + " → " + orDash(t.New)
		if t.Aspect == "delay_s" {
			text = inSeconds(t.Old) + " → " + inSeconds(t.New)
		}

		if t.Events != c.Changed {
			text += fmt.Sprintf(" (%s)", thousands(t.Events))
		}

		if t.Aspect == last {
			parts[len(parts)-1] += ", " + text

			continue
		}

		parts, last = append(parts, strings.TrimSuffix(t.Aspect, "_s")+" "+text), t.Aspect
	}

	return strings.Join(parts, "; ")
}

func orDash(word string) string { return cmp.Or(word, "-") }

func inSeconds(delay string) string {
	if delay == "" {
		return orDash(delay)
	}

	return delay + " s"
}
