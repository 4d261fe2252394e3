package casetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/catalog"
)

// subject has two routes and drops events without code.
func subject(t *testing.T, snap *catalog.Snapshot) *casetest.Subject {
	t.Helper()

	cfg := config.Default()
	cfg.Output.Drop = []config.Droppable{"no_code"}
	yes := true
	cfg.Routes = []config.Route{
		{Name: "retry", Match: config.Match{Retryable: &yes}},
		{Name: "dead", Match: config.Match{Outcome: []config.Outcome{"malformed"}}},
	}

	s, err := casetest.NewSubject(cfg, snap)
	require.NoError(t, err)

	return s
}

// one makes a file of one case.
func one(event, rest string) string {
	return fmt.Sprintf("cases:\n  - name: x\n    event: %s\n    %s\n", event, rest)
}

func expecting(what string) string { return "expect: {" + what + "}" }

const busy = `{HangupCauseCode: 3010, Direction: outbound, CallUUID: c, n: 1, f: 1.50, big: 9007199254740993, s: "1", t: true, z: null, l: [1, {a: b}], o: {k: 1, j: [x]}}`

// Each expectation holds for the event, and its opposite does not: an expectation that cannot
// fail would be worse than none.
func TestExpectations(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, event, holds, fails, what string
	}{
		{"outcome", busy, `outcome: enriched`, `outcome: no_code`, "outcome"},
		{"outcome of broken bytes", `'{'`, `outcome: malformed`, `outcome: enriched`, "outcome"},
		{"outcome of a tombstone", `null`, `outcome: tombstone`, `outcome: no_code`, "outcome"},
		{"a value of no bytes is no tombstone", `""`, `outcome: malformed`, `outcome: tombstone`, "outcome"},
		{"reason", `{HangupCauseCode: 9999}`, `reason: unknown_code`, `reason: bad_code`, "reason"},
		{"reason where there is none", `'{'`, `reason: not_json`, `reason: empty`, "reason"},
		{"code", busy, `code: 3010`, `code: 0`, "code"},
		{"code 0 is one", `{HangupCauseCode: 0}`, `code: 0`, `code: null`, "code"},
		{"no code", `{a: 1}`, `code: null`, `code: 0`, "code"},
		{"output", busy, `output: true`, `output: false`, "output"},
		{"output that is dropped", `{a: 1}`, `output: false`, `output: true`, "output"},
		{"output of broken bytes", `'{'`, `output: false`, `output: true`, "output"},
		{"output of a tombstone", `null`, `output: true`, `output: false`, "output"},
		{"routes", busy, `routes: [retry]`, `routes: []`, "routes"},
		{"routes, too many", busy, `routes: [retry, retry]`, `routes: [retry, dead]`, "routes"},
		{"routes of broken bytes", `'{'`, `routes: [dead]`, `routes: [retry]`, "routes"},
		{"no route", `{a: 1}`, `routes: []`, `routes: [dead]`, "routes"},
		{"field, a string", busy, `fields: {hangup.fault: destination}`, `fields: {hangup.fault: Destination}`, "fields hangup.fault"},
		{"field, a number by value", busy, `fields: {f: 1.5}`, `fields: {f: 1.51}`, "fields f"},
		{"field, a number in another notation", busy, `fields: {n: 1.0}`, `fields: {n: 2.0}`, "fields n"},
		{"field, digits beyond a float", busy, `fields: {big: 9007199254740993}`, `fields: {big: 9007199254740992}`, "fields big"},
		{"field, text is no number", busy, `fields: {s: "1"}`, `fields: {s: 1}`, "fields s"},
		{"field, a number is no text", busy, `fields: {n: 1}`, `fields: {n: "1"}`, "fields n"},
		{"field, a boolean", busy, `fields: {t: true}`, `fields: {t: false}`, "fields t"},
		{"field, a boolean is no text", busy, `fields: {hangup.known: true}`, `fields: {hangup.known: "true"}`, "fields hangup.known"},
		{"field, null is absent", busy, `fields: {z: null}`, `fields: {z: ""}`, "fields z"},
		{"field, absent", busy, `fields: {nowhere: null}`, `fields: {nowhere: 0}`, "fields nowhere"},
		{"field, present", busy, `fields: {n: 1}`, `fields: {n: null}`, "fields n"},
		{"field, a range", busy, `fields: {n: {min: 1, max: 1}}`, `fields: {n: {min: 1.1, max: 5}}`, "fields n"},
		{"field, at least", busy, `fields: {n: {min: 0}}`, `fields: {n: {min: 2}}`, "fields n"},
		{"field, at most", busy, `fields: {n: {max: 1}}`, `fields: {n: {max: 0}}`, "fields n"},
		{"field, a range of no text", busy, `fields: {n: {min: 0}}`, `fields: {s: {min: 0}}`, "fields s"},
		{"field, a list", busy, `fields: {l: [1.0, {a: b}]}`, `fields: {l: [{a: b}, 1]}`, "fields l"},
		{"field, a shorter list", busy, `fields: {l.#: 2}`, `fields: {l: [1]}`, "fields l"},
		{"field, a mapping in any order", busy, `fields: {o: {j: [x], k: 1}}`, `fields: {o: {j: [x], k: 1, i: 2}}`, "fields o"},
		{"field, a mapping with less", busy, `fields: {o.k: 1}`, `fields: {o: {k: 1}}`, "fields o"},
		{"field, a mapping is no list", busy, `fields: {o.j: [x]}`, `fields: {o: [x]}`, "fields o"},
		{"field, a mapping with min and more", `{a: {min: 1, b: 2}}`, `fields: {a: {min: 1, b: 2}}`, `fields: {a: {min: 1}}`, "fields a"},
		{"field of broken bytes", `'{"a":1'`, `fields: {a: null}`, `fields: {a: 1}`, "fields a"},
		{"field of a form", `a=b+c`, `fields: {a: b c}`, `fields: {a: b+c}`, "fields a"},
		{"header", busy, `headers: {hangup-code: 3010}`, `headers: {hangup-code: 3020}`, "headers hangup-code"},
		{"header, absent", busy, `headers: {hangup-not-before: null}`, `headers: {hangup-code: null}`, "headers hangup-code"},
		{"header, missing", busy, `headers: {hangup-retryable: true}`, `headers: {hangup-no: ""}`, "headers hangup-no"},
		{"advice, retryable", busy, `advice: {retryable: true}`, `advice: {retryable: false}`, "advice retryable"},
		{"advice, class", busy, `advice: {class: long_delay}`, `advice: {class: never}`, "advice class"},
		{"advice, delay", busy, `advice: {delay_s: {min: 450, max: 900}}`, `advice: {delay_s: 1}`, "advice delay_s"},
		{"advice, attempt", busy, `advice: {attempt: 1}`, `advice: {attempt: {min: 2}}`, "advice attempt"},
		{"advice, attempts", busy, `advice: {max_attempts: 4}`, `advice: {max_attempts: {max: 3}}`, "advice max_attempts"},
		{"advice, reason", busy, `advice: {reason: policy}`, `advice: {reason: answered}`, "advice reason"},
		{"advice without code", `{a: 1}`, `advice: {retryable: false}`, `advice: {retryable: true}`, "advice retryable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := subject(t, catalog.Default())
			require.Empty(t, s.Run(parse(t, one(tc.event, expecting(tc.holds)))))

			got := s.Run(parse(t, one(tc.event, expecting(tc.fails))))
			require.Len(t, got, 1)
			require.Equal(t, tc.what, got[0].What)
			require.Equal(t, 4, got[0].Line)
			require.NotEqual(t, string(got[0].Want), string(got[0].Got))
		})
	}
}

