package enrich_test

import (
	"bufio"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

func readText(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile(name)
	require.NoError(t, err)

	return string(text)
}

// block gives the first block of code of a document behind a text, which has to be there.
func block(t *testing.T, doc, behind string) string {
	t.Helper()

	_, rest, ok := strings.Cut(doc, behind)
	require.True(t, ok, behind)
	_, rest, ok = strings.Cut(rest, "\n```")
	require.True(t, ok, behind)
	_, rest, ok = strings.Cut(rest, "\n")
	require.True(t, ok, behind)
	code, _, ok := strings.Cut(rest, "```\n")
	require.True(t, ok, behind)

	return code
}

// TestREADMEProgram: the README's program is Example_program, and prints what that one does.
func TestREADMEProgram(t *testing.T) {
	t.Parallel()

	example, output, ok := strings.Cut(readText(t, "example_readme_test.go"), "\t// Output:\n")
	require.True(t, ok)

	example = strings.Replace(example, "package enrich_test\n", "package main\n", 1)
	example = strings.Replace(example, "func Example_program()", "func main()", 1)
	output = strings.ReplaceAll(strings.TrimSuffix(output, "}\n"), "\t// ", "")

	readme := readText(t, "../../README.md")
	require.Equal(t, example+"}\n", block(t, readme, "\n## Use it from Go\n"))
	require.Equal(t, output, block(t, readme, "\nIt prints:\n"))
}

// TestREADMEEvents: the file to try has the README's event in its first line, and each outcome that a line can have.
func TestREADMEEvents(t *testing.T) {
	t.Parallel()

	var (
		e    = newRealEnricher(t)
		res  enrich.Result
		seen = map[enrich.Outcome]int{}
		file = readText(t, "../../testdata/events.ndjson")
	)

	first, _, _ := strings.Cut(file, "\n")
	require.Equal(t, block(t, readText(t, "../../README.md"), "](testdata/events.ndjson):\n"), first+"\n")

	for lines := bufio.NewScanner(strings.NewReader(file)); lines.Scan(); {
		e.Enrich(&enrich.Record{Value: lines.Bytes(), TimestampMS: -1}, &res)
		seen[res.Outcome]++
	}

	for _, o := range []enrich.Outcome{enrich.Enriched, enrich.UnknownCode, enrich.NoCode, enrich.Malformed} {
		require.Positive(t, seen[o], o)
	}
}

// TestDocsHaveEveryPlace: docs/event.md lists the places in which fields are looked for by default.
func TestDocsHaveEveryPlace(t *testing.T) {
	t.Parallel()

	opt := enrich.DefaultOptions()
	keys := []string{"code", "name", "direction", "answer_time", "billed", "status", "call_id", "a_leg", "parent_call", "attempt", "event"}
	paths := reflect.ValueOf(opt.Paths)
	require.Len(t, keys, paths.NumField())

	table := "| setting | default places |\n|---|---|\n"
	row := func(key string, places []string) {
		table += "| `enrich." + key + "` | `" + strings.Join(places, "`, `") + "` |\n"
	}

	for i, key := range keys {
		require.Equal(t, strings.ReplaceAll(key, "_", ""), strings.ToLower(paths.Type().Field(i).Name))
		row("paths."+key, paths.Field(i).Interface().([]string))
	}

	row("foreign_when", opt.ForeignWhen)
	require.Contains(t, readText(t, "../../docs/event.md"), "\n"+table+"\n")
}
