package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// full is an entry in which every field that may be cleared is set.
const full = `entries:
  - code: 8888
    name: New Cause
    summary: Something new.
    remedy: Look.
    call_types: Outbound
    sources: [{by: carrier}]
    directions: [outbound]
    states: [any]
    surfaces: [api_call]
    fault: carrier
    retry:
      {class: after_fix, auto: gated, target: same, scope: route, initial_s: 60, multiplier: 2, cap_s: 600, max_retries: 3, jitter: full,
       fix: correct_number, why: because}
    nearest: {sip: 480, q850: 19}
    flags: [list_hygiene]
    params: {a: b}
    provisional: true
    source: seen somewhere
`

// null takes a field back, whichever of the forms of null is used, and leaves the others.
func TestNullClearsAnOptionalField(t *testing.T) {
	for name, tc := range map[string]struct {
		overlay string
		want    []string // paths that change
	}{
		"call types": {"call_types: null", []string{"call_types"}}, "sources": {"sources: ~", []string{"sources"}},
		"directions": {"directions:", []string{"directions"}}, "states": {"states: null", []string{"states"}},
		"surfaces": {"surfaces: null", []string{"surfaces"}}, "flags": {"flags:", []string{"flags"}},
		"params": {"params: null", []string{"params.a"}}, "nearest": {"nearest: null", []string{"nearest.q850", "nearest.sip"}},
		"nearest SIP": {"nearest: {sip: null}", []string{"nearest.sip"}}, "nearest Q.850": {"nearest: {q850: ~}", []string{"nearest.q850"}},
		"target with its delay": {
			"retry: {target: null, initial_s: null, multiplier: null, cap_s: null, max_retries: null, jitter: null}",
			[]string{"retry.cap_s", "retry.initial_s", "retry.jitter", "retry.max_retries", "retry.multiplier", "retry.target"},
		},
		"scope":                      {"retry: {scope: null}", []string{"retry.scope"}},
		"fix of another class":       {"retry: {class: manual, auto: blocked, fix: null}", []string{"retry.auto", "retry.cap_s", "retry.class", "retry.fix", "retry.initial_s", "retry.jitter", "retry.max_retries", "retry.multiplier"}},
		"source of a code now known": {"{provisional: false, source: null}", []string{"provisional", "source"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := parse(t, full)
			require.NoError(t, err)
			item := "  - code: 8888\n    " + tc.overlay + "\n"
			if fields, ok := strings.CutPrefix(tc.overlay, "{"); ok {
				item = "  - {code: 8888, " + fields + "\n"
			}
			after, err := parse(t, full, "entries:\n"+item)
			require.NoError(t, err)
			var paths []string
			for _, c := range catalog.Diff(before, after) {
				require.EqualValues(t, 8888, c.Code)
				paths = append(paths, c.Path)
			}
			require.Equal(t, tc.want, paths)
		})
	}
}

func TestNullInANewEntryIsNothing(t *testing.T) {
	s, err := parse(t, strings.Replace(full, "call_types: Outbound", "call_types: null", 1))
	require.NoError(t, err)
	e, _ := s.Lookup(8888)
	require.Empty(t, e.CallTypes)
}

