package enrich_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

// addEvents seeds a fuzz target with the events of testdata and some awkward ones.
func addEvents(f *testing.F) {
	f.Helper()

	files, err := filepath.Glob("../../testdata/events/*/*")
	require.NoError(f, err)
	require.NotEmpty(f, files)

	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil { // not the folders
			f.Add(text)
		}
	}

	for _, text := range []string{
		``, ` `, `{}`, `{"HangupCauseCode":100,"Direction":"outbound"}`, `{"hangup":1,"HangupCauseCode":"100","h\u0061ngup":2 , "hangup":[3]}`,
		`{"HangupCauseCode":"\u0031\ud800x"}`, `{"HangupCause":"Never\n"}`, `{"HangupCauseCode":1e2,"HangupCauseCode":3}`, "\xEF\xBB\xBF {}",
		`{"a":{"hangup":1},"HangupCauseCode":77}`, `{"trunk_domain":1,"hangup":2}`, `{} {}`, `[]`, "\x00", "{\"a\":\"\xff\",\"HangupCauseCode\":10}",
		"a=b&HangupCauseCode=100&hangup=x&c=%22%5c%00&&d", "a=%4", "HangupCauseCode=%zz", "&=&a", "a=%FF",
	} {
		f.Add([]byte(text))
	}
}

// FuzzJSON holds what is taken as JSON against the standard library.
func FuzzJSON(f *testing.F) {
	addEvents(f)

	e := newEnricher(f, func(o *enrich.Options) { o.Format = enrich.JSON })
	pass := newEnricher(f, func(o *enrich.Options) { o.Format, o.PassInvalidUTF8 = enrich.JSON, true })

	f.Fuzz(func(t *testing.T, p []byte) {
		object := json.Valid(p) && bytes.TrimLeft(p, " \t\r\n")[0] == '{'

		r := run(e, string(p))
		require.Equal(t, object && utf8.Valid(p), r.Outcome != enrich.Malformed, r.Detail)

		lax := run(pass, string(p))
		require.Equal(t, object, lax.Outcome != enrich.Malformed, lax.Detail)

		if r.Outcome == enrich.Malformed || bytes.Count(p, []byte("HangupCauseCode")) != 1 {
			return
		}

		// The code, read once more by the standard library.
		var event struct {
			Code json.RawMessage `json:"HangupCauseCode"`
		}

		if json.Unmarshal(p, &event) != nil || event.Code == nil || r.Evidence != enrich.EvidenceCode {
			return
		}

		var code int32
		if json.Unmarshal(event.Code, &code) == nil && code >= 0 && string(event.Code) != "null" {
			require.True(t, r.HasCode)
			require.Equal(t, code, r.Code)
		}
	})
}

// FuzzForm holds form bodies against net/url where the two mean the same: it
// refuses ';' and takes a body that is no form.
func FuzzForm(f *testing.F) {
	addEvents(f)

	e := newEnricher(f, func(o *enrich.Options) { o.Format, o.Paths.Code, o.Paths.Name = enrich.Form, nil, nil })

	f.Fuzz(func(t *testing.T, p []byte) {
		r := run(e, string(p))
		if r.Outcome != enrich.Malformed {
			require.Equal(t, enrich.NoCode, r.Outcome)
			require.True(t, json.Valid([]byte(valueOf(r))))
		}

		body := strings.Trim(strings.TrimPrefix(string(p), "\xEF\xBB\xBF"), " \t\r\n")
		if strings.Contains(body, ";") || r.Reason == enrich.Empty || r.Reason == enrich.SchemaFramed {
			return
		}

		want, err := url.ParseQuery(body)
		pair, _, _ := strings.Cut(strings.TrimLeft(body, "&"), "&")
		sound := err == nil && strings.Contains(pair, "=")

		for key, values := range want {
			sound = sound && utf8.ValidString(key) && utf8.ValidString(strings.Join(values, ""))
		}

		require.Equal(t, sound, r.Outcome != enrich.Malformed, r.Detail)

		if sound {
			require.Equal(t, want, pairs(t, valueOf(r)))
		}
	})
}

