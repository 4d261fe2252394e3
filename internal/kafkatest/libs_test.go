package kafkatest

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// stubMaven puts a script in front of the real mvn. It appends a line to the
// returned file for each call, then does what body says, with the output directory in $out.
func stubMaven(t *testing.T, body string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$*\" >>" + calls + "\nfor a in \"$@\"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done\n" + body + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mvn"), []byte(script), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return calls
}

func TestLibsAreDownloadedOnce(t *testing.T) {
	calls := stubMaven(t, `mkdir -p "$out" && echo jar >"$out/kafka-clients-1.2.3.jar"`)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv(envLibs, "")
	t.Setenv(envVersion, "1.2.3")

	var wg sync.WaitGroup
	dirs, errs := make([]string, 4), make([]error, 4)
	for i := range dirs {
		wg.Go(func() { dirs[i], errs[i] = libs(t.Context()) })
	}
	wg.Wait()
	for i := range dirs {
		require.NoError(t, errs[i])
		require.Equal(t, dirs[0], dirs[i])
	}
	require.Equal(t, "kafka-1.2.3", filepath.Base(dirs[0]))
	require.FileExists(t, filepath.Join(dirs[0], "kafka-clients-1.2.3.jar"))
	log, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), "\n"), "%s", log)
	require.Contains(t, string(log), "-Dkafka.version=1.2.3")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dirs[0]), "download-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	t.Setenv(envLibs, dirs[0])
	dir, err := libs(t.Context())
	require.NoError(t, err)
	require.Equal(t, dirs[0], dir)
}

func TestLibsSaysWhatIsWrong(t *testing.T) {
	t.Run("Maven fails", func(t *testing.T) {
		stubMaven(t, `echo "no such version"; exit 1`)
		cache := t.TempDir()
		_, err := download(t.Context(), cache, "0.0.1")
		require.ErrorContains(t, err, "download Apache Kafka 0.0.1 with Maven (or set ENRICHER_KAFKA_LIBS to a directory of its jars): exit status 1")
		require.ErrorContains(t, err, "no such version")
		require.NoDirExists(t, filepath.Join(cache, "kafka-0.0.1"))
	})
	t.Run("Maven does nothing", func(t *testing.T) {
		stubMaven(t, `exit 0`)
		_, err := download(t.Context(), t.TempDir(), "0.0.1")
		require.ErrorContains(t, err, "keep Kafka's jars")
	})
	t.Run("no jars in the given directory", func(t *testing.T) {
		t.Setenv(envLibs, t.TempDir())
		_, err := libs(t.Context())
		require.ErrorContains(t, err, "no kafka-clients jar in it")
	})
	t.Run("no place for a cache", func(t *testing.T) {
		t.Setenv(envLibs, "")
		t.Setenv("XDG_CACHE_HOME", "")
		t.Setenv("HOME", "")
		_, err := libs(t.Context())
		require.ErrorContains(t, err, "find cache directory")
	})
	t.Run("cache is a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := download(t.Context(), file, "0.0.1")
		require.ErrorContains(t, err, "make cache directory")
	})
	t.Run("lock is a directory", func(t *testing.T) {
		cache := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(cache, "kafka-0.0.1.lock"), 0o700))
		_, err := download(t.Context(), cache, "0.0.1")
		require.ErrorContains(t, err, "lock cache directory")
	})
}

func TestTail(t *testing.T) {
	require.Equal(t, "short", string(tail([]byte("short"))))
	long := strings.Repeat("a", maxTail) + "end"
	require.Equal(t, "… "+strings.Repeat("a", maxTail-3)+"end", string(tail([]byte(long))))
}
