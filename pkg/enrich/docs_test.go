package enrich_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich"
)

// tableRows gives the first cells, without their backquotes, of the table in
// docs/event.md that begins with a column of that name under a heading.
func tableRows(t *testing.T, heading, column string) []string {
	t.Helper()

	text, err := os.ReadFile("../../docs/event.md")
	require.NoError(t, err)

	_, section, found := strings.Cut(string(text), "\n## "+heading)
	require.True(t, found, heading)
	_, table, found := strings.Cut(section, "\n| "+column+" |")
	require.True(t, found, column)

	var rows []string

	for i, line := range strings.Split(table, "\n") {
		if i < 2 { // rest of the head, and the line below it
			continue
		}

		if !strings.HasPrefix(line, "| ") {
			break
		}

		rows = append(rows, strings.Trim(strings.Split(line, "|")[1], " `"))
	}

	return rows
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}

	return out
}

func memberNames() []string {
	var out []string
	for _, m := range enrich.Members() {
		out = append(out, m.Name)
	}

	return out
}

// TestDocsHaveEveryWord, and no other, in the order of the code.
func TestDocsHaveEveryWord(t *testing.T) {
	t.Parallel()

	var outcomes []string
	for o := range enrich.Outcome(enrich.NumOutcomes) {
		outcomes = append(outcomes, o.String())
	}

	const malformed = 10 // of the reasons; the others are in the text on the object

	require.Equal(t, outcomes, tableRows(t, "Outcomes", "outcome"))
	require.Equal(t, memberNames(), tableRows(t, "The object", "member"))
	require.Equal(t, enrich.HeaderNames(), tableRows(t, "Headers", "header"))
	require.Equal(t, texts(enrich.AdviceReasons()), tableRows(t, "Advice", "reason"))
	require.Equal(t, texts(enrich.Reasons()[:malformed]), tableRows(t, "Why", "reason"))
}

// schema is as much of JSON Schema as docs/event.schema.json uses. Decoding is
// strict, so that nothing in the file goes unchecked.
type schema struct {
	Meta                 string             `json:"$schema"`
	ID                   string             `json:"$id"`
	Title                string             `json:"title"`
	Description          string             `json:"description"`
	Type                 string             `json:"type"`
	AdditionalProperties *bool              `json:"additionalProperties"`
	Required             []string           `json:"required"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	Enum                 []any              `json:"enum"`
	Const                any                `json:"const"`
	Pattern              string             `json:"pattern"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	MinLength            int                `json:"minLength"`
	MaxLength            *int               `json:"maxLength"`
	MinItems             int                `json:"minItems"`
	UniqueItems          bool               `json:"uniqueItems"`
}

func readSchema(t testing.TB) *schema {
	t.Helper()

	f, err := os.Open("../../docs/event.schema.json")
	require.NoError(t, err)

	defer f.Close() //nolint:errcheck // only read

	s, dec := &schema{}, json.NewDecoder(f)
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(s))

	return s
}

// check gives every way in which v breaks the schema.
func (s *schema) check(at string, v any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }

	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		fault("%v is none of %v", v, s.Enum)
	}

	if s.Const != nil && v != s.Const {
		fault("%v is not %v", v, s.Const)
	}

	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				fault("no %s", name)
			}
		}

		for name, member := range v {
			if sub := s.Properties[name]; sub != nil {
				faults = append(faults, sub.check(at+"."+name, member)...)
			} else {
				fault("%s is not described", name)
			}
		}
	case []any:
		seen := map[any]bool{}

		for i, item := range v {
			faults = append(faults, s.Items.check(fmt.Sprint(at, "[", i, "]"), item)...)
			seen[item] = true
		}

		if len(v) < s.MinItems || s.UniqueItems && len(seen) < len(v) {
			fault("%v: too few, or one twice", v)
		}
	case string:
		if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			fault("%q is not like %s", v, s.Pattern)
		}

		if n := utf8.RuneCountInString(v); n < s.MinLength || s.MaxLength != nil && n > *s.MaxLength {
			fault("%q is too short or long", v)
		}
	case float64:
		if s.Type == "integer" && v != float64(int64(v)) || s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			fault("%v is not in range", v)
		}
	}

	want := map[string]string{"map[string]interface {}": "object", "[]interface {}": "array", "string": "string", "float64": "integer", "bool": "boolean"}
	if got := want[fmt.Sprintf("%T", v)]; s.Type != "" && s.Type != got {
		fault("%v is no %s", v, s.Type)
	}

	return faults
}

