package build_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/deploy/image/internal/build"
)

// clone is a repository with one commit of a program that has no dependencies.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":               "module example.com/program\n\ngo 1.26.0\n",
		"cmd/enricher/main.go": "package main\n\nfunc main() { println(\"here\") }\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	// Nothing of the user's configuration, and a date that is known.
	for _, v := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		t.Setenv(v, os.DevNull)
	}
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "someone")
		t.Setenv("GIT_"+who+"_EMAIL", "someone@example.com")
		t.Setenv("GIT_"+who+"_DATE", "2026-11-26T10:06:34+01:00")
	}
	git(t, dir, "init", "--quiet")
	git(t, dir, "add", ".")
	git(t, dir, "commit", "--quiet", "--message", "Begin")

	return dir
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestFind(t *testing.T) {
	dir := clone(t)
	src, err := build.Find(t.Context(), dir, "")
	require.NoError(t, err)
	require.Len(t, src.Commit, 40)
	require.Equal(t, time.Date(2026, 11, 26, 9, 6, 34, 0, time.UTC), src.Time)

	src, err = build.Find(t.Context(), dir, "1700000000")
	require.NoError(t, err)
	require.Equal(t, time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC), src.Time)

	for _, date := range []string{"yesterday", "-1", "1.5"} {
		_, err = build.Find(t.Context(), dir, date)
		require.EqualError(t, err, `read date "`+date+`": want seconds since 1970, as SOURCE_DATE_EPOCH has them`)
	}
	_, err = build.Find(t.Context(), t.TempDir(), "")
	require.ErrorContains(t, err, "not a git repository")
	require.ErrorContains(t, err, "build in a clone of the repository")
}

// Two clones in two places, and an environment that wants it otherwise: the same bytes, with the version in them.
func TestCompile(t *testing.T) {
	dir := clone(t)
	git(t, dir, "tag", "v1.2.3")
	src, err := build.Find(t.Context(), dir, "")
	require.NoError(t, err)
	target := build.Target{OS: "linux", Arch: "arm64"}
	first, err := src.Compile(t.Context(), target)
	require.NoError(t, err)
	require.Equal(t, "v1.2.3", first.Version)
	require.Equal(t, "linux/arm64", first.String())
	settings := map[string]string{}
	for _, s := range first.Info.Settings {
		settings[s.Key] = s.Value
	}
	require.Equal(t, src.Commit, settings["vcs.revision"])
	require.Equal(t, "false", settings["vcs.modified"])
	require.Equal(t, "0", settings["CGO_ENABLED"])
	require.Equal(t, "true", settings["-trimpath"])
	require.NotContains(t, string(first.Data), dir)

	t.Setenv("GOFLAGS", "-buildvcs=false -tags=other")
	t.Setenv("GOARM64", "v9.0")
	second, err := (&build.Source{Root: copied(t, dir)}).Compile(t.Context(), target)
	require.NoError(t, err)
	require.Equal(t, first.Data, second.Data)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("changed"), 0o600))
	dirty, err := src.Compile(t.Context(), target)
	require.NoError(t, err)
	require.Equal(t, "v1.2.3+dirty", dirty.Version)
}

func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	git(t, dir, "clone", "--quiet", ".", to)

	return to
}

func TestCompileFails(t *testing.T) {
	dir := clone(t)
	src, err := build.Find(t.Context(), dir, "")
	require.NoError(t, err)
	_, err = src.Compile(t.Context(), build.Target{OS: "linux", Arch: "abacus"})
	require.ErrorContains(t, err, "compile for linux/abacus: go build: ")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = src.Compile(ctx, build.Target{OS: "linux", Arch: "amd64"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestModuleDirs(t *testing.T) {
	src := &build.Source{Root: "."} // this module: it has modules
	dirs, err := src.ModuleDirs(t.Context(), &debug.BuildInfo{Deps: []*debug.Module{{Path: "github.com/stretchr/testify"}}})
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dirs["github.com/stretchr/testify"], "LICENSE"))

	dirs, err = src.ModuleDirs(t.Context(), &debug.BuildInfo{})
	require.NoError(t, err)
	require.Empty(t, dirs)
	_, err = src.ModuleDirs(t.Context(), &debug.BuildInfo{Deps: []*debug.Module{{Path: "example.com/unknown"}}})
	require.ErrorContains(t, err, "list modules: go list: ")
}

func TestGoRoot(t *testing.T) {
	dir, err := build.GoRoot(t.Context())
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "LICENSE"))

	t.Setenv("PATH", t.TempDir())
	_, err = build.GoRoot(t.Context())
	require.ErrorContains(t, err, "find Go: ")
}
