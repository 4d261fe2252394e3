package casetest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func requireJSON(t *testing.T, text []byte) {
	t.Helper()
	require.Truef(t, json.Valid(text), "%q", text)
}

func overlaid(t *testing.T, overlay string) *catalog.Snapshot {
	t.Helper()

	path := filepath.Join(t.TempDir(), "overlay.yaml")
	require.NoError(t, os.WriteFile(path, []byte(overlay), 0o600))

	snap, err := catalog.Load(path)
	require.NoError(t, err)

	return snap
}

func compare(t *testing.T, overlay string, events ...string) *casetest.Report {
	t.Helper()

	c := casetest.NewComparison(subject(t, catalog.Default()), subject(t, overlaid(t, overlay)))
	for _, e := range events {
		c.Add(&enrich.Record{Value: []byte(e), TimestampMS: -1})
	}

	return c.Report()
}

func TestComparison(t *testing.T) {
	t.Parallel()

	const (
		first  = `{"HangupCauseCode":3010,"Direction":"outbound","CallUUID":"a"}`
		second = `{"HangupCauseCode":3010,"Direction":"outbound","CallUUID":"b"}`
		fourth = `{"HangupCauseCode":3010,"Direction":"outbound","CallUUID":"b","attempt":4}`
		named  = `{"HangupCause":"USER_BUSY","Direction":"outbound","CallUUID":"a"}`
	)

	for _, tc := range []struct {
		name, overlay string
		events        []string
		want          casetest.Tally
		changes       []casetest.Transition // of the first code
	}{
		{
			name:    "what no advice hangs on",
			overlay: `entries: [{code: 3010, name: Engaged, fault: carrier}]`,
			events:  []string{first, `{`, `{"a":1}`},
			want:    casetest.Tally{Events: 3},
		},
		{
			name:    "another class",
			overlay: `entries: [{code: 3010, retry: {class: short_delay}}]`,
			events:  []string{first, named, `{"HangupCauseCode":4000}`},
			want:    casetest.Tally{Events: 3, Changed: 2, Advice: 2},
			changes: []casetest.Transition{{Aspect: "class", Old: "long_delay", New: "short_delay", Events: 2}},
		},
		{
			name:    "another delay",
			overlay: `entries: [{code: 3010, retry: {initial_s: 10, multiplier: 1, cap_s: 10, jitter: equal}}]`,
			events:  []string{first, second},
			want:    casetest.Tally{Events: 2, Changed: 2, Advice: 2},
			changes: []casetest.Transition{{Aspect: "delay_s", Old: "549-786", New: "7-9", Events: 2}},
		},
		{
			name:    "one attempt more",
			overlay: `entries: [{code: 3010, retry: {max_retries: 4}}]`,
			events:  []string{first, fourth},
			want:    casetest.Tally{Events: 2, Changed: 1, Advice: 1, Route: 1},
			changes: []casetest.Transition{
				{Aspect: "retryable", Old: "false", New: "true", Events: 1},
				{Aspect: "reason", Old: "attempts_exhausted", New: "policy", Events: 1},
				{Aspect: "delay_s", Old: "", New: "4729", Events: 1},
				{Aspect: "routes", Old: "", New: "retry", Events: 1},
			},
		},
		{
			name:    "an entry less",
			overlay: `entries: [{code: 3010, disabled: true}]`,
			events:  []string{first, `{"HangupCauseCode":3010}`},
			want:    casetest.Tally{Events: 2, Changed: 2, Advice: 2, Outcome: 2, Route: 1},
			changes: []casetest.Transition{
				{Aspect: "outcome", Old: "enriched", New: "unknown_code", Events: 2},
				{Aspect: "retryable", Old: "true", New: "false", Events: 1},
				{Aspect: "class", Old: "long_delay", New: "", Events: 2},
				{Aspect: "reason", Old: "direction_unknown", New: "unknown_code", Events: 1},
				{Aspect: "reason", Old: "policy", New: "unknown_code", Events: 1},
				{Aspect: "routes", Old: "retry", New: "", Events: 1},
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got := compare(t, tc.overlay, tc.events...)
			require.Equal(t, tc.want, got.Tally)

			if tc.changes == nil {
				require.Empty(t, got.Codes)

				return
			}

			require.Len(t, got.Codes, 1)
			require.Equal(t, int32(3010), got.Codes[0].Code)
			require.Equal(t, tc.changes, got.Codes[0].Changes)
		})
	}
}

// Codes are in order, and so are rows of one code's events that do not change.
func TestComparisonByCode(t *testing.T) {
	t.Parallel()

	events := []string{`{"HangupCauseCode":4000,"Direction":"outbound"}`, `{"HangupCauseCode":3010,"Direction":"outbound"}`, `{"HangupCauseCode":3010,"Direction":"inbound"}`}
	for code := range 1000 { // in neither catalog: nothing is kept of them
		b, err := json.Marshal(map[string]int{"HangupCauseCode": 1_000_000 + code})
		require.NoError(t, err)

		events = append(events, string(b))
	}

	got := compare(t, "entries: [{code: 3010, retry: {class: short_delay}}, {code: 4000, retry: {class: manual, auto: blocked}}]", events...)
	require.Equal(t, int64(1003), got.Events)
	require.Len(t, got.Codes, 2)
	require.Equal(t, int32(3010), got.Codes[0].Code)
	require.Equal(t, "Busy Line", got.Codes[0].Name)
	require.Equal(t, casetest.Tally{Events: 2, Changed: 2, Advice: 2}, got.Codes[0].Tally)
	require.Equal(t, int32(4000), got.Codes[1].Code)
}

// A report of nothing lists nothing, and not null.
func TestEmptyComparison(t *testing.T) {
	t.Parallel()

	text, err := json.Marshal(compare(t, "entries: []"))
	require.NoError(t, err)
	require.JSONEq(t, `{"events":0,"changed":0,"advice":0,"outcome":0,"route":0,"codes":[]}`, string(text))
}
