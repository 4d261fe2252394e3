package enrich_test

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

// jsonText is a line of testdata/json_texts.txt, which says what the columns are.
type jsonText struct{ verdict, name, text string }

// jsonTexts are the ideas of the public JSON parsing test suites, in texts of our own.
func jsonTexts(t testing.TB) (all []jsonText) {
	t.Helper()

	file, err := os.ReadFile("testdata/json_texts.txt")
	require.NoError(t, err)

	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}

		part := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		require.Len(t, part, 4)

		text, err := strconv.Unquote(part[3])
		require.NoError(t, err, part[2])

		if part[1] == "v" {
			text = `{"HangupCauseCode":10,"x":` + text + `}`
		}

		all = append(all, jsonText{verdict: part[0], name: part[2], text: text})
	}

	require.Greater(t, len(all), 400)

	return all
}

// RFC 8259, no looser and no stricter: and where it leaves the reader a choice, this is the choice.
func TestJSONTexts(t *testing.T) {
	t.Parallel()

	e := newEnricher(t, func(o *enrich.Options) { o.Format = enrich.JSON })

	for _, tt := range jsonTexts(t) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			r := run(e, tt.text)

			switch tt.verdict {
			case "y", "i+":
				require.NotEqual(t, enrich.Malformed, r.Outcome, r.Detail)
				require.True(t, json.Valid([]byte(valueOf(r))))
			case "o":
				require.Equal(t, enrich.NotObject, r.Reason, r.Detail)
			case "n", "i-":
				require.Equal(t, enrich.Malformed, r.Outcome)
				require.NotEmpty(t, r.Detail)
				require.Zero(t, r.Len())
			default:
				t.Fatal(tt.verdict)
			}
		})
	}
}

// The standard library takes and refuses the same texts, but for the differences listed here.
func TestJSONTextsAgreeWithTheStandardLibrary(t *testing.T) {
	t.Parallel()

	for _, tt := range jsonTexts(t) {
		valid := json.Valid([]byte(tt.text))

		switch tt.verdict {
		case "y", "o":
			require.True(t, valid, tt.name)
		case "n":
			require.False(t, valid, tt.name)
		case "i-": // encoding/json takes what is not UTF-8, and puts U+FFFD in its place
			require.True(t, valid, tt.name)
			require.False(t, utf8.ValidString(tt.text), tt.name)
		case "i+":
			require.True(t, valid, tt.name)
		}
	}

	// A byte order mark: no JSON to either, but where the format is found out, it stays in front.
	for _, format := range []enrich.Format{enrich.JSON, enrich.Auto} {
		e := newEnricher(t, func(o *enrich.Options) { o.Format = format })
		require.Equal(t, format == enrich.JSON, run(e, "\xEF\xBB\xBF{}").Outcome == enrich.Malformed)
	}

	// Two members of one name: both take the text. Here the first counts, there the last; nothing is dropped.
	r := run(newEnricher(t), `{"HangupCauseCode":10,"HangupCauseCode":20}`)
	require.EqualValues(t, codeNone, r.Code)
	require.True(t, strings.HasPrefix(valueOf(r), `{"HangupCauseCode":10,"HangupCauseCode":20,`))

	// Depth: both end at ten thousand.
	for depth, sound := range map[int]bool{9_998: true, 9_999: true, 10_000: false, 1_000_000: false} {
		text := `{"x":` + deep(depth) + `}`
		require.Equal(t, sound, json.Valid([]byte(text)), depth)
		require.Equal(t, sound, run(newEnricher(t), text).Outcome != enrich.Malformed, depth)
	}
}

// repeated is n times one, with a comma between.
func repeated(one string, n int) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }

// hostile are values that grow with n without bound in one respect each, and what they come to.
func hostile() map[string]struct {
	text   func(n int) string
	reason enrich.Reason
} {
	type kind = struct {
		text   func(n int) string
		reason enrich.Reason
	}

	return map[string]kind{
		"form of many pairs":          {func(n int) string { return "HangupCauseCode=10" + strings.Repeat("&a=1", n) }, ""},
		"form of empty pairs":         {func(n int) string { return "HangupCauseCode=10" + strings.Repeat("&", n) }, ""},
		"form of escapes":             {func(n int) string { return "HangupCauseCode=10&x=" + strings.Repeat("%00", n) }, ""},
		"form of pluses":              {func(n int) string { return "HangupCauseCode=10&x=" + strings.Repeat("+", n) }, ""},
		"form of one code many times": {func(n int) string { return "HangupCauseCode=10" + strings.Repeat("&HangupCauseCode=20", n) }, ""},
		"form of our own member":      {func(n int) string { return "HangupCauseCode=10" + strings.Repeat("&hangup=1", n) }, ""},
		"form broken at its end":      {func(n int) string { return "HangupCauseCode=10" + strings.Repeat("&a=1", n) + "&%" }, enrich.BadForm},
		"arrays without end":          {func(n int) string { return `{"x":` + strings.Repeat("[", n) }, enrich.TooDeep},
		"objects without end":         {func(n int) string { return strings.Repeat(`{"x":`, n) }, enrich.TooDeep},
		"flat arrays":                 {func(n int) string { return `{"HangupCauseCode":10,"x":[` + repeated("[]", n) + `]}` }, ""},
		"members":                     {func(n int) string { return `{"HangupCauseCode":10,` + repeated(`"a":1`, n) + `}` }, ""},
		"members with escaped names":  {func(n int) string { return `{"HangupCauseCode":10,` + repeated(`"\u0061":1`, n) + `}` }, ""},
		"codes":                       {func(n int) string { return `{` + repeated(`"HangupCauseCode":10`, n) + `}` }, ""},
		"our own member":              {func(n int) string { return `{"HangupCauseCode":10,` + repeated(`"hangup":{"code":3}`, n) + `}` }, ""},
		"our own member, far apart":   {func(n int) string { return `{"HangupCauseCode":10,` + repeated("\"hangup\" \n :1", n) + `}` }, ""},
		"a code of many digits":       {func(n int) string { return `{"HangupCauseCode":` + strings.Repeat("9", n) + `}` }, enrich.BadCode},
		"a code of many zeros":        {func(n int) string { return `{"HangupCauseCode":"` + strings.Repeat("0", n) + `10"}` }, ""},
		"an exponent of many digits":  {func(n int) string { return `{"HangupCauseCode":1e` + strings.Repeat("9", n) + `}` }, enrich.BadCode},
		"a long fraction":             {func(n int) string { return `{"HangupCauseCode":10.` + strings.Repeat("0", n) + `}` }, ""},
		"a long cause name":           {func(n int) string { return `{"HangupCause":"` + strings.Repeat("N", n) + `"}` }, enrich.UnknownName},
		"a cause name of surrogates":  {func(n int) string { return `{"HangupCause":"` + strings.Repeat(`\ud800`, n) + `"}` }, enrich.UnknownName},
		"a long text":                 {func(n int) string { return `{"HangupCauseCode":10,"x":"` + strings.Repeat("x", n) + `"}` }, ""},
		"backslashes":                 {func(n int) string { return `{"HangupCauseCode":10,"x":"` + strings.Repeat(`\\`, n) + `"}` }, ""},
		"a text without end":          {func(n int) string { return `{"x":"` + strings.Repeat(`\"`, n) + `}` }, enrich.NotJSON},
		"white space":                 {func(n int) string { return `{"HangupCauseCode":10` + strings.Repeat(" ", n) + `}` }, ""},
		"white space only":            {func(n int) string { return strings.Repeat("\n", n) }, enrich.Unrecognised},
		"broken at its end":           {func(n int) string { return `{` + repeated(`"a":1`, n) + `;}` }, enrich.NotJSON},
		"not UTF-8 at its end":        {func(n int) string { return `{"x":"` + strings.Repeat("é", n) + "\xff\"}" }, enrich.InvalidUTF8},
		"braces behind":               {func(n int) string { return `{}` + strings.Repeat("}", n) }, enrich.TrailingData},
		"nothing but zero bytes":      {func(n int) string { return strings.Repeat("\x00", n) }, enrich.SchemaFramed},
	}
}