func parse(t *testing.T, text string) *casetest.Case {
	t.Helper()

	cases, err := casetest.Parse("cases.yaml", []byte(text))
	require.NoError(t, err)
	require.Len(t, cases, 1)

	return cases[0]
}

// What comes with the value counts as well.
func TestRecord(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, rest string }{
		{"the header's attempt", "headers: {hangup-attempt: 4}\n    expect: {advice: {attempt: 4, reason: attempts_exhausted}, headers: {hangup-attempt: 4}}"},
		{"headers stay, but for those of an earlier enrichment", "headers: {trace: 1, hangup-not-before: old}\n    expect: {headers: {trace: 1, hangup-not-before: null}}"},
		{"the timestamp", "timestamp: 2026-01-01T00:00:00+01:00\n    expect: {fields: {hangup.retry.not_before: '2025-12-31T23:08:32.000Z'}, advice: {not_before: 2025-12-31T23:08:32Z}}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, subject(t, catalog.Default()).Run(parse(t, one(busy, tc.rest))))
		})
	}
}

func TestKeyIsInJitter(t *testing.T) {
	t.Parallel()

	s := subject(t, catalog.Default())

	// There is no call id.
	delays := map[string]bool{}

	for i := range 20 {
		c := parse(t, one("{HangupCauseCode: 3010, Direction: outbound}", fmt.Sprintf("key: %d\n    expect: {advice: {delay_s: 0}}", i)))
		delays[string(s.Run(c)[0].Got)] = true
	}

	require.Greater(t, len(delays), 10)
}

