package enrich_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// TestRules has, for each rule, an event that it decides, with all that later
// rules would object to as well, so that the order shows.
func TestRules(t *testing.T) {
	t.Parallel()

	const late = `,"AnswerTime":"x","attempt":9`

	reached := map[enrich.AdviceReason]bool{}

	for _, tt := range []struct {
		reason    enrich.AdviceReason
		members   string
		retryable bool
		change    func(*enrich.Options)
	}{
		{"unknown_code", `"HangupCauseCode":77,"parent_call_uuid":"p"` + late, false, nil},
		{"bad_code", `"HangupCauseCode":"x","parent_call_uuid":"p"` + late, false, nil},
		{"unknown_name", `"HangupCause":"x","parent_call_uuid":"p"` + late, false, nil},
		{"direction_unknown", `"HangupCauseCode":10,"parent_call_uuid":"p"` + late, false, nil},
		{"direction_unknown", `"HangupCauseCode":100,"Direction":"sideways"`, false, nil},
		{"not_outbound", `"HangupCauseCode":10,"Direction":"inbound","parent_call_uuid":"p"` + late, false, nil},
		{"b_leg", `"HangupCauseCode":10,"Direction":"outbound","parent_call_uuid":"p"` + late, false, nil},
		{"nothing_to_retry", `"HangupCauseCode":10,"Direction":"outbound"` + late, false, nil},
		{"nothing_to_retry", `"HangupCauseCode":10,"Direction":"outbound","parent_call_uuid":"p"` + late, false, func(o *enrich.Options) { o.RedialBLegs = true }},
		{"never", `"HangupCauseCode":20,"Direction":"outbound"` + late, false, nil},
		{"needs_person", `"HangupCauseCode":30,"Direction":"outbound"` + late, false, nil},
		{"needs_person", `"HangupCauseCode":0,"Direction":"outbound"`, false, nil},
		{"needs_fix", `"HangupCauseCode":40,"Direction":"outbound"` + late, false, nil},
		{"needs_fix", `"HangupCauseCode":50,"Direction":"outbound"`, false, nil},
		{"blocked", `"HangupCauseCode":60,"Direction":"outbound"` + late, false, nil},
		{"needs_opt_in", `"HangupCauseCode":70,"Direction":"outbound"` + late, false, nil},
		{"needs_opt_in", `"HangupCauseCode":70,"Direction":"outbound"`, false, func(o *enrich.Options) { o.RedialAnswered = true }},
		{"answered", `"HangupCauseCode":100,"Direction":"outbound"` + late, false, nil},
		{"attempts_exhausted", `"HangupCauseCode":100,"Direction":"outbound"` + late, false, func(o *enrich.Options) { o.RedialAnswered = true }},
		{"attempts_exhausted", `"HangupCauseCode":100,"Direction":"outbound","attempt":6`, false, nil},
		{"attempts_exhausted", `"HangupCauseCode":100,"Direction":"outbound","attempt":1e99`, false, nil},
		{"attempts_exhausted", `"HangupCauseCode":130,"Direction":"outbound"`, false, nil},
		{"attempts_exhausted", `"HangupCauseCode":70,"Direction":"outbound"` + late, false, optIn70},
		{"opted_in", `"HangupCauseCode":70,"Direction":"outbound","AnswerTime":"x"`, true, optIn70},
		{"policy", `"HangupCauseCode":100,"Direction":"outbound","attempt":5`, true, nil},
		{"policy", `"HangupCause":"full","Direction":"OUTBOUND"`, true, nil},
		{"policy", `"HangupCauseCode":100,"Direction":"outbound","AnswerTime":"x"`, true, func(o *enrich.Options) { o.RedialAnswered = true }},
		{"policy", `"HangupCauseCode":100,"Direction":"outbound","ALegUUID":"a","CallUUID":"b"`, true, func(o *enrich.Options) { o.RedialBLegs = true }},
	} {
		reached[tt.reason] = true

		t.Run(fmt.Sprint(tt.reason, "/", tt.members), func(t *testing.T) {
			t.Parallel()

			e := newEnricher(t, func(o *enrich.Options) {
				if tt.change != nil {
					tt.change(o)
				}
			})
			r := run(e, `{`+tt.members+`}`)
			require.Equal(t, tt.reason, r.Advice.Reason)
			require.Equal(t, tt.retryable, r.Advice.Retryable)
			requireConsistent(t, r)
		})
	}

	require.ElementsMatch(t, enrich.AdviceReasons(), slices.Collect(maps.Keys(reached)))
}

func optIn70(o *enrich.Options) { o.OptIn = []int32{codeOptIn} }

