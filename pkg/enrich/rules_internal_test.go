package enrich

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// TestSettledAsAsked: what is decided beforehand is what the rules say, for every cause and
// everything that an event may say beside it.
func TestSettledAsAsked(t *testing.T) {
	t.Parallel()

	entries := catalog.Default().Entries()

	var optIn []int32

	for i := range entries {
		if entries[i].Retry.Auto == catalog.AutoOptIn && entries[i].Code%20 == 0 {
			optIn = append(optIn, entries[i].Code)
		}
	}

	seen := map[AdviceReason]bool{}

	for _, redial := range []bool{false, true} {
		opt := DefaultOptions()
		opt.OptIn, opt.RedialAnswered, opt.RedialBLegs = optIn, redial, redial

		e, err := New(catalog.Default(), opt)
		require.NoError(t, err)

		for i := range entries {
			everySituation(e.causes.find(entries[i].Code), func(r *Result) {
				r.Entry = &entries[i]
				seen[requireSettled(t, e, r)] = true
			})
		}

		for reason, c := range map[Reason]*cause{CodeNotInCatalog: e.unknownCode, BadCode: e.badCode, UnknownName: e.unknownName} {
			everySituation(c, func(r *Result) {
				r.Reason = reason
				seen[requireSettled(t, e, r)] = true
			})
		}
	}

	for _, reason := range AdviceReasons() {
		require.True(t, seen[reason] || reason == AdviseBlocked, "%s never decides", reason) // the catalog blocks only classes that come before it
	}
}

func everySituation(c *cause, check func(r *Result)) {
	for _, direction := range []catalog.Direction{"", catalog.Outbound, catalog.Inbound} {
		for _, answered := range []bool{false, true} {
			for _, bLeg := range []bool{false, true} {
				for attempt := 1; attempt < 10; attempt++ {
					r := &Result{Direction: direction, Answered: answered, BLeg: bLeg, Attempt: attempt}
					r.scratch.cause = c
					check(r)
				}
			}
		}
	}
}

func requireSettled(t *testing.T, e *Enricher, r *Result) AdviceReason {
	t.Helper()

	asked, settled := e.decide(r), int(r.scratch.cause.decided[r.situation()])
	require.Equal(t, asked, settled, "%+v", r.situation())

	return e.rules[asked].reason
}
