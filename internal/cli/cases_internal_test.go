package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/pkg/catalog"
)

// Colours are the same text with something around it.
func TestTestReportInColour(t *testing.T) {
	t.Parallel()

	cases, err := casetest.Parse("x.yaml", []byte("cases:\n  - {name: a, event: {}, expect: {code: 1, output: true}}\n  - {name: b, event: {}, expect: {code: null}}\n"))
	require.NoError(t, err)

	subject, err := casetest.NewSubject(config.Default(), catalog.Default())
	require.NoError(t, err)

	r := testReport{Passed: 1, Failed: 1, Cases: []tested{
		{Name: "a", File: "x.yaml", Line: 2, Mismatches: subject.Run(cases[0]), from: cases[0]},
		{Name: "b", File: "x.yaml", Line: 3, OK: true, from: cases[1]},
	}}
	plain, coloured := r.text(false, &testFlags{verbose: true}), r.text(true, &testFlags{verbose: true})

	require.Equal(t, `FAIL a  x.yaml:2
  code (line 2)
    want 1
    got  absent
  to see why: printf %s '{}' | enricher explain -

ok   b  x.yaml:3
2 cases: 1 passed, 1 failed
`, plain)
	require.Contains(t, coloured, string(red)+"FAIL"+string(reset)+" "+string(bold)+"a"+string(reset))
	require.Contains(t, coloured, string(green)+"ok"+string(reset))
	require.Contains(t, coloured, "want "+string(green)+"1")
	require.Contains(t, coloured, "got  "+string(red)+"absent")

	for _, c := range []colour{bold, red, green, faint, reset} {
		coloured = strings.ReplaceAll(coloured, string(c), "")
	}

	require.Equal(t, plain, coloured)
}

func TestParseTime(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

	for text, want := range map[string]time.Time{
		"":                          {},
		"24h":                       now.Add(-24 * time.Hour),
		"2026-01-30T00:00:00+01:00": time.Date(2026, 1, 29, 23, 0, 0, 0, time.UTC),
		"2026-01-30":                time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC),
	} {
		got, err := parseTime("--since", text, now)
		require.NoError(t, err)
		require.True(t, want.Equal(got), text)
	}

	for _, text := range []string{"0s", "-1h", "24", "24h ago", "yesterday", "2026-01"} {
		_, err := parseTime("--since", text, now)
		require.EqualError(t, err, fmt.Sprintf("--since %q: want how long ago, such as 24h, a time such as 2026-01-31T12:00:00Z or a date such as 2026-01-31", text))
	}
}

// A line that is too long is not looked at, and that is said.
func TestDiffLongLine(t *testing.T) {
	t.Parallel()

	events := io.MultiReader(io.LimitReader(endless{}, longestLine+1), strings.NewReader("\n{\"HangupCauseCode\":3010}\n"))

	var out strings.Builder

	w := &world{in: events, out: &out, getenv: func(string) string { return "" }}
	f := &diffFlags{events: "-", format: &format{}, out: &format{value: asText}}
	require.NoError(t, runDiff(context.Background(), w, f, builtIn, builtIn))
	require.Contains(t, out.String(), "1 event from standard input: 0 would change")
	require.Contains(t, out.String(), "1 line not looked at: longer than 67108864 bytes")
}

// endless is a line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}

	return len(p), nil
}

func TestDiffInterrupted(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	in, out := io.Pipe() // nobody writes
	defer out.Close()    //nolint:errcheck // it cannot fail

	w := &world{in: in, out: io.Discard}
	err := runDiff(ctx, w, &diffFlags{events: "-", format: &format{}, out: &format{}}, builtIn, builtIn)
	require.ErrorIs(t, err, context.Canceled)
}
