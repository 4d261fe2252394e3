package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

type explainFlags struct {
	config    string
	format    *format
	out       *format
	timestamp string
	overlays  []string
}

func newExplain(w *world) *cobra.Command {
	var f explainFlags

	cmd := &cobra.Command{
		Use:   "explain [CODE | -]",
		Short: "Say what a code means, or how an event comes by its advice",
		Long: `For a code (or the name of one): what it means, whose problem it is, and whether and when
to dial again.

For an event on standard input (-): which fields were found, what became of the event,
and which rule gave which advice, step by step. The rules are asked in their
order; the last one shown decided.`,
		Example: `  enricher explain 3010
  enricher explain USER_BUSY
  enricher explain - < event.json
  enricher explain -c enricher.yaml -o json - < event.json`,
		Args: arguments(0, 1, "one code, or - for an event on standard input"),
	}
	configFlag(cmd, &f.config)
	overlayFlag(cmd, &f.overlays)
	f.format = &format{"", []string{"auto", "json", "form"}}
	cmd.Flags().Var(f.format, "format", "format of the event; overrides input.format")
	complete(cmd, "format", f.format.allowed)
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "none", "`time` of the event, from which not_before counts: none, now, or in RFC 3339")
	f.out = outputFlag(cmd, asText, asJSON)

	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		clock, err := parseTimestamp(f.timestamp)
		if err != nil {
			return err
		}

		if len(args) == 1 && args[0] != "-" {
			return explainCode(w, &f, args[0])
		}

		if len(args) == 0 && isTerminal(w.in) {
			return errNothingToExplain
		}

		return explainEvent(cmd.Context(), w, &f, clock())
	}

	return cmd
}

var errNothingToExplain error = &usageError{"explain wants a code, or an event on standard input: " +
	"`enricher explain 3010`, `enricher explain - < event.json`"}

// load reads the configuration; without one it is the default.
// explanation is what -o json says of a code.
type explanation struct {
	Entry   *catalog.Entry `json:"entry"`
	Advice  string         `json:"advice"` // the retry policy in words
	Catalog string         `json:"catalog"`
	// Overrides say what the configuration changed of the policy.
	Overrides []string `json:"overrides,omitempty"`
}

func explainCode(w *world, f *explainFlags, word string) error {
	cfg, err := configured(f.config)
	if err != nil {
		return err
	}

	snap, err := configuredCatalog(cfg, f.overlays...)
	if err != nil {
		return err
	}

	entry, err := findEntry(snap, word)
	if err != nil {
		return err
	}

	if f.out.value == asJSON {
		return writeJSON(w.out, explanation{entry, retryInWords(entry), snap.ID(), entry.Overrides})
	}

	p := w.painter(w.out)
	rows := entryRows(entry)[2:] // code and name are the title
	title := p.paint(bold, fmt.Sprintf("%d %s", entry.Code, entry.Name))

	hours := ""
	if entry.Retry.MaxRetries > 0 {
		hours = hoursInWords(&cfg.Retry)
	}

	return p.show(w.out, title+"\n\n"+table(rows, p)+"\n"+p.paint(classColour(entry.Retry.Class), retryInWords(entry))+"\n"+overridesInWords(entry)+hours+
		"Advice holds for outbound calls only, and not for B legs or calls that were answered unless the operator opts in.\n")
}

func explainEvent(ctx context.Context, w *world, f *explainFlags, timestampMS int64) error {
	cfg, err := configured(f.config)
	if err != nil {
		return err
	}

	e, err := makeEnricher(cfg, f.format.value, f.overlays)
	if err != nil {
		return err
	}

	value, err := readEvent(ctx, w.in)
	if err != nil {
		return err
	}

	x := e.Explain(&enrich.Record{Value: value, TimestampMS: timestampMS})

	if f.out.value == asJSON {
		return writeJSON(w.out, x)
	}

	text := x.String()
	if x.Entry != nil {
		text += "policy: " + retryInWords(x.Entry) + "\n" + overridesInWords(x.Entry)
	}

	if x.Retry != nil && x.Retry.Retryable {
		text += hoursInWords(&cfg.Retry)
	}

	return painter(false).show(w.out, text)
}

var errEventTooLong = errors.New("the event is too long")

// readEvent reads all of the input as one event; the last line end is the shell's. An input without a byte is no event:
// somebody forgot to give one.
func readEvent(ctx context.Context, in io.Reader) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(newInterruptible(ctx, in), longestLine+1))

	switch {
	case err != nil:
		return nil, fmt.Errorf("read event: %w", err)
	case len(value) == 0:
		return nil, errNothingToExplain
	case len(value) > longestLine:
		return nil, fmt.Errorf("read event: %w: at most %d bytes are taken", errEventTooLong, longestLine)
	}

	if n := len(value); n > 0 && value[n-1] == '\n' {
		value = value[:n-1]
	}

	if n := len(value); n > 0 && value[n-1] == '\r' {
		value = value[:n-1]
	}

	return value, nil
}
