package enrich_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich"
)

// TestCode: which values are a code, and which code.
func TestCode(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	for raw, want := range map[string]int{
		`100`: 100, `"100"`: 100, `" 100 "`: 100, `"\t100\n"`: 100, `"00100"`: 100, `100.0`: 100, `"100.0"`: 100, `1e2`: 100, `1.0E+2`: 100,
		`1000e-1`: 100, `"1.00e2"`: 100, `"\u0031\u00300"`: 100, `0`: 0, `"0"`: 0, `-0`: 0, `0.0`: 0, `0e9999999999`: 0, `2147483647`: 2147483647,
		`"0000000002147483647"`: 2147483647, `2147483647.0`: 2147483647, `77`: 77,
	} {
		r := run(e, `{"HangupCauseCode":`+raw+`}`)
		require.True(t, r.HasCode, raw)
		require.Equal(t, int32(want), r.Code, raw)
		require.Equal(t, enrich.EvidenceCode, r.Evidence, raw)
		require.Equal(t, int64(want), gjson.Get(valueOf(r), "hangup.code").Int(), raw)

		if want == 77 || want > codeProvisional {
			require.Equal(t, enrich.UnknownCode, r.Outcome, raw)
			require.Equal(t, enrich.CodeNotInCatalog, r.Reason, raw)
			require.Nil(t, r.Entry, raw)
		} else {
			require.Equal(t, enrich.Enriched, r.Outcome, raw)
			require.Equal(t, r.Code, r.Entry.Code, raw)
		}
	}
}

func TestBadCode(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	for raw, kept := range map[string]string{
		`-1`: "-1", `"-1"`: "-1", `1.5`: "1.5", `1e-1`: "1e-1", `2147483648`: "2147483648", `1e10`: "1e10", `1e999999999999`: "1e999999999999",
		`99999999999999999999`: "99999999999999999999", `true`: "true", `false`: "false", `[100]`: "[100]", `{"a": 1}`: `{"a": 1}`,
		`"abc"`: "abc", `"100x"`: "100x", `"+100"`: "+100", `"0x64"`: "0x64", `"."`: ".", `"1."`: "1.", `".5"`: ".5", `"1e"`: "1e", `"1e+"`: "1e+",
		`"-"`: "-", `" "`: " ", `"1 0"`: "1 0", `"100\u00a0"`: "100\u00a0", `"\ud800"`: "\uFFFD", `"NaN"`: "NaN",
		`"` + strings.Repeat("x", 70) + `"`:      strings.Repeat("x", 64),
		`"` + strings.Repeat("x", 63) + `é"`:     strings.Repeat("x", 63),
		`"` + strings.Repeat("x", 61) + `日本"`:    strings.Repeat("x", 61) + "日",
		`"` + strings.Repeat("x", 62) + `😀more"`: strings.Repeat("x", 62),
		`"` + strings.Repeat(`\u65e5`, 30) + `"`: strings.Repeat("日", 21),
	} {
		r := run(e, `{"HangupCauseCode":`+raw+`,"HangupCause":"None","Direction":"outbound"}`)
		require.Equal(t, enrich.UnknownCode, r.Outcome, raw)
		require.Equal(t, enrich.BadCode, r.Reason, raw)
		require.False(t, r.HasCode, raw)
		require.Equal(t, enrich.AdviseBadCode, r.Advice.Reason, raw)

		got := gjson.Get(valueOf(r), "hangup")
		require.Equal(t, kept, got.Get("code_raw").Str, raw)
		require.False(t, got.Get("code").Exists(), raw)
		require.Equal(t, "false", got.Get("known").Raw, raw)
		require.Equal(t, "bad_code", got.Get("reason").Str, raw)
	}
}

// TestUnknownName: the text is kept as that of a bad code is.
func TestUnknownName(t *testing.T) {
	t.Parallel()

	e := newEnricher(t)

	for _, tt := range []struct{ raw, kept string }{
		{`"FOO"`, "FOO"},
		{`" FOO\n"`, " FOO\n"},
		{`" "`, " "},
		{`16`, "16"},
		{`["None"]`, `["None"]`},
		{`"` + strings.Repeat("x", 63) + `é"`, strings.Repeat("x", 63)},
	} {
		r := run(e, `{"HangupCause":`+tt.raw+`}`)
		require.Equal(t, enrich.UnknownCode, r.Outcome, tt.raw)
		require.Equal(t, enrich.UnknownName, r.Reason, tt.raw)
		require.False(t, r.HasCode, tt.raw)

		got := gjson.Get(valueOf(r), "hangup")
		require.Equal(t, tt.kept, got.Get("name_raw").Str, tt.raw)
		require.False(t, got.Get("code").Exists(), tt.raw)
		require.Equal(t, "name", got.Get("evidence").Str, tt.raw)
	}
}

func TestRawTextIsUTF8EvenIfTheEventIsNot(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) { o.PassInvalidUTF8 = true })
	for _, text := range []string{"a\xffb", strings.Repeat("\x80", 80)} {
		r := run(e, `{"HangupCauseCode":"`+text+`"}`)
		require.Equal(t, enrich.BadCode, r.Reason)
		require.Contains(t, gjson.Get(valueOf(r), "hangup.code_raw").Str, "\uFFFD")
	}
}
