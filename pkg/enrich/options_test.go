package enrich_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func TestBadOptionsAllAtOnce(t *testing.T) {
	t.Parallel()

	opt := enrich.DefaultOptions()
	opt.Format = "xml"
	opt.MaxDepth = 0
	opt.Fields = []string{"code", "colour", "retry.colour"}
	opt.Headers = []string{"hangup-code", "x-colour"}
	opt.OptIn = []int32{codeOptIn, codeEqual, 77}
	opt.ForeignWhen = []string{""}
	opt.Paths.Code = []string{"a..b", ".a", "a.", `a\`, "a.#(b==1", `#(a=="x`, "hangup", "hangup.code", "{a", "HangupCauseCode"}

	_, err := enrich.NewFrom(newFakeCatalog(), opt)
	require.ErrorIs(t, err, enrich.ErrOptions)

	for _, want := range []string{
		`Format "xml"`, "MaxDepth 0", `Fields "colour"`, `Fields "retry.colour"`, `Headers "x-colour"`, "OptIn 100", "OptIn 77",
		`ForeignWhen[0] ""`, `Paths.Code[0] "a..b"`, `Paths.Code[1] ".a"`, `Paths.Code[2] "a."`, `Paths.Code[3]`, `Paths.Code[4]`, `Paths.Code[5]`,
		`Paths.Code[6] "hangup"`, `Paths.Code[7] "hangup.code"`, `Paths.Code[8] "{a"`,
	} {
		require.ErrorContains(t, err, want)
	}

	for _, not := range []string{`Fields "code"`, `Headers "hangup-code"`, "OptIn 70", `Paths.Code[9]`} {
		require.NotContains(t, err.Error(), not)
	}

	for field, want := range map[string]string{"": "Field: must not be empty", "\xff": "not UTF-8"} {
		opt = enrich.DefaultOptions()
		opt.Field = field
		_, err = enrich.NewFrom(newFakeCatalog(), opt)
		require.ErrorContains(t, err, want)
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()

	const part, closed, own = "has an empty part: ", "has a bracket or quote that is not closed: ", "reads what is written by the enricher itself: "

	for path, want := range map[string]string{
		"": part, ".a": part, "a.": part, "a..b": part, "a|": part, "a.#(": closed, "{a": closed, `#(a=="x`: closed, `a\`: "ends with a backslash: ",
		"hangup": own, "hangup.code": own, "hangup|code": own, `h\angup`: own,
		"code": "", "a.b": "", `a\.b`: "", "a.#(b==1).c": "", "{a,b}": "", "hangups": "", `hangup\.code`: "",
	} {
		err := enrich.CheckPath(path, "hangup")
		if want == "" {
			require.NoError(t, err, path)
		} else {
			require.ErrorContains(t, err, want, path)
			require.NotContains(t, err.Error(), "\n", path)
		}
	}

	require.NoError(t, enrich.CheckPath("hangup.code", ""))
}

func TestFields(t *testing.T) {
	t.Parallel()

	const event = `{"HangupCauseCode":100,"Direction":"outbound"}`

	for name, tt := range map[string]struct {
		fields []string
		event  string
		object string
	}{
		"one":                 {[]string{"code"}, event, `{"code":100}`},
		"order is fixed":      {[]string{"q850", "code", "sip", "remedy"}, event, `{"code":100,"remedy":"Wait.","sip":486,"q850":17}`},
		"lists":               {[]string{"sources", "directions", "states", "surfaces", "flags"}, event, `{"sources":["carrier","called_party"],"directions":["outbound","inbound"],"states":["ringing"],"surfaces":["api_call"],"flags":["list_hygiene"]}`},
		"within retry":        {[]string{"retry.delay_s", "retry.reason"}, event, `{"retry":{"delay_s":40,"reason":"policy"}}`},
		"within, not said":    {[]string{"retry.delay_s"}, `{"HangupCauseCode":100}`, `{}`},
		"all of retry":        {[]string{"retry"}, event, `{"retry":{"retryable":true,"class":"long_delay","auto":"allowed","target":"same","delay_s":40,"not_before":"2026-11-24T10:00:40.000Z","attempt":1,"attempt_evidence":"assumed","max_attempts":6,"retry_id":"b184f53f2fc388590f42825e3cf275a9","reason":"policy"}}`},
		"scope and fix":       {[]string{"retry.scope", "retry.fix"}, `{"HangupCauseCode":40}`, `{"retry":{"scope":"account","fix":"top_up_credit"}}`},
		"nothing to say":      {[]string{"remedy"}, `{"HangupCauseCode":10}`, `{}`},
		"provisional":         {[]string{"known", "provisional"}, `{"HangupCauseCode":140}`, `{"known":true,"provisional":true}`},
		"unknown has no name": {[]string{"name", "fault", "known", "code"}, `{"HangupCauseCode":77}`, `{"code":77,"known":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := run(newEnricher(t, func(o *enrich.Options) { o.Fields = tt.fields }), tt.event)
			got := gjson.Get(valueOf(r), "hangup").Raw
			require.Equal(t, tt.object, got)
		})
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()

	var byDefault, onRequest []string

	for _, m := range enrich.Members() {
		if m.Default {
			byDefault = append(byDefault, m.Name)
		} else {
			onRequest = append(onRequest, m.Name)
		}
	}

	require.Equal(t, []string{"surfaces", "remedy", "sip", "q850"}, onRequest)
	require.Equal(t, strings.Fields(`code known provisional evidence reason code_raw name_raw name summary sources directions states fault flags
		retry.retryable retry.class retry.auto retry.target retry.scope retry.delay_s retry.not_before retry.attempt retry.attempt_evidence
		retry.max_attempts retry.retry_id retry.reason retry.fix catalog`), byDefault)
}

func TestHeaders(t *testing.T) {
	t.Parallel()

	names := func(r *enrich.Result) string {
		var out []string
		for _, h := range r.Headers {
			out = append(out, h.Name+"="+string(h.Value))
		}

		return strings.Join(out, " ")
	}

	const event = `{"HangupCauseCode":120,"Direction":"outbound"}`

	for _, tt := range []struct {
		headers []string
		event   string
		want    string
	}{
		{nil, event, "hangup-code=120 hangup-fault=carrier hangup-retryable=true hangup-retry-class=long_delay hangup-not-before=2026-11-24T10:00:31.000Z hangup-retry-id=8f6be85472d77105ace1e480644dbddc hangup-catalog=test@1+0123abcd"},
		{[]string{}, event, ""},
		{[]string{"hangup-catalog", "hangup-code"}, event, "hangup-code=120 hangup-catalog=test@1+0123abcd"},
		{nil, `{"HangupCauseCode":77}`, "hangup-code=77 hangup-retryable=false hangup-catalog=test@1+0123abcd"},
		{nil, `{"HangupCauseCode":"x"}`, "hangup-retryable=false hangup-catalog=test@1+0123abcd"},
		{nil, `{"HangupCause":"Gated"}`, "hangup-code=50 hangup-fault=account hangup-retryable=false hangup-retry-class=short_delay hangup-catalog=test@1+0123abcd"},
		{[]string{"hangup-not-before", "hangup-fault", "hangup-retry-class"}, `{"HangupCauseCode":77}`, ""},
		{nil, `{"Event":"Ring"}`, ""},
		{nil, `{`, ""},
	} {
		r := run(newEnricher(t, func(o *enrich.Options) { o.Headers = tt.headers }), tt.event)
		require.Equal(t, tt.want, names(r))
	}
}

// TestHeadersOfAnEarlierEnrichmentGo: a reader of headers must not find a time for
// a redial that is refused by now, nor a code that has become unknown.
func TestHeadersOfAnEarlierEnrichmentGo(t *testing.T) {
	t.Parallel()

	e, r := newEnricher(t), &enrich.Result{}
	headers := map[string]string{"x": "1"}
	enrichRecord := func(value, attempt string) {
		e.Enrich(&enrich.Record{Value: []byte(value), TimestampMS: fixedMS, HeaderAttempt: []byte(attempt)}, r)

		for _, name := range r.DropHeaders {
			delete(headers, name)
		}

		for _, h := range r.Headers {
			headers[h.Name] = string(h.Value)
		}
	}

	const event = `{"HangupCauseCode":120,"Direction":"outbound"}`

	enrichRecord(event, "1")
	require.Equal(t, map[string]string{
		"x": "1", "hangup-code": "120", "hangup-fault": "carrier", "hangup-retryable": "true", "hangup-retry-class": "long_delay",
		"hangup-not-before": "2026-11-24T10:00:31.000Z", "hangup-retry-id": "8f6be85472d77105ace1e480644dbddc", "hangup-catalog": "test@1+0123abcd",
	}, headers)

	enrichRecord(event, "9")
	require.Equal(t, "false", headers["hangup-retryable"])
	require.NotContains(t, headers, "hangup-not-before")
	require.NotContains(t, headers, "hangup-retry-id")

	enrichRecord(`{"HangupCauseCode":"x"}`, "")
	require.Equal(t, map[string]string{"x": "1", "hangup-retryable": "false", "hangup-catalog": "test@1+0123abcd"}, headers)

	for _, untouched := range []string{`{}`, `{`, `{"trunk_domain":"x","HangupCauseCode":10}`} {
		enrichRecord(untouched, "")
		require.Empty(t, r.DropHeaders)
		require.Len(t, headers, 3)
	}

	some := newEnricher(t, func(o *enrich.Options) { o.Headers = []string{"hangup-not-before"} })
	require.Equal(t, []string{"hangup-not-before"}, run(some, event).DropHeaders)

	none := newEnricher(t, func(o *enrich.Options) { o.Headers = []string{} })
	require.Empty(t, run(none, event).DropHeaders)
}

func TestOtherField(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) { o.Field, o.Fields = "a\"b\n", []string{"code"} })
	r := run(e, `{"HangupCauseCode":10}`)
	require.Equal(t, `,"a\"b\n":{"code":10}`, string(r.Value[1]))
	require.Equal(t, valueOf(r), valueOf(run(e, valueOf(r))))
}

