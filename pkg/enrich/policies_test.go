package enrich_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// TestPoliciesOfTheCatalog: advice follows what was laid over the catalog; an opt-in there is
// worth the same as one in Options.
func TestPoliciesOfTheCatalog(t *testing.T) {
	t.Parallel()

	snap, err := catalog.Default().WithPolicies([]catalog.Policy{
		{Codes: []catalog.CodeRange{{From: 3010, To: 3010}}, Delay: new(60.0), MaxAttempts: new(2)},
		{Codes: []catalog.CodeRange{{From: 6020, To: 6020}}, OptIn: new(true)},
		{Codes: []catalog.CodeRange{{From: 3000, To: 3000}}, MaxAttempts: new(1)},
	})
	require.NoError(t, err)

	e, err := enrich.New(snap, enrich.DefaultOptions())
	require.NoError(t, err)

	for event, want := range map[string]enrich.AdviceReason{
		`{"HangupCauseCode":3010,"Direction":"outbound"}`:                                     enrich.AdvisePolicy,
		`{"HangupCauseCode":3010,"Direction":"outbound","attempt":2}`:                         enrich.AdviseAttemptsExhausted,
		`{"HangupCauseCode":6020,"Direction":"outbound","AnswerTime":"2026-01-01T00:00:00Z"}`: enrich.AdviseOptedIn,
		`{"HangupCauseCode":9110,"Direction":"outbound"}`:                                     enrich.AdviseNeedsOptIn,
		`{"HangupCauseCode":3000,"Direction":"outbound"}`:                                     enrich.AdviseNever,
	} {
		r := run(e, event)
		require.Equal(t, want, r.Advice.Reason, event)
		require.Contains(t, valueOf(r), snap.ID())

		if want == enrich.AdvisePolicy {
			require.GreaterOrEqual(t, r.Advice.DelayS, int64(30)) // jitter equal
			require.LessOrEqual(t, r.Advice.DelayS, int64(60))
		}
	}
}