func TestRulesOfOverlays(t *testing.T) {
	const isNew = "overlay1.yaml:2:11: entries[0].code: code 8888 is not in the catalog, so this adds it\n"
	long := strings.Repeat("é", 40) // 80 bytes
	for name, tc := range map[string]struct{ overlay, want string }{
		"null of a required text":    {"entries:\n  - {code: 3010, name: null}\n", `overlay1.yaml:2:18: entries[0].name: has no value; expected a string, or leave the key out`},
		"null of a required word":    {"entries:\n  - {code: 3010, fault: null}\n", `overlay1.yaml:2:18: entries[0].fault: has no value; expected a string, or leave the key out`},
		"null of a code":             {"entries:\n  - {code: null, name: Oops}\n", `overlay1.yaml:2:6: entries[0].code: has no value; expected a whole number, or leave the key out`},
		"null of required sources":   {"entries:\n  - {code: 3010, sources: null}\n", `overlay1.yaml:2:18: entries[0].sources: is missing: one of ` + strings.Join(texts(catalog.Sources()), ", ")},
		"null of a delay in use":     {"entries:\n  - {code: 3010, retry: {jitter: null}}\n", `overlay1.yaml:2:26: entries[0].retry.jitter: is missing: one of equal, full`},
		"disabled and changed":       {"entries:\n  - {code: 9100, disabled: true, name: X}\n", `overlay1.yaml:2:28: entries[0].disabled: a code that is disabled has no other fields: leave them out`},
		"a name of punctuation":      {"entries:\n  - {code: 3010, name: \"- _ -\"}\n", `overlay1.yaml:2:24: entries[0].name: "- _ -" cannot be looked up: a name has 1 to 64 bytes besides outer ' ', '_' and '-'`},
		"a name of too many bytes":   {"entries:\n  - {code: 3010, name: " + long + "}\n", `overlay1.yaml:2:24: entries[0].name: "` + long + `" cannot be looked up: a name has 1 to 64 bytes besides outer ' ', '_' and '-'`},
		"a legacy name with no code": {"legacy_names:\n  - {name: SOMETHING, ground: x}\n", `overlay1.yaml:2:5: legacy_names[0]: code is missing`},
		"no auto":                    {added("retry: {class: manual, why: x}"), isNew + `overlay1.yaml:10:5: entries[0].retry.auto: is missing: one of allowed, opt_in, gated, blocked`},
		"no class":                   {added("retry: {auto: blocked, why: x}"), isNew + `overlay1.yaml:10:5: entries[0].retry.class: is missing: one of ` + strings.Join(texts(catalog.Classes()), ", ")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, tc.overlay)
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestTooManyCodes(t *testing.T) {
	var b strings.Builder
	b.WriteString("entries:\n")
	for i := range 1 << 14 {
		fmt.Fprintf(&b, "- {code: %d}\n", 20_000+i)
	}
	_, err := parse(t, b.String())
	require.EqualError(t, err, "overlay1.yaml:1:1: entries: with these the catalog has more than 16384 codes")
}

func TestMistakesAreErrorsOfTheirOwn(t *testing.T) {
	_, err := catalog.Parse([]string{"first.yaml"}, [][]byte{[]byte("entries: ["), []byte("entires: []")})
	require.ErrorContains(t, err, "first.yaml:")
	require.ErrorContains(t, err, `overlay 2:1:1: unknown key "entires"; did you mean "entries"?`, "an overlay without a name has a number")
	var many interface{ Unwrap() []error }
	require.ErrorAs(t, err, &many)
	require.Len(t, many.Unwrap(), 2)
}

func TestAFolderIsNoOverlay(t *testing.T) {
	dir := t.TempDir()
	_, err := catalog.Load(dir)
	require.ErrorContains(t, err, dir+": cannot be read")
}

func TestLoadOfNothingIsTheDefault(t *testing.T) {
	s, err := catalog.Load()
	require.NoError(t, err)
	require.Same(t, catalog.Default(), s)
}

// The hash is of what a look-up shows, not of how the files are written.
func TestHashDoesNotDependOnHowItIsWritten(t *testing.T) {
	const (
		block = "entries:\n  - code: 3010\n    name: Engaged\n    retry:\n      cap_s: 7200\n      initial_s: 600\n  - code: 3000\n    fault: carrier\n"
		flow  = "entries: [{fault: carrier, code: 3000}, {retry: {initial_s: 600.0, cap_s: 7200}, name: 'Engaged', code: 3010}]\n"
	)
	a, err := parse(t, block)
	require.NoError(t, err)
	b, err := parse(t, flow)
	require.NoError(t, err)
	c, err := parse(t, "entries:\n  - {code: 3000, fault: carrier}\n", "entries:\n  - {code: 3010, name: Engaged, retry: {initial_s: 600, cap_s: 7200}}\n")
	require.NoError(t, err)
	require.Equal(t, a.SHA256(), b.SHA256())
	require.Equal(t, a.SHA256(), c.SHA256())
	require.Empty(t, catalog.Diff(a, b))
	require.Empty(t, catalog.Diff(a, c))
	require.NotEqual(t, a.SHA256(), catalog.Default().SHA256())
}

func TestEnumerationsHaveDistinctWords(t *testing.T) {
	for name, list := range map[string][]string{
		"direction": texts(catalog.Directions()), "state": texts(catalog.States()), "surface": texts(catalog.Surfaces()),
		"source": texts(catalog.Sources()), "when": texts(catalog.Whens()), "fault": texts(catalog.Faults()),
		"class": texts(catalog.Classes()), "auto": texts(catalog.Autos()), "target": texts(catalog.Targets()),
		"scope": texts(catalog.Scopes()), "jitter": texts(catalog.Jitters()), "flag": texts(catalog.Flags()), "fix": texts(catalog.Fixes()),
	} {
		seen := map[string]bool{}
		for _, word := range list {
			require.Regexp(t, `^[a-z][a-z0-9_]*$`, word, name)
			require.False(t, seen[word], "%s: %s stands twice", name, word)
			seen[word] = true
		}
		require.NotEmpty(t, seen, name)
	}
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

// All loads share what the embedded files say: what one lays over it must not show in the next.
func TestLoadsDoNotTouchEachOther(t *testing.T) {
	want := catalog.Default().SHA256()
	_, err := parse(t, "entries:\n  - {code: 6000, params: {api: other}, states: [any], sources: [{by: error}], directions: [], retry: {why: other}}\n"+
		"  - {code: 3050, flags: null, nearest: {sip: null}}\n  - {code: 9100, disabled: true}\n")
	require.NoError(t, err)
	s, err := parse(t, "entries: []\n")
	require.NoError(t, err)
	require.Equal(t, want, s.SHA256())
	require.Empty(t, catalog.Diff(catalog.Default(), s))
}
