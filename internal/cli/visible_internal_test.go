package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/demo"
	"github.com/callstream/enricher/internal/doctor"
	"github.com/callstream/enricher/internal/replay"
	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/internal/traffic"
	"github.com/callstream/enricher/pkg/catalog"
)

// evil is what others may write: colours, control characters of one byte and of two, turned text, ends of lines, and what is not
// UTF-8.
const (
	evil      = "a\x1b[31m\x1b]0;t\x07\x7f\u009b2J\u061c\u200e\u202e\u2066\u2028\u2029\t\r\xff\nFAIL"
	evilShown = `a\u001b[31m\u001b]0;t\u0007\u007f\u009b2J\u061c\u200e\u202e\u2066\u2028\u2029\u0009\u000d` + "\ufffd" + `\u000aFAIL`
)

// harmless holds an output for people to what a terminal may have.
func harmless(t *testing.T, text string) {
	t.Helper()

	for _, c := range []colour{bold, red, green, yellow, faint, reset} {
		text = strings.ReplaceAll(text, string(c), "")
	}

	require.Equal(t, visible(text), text)
	require.NotContains(t, text, "\nFAIL", "an end of line that is part of a text")
	require.Contains(t, text, `\u001b[31m`)
	require.Contains(t, text, `\u009b2J`)
}

func TestVisibleLine(t *testing.T) {
	t.Parallel()

	require.Equal(t, evilShown, visibleLine(evil))
	require.Equal(t, evilShown, visibleLine(evilShown), "once is enough")
	require.Equal(t, "é 日 … █", visibleLine("é 日 … █"))
}

func TestTableCellsAreVisible(t *testing.T) {
	t.Parallel()

	rows := [][]cell{{{text: "a\nb"}, {text: "c"}}, {{evil, red}, {text: evil}}}
	plain := table(rows, false)
	require.Equal(t, `a\u000ab`+strings.Repeat(" ", len([]rune(evilShown))-len(`a\u000ab`)+2)+"c\n"+evilShown+"  "+evilShown+"\n", plain, "as wide as they are shown")
	require.Equal(t, plain, strings.NewReplacer(string(red), "", string(reset), "").Replace(table(rows, true)))
}

// Nothing but the painter's own colours passes, and these only on a terminal.
func TestShow(t *testing.T) {
	t.Parallel()

	for p, want := range map[painter]string{
		false: `\u001b[1mA\u001b[0m` + "\n" + `\u001b[2J\u001b` + "\n",
		true:  string(bold) + "A" + string(reset) + "\n" + `\u001b[2J\u001b` + "\n",
	} {
		var out bytes.Buffer
		require.NoError(t, p.show(&out, string(bold)+"A"+string(reset)+"\n\x1b[2J\x1b\n"))
		require.Equal(t, want, out.String())
	}
}

func TestOutputsForPeopleAreVisible(t *testing.T) {
	t.Parallel()

	raw, err := json.Marshal(strings.ToValidUTF8(evil, ""))
	require.NoError(t, err)

	tests := &testReport{Failed: 1, Cases: []tested{
		{Name: evil, File: evil, Mismatches: []casetest.Mismatch{{What: "fields " + evil, Want: []byte(evil), Got: raw, Note: evil}}, from: &casetest.Case{Value: []byte("{}"), EventFile: evil}},
		{Name: evil, File: evil, OK: true},
	}}

	for name, text := range map[string]func(p painter) string{
		"report": func(p painter) string {
			return reportTables(&traffic.Report{
				Topic: evil, Events: 2, Codes: []traffic.Code{{Name: evil, Fault: evil, Class: evil}}, Directions: []traffic.Count{{Name: evil}},
				Unknown: []traffic.Unknown{{Text: evil, Reason: evil, Sample: evil}},
			}, p)
		},
		"replay": func(p painter) string {
			return replaySummary(&replay.Report{Moves: []replay.Move{{Reason: evil, To: evil}}, OtherReasons: map[string]int64{evil: 1}, Left: map[replay.Why]int64{replay.Why(evil): 1}}, p)
		},
		"test": func(p painter) string { return tests.text(p, &testFlags{config: evil, verbose: true}) },
		"doctor": func(p painter) string {
			return diagnosis(&doctor.Report{Checks: []*doctor.Check{{Status: doctor.Problem, Check: "broker", On: evil, Found: evil, Fix: []string{evil}}}}, p)
		},
		"diff": func(p painter) string {
			return (&diffReport{
				A: side{Name: evil}, Changes: []catalog.Change{{Code: 3010, Kind: catalog.Changed, Old: evil, New: evil}},
				Events: &diffEvents{Report: &casetest.Report{Codes: []casetest.CodeReport{{Name: evil}}}},
			}).text(p)
		},
		"demo": func(p painter) string {
			return demoSummary(&demo.Report{Samples: map[string]string{"enriched": evil}, Routes: map[string]int64{evil: 1}, Reasons: map[string]int64{evil: 1}}, p)
		},
	} {
		for _, p := range []painter{false, true} {
			t.Run(fmt.Sprintf("%s, colours %t", name, p), func(t *testing.T) {
				t.Parallel()

				var out bytes.Buffer
				require.NoError(t, p.show(&out, text(p)))
				harmless(t, out.String())
			})
		}
	}
}