// pairs reads a JSON object of strings, repeated keys included.
func pairs(t *testing.T, object string) url.Values {
	t.Helper()

	dec := json.NewDecoder(strings.NewReader(object))
	_, err := dec.Token()
	require.NoError(t, err)

	out := url.Values{}

	for dec.More() {
		key, err := dec.Token()
		require.NoError(t, err)
		value, err := dec.Token()
		require.NoError(t, err)
		out.Add(key.(string), value.(string))
	}

	return out
}

// FuzzEnrich checks what is promised about every output.
func FuzzEnrich(f *testing.F) {
	addEvents(f)

	e := newEnricher(f)
	pass := newEnricher(f, func(o *enrich.Options) { o.PassInvalidUTF8 = true })

	f.Fuzz(func(t *testing.T, p []byte) {
		before := bytes.Clone(p)
		r := run(e, string(p))
		out := valueOf(r)

		switch r.Outcome {
		case enrich.Malformed:
			require.Empty(t, out)
			require.NotEmpty(t, r.Detail)
			require.Contains(t, enrich.Reasons(), r.Reason)
		case enrich.NoCode:
			if json.Valid(trimMark(p)) {
				require.Equal(t, string(p), out)
			}
		case enrich.Tombstone:
			require.Nil(t, p)
		case enrich.Enriched, enrich.UnknownCode:
			requireSpliced(t, p, r)
		}

		if r.Outcome != enrich.Malformed {
			require.True(t, json.Valid(trimMark([]byte(out))), "%q", out)
			require.True(t, utf8.ValidString(out))

			again := run(e, out)
			require.Equal(t, r.Outcome, again.Outcome)
			require.Equal(t, out, valueOf(again))
			require.Equal(t, r.Advice, again.Advice)
		}

		lax := run(pass, string(p))
		if lax.Outcome != enrich.Malformed {
			require.Equal(t, valueOf(lax), valueOf(run(pass, valueOf(lax))))
		}

		require.Equal(t, before, p)
	})
}

func trimMark(p []byte) []byte { return bytes.TrimPrefix(p, []byte("\xEF\xBB\xBF")) }

// requireSpliced: taking the object out again gives the input, JSON being the input.
func requireSpliced(t *testing.T, p []byte, r *enrich.Result) {
	t.Helper()

	if !json.Valid(trimMark(p)) {
		return // a form
	}

	require.True(t, bytes.HasPrefix(p, r.Value[0]))

	if !r.Replaced {
		require.True(t, bytes.HasPrefix(r.Value[1], []byte(`,"hangup":{`)))
		require.Equal(t, string(p), string(r.Value[0])+string(r.Value[2]))

		return
	}

	require.True(t, bytes.HasPrefix(r.Value[1], []byte(`{`)))
	require.LessOrEqual(t, len(r.Value[0])+len(r.Value[2]), len(p))
}

// FuzzPaths looks for each field by any path in any event: what a path makes out of an event must not matter more than
// that it is found or not.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"a", "a.b", "a.#.b", "a.#(b>1).c", "a.@fromstr", "a.@fromstr.b", "@this.a", "a|@reverse", "@keys.0", "a.@tostr", "{a,b}", "[a,b]", `!"a"`, `!"`, `!"a\`, "!1", "a.b|@values|@flatten",
	} {
		for _, event := range []string{
			`{"a":1,"b":"2"}`, `{"a":"{\"b\":\"30\\u12\"}"}`, `{"a":"\""}`, `{"a":" \"3010\" "}`, `{"a":[{"b":"\ud800","c":null}]}`, `{"a":{"b":"\u0033010"}}`,
		} {
			f.Add(path, []byte(event))
		}
	}

	c := newFakeCatalog() // of few codes: the paths are what is new each time

	f.Fuzz(func(t *testing.T, path string, event []byte) {
		o := enrich.DefaultOptions()
		p := &o.Paths
		for _, paths := range []*[]string{
			&p.Code, &p.Name, &p.Direction, &p.AnswerTime, &p.Billed, &p.Status, &p.CallID, &p.ALeg, &p.ParentCall, &p.Attempt, &p.Event,
		} {
			*paths = []string{path}
		}

		e, err := enrich.NewFrom(c, o)
		if err != nil {
			require.Error(t, enrich.CheckPath(path, o.Field))

			return
		}

		if r := run(e, string(event)); r.Outcome != enrich.Malformed {
			require.True(t, json.Valid([]byte(valueOf(r))), valueOf(r))
		}
	})
}
