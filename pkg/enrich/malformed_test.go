package enrich_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

func deep(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("]}", n/2) }

func TestMalformed(t *testing.T) {
	t.Parallel()

	reached := map[enrich.Reason]bool{
		enrich.OutputTooLarge:   true, // the pipeline says it
		enrich.CodeNotInCatalog: true, // in TestRules these three
		enrich.BadCode:          true,
		enrich.UnknownName:      true,
	}

	for name, tt := range map[string]struct {
		value  string
		format enrich.Format // Auto if empty
		reason enrich.Reason
		detail string
	}{
		"empty":                      {"", "", enrich.Empty, "no bytes"},
		"empty, as form":             {"", enrich.Form, enrich.Empty, "no bytes"},
		"schema frame":               {"\x00\x00\x00\x00\x01{}", "", enrich.SchemaFramed, "0x00"},
		"schema frame, as JSON":      {"\x00{}", enrich.JSON, enrich.SchemaFramed, "0x00"},
		"breaks off":                 {`{"a":1`, "", enrich.NotJSON, "breaks off at byte 6"},
		"breaks off in a string":     {`{"a":"}`, "", enrich.NotJSON, "breaks off at byte 7"},
		"bare word":                  {`{"a":nul}`, "", enrich.NotJSON, "byte 8"},
		"trailing comma":             {`{"a":1,}`, "", enrich.NotJSON, "byte 7"},
		"control byte in a string":   {"{\"a\":\"\x01\"}", "", enrich.NotJSON, "byte 6"},
		"single quotes":              {`{'a':1}`, "", enrich.NotJSON, "byte 1"},
		"string and more":            {`"a" "b"`, "", enrich.NotJSON, "byte 4"},
		"only white space, as JSON":  {" \n", enrich.JSON, enrich.NotJSON, "breaks off"},
		"a form, as JSON":            {"a=b", enrich.JSON, enrich.NotJSON, "byte 0"},
		"byte order mark, as JSON":   {"\xEF\xBB\xBF{}", enrich.JSON, enrich.NotJSON, "byte order mark"},
		"broken behind a mark":       {"\xEF\xBB\xBF{]", "", enrich.NotJSON, "byte 4"},
		"array":                      {" [1] ", "", enrich.NotObject, "not an object"},
		"array of objects":           {`[{"HangupCauseCode":10}]`, "", enrich.NotObject, "not an object"},
		"string":                     {`"{}"`, "", enrich.NotObject, "not an object"},
		"number, as JSON":            {"7", enrich.JSON, enrich.NotObject, "not an object"},
		"two objects":                {`{"a":1} {"b":2}`, "", enrich.TrailingData, "byte 8"},
		"two lines":                  {"{}\n{}\n", "", enrich.TrailingData, "byte 3"},
		"brace too many":             {`{}}`, "", enrich.TrailingData, "byte 2"},
		"object and rubbish":         {`{"a":1}x`, "", enrich.TrailingData, "byte 7"},
		"too deep":                   {deep(10_002), "", enrich.TooDeep, "deeper than 10000"},
		"deep array":                 {strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), "", enrich.TooDeep, "too deeply"},
		"invalid UTF-8 in a value":   {"{\"a\":\"\xff\"}", "", enrich.InvalidUTF8, "byte 6"},
		"invalid UTF-8 in a key":     {"{\"é\xc3\":1}", "", enrich.InvalidUTF8, "byte 4"},
		"surrogate in UTF-8":         {"{\"a\":\"\xed\xa0\x80\"}", "", enrich.InvalidUTF8, "byte 6"},
		"form with a broken escape":  {"a=%4", "", enrich.BadForm, "byte 2"},
		"form, escape of no digits":  {"a=b&c=%zz", "", enrich.BadForm, "byte 6"},
		"form, escape of one digit":  {"a=%4g", "", enrich.BadForm, "byte 2"},
		"form, broken key":           {"  a%=b", "", enrich.BadForm, "byte 3"},
		"no form, as form":           {"hello", enrich.Form, enrich.BadForm, "no '='"},
		"JSON, as form":              {`{}`, enrich.Form, enrich.BadForm, "no '='"},
		"form of invalid UTF-8":      {"a=%FF", "", enrich.InvalidUTF8, "once decoded"},
		"form of bare invalid UTF-8": {"a=\xff", "", enrich.InvalidUTF8, "once decoded"},
		"text":                       {"hello world", "", enrich.Unrecognised, "neither"},
		"text with a later '='":      {"hello&a=b", "", enrich.Unrecognised, "neither"},
		"number":                     {"7", "", enrich.Unrecognised, "neither"},
		"white space":                {" \r\n\t", "", enrich.Unrecognised, "neither"},
		"byte order mark alone":      {"\xEF\xBB\xBF", "", enrich.Unrecognised, "neither"},
		"ampersands":                 {"&&&", "", enrich.Unrecognised, "neither"},
		"UTF-16":                     {"\xff\xfe{\x00}\x00", "", enrich.Unrecognised, "neither"},
	} {
		reached[tt.reason] = true

		t.Run(name, func(t *testing.T) {
			t.Parallel()

			e := newEnricher(t, func(o *enrich.Options) { o.Format = tt.format })
			r := run(e, tt.value)
			require.Equal(t, enrich.Malformed, r.Outcome)
			require.Equal(t, tt.reason, r.Reason, r.Detail)
			require.Contains(t, r.Detail, tt.detail)
			require.NotContains(t, r.Detail, "\n")
			require.Zero(t, r.Len())
			require.Empty(t, r.Headers)
		})
	}

	require.ElementsMatch(t, enrich.Reasons(), slices.Collect(maps.Keys(reached)))
}