func TestLinesOfStderrAreVisible(t *testing.T) {
	t.Parallel()

	var errs bytes.Buffer

	w := &world{in: strings.NewReader(""), err: &errs}
	w.tell(evil)
	require.Equal(t, "enricher: "+evilShown+"\n", errs.String())

	errs.Reset()

	_, err := w.ask(t.Context(), evil)
	require.NoError(t, err)
	require.Equal(t, evilShown+" [y/N] ", errs.String())

	errs.Reset()
	(&progressLine{w: w, what: evil}).show(1, 1)
	require.Contains(t, errs.String(), "1 of 1 "+evilShown)
}

// What is joined keeps its lines; an end of line that somebody else wrote makes none.
func TestErrorsAreVisible(t *testing.T) {
	t.Parallel()

	other := errors.New(evil)

	for want, err := range map[string]error{
		evilShown:                                 other,
		"x: " + evilShown:                         fmt.Errorf("x: %w", other),
		evilShown + ": EOF":                       fmt.Errorf("%s: %w", evil, io.EOF),
		evilShown + "\nEOF":                       errors.Join(other, io.EOF),
		"x: EOF\n" + evilShown:                    fmt.Errorf("x: %w", errors.Join(io.EOF, other)),
		"EOF, " + evilShown + " y":                fmt.Errorf("%w, %w y", io.EOF, other),
		"f:1:1: " + evilShown + "\n" + "f:2:1: b": asConfigError(strictyaml.Mistakes{{File: "f", Line: 2, Column: 1, Msg: "b"}, {File: "f", Line: 1, Column: 1, Msg: evil}}),
		"with a line end":                         fmt.Errorf("with %w", errors.New("a line end\n")), //nolint:revive // as others have them
	} {
		require.Equal(t, want, errorText(err))

		var errs bytes.Buffer

		(&world{err: &errs}).complain(err)
		require.Equal(t, "enricher: "+strings.ReplaceAll(want, "\n", "\nenricher: ")+"\n", errs.String())
	}
}

// JSON says the same, in characters that a terminal may have.
func TestJSONIsEscaped(t *testing.T) {
	t.Parallel()

	text := strings.ToValidUTF8(evil, "\ufffd") + "é日\u00a0\u2029"

	var out bytes.Buffer
	require.NoError(t, writeJSON(&out, map[string]any{"text": text, "raw": json.RawMessage(`"` + "\u009b\u202e\u2028\xff" + `"`)}))
	require.False(t, harmful(out.String()), out.String())
	require.Contains(t, out.String(), `\u009b2J\u061c\u200e\u202e\u2066\u2028\u2029`)
	require.Contains(t, out.String(), "é日\u00a0")

	var back map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	require.Equal(t, text, back["text"])
	require.Equal(t, "\u009b\u202e\u2028\ufffd", back["raw"])

	out.Reset()

	n, err := escaping{&out}.Write([]byte("\u009b"))
	require.NoError(t, err)
	require.Equal(t, 2, n, "what was taken, not what it became")
}

