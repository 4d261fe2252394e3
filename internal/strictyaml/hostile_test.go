package strictyaml_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/strictyaml"
)

// numbered is n lines of a format, each with its number.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}

	return b.String()
}

// laughs is the bomb of aliases: each line doubles the one before.
func laughs(n int) string {
	var b strings.Builder

	b.WriteString("a0: &a0 [x, x]\n")

	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}

	return b.String()
}

// bombs are files that grow with n in one respect each.
func bombs() map[string]func(n int) string {
	again := func(before, one, after string) func(n int) string {
		return func(n int) string { return before + strings.Repeat(one, n) + after }
	}

	return map[string]func(n int) string{
		"laughs":             laughs,
		"aliases":            again("a: &a [x]\nb:\n", "- *a\n", ""),
		"anchors":            again("", "- &a x\n", ""),
		"merge keys":         again("b: &b {x: 1}\nc:\n", "  <<: *b\n", ""),
		"tags":               again("", "- !!x y\n", ""),
		"directives":         again("", "%YAML 1.2\n", ""),
		"documents":          again("", "---\na\n", ""),
		"empty documents":    again("", "---\n", ""),
		"keys":               func(n int) string { return numbered("k%d: 1\n", n) },
		"one key many times": again("", "a: 1\n", ""),
		"keys in a list":     func(n int) string { return "a:\n- x: 1\n" + numbered("  k%d: 1\n", n) },
		"keys of keys":       func(n int) string { return numbered("a%[1]d:\n  b: 1\n", n) },
		"keys in flow":       func(n int) string { return "{" + numbered("k%d: 1, ", n) + "}" },
		"open brackets":      again("", "[", ""),
		"open braces":        again("", "{a: ", ""),
		"closed brackets":    again("", "]", ""),
		"dashes":             again("", "- ", ""),
		"question marks":     again("", "? ", ""),
		"colons":             again("", ":", ""),
		"commas":             again("[", ",", ""),
		"items":              again("words:\n", "- \"x\"\n", ""),
		"items of flow":      again("words: [", "{a: b}, ", "]"),
		"a long key":         again("", "k", ": 1\n"),
		"a long text":        again("words: [", "x", "]"),
		"a long number":      again("small: ", "9", ""),
		"a long exponent":    again("real: 1e", "9", ""),
		"escapes":            again("words: [\"", `\u0041`, "\"]"),
		"an open quote":      again("a: \"", "x\n ", ""),
		"a literal block":    again("a: |\n", "  x\n", ""),
		"a folded block":     again("a: >\n", "  x\n", ""),
		"plain lines":        again("a: x\n", "  x\n", ""),
		"comments":           again("", "- x # y\n", ""),
		"empty lines":        again("", "\n", ""),
		"spaces":             again("", " ", ""),
		"tabs":               again("a:\n", "\t", "x"),
		"carriage returns":   again("", "a\r", ""),
	}
}

// No file takes memory out of proportion to its size, nor its message: twice the file, about twice the memory.
func TestBombs(t *testing.T) {
	const n = 15_000

	for name, bomb := range bombs() {
		t.Run(name, func(t *testing.T) {
			once, _ := parsed(bomb(n))
			twice, message := parsed(bomb(2 * n))
			require.Less(t, twice, 3*once+8<<20, "bytes for %d and %d", n, 2*n)
			require.Less(t, twice, uint64(2000*len(bomb(2*n))+8<<20))
			require.Less(t, len(message), 64<<10)
		})
	}
}

// parsed is what reading and decoding a file allocates, and what is said of it.
func parsed(src string) (took uint64, message string) {
	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)

	doc, err := strictyaml.Parse("f", []byte(src))
	if err == nil {
		var got everything

		err = append(doc.Decode(&got), doc.Expand(func(_, text string) (string, error) { return text + "x", nil })...).Err()
	}

	runtime.ReadMemStats(&after)

	if err != nil {
		message = err.Error()
	}

	return after.TotalAlloc - before.TotalAlloc, message
}

func TestKeysOfOneMappingAreBounded(t *testing.T) {
	t.Parallel()

	const most = strictyaml.MaxKeys

	for name, tt := range map[string]struct{ src, want string }{
		"as many as may be":        {numbered("k%d: 1\n", most), ""},
		"one more":                 {numbered("k%d: 1\n", most+1), "f:1001:6: more than 1000 keys in one mapping"},
		"one more, below a key":    {"a:\n" + numbered("  k%d: 1\n", most+1), "f:1002:8: more than 1000 keys in one mapping"},
		"one more, in a list":      {"- x: 1\n" + numbered("  k%d: 1\n", most), "f:1001:7: more than 1000 keys in one mapping"},
		"two, as many as may be":   {"a:\n" + numbered("  k%d: 1\n", most) + "b:\n" + numbered("  k%d: 1\n", most), ""},
		"many in a list":           {numbered("- a: %[1]d\n  b: %[1]d\n", 3*most), ""},
		"keys between those below": {numbered("k%[1]d:\n  x: 1\n  y: 1\n", most), ""},
		"colons in texts":          {"a: |\n" + numbered("  k%d: 1\n", most+1) + "b: '" + strings.Repeat("x: ", most+1) + "'\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := strictyaml.Parse("f", []byte(tt.src))
			if tt.want == "" {
				require.NoError(t, err)

				return
			}

			require.EqualError(t, err, tt.want)
		})
	}
}

func TestItemsWithoutValueAreBounded(t *testing.T) {
	t.Parallel()

	const most = strictyaml.MaxEmpty

	for name, tt := range map[string]struct{ src, want string }{
		"as many as may be":        {strings.Repeat("-\n", most), ""},
		"one more":                 {"a:\n" + strings.Repeat("- # none\n", most+1), "f:20002:1: more than 20000 items without a value"},
		"one more, in many lists":  {numbered("k%d:\n"+strings.Repeat("-\n", most/100), 101), "f:20102:1: more than 20000 items without a value"},
		"one more, below lists":    {strings.Repeat("- ", 60) + "x\n" + strings.Repeat("-\n", most+1), "f:20002:1: more than 20000 items without a value"},
		"many that have one":       {strings.Repeat("- x\n", 3*most), ""},
		"many that have a mapping": {strings.Repeat("-\n  x: 1\n", most+1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := strictyaml.Parse("f", []byte(tt.src))
			if tt.want == "" {
				require.NoError(t, err)

				return
			}

			require.EqualError(t, err, tt.want)
		})
	}
}

func TestManyMistakesAreCounted(t *testing.T) {
	t.Parallel()

	_, err := strictyaml.Parse("f", []byte(strings.Repeat("- !!x y\n", 5000)))

	var all strictyaml.Mistakes
	require.ErrorAs(t, err, &all)
	require.Len(t, all, 5000)
	require.Equal(t, 200, strings.Count(err.Error(), "\n"))
	require.True(t, strings.HasSuffix(err.Error(), "\nand 4800 mistakes more"))
}