// requireConsistent: the object and the headers say what the Result says.
func requireConsistent(t require.TestingT, r *enrich.Result) {
	retry := gjson.Get(valueOf(r), "hangup.retry")
	require.Equal(t, r.Advice.Retryable, retry.Get("retryable").Bool())
	require.Equal(t, string(r.Advice.Reason), retry.Get("reason").Str)
	require.Equal(t, int64(r.Advice.Attempt), retry.Get("attempt").Int())
	require.Equal(t, int64(r.Advice.MaxAttempts), retry.Get("max_attempts").Int())
	require.Equal(t, string(r.Advice.Class), retry.Get("class").Str)
	require.Equal(t, r.Advice.DelayS, retry.Get("delay_s").Int())
	require.Equal(t, r.Advice.Retryable, retry.Get("delay_s").Exists())

	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Name] = string(h.Value)
	}

	want := map[string]string{"hangup-retryable": strconv.FormatBool(r.Advice.Retryable), "hangup-catalog": gjson.Get(valueOf(r), "hangup.catalog").Str}
	if r.HasCode {
		want["hangup-code"] = strconv.Itoa(int(r.Code))
	}

	if r.Entry != nil {
		want["hangup-fault"], want["hangup-retry-class"] = string(r.Entry.Fault), string(r.Entry.Retry.Class)
	}

	if r.Advice.NotBeforeMS >= 0 {
		want["hangup-not-before"] = time.UnixMilli(r.Advice.NotBeforeMS).UTC().Format("2006-01-02T15:04:05.000Z")
	}

	if r.Advice.Retryable {
		require.Regexp(t, "^[0-9a-f]{32}$", string(r.RetryID))
		want["hangup-retry-id"] = string(r.RetryID)
	} else {
		require.Nil(t, r.RetryID)
	}

	require.Equal(t, want, headers)
	require.Equal(t, want["hangup-retry-id"], retry.Get("retry_id").Str)
	require.Equal(t, string(r.AttemptEvidence), retry.Get("attempt_evidence").Str)
	require.Equal(t, want["hangup-not-before"], retry.Get("not_before").Str)
}

func TestDelays(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	for _, tt := range []struct{ code, attempt, least, most int }{
		{codeEqual, 1, 30, 60},
		{codeEqual, 2, 60, 120},
		{codeEqual, 3, 120, 240},
		{codeEqual, 4, 150, 300},
		{codeEqual, 5, 150, 300},
		{codeFull, 1, 5, 10},
		{codeFull, 2, 5, 30},
		{codeFull, 3, 5, 90},
		{codeExact, 1, 31, 31},
		{codeExact, 2, 31, 31},
	} {
		least, most := math.MaxInt, 0

		for i := range 500 {
			r := run(e, fmt.Sprintf(`{"HangupCauseCode":%d,"Direction":"outbound","attempt":%d,"CallUUID":"%d"}`, tt.code, tt.attempt, i))
			require.True(t, r.Advice.Retryable)
			require.Equal(t, fixedMS+1000*r.Advice.DelayS, r.Advice.NotBeforeMS)

			least, most = min(least, int(r.Advice.DelayS)), max(most, int(r.Advice.DelayS))
		}

		require.GreaterOrEqual(t, least, tt.least)
		require.LessOrEqual(t, most, tt.most)

		if span := tt.most - tt.least; span > 0 { // the jitter uses its range, and not one end of it
			require.Greater(t, most-least, span*8/10, "%+v", tt)
		}
	}
}

// TestJitterStays pins the jitter: it must not change from version to version,
// or a replay would give other advice.
func TestJitterStays(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		callID, key string
		attempt     int
		delay       int64
	}{
		{"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683", "", 1, 53},
		{"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683", "ignored", 2, 100},
		{"", "key", 1, 55},
		{"", "", 1, 40},
	} {
		r := enrich.Result{}
		newEnricher(t).Enrich(&enrich.Record{
			Key: []byte(tt.key), TimestampMS: fixedMS,
			Value: fmt.Appendf(nil, `{"HangupCauseCode":100,"Direction":"outbound","CallUUID":"%s","attempt":%d}`, tt.callID, tt.attempt),
		}, &r)
		require.Equal(t, tt.delay, r.Advice.DelayS, "%+v", tt)
	}
}

func TestNotBefore(t *testing.T) {
	t.Parallel()

	const endOf9999 = 253_402_300_799_999

	for timestamp, want := range map[int64]string{
		0: "1970-01-01T00:00:31.000Z", 1: "1970-01-01T00:00:31.001Z", -1: "", math.MinInt64: "", math.MaxInt64: "",
		951_782_399_999: "2000-02-29T00:00:30.999Z", 1_709_164_800_000 - 31_000: "2024-02-29T00:00:00.000Z",
		endOf9999 - 31_000: "9999-12-31T23:59:59.999Z", endOf9999 - 30_999: "",
	} {
		r := enrich.Result{}
		newEnricher(t).Enrich(&enrich.Record{TimestampMS: timestamp, Value: []byte(`{"HangupCauseCode":120,"Direction":"outbound"}`)}, &r)
		require.True(t, r.Advice.Retryable)
		require.Equal(t, int64(31), r.Advice.DelayS)
		require.Equal(t, want, gjson.Get(valueOf(&r), "hangup.retry.not_before").Str, timestamp)
		requireConsistent(t, &r)
	}
}

