package config_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
)

var update = flag.Bool("update", false, "write what is generated instead of comparing it")

// source is a world with a few variables and files.
func source() config.Source {
	env := map[string]string{"EMPTY": "", "HOME": "/home", "GROUP": "from-env", "YES": "true", "DEPTH": "7", "WAIT": "3s", "BINARY": "\xff", "INJECT": "x}, evil: {a: b"}
	files := map[string]string{"secret": "hunter 2\n", "binary": "\xff", "crlf": "value\r\n", "two": "a\nb\n\n"}

	return config.Source{
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, //nolint:nlreturn // short
		File: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}

			return nil, fs.ErrNotExist
		},
	}
}

// TestBad holds each file of testdata/bad to the messages beside it.
func TestBad(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()

			text, err := os.ReadFile(file)
			require.NoError(t, err)

			_, err = config.Parse(filepath.Base(file), text, source())
			require.Error(t, err)

			var mistakes strictyaml.Mistakes
			require.ErrorAs(t, err, &mistakes)
			require.NotContains(t, err.Error(), "hunter", "a secret in a message")

			golden(t, strings.TrimSuffix(file, ".yaml")+".want", err.Error()+"\n")
		})
	}
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()

	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}

	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run the test with -update if this is meant")
}
