package strictyaml_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/strictyaml"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()

	deep := func(n int) string { return "a: " + strings.Repeat("[", n) + strings.Repeat("]", n) }
	stairs := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}

		return b.String()
	}

	for name, tc := range map[string]struct{ src, want string }{
		"open list":           {"a: [1\n", "f:1:4: not YAML: sequence end token ']' not found"},
		"second colon":        {"a: b: c\n", `f:1:4: not YAML: a second ": " in one value, or a wrong indent; quote values that hold ": "`},
		"tab":                 {"a:\n\t- b\n", "f:2:1: not YAML: a tab where only spaces may indent"},
		"variable in a list":  {"a: [\"é\", ${X}]\n", "f:1:11: not YAML: ',' or ']' must be specified; a value with ${…} within [ ] or { } needs quotes"},
		"variable in lines":   {"a: [\n  b,\n  x-${X}\n]\n", "f:3:6: not YAML: ',' or ']' must be specified; a value with ${…} within [ ] or { } needs quotes"},
		"variable in mapping": {"a: {b: ${X}}\n", "f:1:9: not YAML: ',' or '}' must be specified; a value with ${…} within [ ] or { } needs quotes"},
		"no variable":         {"a: [x{y}]\n", "f:1:6: not YAML: ',' or ']' must be specified"},
		"open quote":          {"a: 'x\n", "f:1:4: not YAML: could not find end character of single-quoted text"},
		"two documents":       {"a: 1\n---\nb: 2\n", "f:3:1: a second document: one file holds one"},
		"anchor, alias, both": {"a: &x 1\nb: *x\n", "f:1:4: an anchor or alias (&): write the value out; quote it if it is text\nf:2:4: an anchor or alias (*): write the value out; quote it if it is text"},
		"merge key":           {"a: 1\n<<: {b: 1}\n", "f:2:1: a merge key (<<): write the keys out"},
		"tag":                 {"a: !!int 5\n", "f:1:4: a tag, which begins with !: take it out; quote it if it is text"},
		"directive":           {"%YAML 1.1\n---\na: 1\n", "f:1:1: a YAML directive (%): take it out, none is needed"},
		"explicit key":        {"? x\n: y\n", "f:1:1: a key that is not plain text"},
		"invalid UTF-8":       {"a: b\nc: \xff\n", "f:2:4: not UTF-8: save the file as UTF-8"},
		"NUL":                 {"a: b\x00\n", "f:1:5: control character U+0000: write it as an escape in double quotes"},
		"deep flow":           {deep(65), "f:1:67: nested more than 64 deep"},
		"deep blocks":         {stairs(70), "f:65:65: nested more than 64 deep"},
		"deep dashes":         {strings.Repeat("- ", 70) + "x", "f:1:129: nested more than 64 deep"},
		"deep, hostile":       {deep(500_000), "f:1:67: nested more than 64 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := strictyaml.Parse("f", []byte(tc.src))
			require.EqualError(t, err, tc.want)

			var mistakes strictyaml.Mistakes
			require.ErrorAs(t, err, &mistakes)
		})
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()

	type flat struct {
		A string `yaml:"a"`
		B string `yaml:"b"`
	}

	for name, tc := range map[string]struct {
		src  string
		want flat
	}{
		"nothing":             {"", flat{}},
		"comments":            {"# a: b\n", flat{}},
		"marker":              {"---\na: x\n", flat{A: "x"}},
		"end marker":          {"a: x\n...\n", flat{A: "x"}},
		"byte order mark":     {"\ufeffa: x\nb: y\n", flat{"x", "y"}},
		"CR LF":               {"a: x\r\nb: y\r\n", flat{"x", "y"}},
		"quotes":              {"a: 'it''s'\nb: \"x\\ty\"\n", flat{"it's", "x\ty"}},
		"blocks":              {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", flat{"x\ny\n", "x y"}},
		"words of YAML 1.1":   {"a: yes\nb: off\n", flat{"yes", "off"}},
		"range, time of day":  {"a: 3000-3099\nb: 2026-01-02T03:04:05Z\n", flat{"3000-3099", "2026-01-02T03:04:05Z"}},
		"underscores":         {"a: 1_000\n", flat{A: "1_000"}},
		"flow":                {"{a: x, \"b\": y}", flat{"x", "y"}},
		"comment behind":      {"a: x # y\nb: y#z\n", flat{"x", "y#z"}},
		"expansion, unquoted": {"a: ${X:-y}\nb: $${X}\n", flat{"${X:-y}", "$${X}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			doc, err := strictyaml.Parse("f", []byte(tc.src))
			require.NoError(t, err)

			var got flat
			require.Empty(t, doc.Decode(&got))
			require.Equal(t, tc.want, got)
		})
	}
}

func TestMistakesSort(t *testing.T) {
	t.Parallel()

	ms := strictyaml.Mistakes{{"b", 2, 1, "two"}, {"a", 9, 1, "nine"}, {"b", 1, 5, "five"}, {"b", 1, 2, "one"}, {"a", 0, 0, "whole"}}
	require.EqualError(t, ms.Err(), "b:1:2: one\nb:1:5: five\nb:2:1: two\na: whole\na:9:1: nine")
	require.ErrorIs(t, ms.Err(), strictyaml.Mistake{"b", 1, 5, "five"})
	require.NoError(t, strictyaml.Mistakes{}.Err())
}

func TestNearest(t *testing.T) {
	t.Parallel()

	known := []string{"brokers", "client_id", "rack", "topic", "topics"}

	for _, tc := range []struct {
		word, want string
		ok         bool
	}{
		{"brokrs", "brokers", true},
		{"borkers", "brokers", true},
		{"client-id", "client_id", true},
		{"clientId", "client_id", true},
		{"TOPIC", "topic", true},
		{"topcis", "topics", true},
		{"rak", "rack", true},
		{"x", "", false},
		{"", "", false},
		{"password", "", false},
	} {
		got, ok := strictyaml.Nearest(tc.word, known)
		require.Equal(t, tc.want, got, tc.word)
		require.Equal(t, tc.ok, ok, tc.word)
	}
}
