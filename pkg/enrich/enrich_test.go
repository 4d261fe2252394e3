package enrich_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich"
)

// TestCause: what counts as present, and what wins.
func TestCause(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		event    string
		outcome  enrich.Outcome
		reason   enrich.Reason
		evidence enrich.Evidence
		code     int32
	}{
		"code before name":             {`{"HangupCause":"None","HangupCauseCode":20}`, enrich.Enriched, "", "code", codeNever},
		"first path present":           {`{"hangup_cause_code":10,"HangupCauseCode":20}`, enrich.Enriched, "", "code", codeNever},
		"null is not present":          {`{"HangupCauseCode":null,"hangup_cause_code":10}`, enrich.Enriched, "", "code", codeNone},
		"empty text is not present":    {`{"HangupCauseCode":"","hangup_cause_code":10}`, enrich.Enriched, "", "code", codeNone},
		"a bad code is present":        {`{"HangupCauseCode":"x","hangup_cause_code":10}`, enrich.UnknownCode, enrich.BadCode, "code", 0},
		"zero is a code":               {`{"HangupCauseCode":0}`, enrich.Enriched, "", "code", codeZero},
		"first of duplicates":          {`{"HangupCauseCode":10,"HangupCauseCode":20}`, enrich.Enriched, "", "code", codeNone},
		"key with escapes":             {`{"Hangup\u0043auseCode":10}`, enrich.Enriched, "", "code", codeNone},
		"key in other case":            {`{"hangupcausecode":10}`, enrich.NoCode, "", "", 0},
		"not within another":           {`{"x":{"HangupCauseCode":10}}`, enrich.NoCode, "", "", 0},
		"name":                         {`{"HangupCause":" never "}`, enrich.Enriched, "", "name", codeNever},
		"name with escapes":            {`{"hangup_cause_name":"\u004eever"}`, enrich.Enriched, "", "name", codeNever},
		"name when the code is empty":  {`{"HangupCauseCode":"","HangupCause":"Never"}`, enrich.Enriched, "", "name", codeNever},
		"unknown name":                 {`{"HangupCause":"FOO","HangupCauseName":"Never"}`, enrich.UnknownCode, enrich.UnknownName, "name", 0},
		"name that is no text":         {`{"HangupCause":16}`, enrich.UnknownCode, enrich.UnknownName, "name", 0},
		"neither":                      {`{"Event":"Ring"}`, enrich.NoCode, "", "", 0},
		"empty object":                 {`{}`, enrich.NoCode, "", "", 0},
		"foreign by domain":            {`{"HangupCauseCode":10,"trunk_domain":"x"}`, enrich.NoCode, "", "", 0},
		"foreign by transport":         {`{"hangup_cause_code":10,"transport_protocol":"tcp"}`, enrich.NoCode, "", "", 0},
		"foreign by termination":       {`{"HangupCauseCode":10,"termination_cause_code":0}`, enrich.NoCode, "", "", 0},
		"foreign needs to be present":  {`{"HangupCauseCode":10,"trunk_domain":"","transport_protocol":null}`, enrich.Enriched, "", "code", codeNone},
		"foreign is not within others": {`{"HangupCauseCode":10,"x":{"trunk_domain":"x"}}`, enrich.Enriched, "", "code", codeNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := run(newEnricher(t), tt.event)
			require.Equal(t, tt.outcome, r.Outcome)
			require.Equal(t, tt.reason, r.Reason)
			require.Equal(t, tt.evidence, r.Evidence)
			require.Equal(t, tt.code, r.Code)

			if tt.outcome == enrich.NoCode {
				require.Equal(t, tt.event, valueOf(r))
				require.Empty(t, r.Headers)
			} else {
				require.Equal(t, string(tt.evidence), gjson.Get(valueOf(r), "hangup.evidence").Str)
			}
		})
	}
}

