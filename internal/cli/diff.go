package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/pkg/catalog"
)

// builtIn names the catalog without overlays.
const builtIn = "builtin"

type diffFlags struct {
	config   string
	events   string
	topic    string
	since    string
	format   *format
	exitCode bool
	out      *format
}

func newCatalogDiff(w *world) *cobra.Command {
	var f diffFlags

	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two catalogs, and what becomes of events with each",
		Long: `Shows what catalog B has differently from A, code by code and field by field. Each is
builtin, or overlay files that are laid over the built-in catalog: one, or several
with commas between them.

With --events or --topic it also says of how many of these events something else becomes
with B than with A, by code: another advice (retryable, class, delay or reason), another
outcome, or another route. Lines are as for ` + "`enricher pipe`" + `. A topic is read from its start,
or --since, up to where it ends now; no group is joined and nothing committed. What is in
the events is not shown.

Of a configuration, diff uses input.format, input.invalid_utf8, input.max_depth, enrich,
output.drop and routes, with --topic kafka, and not catalog.overlays, in whose place A and
B are.

Exit code 0, whether they differ or not; with --exit-code 1 if they differ.`,
		Example: `  enricher catalog diff builtin overlay.yaml
  enricher catalog diff base.yaml base.yaml,site.yaml
  enricher catalog diff builtin overlay.yaml --events events.ndjson
  enricher catalog diff builtin overlay.yaml -c enricher.yaml --topic calls.raw --since 24h
  zcat events.gz | enricher catalog diff builtin overlay.yaml --events - -o json`,
		Args: arguments(2, 2, "two catalogs, each builtin or overlay files"),
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd.Context(), w, &f, args[0], args[1]) },
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVar(&f.events, "events", "", "`file` of events, one a line; - for standard input")
	_ = cmd.MarkFlagFilename("events")
	cmd.Flags().StringVar(&f.topic, "topic", "", "`topic` of events to read; wants -c")
	cmd.Flags().StringVar(&f.since, "since", "", "with --topic: only events from this `time` on: how long ago, such as 24h, RFC 3339, or a date in UTC")
	f.format = &format{"", []string{"auto", "json", "form"}}
	cmd.Flags().Var(f.format, "format", "format of the events; overrides input.format")
	complete(cmd, "format", f.format.allowed)
	cmd.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 1 if the catalogs differ")
	f.out = outputFlag(cmd, asText, asJSON)

	return cmd
}

// side is one of the two catalogs.
type side struct {
	Name string `json:"name"`
	ID   string `json:"id"`

	snap *catalog.Snapshot
}

// diffReport is what -o json says.
type diffReport struct {
	A       side             `json:"a"`
	B       side             `json:"b"`
	Changes []catalog.Change `json:"changes"`
	Events  *diffEvents      `json:"events,omitempty"` // nil: none were asked for
}

func runDiff(ctx context.Context, w *world, f *diffFlags, a, b string) error {
	var report diffReport

	source, err := newEventSource(f, time.Now())
	if err != nil {
		return err
	}

	if report.A, err = loadSide(a); err != nil {
		return err
	}

	if report.B, err = loadSide(b); err != nil {
		return err
	}

	report.Changes = append([]catalog.Change{}, catalog.Diff(report.A.snap, report.B.snap)...) // never null

	if report.Events, err = source.compare(ctx, w, &report); err != nil {
		return err
	}

	if f.out.value == asJSON {
		err = writeJSON(w.out, report)
	} else {
		p := w.painter(w.out)
		err = p.show(w.out, report.text(p))
	}

	if err == nil && f.exitCode && len(report.Changes) > 0 {
		return &silentError{}
	}

	return err
}

func loadSide(name string) (side, error) {
	var overlays []string

	if name != builtIn {
		for file := range strings.SplitSeq(name, ",") {
			if file == "" {
				return side{}, usagef("%q names a file of no name: want %s, or overlay files with commas between them", name, builtIn)
			}

			overlays = append(overlays, file)
		}
	}

	snap, err := loadCatalog(overlays)
	if err != nil {
		return side{}, err
	}

	return side{name, snap.ID(), snap}, nil
}

func (r *diffReport) text(p painter) string {
	var b strings.Builder

	b.WriteString(table([][]cell{{{"A", bold}, {text: r.A.Name}, {r.A.ID, faint}}, {{"B", bold}, {text: r.B.Name}, {r.B.ID, faint}}}, p))
	b.WriteString("\n")

	codes := map[int32]bool{}

	for _, c := range r.Changes {
		codes[c.Code] = true

		b.WriteString(p.paint(changeColour(c.Kind), c.String()) + "\n")
	}

	if len(r.Changes) == 0 {
		b.WriteString("no difference\n")
	} else {
		fmt.Fprintf(&b, "%s in %s\n", counted(int64(len(r.Changes)), "difference"), counted(int64(len(codes)), "code"))
	}

	if r.Events != nil {
		b.WriteString("\n" + r.Events.text(p))
	}

	return b.String()
}

func changeColour(k catalog.Kind) colour {
	switch k {
	case catalog.Added:
		return green
	case catalog.Removed:
		return red
	case catalog.Changed:
		return yellow
	}

	return ""
}

// counted writes a number with its noun.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}

	return thousands(n) + " " + noun
}
