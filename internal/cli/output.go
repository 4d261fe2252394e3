package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The output formats.
const (
	asText  = "text"
	asTable = "table"
	asJSON  = "json"
	asYAML  = "yaml"
)

// format is the value of -o. It checks itself, so that a mistake is one of usage.
type format struct {
	value   string
	allowed []string
}

func (f *format) String() string { return f.value }
func (f *format) Type() string   { return strings.Join(f.allowed, "|") }

func (f *format) Set(value string) error {
	if !slices.Contains(f.allowed, value) {
		return fmt.Errorf("want %s", strings.Join(f.allowed, ", "))
	}

	f.value = value

	return nil
}

// outputFlag adds -o; the first format is the default.
func outputFlag(cmd *cobra.Command, allowed ...string) *format {
	f := &format{allowed[0], allowed}
	cmd.Flags().VarP(f, "output", "o", "format of the output")
	complete(cmd, "output", allowed)

	return f
}

// complete names a flag's values to the shell.
func complete(cmd *cobra.Command, flag string, values []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(escaping{w})
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)

	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write output: %w", err)
	}

	return nil
}

func writeYAML(w io.Writer, v any) error {
	text, err := yaml.MarshalWithOptions(v, yaml.IndentSequence(true))
	if err == nil && harmful(string(text)) { // which the encoder leaves as it is, and so do we where it does no harm
		text, err = yaml.MarshalWithOptions(v, yaml.IndentSequence(true), yaml.CustomMarshaler[string](quoteYAML))
	}

	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}

	if harmful(string(text)) { // still: in a key, which is nobody's value
		return write(w, visible(string(text)))
	}

	return write(w, string(text))
}

// quoteYAML puts a text that would do harm into double quotes, in which it is written as escapes.
func quoteYAML(text string) ([]byte, error) {
	if harmful(text) {
		return []byte(strconv.Quote(text)), nil
	}

	return yaml.Marshal(text) //nolint:wrapcheck // by the encoder itself
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}

	return nil
}

// colour is an ANSI sequence.
type colour string

const (
	escape = "\x1b" // begins each

	bold   colour = "\x1b[1m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
	faint  colour = "\x1b[2m"
	reset  colour = "\x1b[0m"
)

// painter colours text, or leaves it alone.
type painter bool

// painter for a stream: colours on a terminal, unless NO_COLOR (no-color.org) or a dumb
// terminal says otherwise.
func (w *world) painter(out io.Writer) painter {
	return painter(isTerminal(out) && w.getenv("NO_COLOR") == "" && w.getenv("TERM") != "dumb")
}

// repaints tells whether lines of stderr can be painted over.
func (w *world) repaints() bool { return isTerminal(w.err) && w.getenv("TERM") != "dumb" }

func isTerminal(stream any) bool {
	f, ok := fileOf(stream)

	return ok && term.IsTerminal(int(f.Fd()))
}

// paint makes a part of a line.
func (p painter) paint(c colour, text string) string {
	text = visibleLine(text)

	if !p || c == "" {
		return text
	}

	return string(c) + text + string(reset)
}

// cell is one cell of a table.
type cell struct {
	text   string
	colour colour
}

// table writes rows in columns, two spaces apart; the last column is not padded.
func table(rows [][]cell, p painter) string {
	var widths []int

	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}

			widths[i] = max(widths[i], utf8.RuneCountInString(visibleLine(c.text)))
		}
	}

	var b strings.Builder

	for _, row := range rows {
		var line strings.Builder

		for i, c := range row {
			line.WriteString(p.paint(c.colour, c.text))

			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(visibleLine(c.text))+2)) //nolint:mnd // the gap
			}
		}

		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}

	return b.String()
}