// TestOddPolicies: what the catalog's checks should keep out must not do harm.
func TestOddPolicies(t *testing.T) {
	t.Parallel()

	for name, p := range map[string]catalog.Retry{
		"infinite":        {InitialS: math.Inf(1), Multiplier: 2, CapS: 0},
		"not a number":    {InitialS: math.NaN(), Multiplier: math.NaN(), CapS: math.NaN()},
		"huge multiplier": {InitialS: 1, Multiplier: math.MaxFloat64},
		"huge cap":        {InitialS: 1, Multiplier: 10, CapS: math.MaxFloat64},
		"nothing":         {},
		"negative":        {InitialS: -5, Multiplier: -2, CapS: -1},
		"huge, full":      {InitialS: 1e300, Multiplier: 1e300, Jitter: "full"},
		"shrinking":       {InitialS: 60, Multiplier: 0.5, CapS: 60, Jitter: "equal"},
	} {
		p.Class, p.Auto, p.MaxRetries = "short_delay", "allowed", math.MaxInt32
		f := &fakeCatalog{entries: []catalog.Entry{{Code: 1, Name: "x", Retry: p}}}
		e, err := enrich.NewFrom(f, enrich.DefaultOptions())
		require.NoError(t, err)

		for _, attempt := range []string{"1", "2", "1000", "2147483647", "1e300"} {
			r := run(e, `{"HangupCauseCode":1,"Direction":"outbound","attempt":`+attempt+`}`)
			require.True(t, r.Advice.Retryable, name)
			require.GreaterOrEqual(t, r.Advice.DelayS, int64(0), name)
			require.LessOrEqual(t, r.Advice.DelayS, int64(366*24*3600), name)
		}
	}
}

// TestAdviceProperties draws whole events and options.
func TestAdviceProperties(t *testing.T) {
	t.Parallel()

	var codes []int32
	for _, e := range newFakeCatalog().entries {
		codes = append(codes, e.Code)
	}

	rapid.Check(t, func(t *rapid.T) {
		opt := enrich.DefaultOptions()
		opt.RedialAnswered = rapid.Bool().Draw(t, "redial answered")
		opt.RedialBLegs = rapid.Bool().Draw(t, "redial b legs")

		if rapid.Bool().Draw(t, "opt in") {
			opt.OptIn = []int32{codeOptIn}
		}

		e, err := enrich.NewFrom(newFakeCatalog(), opt)
		require.NoError(t, err)

		members := []string{fmt.Sprintf(`"HangupCauseCode":%d`, rapid.SampledFrom(append(codes, 77)).Draw(t, "code"))}
		for _, m := range []struct{ name, text string }{
			{"outbound", `"Direction":"outbound"`},
			{"inbound", `"call_direction":"inbound"`},
			{"answer time", `"answer_time":"x"`},
			{"parent", `"parent_call_uuid":"x"`},
			{"billed", `"BillDuration":"60"`},
			{"id", `"CallUUID":"c"`},
			{"leg", `"ALegUUID":"a"`},
		} {
			if rapid.Bool().Draw(t, m.name) {
				members = append(members, m.text)
			}
		}

		attempt := rapid.IntRange(1, 8).Draw(t, "attempt")
		timestamp := rapid.Int64Range(-1, 300_000_000_000_000).Draw(t, "timestamp")
		rec := enrich.Record{
			Value: []byte("{" + strings.Join(members, ",") + "}"), TimestampMS: timestamp,
			Key: rapid.SliceOf(rapid.Byte()).Draw(t, "key"), HeaderAttempt: fmt.Append(nil, attempt),
		}

		var r, again enrich.Result

		e.Enrich(&rec, &r)
		e.Enrich(&rec, &again)
		require.Equal(t, r.Advice, again.Advice) // a function of the record
		require.Equal(t, valueOf(&r), valueOf(&again))
		requireConsistent(t, &r)

		if !r.Advice.Retryable {
			require.Zero(t, r.Advice.DelayS)
			require.Equal(t, int64(-1), r.Advice.NotBeforeMS)

			return
		}

		policy := r.Entry.Retry
		require.Equal(t, "outbound", string(r.Direction))
		require.NotContains(t, []catalog.Class{"none", "never", "manual", "after_fix"}, policy.Class)
		require.NotContains(t, []catalog.Auto{"gated", "blocked"}, policy.Auto)
		require.Less(t, attempt, r.Advice.MaxAttempts)
		require.True(t, !r.BLeg || opt.RedialBLegs)
		require.True(t, !r.Answered || opt.RedialAnswered || policy.Auto == "opt_in" && len(opt.OptIn) > 0)
		require.Positive(t, r.Advice.DelayS)

		// One more attempt never waits less than the least the jitter allows.
		longest := policy.InitialS * math.Pow(policy.Multiplier, float64(attempt-1))
		if policy.CapS > 0 {
			longest = min(longest, policy.CapS)
		}

		require.LessOrEqual(t, float64(r.Advice.DelayS), max(5, math.Ceil(longest)))
	})
}