// Each comes to an outcome, and the memory that it takes grows as the value does and not faster: a million
// of a thing takes about twice of what half a million takes.
func TestHostileValues(t *testing.T) {
	const n = 500_000

	e := newEnricher(t)

	for name, tt := range hostile() {
		t.Run(name, func(t *testing.T) {
			once, twice := taken(e, tt.text(n)), taken(e, tt.text(2*n))
			require.Less(t, twice, 3*once+1<<20, "bytes for %d and %d", n, 2*n)
			require.Less(t, twice, uint64(64*len(tt.text(2*n))+1<<20))

			r := run(e, tt.text(2*n))
			require.Equal(t, tt.reason, r.Reason, r.Detail)
			require.Less(t, len(r.Detail), 200)

			if r.Outcome != enrich.Malformed {
				require.True(t, json.Valid([]byte(valueOf(r))))
				require.Less(t, r.Len(), 2*len(tt.text(2*n))+6*n*6)
			}
		})
	}
}

// taken is what enriching a value once takes, by a Result that has seen none before.
func taken(e *enrich.Enricher, text string) uint64 {
	rec, res := enrich.Record{Value: []byte(text), TimestampMS: fixedMS}, enrich.Result{}

	var before, after runtime.MemStats

	runtime.ReadMemStats(&before)
	e.Enrich(&rec, &res)
	runtime.ReadMemStats(&after)

	return after.TotalAlloc - before.TotalAlloc
}

// A Result that has been released has nothing of a large event any more, and works as before.
func TestReleasedResultIsSmall(t *testing.T) {
	e := newEnricher(t)

	var res enrich.Result

	heap := func() uint64 {
		var m runtime.MemStats

		runtime.GC()
		runtime.ReadMemStats(&m)

		return m.HeapAlloc
	}
	before := heap()

	for _, large := range []func() string{
		func() string { return "HangupCauseCode=10&a=" + strings.Repeat("%01", 4<<20) },
		func() string { return `{"a":"` + strings.Repeat("x", 16<<20) + `","HangupCauseCode":"10"}` },
	} {
		e.Enrich(&enrich.Record{Value: []byte(large())}, &res)
		require.Equal(t, enrich.Enriched, res.Outcome)
		res.Release()
		require.Equal(t, enrich.Result{}.Value, res.Value)
		require.Nil(t, res.Entry)
		require.Less(t, heap(), before+1<<20)
	}

	e.Enrich(&enrich.Record{Value: []byte(`{"HangupCauseCode":"10"}`)}, &res)
	require.Equal(t, enrich.Enriched, res.Outcome)
	runtime.KeepAlive(&res)
}

// FuzzJSONTexts begins with the table, and holds both readers to each other within an event.
func FuzzJSONTexts(f *testing.F) {
	for _, tt := range jsonTexts(f) {
		f.Add([]byte(tt.text))
	}

	e := newEnricher(f, func(o *enrich.Options) { o.Format = enrich.JSON })

	f.Fuzz(func(t *testing.T, p []byte) {
		value := append(append([]byte(`{"HangupCauseCode":10,"x":`), p...), '}')
		r := run(e, string(value))
		require.Equal(t, json.Valid(value) && utf8.Valid(p), r.Outcome != enrich.Malformed, r.Detail)

		if r.Outcome != enrich.Malformed {
			require.True(t, bytes.HasPrefix([]byte(valueOf(r)), value[:len(value)-1-len(p)]))
		}
	})
}
