package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/result"
)

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		id   string
		list []string
		want bool
	}{
		{"a", nil, true},
		{"a", []string{"a"}, true},
		{"ab", []string{"a"}, false},
		{"ab", []string{"x", "a*"}, true},
		{"b", []string{"a*"}, false},
		{"b", []string{"*"}, true},
	} {
		require.Equal(t, tc.want, matches(tc.id, tc.list), "%s in %v", tc.id, tc.list)
	}
}

func TestUsage(t *testing.T) {
	require.ErrorIs(t, Run(t.Context(), &Options{Only: "speed", Rounds: 1}, os.Stderr), ErrUsage)
	require.ErrorIs(t, Run(t.Context(), &Options{}, os.Stderr), ErrUsage)
}

// A report that is not of everything does not take the place of one that is.
func TestDocs(t *testing.T) {
	require.Equal(t, filepath.Join("root", "docs"), (&Options{Root: "root"}).docs())
	for _, o := range []Options{{Smoke: true}, {Only: "micro"}, {Who: []string{"copier"}}} {
		o.Root = "root"
		require.Empty(t, o.docs())
		o.Docs = "there"
		require.Equal(t, "there", o.docs())
	}
}

func TestWithout(t *testing.T) {
	var out strings.Builder
	skipped := &contest.SkippedError{Reason: "no tool"}
	for _, tc := range []struct {
		mustRun []string
		err     error
		failed  bool
	}{
		{nil, skipped, false},
		{[]string{"other"}, skipped, false},
		{[]string{"stre*"}, skipped, true},
		{nil, errors.New("broken"), true},
	} {
		who := result.Contestant{ID: "streams"}
		(&Options{MustRun: tc.mustRun}).without(&who, tc.err, &out)
		require.Equal(t, tc.failed, who.Failed != "", "%v", tc)
		require.Equal(t, tc.failed, who.Skipped == "", "%v", tc)
	}
	require.Contains(t, out.String(), "SKIPPED streams: no tool")
	require.Contains(t, out.String(), "FAILED streams: broken")
}

func TestWorkDir(t *testing.T) {
	path, logs, err := workDir(t.TempDir())
	require.NoError(t, err)
	require.DirExists(t, filepath.Join(path, "bin"))
	require.NotEmpty(t, logs)
	_, _, err = workDir("/no/such/directory")
	require.ErrorContains(t, err, "make directory")
}

func TestMachine(t *testing.T) {
	m := machine("disk")
	require.Positive(t, m.Cores)
	require.Positive(t, m.MemoryGB)
	require.Contains(t, m.Kernel, "Linux")
	require.Positive(t, available())
	require.Zero(t, meminfo("NoSuchLine"))
	require.Equal(t, "b: c", value([]byte("x : y\na\t: b: c\n"), "a"))
	require.Empty(t, value([]byte("ab : c\n"), "a"))
	require.Equal(t, "unknown", fileSystem("/no/such/directory"))
	require.Equal(t, "unknown", firstLine(t.Context(), "no-such-program"))
	require.Equal(t, "one", firstLine(t.Context(), "printf", "one\ntwo"))
}

// What has been measured is on disk before all is.
func TestKeep(t *testing.T) {
	o := &Options{Root: t.TempDir()}
	for _, command := range []string{"first", "second"} {
		require.NoError(t, o.keep(&result.Result{Command: command}))
		got, err := result.Read(o.last())
		require.NoError(t, err)
		require.Equal(t, command, got.Command)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(o.Root, "bin")))
	require.NoError(t, os.WriteFile(filepath.Join(o.Root, "bin"), nil, 0o600))
	require.ErrorContains(t, o.keep(&result.Result{}), "keep what was measured")
}

// A report can be made anew from its results.
func TestRender(t *testing.T) {
	docs, root := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "bench"), 0o755))
	require.NoError(t, write(&result.Result{Command: "make bench"}, docs, root))
	first, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	require.NoError(t, err)
	require.Contains(t, string(first), "make bench")
	require.FileExists(t, filepath.Join(docs, "benchmarks.svg"))
	require.FileExists(t, filepath.Join(docs, "scaling.md"))

	require.NoError(t, os.WriteFile(filepath.Join(root, "bench", "notes.md"), []byte("Noted.\n"), 0o600))
	require.NoError(t, Run(t.Context(), &Options{Root: root, Render: filepath.Join(docs, "benchmarks.json")}, os.Stderr))
	second, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	require.NoError(t, err)
	require.Contains(t, string(second), "Noted.")

	there := t.TempDir()
	require.NoError(t, Run(t.Context(), &Options{Root: root, Docs: there, Render: filepath.Join(docs, "benchmarks.json")}, os.Stderr))
	for _, name := range []string{"benchmarks.md", "benchmarks.svg", "benchmarks.json", "scaling.md"} {
		want, err := os.ReadFile(filepath.Join(docs, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(there, name))
		require.NoError(t, err, "-docs gets all of it")
		require.Equal(t, string(want), string(got))
	}

	require.ErrorIs(t, Run(t.Context(), &Options{Root: root, Render: "none"}, os.Stderr), os.ErrNotExist)
	require.Error(t, write(&result.Result{}, filepath.Join(docs, "none"), root))
}
