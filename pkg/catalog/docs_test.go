package catalog_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

const (
	docsFile   = "../../docs/catalog.md"
	codesBegin = "<!-- codes: written by `go test ./pkg/catalog -update` -->\n"
	codesEnd   = "<!-- end of codes -->\n"
)

func docs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(docsFile)
	require.NoError(t, err)
	return string(text)
}

// TestDocsHaveEveryCode holds the table of docs/catalog.md to the embedded data.
func TestDocsHaveEveryCode(t *testing.T) {
	text := docs(t)
	before, rest, ok := strings.Cut(text, codesBegin)
	require.True(t, ok, "no place for the codes")
	_, after, ok := strings.Cut(rest, codesEnd)
	require.True(t, ok, "no end of the codes")

	var b strings.Builder
	b.WriteString("\n| code | name | fault | class | auto | in short |\n|---|---|---|---|---|---|\n")
	for _, e := range catalog.Default().Entries() {
		mark := ""
		if e.Provisional {
			mark = " (provisional)"
		}
		fmt.Fprintf(&b, "| %d | %s%s | %s | %s | %s | %s |\n", e.Code, e.Name, mark, e.Fault, e.Retry.Class, e.Retry.Auto, e.Summary)
	}
	b.WriteByte('\n')

	want := before + codesBegin + b.String() + codesEnd + after
	if *update {
		require.NoError(t, os.WriteFile(docsFile, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, text, "run the test with -update if this is meant")
}

// TestDocsExplainEveryWord, and no other, in the order of the code.
func TestDocsExplainEveryWord(t *testing.T) {
	text := docs(t)
	for column, words := range map[string][]string{
		"direction": catalog.Direction("").Values(), "state": catalog.State("").Values(), "surface": catalog.Surface("").Values(),
		"source": catalog.Source("").Values(), "condition": catalog.When("").Values(), "fault": catalog.Fault("").Values(),
		"class": catalog.Class("").Values(), "auto": catalog.Auto("").Values(), "target": catalog.Target("").Values(),
		"scope": catalog.Scope("").Values(), "jitter": catalog.Jitter("").Values(), "fix": catalog.Fix("").Values(), "flag": catalog.Flag("").Values(),
	} {
		t.Run(column, func(t *testing.T) { require.Equal(t, words, firstColumn(t, text, column)) })
	}
	_, entry, ok := strings.Cut(text, "## An entry")
	require.True(t, ok)
	require.Equal(t, keys(reflect.TypeFor[catalog.Entry]()), firstColumn(t, entry, "field"))
	_, policy, ok := strings.Cut(entry, "The policy")
	require.True(t, ok)
	require.Equal(t, keys(reflect.TypeFor[catalog.Retry]()), firstColumn(t, policy, "field"))
}

// firstColumn has the cells under a table's first heading, without their backquotes.
func firstColumn(t *testing.T, text, heading string) []string {
	t.Helper()
	_, table, ok := strings.Cut(text, "\n| "+heading+" |")
	require.True(t, ok, heading)
	var cells []string
	for _, line := range strings.Split(table, "\n")[2:] { // after the rest of the head, and the line below it
		if !strings.HasPrefix(line, "| ") {
			break
		}
		cells = append(cells, strings.Trim(strings.Split(line, "|")[1], " `"))
	}
	return cells
}

func keys(t reflect.Type) []string {
	var out []string
	for f := range t.Fields() {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "-" {
			out = append(out, key)
		}
	}
	return out
}

// TestDocsOverlayDoesWhatItSays lays the overlay of docs/catalog.md over the catalog.
func TestDocsOverlayDoesWhatItSays(t *testing.T) {
	_, section, ok := strings.Cut(docs(t), "\n## Overlays\n")
	require.True(t, ok)
	_, block, ok := strings.Cut(section, "```yaml\n")
	require.True(t, ok)
	overlay, _, ok := strings.Cut(block, "```\n")
	require.True(t, ok)

	s, err := parse(t, overlay)
	require.NoError(t, err)
	var lines []string
	for _, c := range catalog.Diff(catalog.Default(), s) {
		if c.Code == 3000 && c.Path != "retry.class" {
			continue // the wait that falls away
		}
		lines = append(lines, c.String())
	}
	require.Equal(t, []string{
		`~ 3000 retry.class: "long_delay" → "manual"`,
		`~ 3010 retry.cap_s: 14400 → 3600`,
		`~ 3010 retry.initial_s: 900 → 300`,
		`+ 8888 Fraud Check Failed`,
		`~ 8888 legacy_names.FRAUD_CHECK: "what our switch calls it" (was not set)`,
		`- 9110 Confirm Key Challenge Failed`,
	}, lines)
	forbidden, _ := s.Lookup(3000)
	require.Zero(t, forbidden.Retry.CapS)
	named, ok := s.LookupName("fraud check")
	require.True(t, ok)
	require.EqualValues(t, 8888, named.Code)
}

// TestDocsRulesOfOverlays holds the code to the rules in docs/catalog.md that the example does not show.
func TestDocsRulesOfOverlays(t *testing.T) {
	laid := func(t *testing.T, overlay string) (*catalog.Entry, error) {
		t.Helper()
		s, err := parse(t, overlay)
		if err != nil {
			return nil, err
		}
		e, _ := s.Lookup(3050)
		return e, nil
	}
	was, err := laid(t, "entries: []\n")
	require.NoError(t, err)
	require.Len(t, was.Flags, 2)

	for name, tc := range map[string]struct {
		overlay string
		want    func(e *catalog.Entry) bool
	}{
		"a list is replaced":           {"flags: [compliance_block]", func(e *catalog.Entry) bool { return list(e.Flags) == "compliance_block" }},
		"[] empties a list":            {"flags: []", func(e *catalog.Entry) bool { return len(e.Flags) == 0 }},
		"a group is changed by fields": {"nearest: {sip: 0}", func(e *catalog.Entry) bool { return e.Nearest == catalog.Nearest{Q850: was.Nearest.Q850} }},
		"null empties a list":          {"flags:", func(e *catalog.Entry) bool { return len(e.Flags) == 0 }},
		"null empties a group":         {"nearest: null", func(e *catalog.Entry) bool { return e.Nearest == catalog.Nearest{} }},
		"null takes a word back":       {"retry: {target: null}", func(e *catalog.Entry) bool { return e.Retry.Target == "" && e.Retry.Class == was.Retry.Class }},
		"params are replaced":          {"params: {a: b}", func(e *catalog.Entry) bool { return len(e.Params) == 1 && e.Params["a"] == "b" }},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := laid(t, "entries:\n  - code: 3050\n    "+tc.overlay+"\n")
			require.NoError(t, err)
			require.True(t, tc.want(e), "%+v", e)
		})
	}
	for _, required := range []string{"name", "summary", "remedy", "fault", "retry: {class", "retry: {auto", "retry: {why"} {
		end := strings.Repeat("}", strings.Count(required, "{"))
		_, err = laid(t, "entries:\n  - code: 3050\n    "+required+": null"+end+"\n")
		require.ErrorContains(t, err, "has no value; expected a string, or leave the key out", required)
	}
	_, err = laid(t, "entries:\n  - code: 3130\n    retry: {fix: null}\n")
	require.ErrorContains(t, err, "entries[0].retry.fix: is missing", "an entry has to be complete afterwards")
	_, err = laid(t, "entries:\n  - {code: 3050, disabled: true, fault: carrier}\n")
	require.ErrorContains(t, err, "has no other fields")
}
