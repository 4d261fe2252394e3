package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// An overlay that wants to be a bomb is a file of bounded size with a bounded message, and is read in
// bounded memory.
func TestOverlayBombs(t *testing.T) {
	const size, most = 96 << 10, 1 << 20
	fill := func(before, one string) string { return before + strings.Repeat(one, (size-len(before))/len(one)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size-200; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct{ src, says string }{
		"laughs":                {"entries:\n- &a {code: 1}\n- &b [*a, *a]\n- &c [*b, *b]\n", "an anchor or alias"},
		"aliases":               {fill("a: &a [x]\nentries:\n", "- *a\n"), "an anchor or alias"},
		"brackets":              {fill("entries: ", "["), "nested more than 64 deep"},
		"keys":                  {numbered("k%d: 1\n"), "more than 1000 keys in one mapping"},
		"keys of one entry":     {"entries:\n- code: 1\n" + numbered("  k%d: 1\n"), "more than 1000 keys in one mapping"},
		"documents":             {fill("", "---\na\n"), "a second document"},
		"too large":             {"entries: []\n#" + strings.Repeat("x", most), "larger than 1048576 bytes"},
		"entries of one code":   {"entries:\n" + fill("", "- code: 3010\n"), "code 3010 stands already"},
		"entries without code":  {"entries:\n" + fill("", "- {}\n"), "code is missing"},
		"entries that are text": {"entries:\n" + fill("", "- x\n"), "expected"},
		"names without ground":  {"legacy_names:\n" + numbered("- {name: n%d, code: 3010}\n"), "ground is missing"},
		"unknown keys":          {"entries:\n" + numbered("- {code: 3010, k%d: 1}\n"), "unknown key"},
		"names far too long":    {"legacy_names:\n- {code: 1, ground: x, name: " + strings.Repeat("n", most-100) + "}\n", "a name has 1 to"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bomb.yaml")
			require.NoError(t, os.WriteFile(path, []byte(tt.src), 0o600))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := catalog.Load(path)
			require.Error(t, err)
			message := err.Error()
			runtime.ReadMemStats(&after)
			require.ErrorContains(t, err, tt.says)
			require.Less(t, len(message), most/4)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(3000*len(tt.src)+most))
		})
	}
}
