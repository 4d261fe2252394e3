package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/cli"
)

const (
	exampleBegin = "<!-- example: written by `go test ./internal/cli -run README -update` -->\n"
	exampleEnd   = "<!-- end of example -->"
)

// The README's event is what the program makes of the one above it.
func TestREADMEExample(t *testing.T) {
	t.Parallel()

	const file = "../../README.md"

	src, err := os.ReadFile(file)
	require.NoError(t, err)

	readme := string(src)
	_, after, ok := strings.Cut(readme, "```json\n")
	require.True(t, ok)

	event, _, ok := strings.Cut(after, "\n```")
	require.True(t, ok)

	out, errs, code := execute(t, event+"\n", "pipe", "--timestamp", "2026-09-18T08:52:26Z")
	require.Equal(t, cli.ExitOK, code, errs)
	require.True(t, strings.HasPrefix(out, strings.TrimSuffix(event, "}")), out)

	before, rest, ok := strings.Cut(readme, exampleBegin)
	require.True(t, ok)

	had, tail, ok := strings.Cut(rest, exampleEnd)
	require.True(t, ok)

	want := "\n```\n" + wrap(out) + "\n```\n\n"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(before+exampleBegin+want+exampleEnd+tail), 0o600))

		return
	}

	require.Equal(t, want, had, "run the test with -update if this is meant")
}

// The README shows the least that runs as it is, and what a route adds to it is sound.
func TestREADMEConfiguration(t *testing.T) {
	t.Parallel()

	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)

	least, err := os.ReadFile("../../config/minimal.yaml")
	require.NoError(t, err)

	_, rest, ok := strings.Cut(string(readme), "is the least that runs:\n\n```yaml\n")
	require.True(t, ok)

	shown, rest, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	require.Equal(t, string(least), shown)

	_, rest, ok = strings.Cut(rest, "```yaml\n")
	require.True(t, ok)

	route, _, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	require.True(t, strings.HasPrefix(route, "routes:\n"), route)

	file := filepath.Join(t.TempDir(), "both.yaml")
	require.NoError(t, os.WriteFile(file, []byte(shown+route), 0o600))

	_, errs, code := execute(t, "", "config", "validate", file)
	require.Equal(t, cli.ExitOK, code, errs)
}

// wrap breaks an enriched event between members of its object, so that it fits a page.
func wrap(event string) string {
	const width = 118

	object := gjson.Get(event, "hangup").Raw
	head, _, _ := strings.Cut(event, object)

	var b strings.Builder

	line := " {"
	sep := ""

	flush := func() {
		b.WriteString("\n" + strings.TrimRight(line, " "))
		line = "  "
	}

	b.WriteString(head)
	gjson.Parse(object).ForEach(func(key, value gjson.Result) bool {
		member := sep + key.Raw + ":" + value.Raw
		if len(line)+len(member) > width {
			line += sep
			flush()

			member = member[len(sep):]
		}

		line += member
		sep = ","

		return true
	})

	line += "}}"
	flush()

	return b.String()
}