// TestOptionsAreCopied: the caller's slices are his own again after New.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()

	opt := enrich.DefaultOptions()
	opt.OptIn = []int32{codeOptIn}
	e, err := enrich.NewFrom(newFakeCatalog(), opt)
	require.NoError(t, err)

	opt.OptIn[0], opt.Paths.Code[0], opt.ForeignWhen[0] = 0, "x", "HangupCauseCode"
	r := run(e, `{"HangupCauseCode":70,"Direction":"outbound"}`)
	require.Equal(t, enrich.AdviseOptedIn, r.Advice.Reason)
}

func TestVocabulary(t *testing.T) {
	t.Parallel()

	var names []string
	for o := range enrich.Outcome(enrich.NumOutcomes) {
		names = append(names, o.String())
	}

	require.Equal(t, []string{"enriched", "unknown_code", "no_code", "malformed", "tombstone"}, names)
	require.Equal(t, "outcome_9", enrich.Outcome(9).String())
	require.Len(t, enrich.Reasons(), 13)
	require.Len(t, enrich.AdviceReasons(), 16)
}

// TestWrittenOnly: what is written is the same, for each member and each header alone and every event of testdata; and the
// call is looked at if one of them depends on it.
func TestWrittenOnly(t *testing.T) {
	t.Parallel()

	aboutCall := []string{
		"retry.retryable", "retry.delay_s", "retry.not_before", "retry.attempt", "retry.attempt_evidence", "retry.retry_id", "retry.reason",
		"hangup-retryable", "hangup-not-before", "hangup-retry-id",
	}
	options := map[string]enrich.Options{}

	for _, m := range enrich.Members() {
		o := enrich.DefaultOptions()
		o.Fields, o.Headers = []string{m.Name}, []string{}
		options[m.Name] = o
	}

	for _, h := range enrich.HeaderNames() {
		o := enrich.DefaultOptions()
		o.Fields, o.Headers = []string{"code"}, []string{h}
		options[h] = o
	}

	for name, opt := range options {
		all, err := enrich.New(catalog.Default(), opt)
		require.NoError(t, err)

		opt.WrittenOnly = true
		sparing, err := enrich.New(catalog.Default(), opt)
		require.NoError(t, err)

		opt.RetryID = true
		forLoop, err := enrich.New(catalog.Default(), opt)
		require.NoError(t, err)

		for _, file := range eventFiles(t) {
			value := string(readEvent(t, file))
			want, got, loop := run(all, value), run(sparing, value), run(forLoop, value)
			require.Equal(t, want.Outcome, got.Outcome, "%s %s", name, file)
			require.Equal(t, valueOf(want), valueOf(got), "%s %s", name, file)
			require.Equal(t, want.Headers, got.Headers, "%s %s", name, file)
			require.Equal(t, want.DropHeaders, got.DropHeaders, "%s %s", name, file)
			require.Equal(t, want.Advice, loop.Advice, "%s %s", name, file)

			if slices.Contains(aboutCall, name) {
				require.Equal(t, want.Advice, got.Advice, "%s %s", name, file)
			} else {
				require.Equal(t, enrich.Advice{NotBeforeMS: -1}, got.Advice, "%s %s", name, file)
				require.Empty(t, got.Direction, "%s %s", name, file)
			}
		}
	}
}
