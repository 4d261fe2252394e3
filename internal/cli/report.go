package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/internal/topic"
	"github.com/callstream/enricher/internal/traffic"
	"github.com/callstream/enricher/pkg/enrich"
)

const asHTML = "html"

type reportFlags struct {
	config, topic string
	last          time.Duration
	since, until  string
	file          string
	out           *format
}

func newCatalogReport(w *world) *cobra.Command {
	var f reportFlags

	cmd := &cobra.Command{
		Use:   "report",
		Short: "Count what went through a topic",
		Long: `Reads a topic once, up to where it ends now, and counts its events by code, fault, retry
class, direction and outcome, and over time. Codes that the catalog does not have are
listed with a sample each, in which phone numbers and SIP addresses are masked, unless
privacy.reveal is set.

Of events that were enriched when they were written, the report counts what their object
says (under enrich.field); raw ones are enriched for it as the configuration has it. It
joins no group, commits nothing, and sees only what is committed.

-o html gives one page with charts that needs nothing else.`,
		Example: `  enricher catalog report -c enricher.yaml --last 1h
  enricher catalog report -c enricher.yaml --topic calls.raw --since 2026-11-24T10:00:00Z --until 2026-11-24T12:00:00Z
  enricher catalog report -c enricher.yaml --last 24h -o html --out report.html
  enricher catalog report -c enricher.yaml -o json | jq '.codes[:5]'`,
		Args: arguments(0, 0, "no arguments"),
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVar(&f.topic, "topic", "", "`topic` to read (default output.topic)")
	cmd.Flags().DurationVar(&f.last, "last", 0, "only events of the last so long, such as 1h; the same as --since 1h")
	cmd.Flags().StringVar(&f.since, "since", "", "only events from this `time` on: how long ago, such as 24h, RFC 3339, or a date in UTC")
	cmd.Flags().StringVar(&f.until, "until", "", "only events before this `time`, which is given as for --since")
	cmd.Flags().StringVar(&f.file, "out", "", "`file` to write to instead of standard output, made or replaced")
	f.out = outputFlag(cmd, asTable, asJSON, asHTML)

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return w.report(cmd.Context(), &f, cmd.Flags().Changed("last"))
	}

	return cmd
}

func (w *world) report(ctx context.Context, f *reportFlags, last bool) error {
	now := time.Now()

	scan, err := f.scan(now, last)
	if err != nil {
		return err
	}

	cfg, err := loadConfig(f.config)
	if err != nil {
		return err
	}

	scan.Topic = cmp.Or(f.topic, cfg.Output.Topic)

	rep, err := w.countTopic(ctx, cfg, scan)
	if err != nil {
		return err
	}

	var text bytes.Buffer

	out := w.out
	if f.file != "" {
		out = &text
	}

	switch f.out.value {
	case asJSON:
		err = writeJSON(out, rep)
	case asHTML:
		err = traffic.WritePage(out, rep, now)
	default:
		p := w.painter(out)
		err = p.show(out, reportTables(rep, p))
	}

	if err == nil && f.file != "" {
		// It is there at once or not at all: a page may be what somebody looks at.
		err = replaceFile(f.file, text.Bytes())
	}

	return err
}

// scan checks the flags and gives the span of time that they ask for.
func (f *reportFlags) scan(now time.Time, last bool) (topic.ScanConfig, error) {
	var (
		cfg topic.ScanConfig
		err error
	)

	switch {
	case f.config == "":
		return cfg, usagef("report wants a configuration: -c FILE; it says where the brokers are and how events are read")
	case last && (f.since != "" || f.until != ""):
		return cfg, usagef("--last goes up to now: leave --since and --until out, or --last")
	case last && f.last <= 0:
		return cfg, usagef("--last %s is not above zero", f.last)
	case last:
		cfg.Since = now.Add(-f.last)

		return cfg, nil
	}

	if cfg.Since, err = parseTime("--since", f.since, now); err != nil {
		return cfg, err
	}

	if cfg.Until, err = parseTime("--until", f.until, now); err != nil {
		return cfg, err
	}

	if !cfg.Since.IsZero() && !cfg.Until.IsZero() && !cfg.Since.Before(cfg.Until) {
		return cfg, usagef("--since %s is not before --until %s", f.since, f.until)
	}

	return cfg, nil
}

// countTopic reads the topic and counts.
func (w *world) countTopic(ctx context.Context, cfg *config.Config, scan topic.ScanConfig) (*traffic.Report, error) {
	snap, err := configuredCatalog(cfg)
	if err != nil {
		return nil, err
	}

	opt := app.EnrichOptions(cfg)
	opt.Fields = nil // all of them: some of what is counted may not be written by the filter

	e, err := enrich.New(snap, opt)
	if err != nil {
		return nil, asConfigError(fmt.Errorf("enrich: %w", err))
	}

	client, err := topic.Dial(ctx, cfg.Kafka)
	if err != nil {
		return nil, err
	}
	defer client.Close()

	view := &progressLine{w: w, p: w.painter(w.err), what: "offsets of " + scan.Topic}
	if w.repaints() {
		scan.Progress = view.show
	}

	counter := traffic.NewCounter(e, snap, cfg.Enrich.Field, privacy.Policy(cfg.Privacy))
	err = topic.Scan(ctx, client, scan, func(r *topic.Record) error {
		counter.Add(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli(), HeaderAttempt: headerAttempt(r)})

		return nil
	})

	view.clear()

	if err != nil {
		return nil, err
	}

	rep := counter.Report()
	rep.Topic, rep.Since, rep.Until = scan.Topic, timeOrNil(scan.Since), timeOrNil(scan.Until)

	return rep, nil
}

