package enrich_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

const (
	eventsDir = "../../testdata/events"
	goldenDir = "../../testdata/golden"
	// outcomesFile has a line for each event; the values that came out stand beside it.
	outcomesFile = goldenDir + "/outcomes.txt"
)

var update = flag.Bool("update", false, "write golden files and the example in docs/event.md anew")

// eventFiles lists every event of testdata, as paths below eventsDir with slashes.
func eventFiles(t testing.TB) []string {
	t.Helper()

	var names []string

	require.NoError(t, filepath.WalkDir(eventsDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Dir(path) == filepath.Clean(eventsDir) {
			return err // what lies in eventsDir itself is about the events
		}

		name, err := filepath.Rel(eventsDir, path)
		names = append(names, filepath.ToSlash(name))

		return err
	}))
	require.NotEmpty(t, names)

	return names
}

func readEvent(t testing.TB, name string) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(eventsDir, name))
	require.NoError(t, err)

	return text
}

// newRealEnricher is an Enricher of the embedded catalog.
func newRealEnricher(t testing.TB, change ...func(*enrich.Options)) *enrich.Enricher {
	t.Helper()

	opt := enrich.DefaultOptions()
	for _, c := range change {
		c(&opt)
	}

	e, err := enrich.New(catalog.Default(), opt)
	require.NoError(t, err)

	return e
}

// TestGolden compares what comes out for every event of testdata, with the embedded
// catalog and the timestamp fixedMS: the value byte for byte, and the facts in a line
// of outcomes.txt. A value that is the event's own has no golden file of its own.
func TestGolden(t *testing.T) {
	t.Parallel()

	e, s := newRealEnricher(t), readSchema(t)
	values, lines := map[string]string{}, &strings.Builder{}

	for _, name := range eventFiles(t) {
		value := readEvent(t, name)
		r := run(e, string(value))
		fmt.Fprintf(lines, "%s: %s\n", name, factsLine(r, value))

		switch r.Outcome {
		case enrich.Enriched, enrich.UnknownCode:
			requireSchema(t, s, valueOf(r))
		case enrich.NoCode, enrich.Malformed, enrich.Tombstone:
		}

		if r.Len() > 0 && valueOf(r) != string(value) {
			values[name+".out"] = valueOf(r)
		}
	}

	if *update {
		require.NoError(t, os.RemoveAll(goldenDir))
		writeFile(t, outcomesFile, lines.String())

		for name, value := range values {
			writeFile(t, filepath.Join(goldenDir, name), value)
		}
	}

	want, err := os.ReadFile(outcomesFile)
	require.NoError(t, err)
	require.Equal(t, string(want), lines.String())
	require.Equal(t, goldenValues(t), values)
}

// goldenValues reads what TestGolden has written but outcomes.txt.
func goldenValues(t *testing.T) map[string]string {
	t.Helper()

	values := map[string]string{}

	require.NoError(t, filepath.WalkDir(goldenDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.FromSlash(outcomesFile) {
			return err
		}

		name, err := filepath.Rel(goldenDir, path)
		if err != nil {
			return err
		}

		text, err := os.ReadFile(path)
		values[filepath.ToSlash(name)] = string(text)

		return err
	}))

	return values
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()

	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// factsLine says all that Result says beside the value, in the order in which
// somebody checks it: what it is, what was seen, what is advised, the headers.
func factsLine(r *enrich.Result, value []byte) string {
	b := &strings.Builder{}
	word := func(name, text string) {
		if text != "" {
			fmt.Fprintf(b, " %s=%s", name, text)
		}
	}
	flag := func(name string, on bool) {
		if on {
			b.WriteString(" " + name)
		}
	}

	b.WriteString(r.Outcome.String())
	word("reason", string(r.Reason))

	if r.Outcome == enrich.Malformed {
		return b.String() + " (" + r.Detail + ")"
	}

	word("evidence", string(r.Evidence))
	word("direction", string(r.Direction))
	flag("answered", r.Answered)
	flag("b_leg", r.BLeg)
	fmt.Fprintf(b, " attempt=%d", r.Attempt)
	word("event", string(r.EventType))
	word("call", string(r.CallID))
	word("advice", string(r.Advice.Reason))
	flag("replaced", r.Replaced)
	flag("untouched", bytes.Equal(r.AppendValue(nil), value))

	for i, h := range r.Headers {
		if i == 0 {
			b.WriteString(" |")
		}

		word(h.Name, string(h.Value))
	}

	return b.String()
}
