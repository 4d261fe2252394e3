package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/pkg/enrich"
)

type pipeFlags struct {
	config     string
	format     *format
	deadLetter string
	timestamp  string
	strict     bool
	quiet      bool
}

func newPipe(w *world) *cobra.Command {
	var f pipeFlags

	cmd := &cobra.Command{
		Use:   "pipe",
		Short: "Enrich lines from standard input, without Kafka",
		Long: `Reads one event per line from standard input and writes the enriched ones to standard
output, in the same order, all else byte for byte; blank lines are copied. A line that
is broken goes to the dead-letter file, or else to standard error, as one JSON line:

  {"line":7,"reason":"not_json","error":"…","value":"…"}

with value_base64 in place of value if it is not UTF-8, and neither if it is longer
than 64 MiB (reason too_long). Totals go to standard error.

Of a configuration, pipe uses input.format, input.invalid_utf8, input.max_depth, catalog
and enrich. Topics, routes and output.drop are Kafka's.

Exit code 0; with --strict 1 if any line was broken.`,
		Example: `  enricher pipe < events.ndjson > enriched.ndjson
  tail -f events.ndjson | enricher pipe -c enricher.yaml | jq .hangup
  enricher pipe --strict --dead-letter broken.ndjson < events.ndjson > enriched.ndjson`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return usagef("%s reads standard input and takes no file: use `%s < %s`", cmd.CommandPath(), cmd.CommandPath(), args[0])
			}

			return arguments(0, 0, "events on standard input and no arguments")(cmd, args)
		},
	}
	configFlag(cmd, &f.config)
	f.format = &format{"", []string{"auto", "json", "form"}}
	cmd.Flags().Var(f.format, "format", "format of the events; overrides input.format")
	complete(cmd, "format", f.format.allowed)
	cmd.Flags().StringVar(&f.deadLetter, "dead-letter", "", "`file` for broken lines, made or emptied; default standard error")
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "none", "`time` of the events, from which not_before counts: none, now, or in RFC 3339")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit with 1 if any line was broken")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "no totals")

	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return runPipe(cmd.Context(), w, &f) }

	return cmd
}

func runPipe(ctx context.Context, w *world, f *pipeFlags) error {
	clock, err := parseTimestamp(f.timestamp)
	if err != nil {
		return err
	}

	cfg, err := configured(f.config)
	if err != nil {
		return err
	}

	e, err := makeEnricher(cfg, f.format.value, nil)
	if err != nil {
		return err
	}

	p := &pipe{e: e, clock: clock, out: bufio.NewWriterSize(w.out, readSize), dead: bufio.NewWriter(w.err)}

	if f.deadLetter != "" {
		file, err := w.makeDeadLetters(f.deadLetter)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // what was written is flushed and checked below

		p.dead = bufio.NewWriter(file)
	}

	err = p.run(ctx, w.in)
	if late := p.flush(); late != nil { // all that could not be written: where writing has failed, it fails again
		err = late
	}

	if !f.quiet {
		w.tell(p.totals())
	}

	if f.strict && p.counts[enrich.Malformed] > 0 && (err == nil || onlyUnread(err)) {
		return &silentError{}
	}

	return err
}

// makeDeadLetters makes the file for broken lines, or empties it.
func (w *world) makeDeadLetters(name string) (*os.File, error) {
	if what := w.stream(name); what != "" {
		return nil, usagef("--dead-letter %s is %s, too: name a file that broken lines have for themselves", name, what)
	}

	file, err := makeFile(name)
	if err != nil {
		return nil, fmt.Errorf("make dead-letter file: %w", err)
	}

	return file, nil
}

// stream names the one of the standard streams that a file is; "" if it is none, or a device, such as a terminal or
// /dev/null, which can be several things at once.
func (w *world) stream(name string) string {
	info, err := os.Stat(name)
	if err != nil || info.Mode()&os.ModeCharDevice != 0 {
		return ""
	}

	for _, s := range []struct {
		what   string
		stream any
	}{{"standard input", w.in}, {"standard output", w.out}, {"standard error", w.err}} {
		if f, ok := fileOf(s.stream); ok {
			if its, err := f.Stat(); err == nil && os.SameFile(info, its) {
				return s.what
			}
		}
	}

	return ""
}

// parseTimestamp gives the clock of the records.
func parseTimestamp(text string) (func() int64, error) {
	switch text {
	case "none":
		return func() int64 { return -1 }, nil
	case "now":
		return func() int64 { return time.Now().UnixMilli() }, nil
	}

	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usagef("--timestamp %q is neither none, now nor a time such as 2026-01-31T12:00:00Z", text)
	}

	return at.UnixMilli, nil
}

// configured loads a configuration; "" is the default one.
func configured(file string) (*config.Config, error) {
	if file == "" {
		return config.Default(), nil
	}

	return loadConfig(file)
}