// TestFacts: direction, answered, B leg, attempt, call id and event type.
func TestFacts(t *testing.T) {
	t.Parallel()

	type facts struct {
		Direction     string
		Answered      bool
		BLeg          bool
		Attempt       int
		CallID, Event string
	}

	for name, tt := range map[string]struct {
		members string
		want    facts
	}{
		"nothing":                 {``, facts{}},
		"outbound":                {`"Direction":"outbound"`, facts{Direction: "outbound"}},
		"inbound, other case":     {`"call_direction":"InBound"`, facts{Direction: "inbound"}},
		"direction of no kind":    {`"Direction":"api","call_direction":"outbound"`, facts{}},
		"direction, empty":        {`"Direction":"","call_direction":"outbound"`, facts{Direction: "outbound"}},
		"direction, not ASCII":    {`"Direction":"ınbound"`, facts{}},
		"answer time":             {`"AnswerTime":"2024-10-22 18:01:01"`, facts{Answered: true}},
		"answer time, empty":      {`"AnswerTime":"","answer_time":null`, facts{}},
		"second answer time":      {`"AnswerTime":"","answer_time":"x"`, facts{Answered: true}},
		"billed":                  {`"BillDuration":"60"`, facts{Answered: true}},
		"billed a fraction":       {`"bill_duration":0.5`, facts{Answered: true}},
		"billed, second":          {`"BillDuration":"0","billed_duration":1e0`, facts{Answered: true}},
		"billed nothing":          {`"BillDuration":"0","bill_duration":0,"billed_duration":"0.000"`, facts{}},
		"billed less than that":   {`"BillDuration":-60`, facts{}},
		"billed no number":        {`"BillDuration":"n/a","bill_duration":"00:00:00","billed_duration":[0]`, facts{}},
		"billed with a unit":      {`"BillDuration":"30s"`, facts{Answered: true}},
		"billed as a time":        {`"BillDuration":"00:00:30"`, facts{Answered: true}},
		"billed in a list":        {`"BillDuration":[30]`, facts{Answered: true}},
		"in progress":             {`"CallStatus":"In-Progress"`, facts{Answered: true}},
		"in progress, spaced":     {`"CallStatus":" in-progress\n"`, facts{Answered: true}},
		"state ANSWER":            {`"CallStatus":"busy","call_state":"answer"`, facts{Answered: true}},
		"completed is not":        {`"CallStatus":"completed","call_state":"BUSY"`, facts{}},
		"duration is not":         {`"Duration":"66","call_duration":41`, facts{}},
		"code 4000 is not":        {`"HangupCauseCode":4000`, facts{}},
		"parent call":             {`"parent_call_uuid":"p"`, facts{BLeg: true}},
		"parent call, null":       {`"parent_call_uuid":null,"ParentCallUUID":""`, facts{}},
		"other A leg":             {`"ALegUUID":"a","CallUUID":"b"`, facts{BLeg: true, CallID: "b"}},
		"is the A leg":            {`"ALegUUID":"a","CallUUID":"\u0061"`, facts{CallID: "a"}},
		"A leg of nobody knows":   {`"ALegUUID":"a"`, facts{}},
		"call id, second":         {`"CallUUID":null,"call_uuid":7`, facts{CallID: "7"}},
		"event":                   {`"Event":"Hang\"up"`, facts{Event: `Hang"up`}},
		"event and id, escaped":   {`"EventName":"\u00e9","CallUUID":"\n"`, facts{Event: "é", CallID: "\n"}},
		"attempt":                 {`"attempt":30`, facts{Attempt: 30}},
		"attempt as text":         {`"hangup_attempt":" 30 "`, facts{Attempt: 30}},
		"attempt below header's":  {`"attempt":3`, facts{Attempt: 9}},
		"attempt beyond an int32": {`"attempt":1e30`, facts{Attempt: 2147483647}},
		"attempt 0":               {`"attempt":0`, facts{Attempt: 9}},
		"attempt of no kind":      {`"hangup_attempt":"x","attempt":3`, facts{Attempt: 9}},
		"attempt, second":         {`"hangup_attempt":"x","attempt":30`, facts{Attempt: 30}},
		"attempt, larger one":     {`"hangup_attempt":29,"attempt":30`, facts{Attempt: 30}},
		"attempt by header":       {`"attempt":null`, facts{Attempt: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rec, r := enrich.Record{Value: []byte(`{` + tt.members + `}`)}, enrich.Result{}
			if strings.Contains(tt.members, "attempt") {
				rec.HeaderAttempt = []byte("9")
			} else {
				tt.want.Attempt = 1
			}

			newEnricher(t).Enrich(&rec, &r)
			require.Equal(t, tt.want, facts{
				string(r.Direction), r.Answered, r.BLeg, r.Attempt, string(r.CallID), string(r.EventType),
			})
		})
	}
}

