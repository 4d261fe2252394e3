package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/privacy"
)

// Words come from events that anyone may have enriched, so that a telephone number may stand where a word should. A catalog's
// id stays as it is, although it looks like an address.
func TestTalliesMaskNumbers(t *testing.T) {
	words := []string{"destination", "+12025550143", "12025550144 and more", "c@2026.11.1+0123abcd", "someone@example.com"}

	tally := tally{}
	for _, word := range words {
		tally.add(word)
	}

	shown := func(show privacy.Policy) []string {
		var names []string
		for _, c := range tally.counts(5, show) {
			names = append(names, c.Name)
		}

		return names
	}

	require.ElementsMatch(t, words, shown(privacy.Policy{Reveal: true}))
	require.ElementsMatch(t, []string{"destination", "+12*******43", "12*******44 and more", "c@2026.11.1+0123abcd", "***@***"}, shown(privacy.Policy{}))
}