// A mapping becomes the JSON that one would write.
func TestEvent(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, yaml, want string }{
		{"numbers keep their digits", `{a: 1.50, b: 1e3, c: -0, d: 12345678901234567890}`, `{"a":1.50,"b":1e3,"c":-0,"d":12345678901234567890}`},
		{"numbers that JSON has not", `{a: 0x10, b: .5, c: +5, d: 1.}`, `{"a":16,"b":0.5,"c":5,"d":1}`},
		{"no numbers", `{a: 017, b: 1_000, c: "1"}`, `{"a":"017","b":"1_000","c":"1"}`},
		{"booleans and null", `{a: true, b: False, c: null, d: ~, e: , f: yes}`, `{"a":true,"b":false,"c":null,"d":null,"e":null,"f":"yes"}`},
		{"text", `{a: <&>, b: "\t\u00e9", c: 'null'}`, `{"a":"<&>","b":"\té","c":"null"}`},
		{"nesting", `{b: [], a: {}, c: [[1, null], {x: [y]}]}`, `{"a":{},"b":[],"c":[[1,null],{"x":["y"]}]}`},
		{"keys", `{"a b": 1, 5: 2, true: 3}`, `{"5":2,"a b":1,"true":3}`},
		{"a string stays", `' {"a" : 1} '`, ` {"a" : 1} `},
		{"bytes", `"\0\x01"`, "\x00\x01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, string(parse(t, one(tc.yaml, expecting("code: null"))).Value))
		})
	}
}

