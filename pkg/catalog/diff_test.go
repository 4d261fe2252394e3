package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

func TestDiffInWords(t *testing.T) {
	before, err := parse(t, full)
	require.NoError(t, err)
	after, err := parse(t, full, `entries:
  - {code: 9110, disabled: true}
  - {code: 8888, nearest: {sip: null}, params: {b: c}, flags: []}
  - {code: 9000, nearest: {sip: 487}}
legacy_names:
  - {name: NORMAL_CLEARING, code: 4010, ground: ours}
  - {name: USER_BUSY, code: 3010, ground: ours}
`)
	require.NoError(t, err)
	lines := func(a, b *catalog.Snapshot) []string {
		var out []string
		for _, c := range catalog.Diff(a, b) {
			out = append(out, c.String())
		}
		return out
	}
	busy, clearing := ground(t, "USER_BUSY"), ground(t, "NORMAL_CLEARING")
	require.Equal(t, []string{
		`~ 3010 legacy_names.USER_BUSY: "` + busy + `" → "ours"`,
		`~ 4000 legacy_names.NORMAL_CLEARING: not set (was "` + clearing + `")`,
		`~ 4010 legacy_names.NORMAL_CLEARING: "ours" (was not set)`,
		`~ 8888 flags: ["list_hygiene"] → []`,
		`~ 8888 nearest.sip: not set (was 480)`,
		`~ 8888 params.a: not set (was "b")`,
		`~ 8888 params.b: "c" (was not set)`,
		`~ 9000 nearest.sip: 487 (was not set)`,
		`- 9110 Confirm Key Challenge Failed`,
	}, lines(before, after))
	require.Contains(t, lines(after, before), `+ 9110 Confirm Key Challenge Failed`)
	require.Len(t, lines(after, before), len(lines(before, after)), "the way back has as many steps")
}

func ground(t *testing.T, name string) string {
	t.Helper()
	for _, l := range catalog.Default().LegacyNames() {
		if l.Name == name {
			return l.Ground
		}
	}
	require.Fail(t, "no such legacy name", name)
	return ""
}
