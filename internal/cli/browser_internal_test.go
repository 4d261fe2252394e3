package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestBrowserCommand(t *testing.T) {
	for system, want := range map[string][]string{
		"linux":   {"xdg-open", "http://localhost:1/"},
		"freebsd": {"xdg-open", "http://localhost:1/"},
		"darwin":  {"open", "http://localhost:1/"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler", "http://localhost:1/"},
	} {
		name, args := browserCommand(system, "http://localhost:1/")
		require.Equal(t, want, append([]string{name}, args...), system)
	}
}

func TestBrowserThatIsNotThere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())

	core, logs := observer.New(zap.WarnLevel)
	(&world{}).openBrowser(t.Context(), "http://localhost:1/", zap.New(core))
	require.Equal(t, 1, logs.FilterMessageSnippet("open the page by hand").Len())
}