// headerAttempt is the last of the record's headers with the attempt, as the filter takes it.
func headerAttempt(r *topic.Record) []byte {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == "hangup-attempt" {
			return h.Value
		}
	}

	return nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}

	return new(t.UTC().Truncate(time.Millisecond))
}

// progressLine is one line that is painted anew while something long goes on.
type progressLine struct {
	w       *world
	p       painter
	what    string
	painted time.Time
	shown   bool
}

// paintEvery is how often the line is painted at most.
const paintEvery = 100 * time.Millisecond

func (l *progressLine) show(done, total int64) {
	if total == 0 || time.Since(l.painted) < paintEvery {
		return
	}

	l.painted, l.shown = time.Now(), true
	full := int(min(scaled(done, total), barWidth))
	bar := l.p.paint(green, strings.Repeat("█", full)) + l.p.paint(faint, strings.Repeat("░", barWidth-full))
	_ = write(l.w.err, fmt.Sprintf("\r\x1b[K%s %s of %s %s", bar, thousands(done), thousands(total), visibleLine(l.what))) // a view that cannot be shown is no failure
}

// clear takes the line away again.
func (l *progressLine) clear() {
	if l.shown {
		_ = write(l.w.err, "\r\x1b[K") // as in show
	}
}

// reportTables is what a person reads.
func reportTables(rep *traffic.Report, p painter) string {
	var b strings.Builder

	fmt.Fprintf(&b, "%s\n", p.paint(bold, fmt.Sprintf("%s events on %s%s", thousands(rep.Events), rep.Topic, reportSpan(rep))))
	fmt.Fprintf(&b, "%s enriched when written, %s raw and enriched for this report, %s without a cause\n",
		thousands(rep.WithObject), thousands(rep.EnrichedHere), thousands(rep.WithoutCause))

	if len(rep.Codes) > 0 {
		b.WriteString("\n" + table(reportCodes(rep), p))
	}

	if len(rep.Unknown) > 0 {
		b.WriteString("\n" + reportUnknown(rep, p))
	}

	if rep.Events > 0 {
		b.WriteString("\n" + table(reportCounts(rep), p))
	}

	return b.String()
}

func reportSpan(rep *traffic.Report) string {
	if rep.First == nil {
		return ""
	}

	return fmt.Sprintf(", %s to %s", rep.First.Format(time.RFC3339), rep.Last.Format(time.RFC3339))
}

func reportCodes(rep *traffic.Report) [][]cell {
	rows := [][]cell{{{"CODE", bold}, {"EVENTS", bold}, {"SHARE", bold}, {"DIAL AGAIN", bold}, {"NAME", bold}, {"FAULT", bold}, {"RETRY CLASS", bold}}}

	for i := range rep.Codes {
		c := &rep.Codes[i]
		rows = append(rows, []cell{
			{strconv.Itoa(int(c.Code)), ""},
			{thousands(c.Events), ""},
			{share(c.Events, rep.Events), ""},
			{thousands(c.Retryable), ""},
			{c.Name, ""},
			{c.Fault, ""},
			{c.Class, ""},
		})
	}

	if rep.MoreCodes > 0 {
		rows = append(rows, []cell{{"…", faint}, {thousands(rep.MoreCodes), ""}, {share(rep.MoreCodes, rep.Events), ""}, {"", ""}, {"further codes", faint}})
	}

	return rows
}

func reportUnknown(rep *traffic.Report, p painter) string {
	var b strings.Builder

	title := "Not in the catalog, with the first event of each, numbers masked:"
	if rep.Revealed {
		title = "Not in the catalog, with the first event of each:"
	}

	b.WriteString(p.paint(bold, title) + "\n")

	for _, u := range rep.Unknown {
		fmt.Fprintf(&b, "%s  %s, %s (%s)\n  %s\n", p.paint(yellow, cmp.Or(u.Text, "(not said)")), thousands(u.Events), share(u.Events, rep.Events), visibleLine(u.Reason),
			p.paint(faint, u.Sample))
	}

	if rep.MoreUnknown > 0 {
		fmt.Fprintf(&b, "and %s events with further unknown codes\n", thousands(rep.MoreUnknown))
	}

	return b.String()
}

func reportCounts(rep *traffic.Report) [][]cell {
	var rows [][]cell

	for _, l := range []struct {
		title  string
		counts []traffic.Count
	}{
		{"OUTCOME", rep.Outcomes},
		{"MALFORMED", rep.Malformed},
		{"FAULT", rep.Faults},
		{"DIAL AGAIN", rep.Retryable},
		{"RETRY CLASS", rep.Classes},
		{"DIRECTION", rep.Directions},
		{"CATALOG", rep.Catalogs},
	} {
		for i, c := range l.counts {
			title := ""
			if i == 0 {
				title = l.title
			}

			rows = append(rows, []cell{{title, bold}, {c.Name, ""}, {thousands(c.Events), ""}, {share(c.Events, rep.Events), ""}})
		}
	}

	return rows
}
