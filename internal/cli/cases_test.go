package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/cli"
)

var (
	docFile = regexp.MustCompile("(?s)(<!-- file: ([^ ]+) -->\n```[a-z]+\n)(.*?)```\n")
	docRun  = regexp.MustCompile("(?s)(<!-- run: [^\n]+ -->\n```console\n\\$ enricher )([^\n]+)\n(.*?)```\n")
)

// What docs/testing.md shows of a session is what the session shows, and a file that it shows is that
// of the repository, if there is one.
func TestTestingDocs(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)

	file := filepath.Join(root, "docs/testing.md")
	src, err := os.ReadFile(file)
	require.NoError(t, err)

	t.Chdir(t.TempDir())
	require.NoError(t, os.CopyFS("testdata/cases", os.DirFS(filepath.Join(root, "testdata/cases"))))
	require.NoError(t, os.CopyFS("config", os.DirFS(filepath.Join(root, "config"))))

	replaced := 0
	doc := docFile.ReplaceAllStringFunc(string(src), func(block string) string {
		m := docFile.FindStringSubmatch(block)
		replaced++

		if own, err := os.ReadFile(m[2]); err == nil {
			return m[1] + string(own) + "```\n"
		}

		require.NoError(t, os.WriteFile(m[2], []byte(m[3]), 0o600))

		return block
	})

	var codes []int

	doc = docRun.ReplaceAllStringFunc(doc, func(block string) string {
		m := docRun.FindStringSubmatch(block)
		out, errs, code := execute(t, "", strings.Fields(m[2])...)
		require.Empty(t, errs)

		codes = append(codes, code)

		return m[1] + m[2] + "\n" + out + "```\n"
	})

	require.Equal(t, 3, replaced)
	require.Equal(t, []int{cli.ExitOK, cli.ExitFailed, cli.ExitOK}, codes)

	if *update {
		require.NoError(t, os.WriteFile(file, []byte(doc), 0o600))

		return
	}

	require.Equal(t, doc, string(src), "run the test with -update if this is meant")
}
