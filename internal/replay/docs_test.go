package replay_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/replay"
)

// docs/dead-letters.md lists every reason and every why, and no other.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/dead-letters.md")
	require.NoError(t, err)
	require.Equal(t, replay.Reasons(), firstColumn(t, string(text), "| reason |"))
	whys := []string{}
	for _, w := range replay.Whys() {
		whys = append(whys, string(w))
	}
	require.Equal(t, whys, firstColumn(t, string(text), "| why |"))
}

func firstColumn(t *testing.T, text, head string) []string {
	t.Helper()
	_, table, ok := strings.Cut(text, "\n"+head)
	require.True(t, ok, head)
	table, _, _ = strings.Cut(table, "\n\n")
	words := []string{}
	for _, row := range strings.Split(table, "\n")[2:] {
		words = append(words, strings.Split(row, "`")[1])
	}
	return words
}
