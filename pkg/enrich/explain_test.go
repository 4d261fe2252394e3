package enrich_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/pkg/enrich"
)

func TestExplain(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct{ value, text string }{
		"retryable": {
			`{"HangupCauseCode":"120","hangup_cause_code":1,"Direction":"outbound","AnswerTime":"","BillDuration":"0","CallUUID":"c","HangupCause":"x"}`,
			`outcome: enriched
cause: 120 Exact, by code

found in the event (* what counts):
 * code         HangupCauseCode = "120"
   code         hangup_cause_code = 1
   name         HangupCause = "x"
 * direction    Direction = "outbound"
   billed       BillDuration = "0"
 * call_id      CallUUID = "c"
 * attempt      header = 2

rules for a redial (> the one that decides):
   unknown_code        code leads to entry 120
   bad_code            code leads to entry 120
   unknown_name        code leads to entry 120
   direction_unknown   direction outbound
   not_outbound        direction outbound
   b_leg               b leg: false, redialling b legs allowed: false
   nothing_to_retry    class long_delay, auto allowed
   never               class long_delay, auto allowed
   needs_person        class long_delay, auto allowed
   needs_fix           class long_delay, auto allowed
   blocked             class long_delay, auto allowed
   needs_opt_in        auto allowed, code opted in: false
   answered            answered: false, redialling answered calls allowed: false
   attempts_exhausted  attempt 2, retries allowed: 2
   opted_in            auto allowed, code opted in: false
 > policy              class long_delay, auto allowed

advice: redial after 31 s, not before 2026-11-24T10:00:31.000Z (policy); attempt 2 of 3 has ended
`,
		},
		"unknown code": {
			`{"HangupCauseCode":77,"Direction":"x","hangup_attempt":"3"}`,
			`outcome: unknown_code (unknown_code)

found in the event (* what counts):
 * code         HangupCauseCode = 77
   direction    Direction = "x"
 * attempt      hangup_attempt = "3"
   attempt      header = 2

rules for a redial (> the one that decides):
 > unknown_code        code 77

advice: do not redial (unknown_code)
`,
		},
		"bad code": {
			"HangupCauseCode=a%22",
			`outcome: unknown_code (bad_code)

found in the event (* what counts):
 * code         HangupCauseCode = "a\""
 * attempt      header = 2

rules for a redial (> the one that decides):
   unknown_code        code "a\""
 > bad_code            code "a\""

advice: do not redial (bad_code)
`,
		},
		"no direction": {
			`{"HangupCause":"Full","billed_duration":3,"CallStatus":"in-progress"}`,
			`outcome: enriched
cause: 110 Full, by name

found in the event (* what counts):
 * name         HangupCause = "Full"
 * billed       billed_duration = 3
 * status       CallStatus = "in-progress"
 * attempt      header = 2

rules for a redial (> the one that decides):
   unknown_code        name leads to entry 110
   bad_code            name leads to entry 110
   unknown_name        name leads to entry 110
 > direction_unknown   no direction, or none that is known

advice: do not redial (direction_unknown)
`,
		},
		"foreign": {
			`{"HangupCauseCode":10,"trunk_domain":"x"}`,
			`outcome: no_code

found in the event (* what counts):
 * foreign      trunk_domain = "x"
   code         HangupCauseCode = 10
 * attempt      header = 2
`,
		},
		"malformed": {`{`, "outcome: malformed (not_json)\ndetail: the JSON text breaks off at byte 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			x := newEnricher(t).Explain(&enrich.Record{Value: []byte(tt.value), TimestampMS: fixedMS, HeaderAttempt: []byte("2")})
			require.Equal(t, tt.text, x.String())
		})
	}
}

func TestExplainAsJSON(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)
	for value, want := range map[string]string{
		`{"HangupCauseCode":"x"}`: `{"outcome":"unknown_code","reason":"bad_code","evidence":"code",` +
			`"facts":[{"field":"code","path":"HangupCauseCode","raw":"\"x\"","counts":true}],` +
			`"rules":[{"rule":"unknown_code","saw":"code \"x\"","decides":false},{"rule":"bad_code","saw":"code \"x\"","decides":true}],` +
			`"retry":{"retryable":false,"attempt":1,"attempt_evidence":"assumed","reason":"bad_code"}}`,
		`{}`: `{"outcome":"no_code","facts":[],"rules":[]}`,
	} {
		text, err := json.Marshal(e.Explain(&enrich.Record{Value: []byte(value)}))
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
	}

	x := e.Explain(&enrich.Record{})
	require.Equal(t, enrich.Tombstone, x.Outcome)
}

// TestExplainSaysWhatEnrichDoes for any mixture of members.
func TestExplainSaysWhatEnrichDoes(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	rapid.Check(t, func(t *rapid.T) {
		event := map[string]any{}
		for _, name := range []string{"HangupCauseCode", "HangupCause", "Direction", "AnswerTime", "BillDuration", "parent_call_uuid", "attempt"} {
			if v := rapid.SampledFrom([]any{nil, "", "outbound", "inbound", 0, 10, 70, "100", 110, 1, 3, "Full", true}).Draw(t, name); v != nil {
				event[name] = v
			}
		}

		value, err := json.Marshal(event)
		require.NoError(t, err)

		rec, r := enrich.Record{Value: value, TimestampMS: fixedMS}, enrich.Result{}
		e.Enrich(&rec, &r)
		x := e.Explain(&rec)
		require.Equal(t, r.Outcome, x.Outcome)
		require.Equal(t, r.Reason, x.Reason)
		require.Equal(t, r.Entry, x.Entry)

		if r.Outcome == enrich.NoCode {
			require.Nil(t, x.Retry)

			return
		}

		require.Equal(t, r.Advice.Reason, x.Rules[len(x.Rules)-1].Rule)
		require.True(t, x.Rules[len(x.Rules)-1].Decides)
		require.Equal(t, r.Advice.Retryable, x.Retry.Retryable)
		require.Equal(t, r.Advice.DelayS, x.Retry.DelayS)
	})
}
