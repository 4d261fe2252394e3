package strictyaml_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/strictyaml"
)

func TestAtAndHas(t *testing.T) {
	t.Parallel()

	doc, err := strictyaml.Parse("f", []byte(`kafka:
  brokers: [a, b]
  empty:
routes:
  - name: x
    match:
      codes:
        - 1
        - 2
a.b:
  c: 1
`))
	require.NoError(t, err)
	require.Equal(t, "f", doc.File())

	for _, tc := range []struct {
		path   string
		line   int
		column int
		has    bool
	}{
		{"", 1, 1, true},
		{"kafka", 1, 1, true},
		{"kafka.brokers", 2, 3, true},
		{"kafka.brokers[1]", 2, 16, true},
		{"kafka.brokers[2]", 2, 3, false},
		{"kafka.brokers[x]", 2, 3, false},
		{"kafka.empty", 3, 3, true},
		{"kafka.empty.x", 3, 3, false},
		{"kafka.rack", 1, 1, false},
		{"routes[0].match.codes[1]", 9, 11, true},
		{"routes[0].match.codes", 7, 7, true},
		{"routes[0].topic", 5, 5, false},
		{"routes[0].name", 5, 11, true},
		{"a.b.c", 11, 6, true},
		{"input.topics", 1, 1, false},
	} {
		got := doc.At(tc.path, "bad %d", 1)
		require.Equal(t, strictyaml.Mistake{File: "f", Line: tc.line, Column: tc.column, Msg: "bad 1"}, got, tc.path)
		require.Equal(t, tc.has, doc.Has(tc.path), tc.path)
	}

	require.True(t, doc.IsNull("kafka.empty"))
	require.False(t, doc.IsNull("kafka.brokers"))
	require.False(t, doc.IsNull("kafka.rack"))

	empty, err := strictyaml.Parse("f", nil)
	require.NoError(t, err)
	require.Equal(t, "f:1:1: x", empty.At("a.b", "x").Error())
	require.False(t, empty.Has("a"))
}

func TestExpand(t *testing.T) {
	t.Parallel()

	doc, err := strictyaml.Parse("f", []byte(`text: ${T}
flag: "${B}"
big: ${N}
wait: ${D}
words: ["${T}", plain]
real: ${BAD}
any: ${T}
`))
	require.NoError(t, err)

	values := map[string]string{"${T}": "a: [b] # c", "${B}": "true", "${N}": "5", "${D}": "5s"}

	var paths []string

	mistakes := doc.Expand(func(path, text string) (string, error) {
		paths = append(paths, path)

		if text == "${BAD}" {
			return "", errors.New("BAD is not set") //nolint:err113 // a test
		}

		if v, ok := values[text]; ok {
			return v, nil
		}

		return text, nil
	})
	require.EqualError(t, mistakes.Err(), "f:6:7: real: BAD is not set")
	require.Equal(t, []string{"text", "flag", "big", "wait", "words[0]", "words[1]", "real", "any"}, paths)

	var got everything
	require.EqualError(t, doc.Decode(&got).Err(), `f:6:7: real: expected a number, found the string "${BAD}"`)
	require.Equal(t, everything{Text: "a: [b] # c", Flag: true, Big: 5, Wait: 5 * time.Second, Words: []string{"a: [b] # c", "plain"}, Any: "a: [b] # c"}, got)
}

func TestExpandedValuesStayOutOfMessages(t *testing.T) {
	t.Parallel()

	doc, err := strictyaml.Parse("f", []byte("flag: ${S}\nbig: ${S}\nsmall: ${N}\nreal: ${R}\nwait: ${S}\ninner: ${S}\n"))
	require.NoError(t, err)

	require.Empty(t, doc.Expand(func(_, text string) (string, error) {
		return map[string]string{"${S}": "hunter2", "${N}": "555", "${R}": "5e999"}[text], nil
	}))

	var got everything

	msg := doc.Decode(&got).Error()
	require.Equal(t, `f:1:7: flag: expected true or false, found what "${S}" stands for
f:2:6: big: expected a whole number, found what "${S}" stands for
f:3:8: small: what "${N}" stands for is out of range (-128 to 127)
f:4:7: real: what "${R}" stands for is out of range
f:5:7: wait: expected a duration such as 500ms or 30s, found what "${S}" stands for
f:6:8: inner: expected a mapping, found what "${S}" stands for`, msg)
}

// FuzzParse holds that no input panics, that every mistake points into the file,
// and that what is sound can be decoded and expanded.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a: 1\nb: [x, {y: z}]\n", "text: |\n  x\n", "a: &x [*x]\n", "- - - a\n", "? a\n: b\n", "'a': \"\\u0041\"\n", "a: >-\n\n\n", "{", "]", "a:\n\t",
		"words: [a, b]\nlist:\n- x: 1\n  y: '2'\n", "%TAG ! x\n---\n!y\n", "\ufeff", "a: !!binary x\n...\nb", "a: #\n", ": \n", "-\n-\n", "a: {b, c: }",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, src string) {
		doc, err := strictyaml.Parse("f", []byte(src))
		if err != nil {
			var ms strictyaml.Mistakes
			require.ErrorAs(t, err, &ms)
			inFile(t, src, ms)

			return
		}

		inFile(t, src, doc.Expand(func(_, text string) (string, error) { return text + "x", nil }))

		var (
			got    everything
			anyhow any
		)

		inFile(t, src, doc.Decode(&got))
		inFile(t, src, doc.Decode(&anyhow))
	})
}

func inFile(t *testing.T, src string, ms strictyaml.Mistakes) {
	t.Helper()

	lines := 1 + strings.Count(src, "\n") + strings.Count(src, "\r")
	for _, m := range ms {
		require.LessOrEqual(t, m.Line, lines+1, m.Error())
		require.NotEmpty(t, m.Msg)
	}
}
