package enrich_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/pkg/enrich"
)

const redialled = `{"HangupCauseCode":100,"Direction":"outbound"`

// TestRetryIDStays: these ids must never change. A redial that waits while the program is
// replaced by another version would be dialled twice.
func TestRetryIDStays(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ name, event, want string }{
		{"call id", redialled + `,"CallUUID":"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683"}`, "dcddc3b72f46bc315ff9a30bbaccc307"},
		{"another name for the call id", redialled + `,"call_uuid":"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683"}`, "dcddc3b72f46bc315ff9a30bbaccc307"},
		{"another attempt", redialled + `,"CallUUID":"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683","attempt":2}`, "1f46feb0de125e9efac476e980895d15"},
		{"no call id", redialled + `}`, "b184f53f2fc388590f42825e3cf275a9"},
		{"form", `HangupCauseCode=100&Direction=outbound&CallUUID=672b0b3f-e4b9-46e7-8fa9-3b48c7da8683`, "dcddc3b72f46bc315ff9a30bbaccc307"},
		{"form without a call id", `HangupCauseCode=100&Direction=outbound`, "dbad2f2e473db92feedebca6b347e3e1"},
	} {
		require.Equal(t, tt.want, string(run(newEnricher(t), tt.event).RetryID), tt.name)
	}
}

// TestRetryIDOfAnEventThatComesAgain is the same, also after it has been enriched; with a call id nothing but
// that and the attempt makes it.
func TestRetryIDOfAnEventThatComesAgain(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	rapid.Check(t, func(t *rapid.T) {
		attempt := rapid.IntRange(1, 5).Draw(t, "attempt")
		head := rapid.SampledFrom([]string{"", " ", "\xEF\xBB\xBF"}).Draw(t, "head")
		event := head + fmt.Sprintf(`%s,"attempt":%d,"x":%q}`, redialled, attempt, rapid.StringMatching(`[a-z,{}]*`).Draw(t, "text"))
		want := string(run(e, event).RetryID)

		if id := rapid.StringMatching(`[a-z0-9-]*`).Draw(t, "call id"); id != "" {
			event = strings.Replace(event, `{`, `{"CallUUID":"`+id+`",`, 1)
			want = string(run(e, fmt.Sprintf(`{"CallUUID":%q,"attempt":%d,"Direction":"outbound","HangupCauseCode":100}`, id, attempt)).RetryID)
		}

		require.Len(t, want, 32)

		for range 3 {
			r := run(e, event)
			require.Equal(t, want, string(r.RetryID))
			require.Equal(t, want, gjson.Get(valueOf(r)[len(head):], "hangup.retry.retry_id").Str)

			event = valueOf(r)
		}
	})
}

// TestRetryIDKnowsAnEventAgain wherever its object stands, and however often.
func TestRetryIDKnowsAnEventAgain(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)
	want := string(run(e, redialled+`}`).RetryID)

	for _, again := range []string{
		redialled + `,"hangup":{}}`,
		redialled + `,"hangup":{"a":[1,2]},"hangup":null}`,
		`{"HangupCauseCode":100,"hangup":{},"Direction":"outbound"}`,
	} {
		require.Equal(t, want, string(run(e, again).RetryID), again)
	}

	r := run(e, `{"hangup":{"a":1},"HangupCauseCode":120,"Direction":"outbound"}`) // somebody else's: nothing to agree with
	require.Equal(t, string(r.RetryID), string(run(e, valueOf(r)).RetryID))
}

// TestRetryIDsDiffer by a bit of the call id, and by the attempt.
func TestRetryIDsDiffer(t *testing.T) {
	t.Parallel()

	e, seen := newEnricher(t), map[string]bool{}

	for i := range 20_000 {
		for attempt := 1; attempt <= 2; attempt++ {
			event := fmt.Sprintf(`%s,"CallUUID":"%036d","attempt":%d}`, redialled, i, attempt)
			id := string(run(e, event).RetryID)

			for _, half := range []string{id[:16], "-" + id[16:]} { // both hashes are good ones
				require.False(t, seen[half], event)
				seen[half] = true
			}
		}
	}
}

func TestRetryIDOnlyIfWanted(t *testing.T) {
	t.Parallel()

	none := func(o *enrich.Options) { o.Fields, o.Headers = []string{"code"}, []string{} }
	require.Nil(t, run(newEnricher(t, none), redialled+`}`).RetryID)

	for name, change := range map[string]func(*enrich.Options){
		"member":  func(o *enrich.Options) { o.Fields = []string{"retry.retry_id"} },
		"retry":   func(o *enrich.Options) { o.Fields = []string{"retry"} },
		"header":  func(o *enrich.Options) { o.Headers = []string{"hangup-retry-id"} },
		"program": func(o *enrich.Options) { o.RetryID = true },
	} {
		e := newEnricher(t, none, change)
		require.Len(t, run(e, redialled+`}`).RetryID, 32, name)

		for _, event := range []string{`{"HangupCauseCode":120}`, redialled + `,"attempt":99}`, `{"Event":"Ring"}`, `{`} {
			require.Nil(t, run(e, event).RetryID, name)
		}
	}
}

func TestRetryIDAllocatesNothing(t *testing.T) {
	e, r := newEnricher(t), &enrich.Result{}

	for _, event := range []string{redialled + `}`, redialled + `,"CallUUID":"x"}`, redialled + `,"hangup":1,"hangup":2}`} {
		rec := &enrich.Record{Value: []byte(event), TimestampMS: fixedMS}
		e.Enrich(rec, r)
		require.NotNil(t, r.RetryID)
		require.Zero(t, testing.AllocsPerRun(10, func() { e.Enrich(rec, r) }))
	}
}

func TestAttemptEvidence(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		members, header string
		want            enrich.AttemptEvidence
	}{
		{``, "", enrich.AttemptAssumed},
		{`,"attempt":1`, "", enrich.AttemptFromEvent},
		{`,"attempt":2`, "3", enrich.AttemptFromHeader}, // a due record that has come back as it was
		{`,"attempt":3`, "2", enrich.AttemptFromEvent},
		{`,"attempt":3`, "3", enrich.AttemptFromEvent},
		{``, "3", enrich.AttemptFromHeader},
		{`,"attempt":0`, "3", enrich.AttemptFromHeader},
		{`,"attempt":"x"`, "y", enrich.AttemptAssumed},
	} {
		r := &enrich.Result{}
		newEnricher(t).Enrich(&enrich.Record{Value: []byte(redialled + tt.members + `}`), HeaderAttempt: []byte(tt.header)}, r)
		require.Equal(t, tt.want, r.AttemptEvidence, tt)
		require.Equal(t, string(tt.want), gjson.Get(valueOf(r), "hangup.retry.attempt_evidence").Str)
	}

	for _, event := range []string{`{"Event":"Ring"}`, `{"HangupCauseCode":77}`} {
		require.Equal(t, enrich.AttemptAssumed, run(newEnricher(t), event).AttemptEvidence)
	}

	require.Empty(t, run(newEnricher(t), `{`).AttemptEvidence)
}