func TestSoundThoughOdd(t *testing.T) {
	t.Parallel()

	for name, value := range map[string]string{
		"as deep as allowed":      `{"HangupCauseCode":10,"x":` + deep(9_998) + `}`,
		"a megabyte of white":     `{"HangupCauseCode":10` + strings.Repeat(" \n", 1<<19) + `}`,
		"escaped lone surrogate":  `{"HangupCauseCode":10,"x":"\ud800"}`,
		"form with pairs missing": "&&HangupCauseCode=10&&x&&",
		"form without a last '='": "HangupCauseCode=10&x",
		"form behind white space": "\r\n HangupCauseCode=10\r\n",
		"form behind a mark":      "\xEF\xBB\xBFHangupCauseCode=10",
		"form of several '='":     "x=a=b&HangupCauseCode=10",
		"form with an empty key":  "=&HangupCauseCode=+10",
		"form with bare text":     "x={\"é\"}&HangupCauseCode=10",
		"JSON with its own marks": "{\"HangupCauseCode\":10,\"x\":\"\xEF\xBB\xBF\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := run(newEnricher(t), value)
			require.Equal(t, enrich.Enriched, r.Outcome, r.Detail)
			require.Equal(t, int32(codeNone), r.Code)
		})
	}
}

func TestPassInvalidUTF8(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) { o.PassInvalidUTF8 = true })
	for in, start := range map[string]string{
		"{\"HangupCauseCode\":10,\"x\":\"\xff\"}": "{\"HangupCauseCode\":10,\"x\":\"\xff\",",
		"HangupCauseCode=10&x=%FF":                "{\"HangupCauseCode\":\"10\",\"x\":\"\xff\",",
	} {
		r := run(e, in)
		require.Equal(t, enrich.Enriched, r.Outcome)
		require.True(t, strings.HasPrefix(valueOf(r), start), valueOf(r))
	}
}

func TestFormWithoutCodeComesOutAsJSON(t *testing.T) {
	t.Parallel()

	for in, out := range map[string]string{
		"Event=Ring&a=1&a=2&b&c=&=d":        `{"Event":"Ring","a":"1","a":"2","b":"","c":"","":"d"}`,
		"a=%00%08%09%0a%0C%0d%1f%7f":        `{"a":"\u0000\b\t\n\f\r\u001f` + "\x7f" + `"}`,
		"a=%22%5c/<&>=%C3%A9":               `{"a":"\"\\/<",">":"é"}`,
		"a+b=c+d%2B&x=%26%3D%25":            `{"a b":"c d+","x":"&=%"}`,
		"hangup=1&hangup=2":                 `{"hangup":"1","hangup":"2"}`,
		"trunk_domain=x&HangupCauseCode=10": `{"trunk_domain":"x","HangupCauseCode":"10"}`,
	} {
		r := run(newEnricher(t), in)
		require.Equal(t, enrich.NoCode, r.Outcome)
		require.Equal(t, out, valueOf(r))
	}
}