func TestHeaderAttempt(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		text string
		want int
	}{
		{"", 1}, {"2", 2}, {"\t2 ", 2}, {"0", 1}, {"-1", 1}, {"x", 1}, {"99999999999", 2147483647}, {"\xff", 1},
	} {
		r := enrich.Result{}
		newEnricher(t).Enrich(&enrich.Record{Value: []byte(`{}`), HeaderAttempt: []byte(tt.text)}, &r)
		require.Equal(t, tt.want, r.Attempt, tt.text)
	}
}

// TestSplice: what comes out, byte for byte. OBJ stands for the object.
func TestSplice(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		in, out  string
		replaced bool
	}{
		"last member":                    {`{"HangupCauseCode":10}`, `{"HangupCauseCode":10,"hangup":OBJ}`, false},
		"white space stays":              {" {\r\n\t\"HangupCauseCode\" : 10 \n} \n", " {\r\n\t\"HangupCauseCode\" : 10 \n,\"hangup\":OBJ} \n", false},
		"numbers and escapes stay":       {`{"a":2.0,"b":1E400,"\u0063":"\/\ud800","HangupCauseCode":10}`, `{"a":2.0,"b":1E400,"\u0063":"\/\ud800","HangupCauseCode":10,"hangup":OBJ}`, false},
		"duplicates stay":                {`{"x":1,"x":2,"HangupCauseCode":10,"HangupCauseCode":20}`, `{"x":1,"x":2,"HangupCauseCode":10,"HangupCauseCode":20,"hangup":OBJ}`, false},
		"braces in strings":              {`{"HangupCauseCode":10,"x":"}{\"}"}`, `{"HangupCauseCode":10,"x":"}{\"}","hangup":OBJ}`, false},
		"key further down":               {`{"HangupCauseCode":10,"x":{"hangup":1}}`, `{"HangupCauseCode":10,"x":{"hangup":1},"hangup":OBJ}`, false},
		"replaces in place":              {`{"hangup": {"a":[1]} ,"HangupCauseCode":10}`, `{"hangup": OBJ ,"HangupCauseCode":10}`, true},
		"replaces a last one":            {`{"HangupCauseCode":10,"hangup":null}`, `{"HangupCauseCode":10,"hangup":OBJ}`, true},
		"replaces under escapes":         {`{"h\u0061ngup":"","HangupCauseCode":10}`, `{"h\u0061ngup":OBJ,"HangupCauseCode":10}`, true},
		"removes further ones":           {`{"hangup":1, "hangup":2 ,"HangupCauseCode":10,"hangu\u0070" : "3,"}`, `{"hangup":OBJ ,"HangupCauseCode":10}`, true},
		"removes, white space around":    {"{\"HangupCauseCode\":10,\"hangup\":1 , \"hangup\" : [2,3] \n}", "{\"HangupCauseCode\":10,\"hangup\":OBJ  \n}", true},
		"removes next to its like":       {`{"hangup":1,"hangup":2,"hangup":3,"HangupCauseCode":10}`, `{"hangup":OBJ,"HangupCauseCode":10}`, true},
		"byte order mark stays":          {"\xEF\xBB\xBF{\"HangupCauseCode\":10}", "\xEF\xBB\xBF{\"HangupCauseCode\":10,\"hangup\":OBJ}", false},
		"byte order mark, replacing":     {"\xEF\xBB\xBF {\"hangup\":1,\"hangup\":2,\"HangupCauseCode\":10}", "\xEF\xBB\xBF {\"hangup\":OBJ,\"HangupCauseCode\":10}", true},
		"form":                           {"HangupCauseCode=10&a=%22+b&a=%5C", `{"HangupCauseCode":"10","a":"\" b","a":"\\","hangup":OBJ}`, false},
		"form with a field of that name": {"hangup=x&HangupCauseCode=10&hangup=y", `{"hangup":OBJ,"HangupCauseCode":"10"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			const obj = `{"code":10,"known":true,"evidence":"code","name":"None","fault":"success",` +
				`"retry":{"retryable":false,"class":"none","auto":"blocked","attempt":1,"attempt_evidence":"assumed","reason":"direction_unknown"},"catalog":"test@1+0123abcd"}`

			e := newEnricher(t)
			r := run(e, tt.in)
			require.Equal(t, enrich.Enriched, r.Outcome)
			require.Equal(t, strings.ReplaceAll(tt.out, "OBJ", obj), valueOf(r))
			require.Equal(t, tt.replaced, r.Replaced)
			require.Equal(t, len(valueOf(r)), r.Len())

			again := run(e, valueOf(r))
			require.Equal(t, valueOf(r), valueOf(again))
			require.True(t, again.Replaced)
			require.Equal(t, r.Headers, again.Headers)
		})
	}
}

func TestNoCommaInAnEmptyObject(t *testing.T) {
	t.Parallel()

	// An empty object has no cause, save where a path always finds something.
	e := newEnricher(t, func(o *enrich.Options) { o.Paths.Code = []string{"!10"} })
	for _, tt := range [][2]string{{`{}`, `{"hangup":{`}, {"\t{ } ", "\t{ \"hangup\":{"}} {
		r := run(e, tt[0])
		require.Equal(t, enrich.Enriched, r.Outcome)
		require.True(t, strings.HasPrefix(valueOf(r), tt[1]), valueOf(r))
		require.True(t, json.Valid([]byte(valueOf(r))))
	}
}

// TestNoCodeIsUntouched even if something stands under the object's key.
func TestNoCodeIsUntouched(t *testing.T) {
	t.Parallel()

	for _, in := range []string{`{}`, " {\n} ", `{"hangup":1,"hangup":2}`, `{"hangup":{"code":3010},"trunk_domain":"x","HangupCauseCode":10}`, "\xEF\xBB\xBF{}"} {
		r := run(newEnricher(t), in)
		require.Equal(t, enrich.NoCode, r.Outcome)
		require.Equal(t, in, valueOf(r))
		require.Empty(t, r.Headers)
		require.False(t, r.Replaced)
	}
}

func TestTombstone(t *testing.T) {
	t.Parallel()

	r := enrich.Result{}
	newEnricher(t).Enrich(&enrich.Record{}, &r)
	require.Equal(t, enrich.Tombstone, r.Outcome)
	require.Equal(t, [3][]byte{}, r.Value)
	require.Empty(t, r.Headers)
}

// TestResultForgets: nothing of an event shows in the next one's result.
func TestResultForgets(t *testing.T) {
	t.Parallel()

	e, used := newEnricher(t), &enrich.Result{}
	full := enrich.Record{TimestampMS: fixedMS, Value: []byte(`{"Event":"\n","CallUUID":"x","Direction":"outbound","AnswerTime":"1",` +
		`"parent_call_uuid":"p","hangup":1,"HangupCauseCode":"100","attempt":2}`)}

	for _, value := range []string{`{}`, `{"HangupCauseCode":"x"}`, `{"HangupCause":"x"}`, `{`, ``, `a=b`} {
		e.Enrich(&full, used)
		e.Enrich(&enrich.Record{Value: []byte(value)}, used)

		fresh := &enrich.Result{}
		e.Enrich(&enrich.Record{Value: []byte(value)}, fresh)
		require.Equal(t, valueOf(fresh), valueOf(used))
		require.Len(t, used.Headers, len(fresh.Headers))
		require.Equal(t, fresh.Advice, used.Advice)
		require.Equal(t, []any{fresh.Outcome, fresh.Reason, fresh.Detail, fresh.Entry, fresh.Code, fresh.HasCode, fresh.Evidence, fresh.Replaced},
			[]any{used.Outcome, used.Reason, used.Detail, used.Entry, used.Code, used.HasCode, used.Evidence, used.Replaced})
		require.Equal(t, []any{fresh.Direction, fresh.Answered, fresh.BLeg, fresh.Attempt, fresh.CallID, fresh.EventType},
			[]any{used.Direction, used.Answered, used.BLeg, used.Attempt, used.CallID, used.EventType})
	}
}

func TestSoundEventsAllocateNothing(t *testing.T) {
	e := newEnricher(t)

	for name, value := range map[string]string{
		"retryable":    `{"Event":"Hangup","CallUUID":"x","Direction":"outbound","HangupCauseCode":"100","AnswerTime":""}`,
		"escapes":      `{"Event":"\u0048","CallUUID":"\n","Direction":"\u006futbound","\u0041nswerTime":""," HangupCauseCode":"\u0031"}`,
		"no code":      `{"Event":"Ring"}`,
		"unknown code": `{"HangupCauseCode":77}`,
		"bad code":     `{"HangupCauseCode":"\tx"}`,
		"replaced":     `{"hangup":1,"HangupCauseCode":100,"hangup":2}`,
		"form":         `Event=Hangup&CallUUID=x&Direction=outbound&HangupCauseCode=100&To=%2B49`,
		"tombstone":    "",
	} {
		rec, res := enrich.Record{TimestampMS: fixedMS}, enrich.Result{}
		if name != "tombstone" {
			rec.Value = []byte(value)
		}

		e.Enrich(&rec, &res)
		require.NotEqual(t, enrich.Malformed, res.Outcome, name)
		require.Zero(t, testing.AllocsPerRun(100, func() { e.Enrich(&rec, &res) }), name)
	}
}

func TestNestedPaths(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) {
		o.Paths.Code = []string{`a\.b`, "x.code", "list.1.code", `list.#(k=="c}").v`}
		o.Paths.Direction = []string{"x.direction", "Direction"}
		o.Paths.Billed = []string{"x.billed"}
		o.ForeignWhen = []string{"x.foreign"}
	})

	for in, code := range map[string]int32{
		`{"a.b":10}`:                       codeNone,
		`{"a":{"b":10}}`:                   -1,
		`{"x":{"code":"20"}}`:              codeNever,
		`{"list":[{},{"code":30}]}`:        codeManual,
		`{"list":[{"k":"c}","v":40}]}`:     codeAfterFix,
		`{"x":{"code":null},"a.b":"50"}`:   codeGated,
		`{"x":{"code":20,"foreign":true}}`: -1,
	} {
		r := run(e, in)
		if code < 0 {
			require.Equal(t, enrich.NoCode, r.Outcome, in)
		} else {
			require.Equal(t, enrich.Enriched, r.Outcome, in)
			require.Equal(t, code, r.Code, in)
		}
	}

	r := run(e, `{"x":{"code":10,"direction":"inbound","billed":"1"},"Direction":"outbound"}`)
	require.Equal(t, "inbound", string(r.Direction))
	require.True(t, r.Answered)
}

// TestMorePathsThanTheScanTakes: gjson answers the rest.
func TestMorePathsThanTheScanTakes(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) {
		o.Paths.Code = nil
		for i := range 100 {
			o.Paths.Code = append(o.Paths.Code, "code_"+strings.Repeat("x", i))
		}
	})

	for i := range 100 {
		r := run(e, `{"code_`+strings.Repeat("x", i)+`":10}`)
		require.Equal(t, enrich.Enriched, r.Outcome, i)
	}
}