func TestEventFile(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

		return path
	}
	absolute := write("crlf.json", "{\"HangupCauseCode\":0}\r\n")
	write("lf.form", "HangupCauseCode=0\n\n")
	write("empty", "\n")

	path := write("cases.yaml", fmt.Sprintf(`cases:
  - {name: relative, event_file: lf.form, expect: {code: 0}}
  - {name: absolute, event_file: %q, expect: {code: 0}}
  - {name: empty is no tombstone, event_file: empty, expect: {reason: empty}}
`, absolute))

	cases, err := casetest.Load(path)
	require.NoError(t, err)
	require.Len(t, cases, 3)
	require.Equal(t, "HangupCauseCode=0\n", string(cases[0].Value))
	require.JSONEq(t, `{"HangupCauseCode":0}`, string(cases[1].Value))
	require.Equal(t, absolute, cases[1].EventFile)
	require.NotNil(t, cases[2].Value)
	require.Empty(t, cases[2].Value)

	require.Equal(t, 3, cases[1].Line)
	require.True(t, cases[1].Timestamp.Equal(time.Time{}))

	_, err = casetest.Load(filepath.Join(dir, "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "read cases: ")

	require.NoError(t, os.Truncate(path, 16<<20+1))

	_, err = casetest.Load(path)
	require.ErrorContains(t, err, "cases.yaml: too large: more than 16777216 bytes")

	_, err = casetest.Load(dir)
	require.ErrorContains(t, err, "is a directory")
}

func TestMistakes(t *testing.T) {
	t.Parallel()

	ok := "\n    expect: {code: 0}"

	for _, tc := range []struct{ name, text, want string }{
		{"not YAML", "cases: [", "cases.yaml:1:8: not YAML: "},
		{"empty", "", "cases.yaml:1:1: no cases"},
		{"no cases", "cases:\n", "cases.yaml:1:1: no cases"},
		{"another key", "case: []\n", `cases.yaml:1:1: unknown key "case"; did you mean "cases"?`},
		{"a key twice", one("{a: 1, a: 2}", "expect: {code: 0}"), "cases.yaml:3:19: cases[0].event.a: given twice"},
		{"a key twice, deep", one("{a: [{b: 1, b: 2}]}", "expect: {code: 0}"), "b: given twice"},
		{"an event that is a boolean", "cases:\n  - name: x\n    event: true" + ok, "cases.yaml:3:12: cases[0].event: expected a mapping"},
		{"a file and an event", "cases:\n  - name: x\n    event: {}\n    event_file: y" + ok, "cases.yaml:4:17: cases[0].event_file: the case has an event already"},
		{"an empty file name", "cases:\n  - name: x\n    event_file: ''" + ok, "cases.yaml:3:17: cases[0].event_file: names no file"},
		{"a range of nothing", one("{}", "expect: {fields: {a: {min: 2, max: 1}}}"), "min is above max"},
		{"a range without ends", one("{}", "expect: {advice: {attempt: {}}}"), "without either end"},
		{"another end", one("{}", "expect: {advice: {delay_s: {mix: 1}}}"), `unknown key "mix" in cases[0].expect.advice.delay_s; did you mean "min"?`},
		{"an end that is null", one("{}", "expect: {advice: {delay_s: {min: }}}"), "without either end"},
		{"no expectation", one("{}", "key: k"), "cases.yaml:2:5: cases[0]: expects nothing"},
		{"empty expectations", one("{}", "expect: {fields: {}, headers: {}, advice: {}}"), "cases[0]: expects nothing"},
		{"a path that never matches", one("{}", "expect: {fields: {'a..b': null}}"), `cases[0].expect.fields: "a..b" has an empty part`},
		{"a path that is open", one("{}", "expect: {fields: {'a.#(': 1}}"), `cases[0].expect.fields: "a.#(" has a bracket or quote that is not closed`},
		{"a header without value", one("{}", "headers: {a: }\n    expect: {code: 0}"), "cases[0].headers.a: has no value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			_, err := casetest.Parse("cases.yaml", []byte(tc.text))

			var ms strictyaml.Mistakes
			require.ErrorAs(t, err, &ms)
			require.ErrorContains(t, err, tc.want)
			require.Len(t, ms, 1)
		})
	}

	for _, key := range []string{"output", "routes", "fields", "headers", "advice", "outcome", "reason"} {
		_, err := casetest.Parse("cases.yaml", []byte(one("{}", "expect: {code: 0, "+key+": }")))
		require.ErrorContains(t, err, "cases[0].expect."+key+": has no value", key)
	}

	for _, key := range []string{"retryable", "class", "delay_s", "not_before", "attempt", "max_attempts", "reason"} {
		_, err := casetest.Parse("cases.yaml", []byte(one("{}", "expect: {code: 0, advice: {"+key+": }}")))
		require.ErrorContains(t, err, "cases[0].expect.advice."+key+": has no value", key)
	}
}

func TestSubjectErrors(t *testing.T) {
	t.Parallel()

	cfg := config.Default()
	cfg.Enrich.Field = ""
	_, err := casetest.NewSubject(cfg, catalog.Default())
	require.ErrorContains(t, err, "enrich: ")

	cfg = config.Default()
	cfg.Routes = []config.Route{{Name: "all"}}
	_, err = casetest.NewSubject(cfg, catalog.Default())
	require.ErrorContains(t, err, `compile routes: route "all": match is empty`)
}

// Whatever a file holds, it is either refused with places or runs, and what is printed is JSON.
func FuzzCases(f *testing.F) {
	f.Add(one(busy, "expect: {fields: {a.#(b==c).d|@reverse: {min: 1}, '#': null, l.#.a: [b]}}"))
	f.Add(one("'{\"a\":\"\\ud800\"}'", "expect: {fields: {a: x}}"))
	f.Add(one(`"\0"`, "expect: {outcome: malformed}"))

	snap := catalog.Default()

	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "event_file") {
			t.Skip("reads files")
		}

		cases, err := casetest.Parse("f", []byte(text))
		if err != nil {
			var ms strictyaml.Mistakes
			require.ErrorAs(t, err, &ms)

			return
		}

		s := subject(t, snap)

		for _, c := range cases {
			for _, m := range s.Run(c) {
				requireJSON(t, m.Want)
				requireJSON(t, m.Got)
			}
		}
	})
}
