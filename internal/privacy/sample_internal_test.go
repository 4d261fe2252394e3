package privacy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"
)

func TestSample(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", `{"a":1,"b":null,"c":true,"d":"x"}`, `{"a":1,"b":null,"c":true,"d":"x"}`},
		{"without the object", `{"a":1,"hangup":{"code":1},"b":{"hangup":2}}`, `{"a":1,"b":{"hangup":2}}`},
		{"white space goes", "{ \"a\" : [ 1 , 2 ] }", `{"a":[1,2]}`},
		{"numbers as text", `{"From":"+15555550100"}`, `{"From":"+15*******00"}`},
		{"numbers as numbers", `{"From":15555550100,"code":3010}`, `{"From":"15*******00","code":3010}`},
		{"numbers as keys", `{"15555550100":{"15555550199":1}}`, `{"15*******00":{"15*******99":1}}`},
		{"numbers behind escapes", `{"From":"\u0031\u0035\u0035\u0035\u0035\u0035\u0035\u0030\u0031\u0030\u0030"}`, `{"From":"15*******00"}`},
		{"addresses", `{"To":["sip:alice@example.com"]}`, `{"To":["sip:***"]}`},
		{"escapes stay sound", `{"a":"\"<\n"}`, `{"a":"\"<\n"}`},
		{"deep", `{"a":[[[[[[[[1]]]]]]]]}`, `{"a":[[[[["…"]]]]]}`},
		{"empty", `{}`, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, Policy{}.Sample([]byte(tt.in), "hangup"))
		})
	}
}

func TestSampleIsShort(t *testing.T) {
	long := Policy{}.Sample([]byte(`{"a":"`+strings.Repeat("ü", 10_000)+`"}`), "hangup")
	require.Equal(t, `{"a":"`+strings.Repeat("ü", 50)+`…"}`, long)

	many := Policy{}.Sample([]byte(`{"a":[`+strings.Repeat(`"xyz",`, 10_000)+`0]}`), "hangup")
	require.LessOrEqual(t, len(many), sampleBytes+len("…"))
	require.True(t, strings.HasSuffix(many, "…"), many)
}

// However deep it is nested: what the event's readers refuse is masked as a text.
func TestDeepJSON(t *testing.T) {
	for depth, shape := range map[int]string{10_000: "[\"15*******00\"]", 10_001: "[\"15*******00\"]", 500_000: "[\"15*******00\"]"} {
		text := strings.Repeat("[", depth-1) + `["15555550100"]` + strings.Repeat("]", depth-1)
		got := string(Policy{}.JSON([]byte(text)))
		require.Equal(t, strings.Repeat("[", depth-1)+shape+strings.Repeat("]", depth-1), got)
	}
}

// Nor is a number hidden from those who read escapes, in whichever of these it stands.
func TestNumbersBehindEscapes(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"slashes":             {`{"To":"06\/12\/34\/56\/78"}`, `{"To":"06/**/**/**/78"}`},
		"no-break spaces":     {`{"To":"06\u00a012\u00A034\u00a056"}`, "{\"To\":\"06\u00a0**\u00a0**\u00a056\"}"},
		"tabs":                {`{"To":"06\t12\t34"}`, `{"To":"06\t**\t34"}`},
		"digits beyond ASCII": {`{"To":"\ud835\udfcf\ud835\udfcf\ud835\udfcf\ud835\udfcf\ud835\udfcf"}`, `{"To":"𝟏𝟏*𝟏𝟏"}`},
		"not whole":           {`{"HangupCauseCode":"3010","To":"06\/12\/34\/56\/78"`, `{"HangupCauseCode":"3010","To":"06/**/**/**/78"`},
		"cut":                 {`"Could not reach the subscriber at 06\u00a012\u00a034\u00a056\u00a0…`, "\"Could not reach the subscriber at 06\u00a0**\u00a0**\u00a056\u00a0…"},
		"JSON in a string":    {`{"a":"{\"To\":\"06\\u00a012\\u00a034\"}"}`, "{\"a\":\"{\\\"To\\\":\\\"06\u00a0**\u00a034\\\"}\"}"},
		"twice":               {`{"a":"\\\\u0031\\\\u0032\\\\u0033\\\\u0034\\\\u0035"}`, `{"a":"12*45"}`},
		"address":             {`"alice\u0040example.com`, `"***@***`},
		"scheme":              {`"sip\u003aalice\u0040example.com`, `"sip:***`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, string(Policy{}.JSON([]byte(tt.in))))
			require.True(t, Policy{}.Hides([]byte(tt.in)))
		})
	}

	for _, in := range []string{`{"a":"C:\\new\\text","b":"é\/\n"}`, `C:\new\u0041`, `{"a":"b\/c`, `[1,-2.5e3,true,null,"\ud800"]`} {
		require.False(t, Policy{}.Hides([]byte(in)), in)
	}

	require.Equal(t, `C:\new\u0041`, Policy{}.Text(`C:\new\u0041`), "as it was")
}

// What is not cut is JSON.
func TestSampleIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, text := rapid.String().Draw(t, "key"), rapid.String().Draw(t, "text")
		in, err := json.Marshal(map[string]any{key: []any{text, 1.5e3, true, nil, map[string]any{}}})
		require.NoError(t, err)

		got := Policy{}.Sample(in, "hangup")
		require.True(t, gjson.Valid(got) || len(got) > sampleBytes, got)

		whole := string(Policy{}.JSON(in))
		require.True(t, gjson.Valid(whole), whole)
		require.Equal(t, int64(5), gjson.Get(whole, "@values.0.#").Int())
	})
}

func TestPolicyReveals(t *testing.T) {
	const event = `{"From":"+15555550100", "to":["sip:alice@example.com"],"n":15555550100}`

	require.JSONEq(t, `{"From":"+15*******00","to":["sip:***"],"n":"15*******00"}`, string(Policy{}.JSON([]byte(event))))
	require.Equal(t, event, string(Policy{Reveal: true}.JSON([]byte(event))), "byte for byte") //nolint:testifylint // not only the same JSON
	require.JSONEq(t, event, Policy{Reveal: true}.Sample([]byte(event), "hangup"))
	require.Equal(t, "15*******00", Policy{}.Word("15555550100"))
	require.True(t, Policy{}.Hides([]byte(event)))
	require.True(t, Policy{}.Hides([]byte(`"\u0031\u0035\u0035\u0035\u0035"`)))
	require.False(t, Policy{}.Hides([]byte(`{"HangupCauseCode":"3010"}`)))
	require.False(t, Policy{Reveal: true}.Hides([]byte(event)))
	require.Equal(t, "15555550100", Policy{Reveal: true}.Word("15555550100"))
	require.Equal(t, "From=15*******00", string(Policy{}.JSON([]byte("From=15555550100"))), "what is no JSON is a text")
	require.Equal(t, `"15*55`, string(Policy{}.JSON([]byte(`"\u0031\u0035\u0035\u0035\u0035`)))[:6], "nor are escapes a way around it")
}
