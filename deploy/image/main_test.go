package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string // on standard error
	}{
		"no verb":       {nil, "usage: image VERB"},
		"unknown verb":  {[]string{"push"}, "usage: image VERB"},
		"unknown flag":  {[]string{"dist", "-push", "x"}, "flag provided but not defined: -push"},
		"too much":      {[]string{"image", "now"}, `the verb image takes no arguments, not "now"`},
		"another verbs": {[]string{"image", "-arch", "arm64"}, "flag provided but not defined: -arch"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			require.ErrorIs(t, run(t.Context(), c.args, "", &stdout, &stderr), errUsage)
			require.Contains(t, stderr.String(), c.want)
			require.Empty(t, stdout.String())
		})
	}
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"rootfs", "-help"}, "", &stdout, &stderr))
	require.Contains(t, stderr.String(), "-arch architecture")
}

func TestNoRepository(t *testing.T) {
	for _, verb := range []string{"image", "dist", "rootfs"} {
		dir := t.TempDir()
		err := run(t.Context(), []string{verb, "-root", dir}, "", os.Stdout, os.Stderr)
		require.ErrorContains(t, err, "not a git repository")
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestReplace(t *testing.T) {
	fill := func(text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, "mark"), []byte(text), 0o600) }
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "dist", "image")
	require.NoError(t, replace(dir, "mark", fill("first")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stale"), nil, 0o600))
	require.NoError(t, replace(dir, "mark", fill("second")))
	text, err := os.ReadFile(filepath.Join(dir, "mark"))
	require.NoError(t, err)
	require.Equal(t, "second", string(text))
	require.NoFileExists(t, filepath.Join(dir, "stale"))

	// A failure leaves what was there, and nothing beside it.
	broken := errors.New("broken")
	require.ErrorIs(t, replace(dir, "mark", func(string) error { return broken }), broken)
	require.FileExists(t, filepath.Join(dir, "mark"))
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, left, 1)

	// Somebody else's directory stays.
	other := filepath.Join(parent, "home")
	require.NoError(t, os.MkdirAll(other, 0o750))
	require.NoError(t, replace(other, "mark", fill("empty before")))
	require.NoError(t, os.Remove(filepath.Join(other, "mark")))
	require.NoError(t, os.WriteFile(filepath.Join(other, "letter"), nil, 0o600))
	require.EqualError(t, replace(other, "mark", fill("no")), "replace "+other+": it has other files and no mark; choose another directory by -out")
	require.FileExists(t, filepath.Join(other, "letter"))

	require.ErrorContains(t, replace(filepath.Join(other, "letter"), "mark", fill("no")), "look into ")
	require.ErrorContains(t, replace(filepath.Join(other, "letter", "below"), "mark", fill("no")), "not a directory")
}