func TestYAMLIsEscaped(t *testing.T) {
	t.Parallel()

	text := strings.ToValidUTF8(evil, "\ufffd")
	tree := map[string]any{"text": text, "list": []string{"\u202e"}, "plain": "no\u00a0x"}

	var out bytes.Buffer
	require.NoError(t, writeYAML(&out, tree))
	require.False(t, harmful(out.String()), out.String())
	require.Contains(t, out.String(), "plain: no\u00a0x\n")

	var back struct {
		Text, Plain string
		List        []string
	}
	require.NoError(t, yaml.Unmarshal(out.Bytes(), &back))
	require.Equal(t, text, back.Text)
	require.Equal(t, []string{"\u202e"}, back.List)
	require.Equal(t, "no\u00a0x", back.Plain)

	out.Reset()
	require.NoError(t, writeYAML(&out, yaml.MapSlice{{Key: "\u009b", Value: 1}}))
	require.False(t, harmful(out.String()), "in a key")
}

func TestConfigIsShownEscaped(t *testing.T) {
	t.Parallel()

	cfg := config.Default()
	cfg.Kafka.ClientID = "id\x1b[2J\u202e"
	cfg.Kafka.Brokers = []string{"0123", "true"}

	want, err := cfg.YAML()
	require.NoError(t, err)

	var out bytes.Buffer
	require.NoError(t, showConfig(&world{out: &out}, cfg, asYAML))
	require.Equal(t, strings.Replace(string(want), "id\x1b[2J\u202e", `"id\x1b[2J\u202e"`, 1), out.String(), "all else as it is")

	cfg.Kafka.ClientID = "id\u202e"

	out.Reset()
	require.NoError(t, showConfig(&world{out: &out}, cfg, asJSON))
	require.Contains(t, out.String(), `"id\u202e"`)
}

// What somebody else has written into an overlay or an event, or has called a file.
func TestFilesAndEventsAreShownEscaped(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	file, conf, event := filepath.Join(dir, "overlay\u202e.yaml"), filepath.Join(dir, "conf\u202e.yaml"), "{\"Direction\":\"\u202e\u009b2J\"}"
	require.NoError(t, os.WriteFile(file, []byte(`entries: [{code: 3010, name: "B\u202e", summary: "a\e[31m\N\u202e\u009b2J"}]`+"\n"), 0o600))
	require.NoError(t, os.WriteFile(conf, []byte("kafka: {brokers: [\"k:1\"]}\ninput: {topics: [a], group: g}\noutput: {topic: b}\ndead_letter: {topic: c}\n"), 0o600))

	for _, args := range [][]string{
		{"catalog", "show", "3010", "--overlay", file},
		{"catalog", "show", "3010", "--overlay", file, "-o", "json"},
		{"catalog", "show", "3010", "--overlay", file, "-o", "yaml"},
		{"catalog", "list", "--overlay", file},
		{"catalog", "diff", builtIn, file},
		{"catalog", "diff", builtIn, file, "-o", "json"},
		{"catalog", "validate", file},
		{"config", "validate", conf},
		{"explain", "3010", "--overlay", file},
		{"explain", "-"},
		{"explain", "-", "-o", "json"},
	} {
		var out, errs bytes.Buffer

		require.Equal(t, ExitOK, Execute(t.Context(), args, strings.NewReader(event), &out, &errs), errs.String())
		require.False(t, harmful(out.String()), "%q: %q", args, out.String())
		require.Contains(t, out.String(), `\u202e`, args)
	}
}

// Broken lines on stderr are JSON that people see; what goes on to stdout is the event, byte for byte.
func TestPipeEscapesDeadLettersOnly(t *testing.T) {
	t.Parallel()

	good, broken := `{"CallUUID":"`+"\u009b\u202e"+`"}`, "{\u009b\u202e"

	var out, errs bytes.Buffer

	require.Equal(t, ExitOK, Execute(t.Context(), []string{"pipe"}, strings.NewReader(good+"\n"+broken+"\n"), &out, &errs))
	require.Contains(t, out.String(), "\u009b\u202e")
	require.False(t, harmful(errs.String()), errs.String())

	var letter map[string]any

	require.NoError(t, json.NewDecoder(&errs).Decode(&letter))
	require.Equal(t, broken, letter["value"])
}

func TestLogIsEscaped(t *testing.T) {
	t.Parallel()

	for _, format := range []config.LogFormat{config.LogConsole, config.LogJSON} {
		var errs bytes.Buffer

		w := &world{err: &errs, getenv: func(string) string { return "" }}
		w.logger(config.Log{Format: format, Level: config.LogInfo}).Info("text", zap.String("said", evil))
		require.False(t, harmful(errs.String()), errs.String())
		require.Contains(t, errs.String(), `\u009b2J`)
	}
}
