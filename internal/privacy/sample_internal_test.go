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
