package strictyaml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/strictyaml"
)

// TestPositions holds that a value's place is where it stands, whatever stands before it.
func TestPositions(t *testing.T) {
	t.Parallel()

	before := []string{
		"", "# comment\n", "\n\n", "x%d: plain # comment\n", "x%d: 'single ''quoted'' ü'\n", "x%d: \"double \\\" \\n\"\n", "x%d: |\n  literal\n\n  block\n",
		"x%d: >-\n  folded\n  block\n\n", "x%d: |+\n  kept\n\n\n", "x%d:\n  - a\n  - - b\n    - c\n", "x%d: {a: [b, c], d: e}\n", "x%d: [a,\n  b,\n  c]\n", "x%d:\n  y:\n    z: ü\n",
		"x%d: plain\n  over lines\n", "x%d: \"double\n  over lines\"\n", "x%d: 'single\n\n  over lines'\n", "x%d:\n", "x%d: |2\n    indented\n", "x%d: {\n  a: b # c\n}\n", "x%d:   spaced   \n",
		"x%d: |\r\n  literal\r\n", "\"x%d\": 'y'\n", "x%d: |\n  literal\n # comment\n",
	}

	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder

		for i, piece := range rapid.SliceOf(rapid.SampledFrom(before)).Draw(rt, "before") {
			if strings.Contains(piece, "%d") {
				piece = fmt.Sprintf(piece, i)
			}

			b.WriteString(piece)
		}

		kind := rapid.SampledFrom([]string{"plain: HERE\n", "plain:   HERE # c\n", "plain: {a: b, k: HERE}\n", "plain:\n  - a\n  - HERE\n", "plain:\n  k: 'HERE'\n", "plain: [ü, HERE]\n"}).Draw(rt, "kind")
		path := map[string]string{
			"plain: HERE\n": "plain", "plain:   HERE # c\n": "plain", "plain: {a: b, k: HERE}\n": "plain.k", "plain:\n  - a\n  - HERE\n": "plain[1]",
			"plain:\n  k: 'HERE'\n": "plain.k", "plain: [ü, HERE]\n": "plain[1]",
		}[kind]
		src := b.String() + kind

		doc, err := strictyaml.Parse("f", []byte(src))
		require.NoError(rt, err, "%s", src)

		m := doc.At(path, "x")
		lines := strings.Split(src, "\n")
		require.LessOrEqual(rt, m.Line, len(lines), "%s", src)
		rest := string([]rune(lines[m.Line-1])[m.Column-1:])
		require.True(rt, strings.HasPrefix(strings.TrimPrefix(rest, "'"), "HERE"), "line %d column %d of\n%s", m.Line, m.Column, src)
	})
}