// makeEnricher makes what a configuration asks for. A format that is given goes before that of the configuration, and
// overlays lie above its own.
func makeEnricher(cfg *config.Config, format string, overlays []string) (*enrich.Enricher, error) {
	if format != "" {
		cfg.Input.Format = config.Format(format)
	}

	snap, err := configuredCatalog(cfg, overlays...)
	if err != nil {
		return nil, err
	}

	opt := app.EnrichOptions(cfg)
	opt.WrittenOnly = true

	e, err := enrich.New(snap, opt)
	if err != nil {
		return nil, asConfigError(fmt.Errorf("enrich: %w", err))
	}

	return e, nil
}

// pipe enriches one stream of lines.
type pipe struct {
	e     *enrich.Enricher
	clock func() int64
	out   *bufio.Writer
	dead  *bufio.Writer

	res    enrich.Result
	lines  int64
	blank  int64
	counts [enrich.NumOutcomes]int64
}

func (p *pipe) run(ctx context.Context, in io.Reader) error {
	// What is done is shown before the input may block: someone may be typing it.
	lines := newLineReader(newInterruptible(ctx, in), longestLine, p.flush)

	for {
		l, err := lines.next()

		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}

		if err := p.line(l); err != nil {
			return err
		}
	}
}

func (p *pipe) flush() error {
	out, dead := p.out.Flush(), p.dead.Flush()
	if out != nil {
		out = fmt.Errorf("write output: %w", out)
	}

	if dead != nil {
		dead = fmt.Errorf("write dead letters: %w", dead)
	}

	return errors.Join(out, dead)
}

func (p *pipe) line(l line) error {
	p.lines++

	if l.size > 0 && l.text == nil {
		p.counts[enrich.Malformed]++

		return p.bury(l, "too_long", fmt.Sprintf("a line of %d bytes; at most %d are taken", l.size, longestLine))
	}

	if len(bytes.TrimSpace(l.text)) == 0 {
		p.blank++

		return p.copy(l.text, l.end)
	}

	p.e.Enrich(&enrich.Record{Value: l.text, TimestampMS: p.clock()}, &p.res)
	p.counts[p.res.Outcome]++

	if p.res.Outcome == enrich.Malformed {
		return p.bury(l, string(p.res.Reason), p.res.Detail)
	}

	return p.copy(p.res.Value[0], p.res.Value[1], p.res.Value[2], l.end)
}

// copy keeps an error for the flush: a bufio.Writer does.
func (p *pipe) copy(parts ...[]byte) error {
	for _, part := range parts {
		if _, err := p.out.Write(part); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}

	return nil
}

// bury writes a broken line as JSON: line, reason, error, and its text as value or, if that is not UTF-8, as
// value_base64.
func (p *pipe) bury(l line, reason, detail string) error {
	w := p.dead // which keeps the first error for the last write
	_, _ = fmt.Fprintf(w, `{"line":%d,"reason":%q,"error":`, l.number, reason)
	writeJSONString(w, []byte(detail))

	switch {
	case len(l.text) == 0:
	case utf8.Valid(l.text):
		_, _ = w.WriteString(`,"value":`)
		writeJSONString(w, l.text)
	default:
		_, _ = w.WriteString(`,"value_base64":"`)
		b := base64.NewEncoder(base64.StdEncoding, w)
		_, _ = b.Write(l.text)
		_ = b.Close()
		_ = w.WriteByte('"')
	}

	if _, err := w.WriteString("}\n"); err != nil {
		return fmt.Errorf("write dead letters: %w", err)
	}

	return nil
}

// writeJSONString quotes a text in pieces, since that may make it six times as long. An error is left to the next write.
func writeJSONString(w *bufio.Writer, text []byte) {
	var piece bytes.Buffer

	enc := json.NewEncoder(escaping{&piece})
	enc.SetEscapeHTML(false)

	_ = w.WriteByte('"')

	for len(text) > 0 {
		n := min(len(text), readSize)
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}

		piece.Reset()
		_ = enc.Encode(string(text[:n])) //nolint:errchkjson // neither a string nor a buffer fails
		_, _ = w.Write(piece.Bytes()[len(`"`) : piece.Len()-len("\"\n")])

		text = text[n:]
	}

	_ = w.WriteByte('"')
}

// totals is the line for people: the outcomes add up to the lines that are not blank.
func (p *pipe) totals() string {
	var parts []string

	for o := range enrich.Outcome(enrich.NumOutcomes) {
		if o != enrich.Tombstone { // a line is never one
			parts = append(parts, fmt.Sprintf("%d %s", p.counts[o], o))
		}
	}

	noun := "lines"
	if p.lines == 1 {
		noun = "line"
	}

	return fmt.Sprintf("%d %s: %s, %d blank", p.lines, noun, strings.Join(parts, ", "), p.blank)
}