// requireSchema checks the object of an enriched event.
func requireSchema(t testing.TB, s *schema, value string) {
	t.Helper()

	var event struct {
		Hangup any `json:"hangup"`
	}

	require.NoError(t, json.Unmarshal(trimMark([]byte(value)), &event))
	require.Empty(t, s.check("hangup", event.Hangup), value)
}

func TestSchemaDescribesEveryMember(t *testing.T) {
	t.Parallel()

	s := readSchema(t)

	var described []string

	for name, p := range s.Properties {
		require.NotNil(t, p, name)

		if name == "retry" {
			for sub, p := range p.Properties {
				require.NotEmpty(t, p.Description, sub)
				described = append(described, "retry."+sub)
			}

			continue
		}

		require.NotEmpty(t, p.Description, name)
		described = append(described, name)
	}

	require.ElementsMatch(t, memberNames(), described)

	var reasons []string
	for _, r := range s.Properties["retry"].Properties["reason"].Enum {
		reasons = append(reasons, r.(string))
	}

	require.Equal(t, texts(enrich.AdviceReasons()), reasons)
}

// TestSchemaHoldsForAllMembers, on request or not, over all kinds of causes.
func TestSchemaHoldsForAllMembers(t *testing.T) {
	t.Parallel()

	s := readSchema(t)
	e := newEnricher(t, func(o *enrich.Options) { o.Fields, o.RedialAnswered = memberNames(), true })

	for _, cause := range []string{
		`"HangupCauseCode":100`, `"HangupCauseCode":40`, `"HangupCauseCode":140`, `"HangupCauseCode":77`, `"HangupCauseCode":"` + strings.Repeat("é", 50) + `"`,
		`"HangupCause":"x"`, `"HangupCause":"Full"`, `"HangupCauseCode":0`, `"HangupCauseCode":10`, `"HangupCauseCode":120,"attempt":1e99`,
	} {
		for _, rest := range []string{`,"Direction":"outbound"`, `,"Direction":"inbound"`, ``} {
			requireSchema(t, s, valueOf(run(e, "{"+cause+rest+"}")))
		}
	}
}

// TestSchemaCheckCanFail: the checker above is no rubber stamp.
func TestSchemaCheckCanFail(t *testing.T) {
	t.Parallel()

	s := readSchema(t)

	const good = `{"code":1,"known":true,"evidence":"code","retry":{"retryable":false,"attempt":1,"attempt_evidence":"event","reason":"never"},"catalog":"a@1+01234567"}`
	for _, change := range [][2]string{
		{`"code":1`, `"code":-1`},
		{`"code":1`, `"code":"1"`},
		{`"code":1`, `"code":1.5`},
		{`"known":true,`, ``},
		{`"known":true`, `"known":1`},
		{`"evidence":"code"`, `"evidence":"guess"`},
		{`"code":1`, `"colour":1`},
		{`"attempt":1`, `"attempt":0`},
		{`"reason":"never"`, `"reason":"x"`},
		{`+01234567`, `01234567`},
		{`"code":1`, `"provisional":false`},
		{`"code":1`, `"flags":[]`},
		{`"code":1`, `"flags":["a","a"]`},
		{`"code":1`, `"name":""`},
	} {
		var v any

		require.NoError(t, json.Unmarshal([]byte(good), &v))
		require.Empty(t, s.check("", v))
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(good, change[0], change[1], 1)), &v))
		require.NotEmpty(t, s.check("", v), change)
	}
}
