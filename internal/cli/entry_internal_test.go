package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// TestOverridesInWords: what the configuration changed of a policy is said, and is no column.
func TestOverridesInWords(t *testing.T) {
	delay, in := 60.0, true
	snap, err := catalog.Default().WithPolicies([]catalog.Policy{
		{Name: "retry.policies[0]", Codes: []catalog.CodeRange{{From: 3010, To: 3010}}, Delay: &delay},
		{Name: "retry.policies[1]", Codes: []catalog.CodeRange{{From: 6020, To: 6020}}, OptIn: &in},
	})
	require.NoError(t, err)

	changed, _ := snap.Lookup(3010)
	require.Equal(t, "policy changed by retry.policies[0]: delay 15m → 1m\n", overridesInWords(changed))

	for _, row := range entryRows(changed) {
		require.NotEqual(t, "-", row[0].text)
	}

	optedIn, _ := snap.Lookup(6020)
	require.Contains(t, retryInWords(optedIn), "a machine may do so, as the operator opted in.")

	untouched, _ := snap.Lookup(3000)
	require.Empty(t, overridesInWords(untouched))
}
