package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
)

// TestWithTakesWhatIsLive: of two configurations that differ in everything, the live keys come from the second,
// and the others from the first.
func TestWithTakesWhatIsLive(t *testing.T) {
	t.Parallel()

	a, b := config.Default(), config.Default()
	different(t, reflect.ValueOf(b).Elem())

	all := config.Changes(a, b)
	merged := a.With(b)
	taken, left := config.Changes(a, merged), config.Changes(merged, b)

	require.ElementsMatch(t, all, slices.Concat(taken, left))
	require.NotEmpty(t, left)

	live := func(key string) bool {
		return slices.ContainsFunc(config.LiveKeys(), func(l string) bool { return key == l || strings.HasPrefix(key, l+".") })
	}
	for _, key := range taken {
		require.True(t, live(key), "%s needs a restart", key)
	}

	for _, key := range left {
		require.False(t, live(key), "%s can change", key)
	}

	require.Empty(t, config.Changes(a, config.Default()), "With changed what it was called on")
}

// different changes every value below v.
func different(t *testing.T, v reflect.Value) {
	t.Helper()

	switch v.Kind() {
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(v.Type()) {
			if f.IsExported() {
				different(t, v.FieldByIndex(f.Index))
			}
		}
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem()))
	default:
		require.Fail(t, "no way to change it", v.Type())
	}
}

func TestChangesNamesTheKeys(t *testing.T) {
	t.Parallel()

	a, b := config.Default(), config.Default()
	b.Kafka.Brokers, b.Limits.Linger, b.Retry.Window.From = []string{"x:1"}, time.Second, "09:00"
	require.Equal(t, []string{"kafka.brokers", "retry.window.from", "limits.linger"}, config.Changes(a, b))
	require.Empty(t, config.Changes(a, a))
}

func TestFiles(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	file := filepath.Join(dir, "enricher.yaml")
	require.NoError(t, os.WriteFile(file, []byte("kafka: {brokers: ['a:1']}\ninput: {topics: [in], group: g}\noutput: {topic: out}\ncatalog: {overlays: [more.yaml]}\n"), 0o600))

	cfg, err := config.Load(file)
	require.NoError(t, err)
	require.Equal(t, []string{file, filepath.Join(dir, "more.yaml")}, cfg.Files())
	require.Empty(t, config.Default().Files())
}

// TestLiveKeysAreDocumented: docs/configuration.md lists them, and no others.
func TestLiveKeysAreDocumented(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(docsFile)
	require.NoError(t, err)

	_, rest, ok := strings.Cut(string(text), "\n## Changes without a restart\n")
	require.True(t, ok)

	section, _, _ := strings.Cut(rest, "\n## ")

	var listed []string

	for line := range strings.Lines(section) {
		if key, ok := strings.CutPrefix(line, "- `"); ok {
			key, _, _ = strings.Cut(key, "`")
			listed = append(listed, key)
		}
	}

	require.Equal(t, config.LiveKeys(), listed)
}
