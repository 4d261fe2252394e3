package catalog_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/pkg/catalog"
)

// code chooses one code.
func code(c int32) []catalog.CodeRange { return []catalog.CodeRange{{From: c, To: c}} }

// manualAllowed are causes that the built-in catalog does not have: no delay, yet not forbidden.
const manualAllowed = `entries:
  - code: 3020
    retry: {class: manual, auto: allowed}
    flags: []
  - code: 3110
    retry: {class: manual, auto: opt_in}
  - code: 6020
    flags: [suppress_destination]
`

func TestPoliciesChange(t *testing.T) {
	base, err := parse(t, manualAllowed)
	require.NoError(t, err)

	for name, tc := range map[string]struct {
		policies  []catalog.Policy
		code      int32
		want      map[string]string // as Diff has it
		overrides []string
	}{
		"delay": {
			[]catalog.Policy{{Codes: code(3010), Delay: new(30.0)}},
			3010,
			map[string]string{"retry.initial_s": "30"},
			[]string{"policies[0]: delay 15m → 30s"},
		},
		"delay beyond the longest": {
			[]catalog.Policy{{Name: "p", Codes: code(3010), Delay: new(20000.0), Cap: new(20000.0)}},
			3010,
			map[string]string{"retry.initial_s": "20000", "retry.cap_s": "20000"},
			[]string{"p: delay 15m → 5h33m20s", "p: longest delay 4h → 5h33m20s"},
		},
		"attempts": {
			[]catalog.Policy{{Codes: []catalog.CodeRange{{3000, 3099}}, MaxAttempts: new(2)}},
			3010,
			map[string]string{"retry.max_retries": "1"},
			[]string{"policies[0]: attempts 4 → 2"},
		},
		"one attempt": {
			[]catalog.Policy{{Codes: code(3010), MaxAttempts: new(1)}},
			3010,
			map[string]string{
				"retry.class": `"never"`, "retry.auto": `"blocked"`, "retry.initial_s": "", "retry.cap_s": "", "retry.multiplier": "", "retry.max_retries": "", "retry.jitter": "",
			},
			[]string{"policies[0]: class long_delay → never", "policies[0]: auto allowed → blocked"},
		},
		"the last wins, key by key": {
			[]catalog.Policy{
				{Faults: []catalog.Fault{catalog.FaultDestination}, Delay: new(60.0), MaxAttempts: new(3)},
				{Name: "b", Codes: code(3010), Delay: new(90.0)},
			},
			3010,
			map[string]string{"retry.initial_s": "90", "retry.max_retries": "2"},
			[]string{"b: delay 15m → 1m30s", "policies[0]: attempts 4 → 3"},
		},
		"a class that does not wait drops what came before": {
			[]catalog.Policy{
				{Codes: code(3010), Delay: new(60.0)},
				{Codes: code(3010), Class: new(catalog.ClassManual)},
			},
			3010,
			map[string]string{
				"retry.class": `"manual"`, "retry.auto": `"blocked"`, "retry.initial_s": "", "retry.cap_s": "", "retry.multiplier": "", "retry.max_retries": "", "retry.jitter": "",
			},
			[]string{"policies[1]: class long_delay → manual", "policies[1]: auto allowed → blocked"},
		},
		"after a fix": {
			[]catalog.Policy{{Codes: code(1020), Class: new(catalog.ClassAfterFix)}},
			1020,
			map[string]string{
				"retry.class": `"after_fix"`, "retry.auto": `"gated"`, "retry.initial_s": "", "retry.cap_s": "", "retry.multiplier": "", "retry.max_retries": "", "retry.jitter": "",
			},
			[]string{"policies[0]: class short_delay → after_fix", "policies[0]: auto allowed → gated"},
		},
		"another class that waits": {
			[]catalog.Policy{{Classes: []catalog.Class{catalog.ClassLongDelay}, Class: new(catalog.ClassShortDelay)}},
			3010,
			map[string]string{"retry.class": `"short_delay"`},
			[]string{"policies[0]: class long_delay → short_delay"},
		},
		"a class that waits, for a cause without a delay": {
			[]catalog.Policy{{Codes: code(3020), Class: new(catalog.ClassShortDelay), Delay: new(10.0), Cap: new(40.0), MaxAttempts: new(3)}},
			3020,
			map[string]string{
				"retry.class": `"short_delay"`, "retry.initial_s": "10", "retry.cap_s": "40", "retry.multiplier": "2", "retry.max_retries": "2", "retry.jitter": `"equal"`,
				"retry.target": `"same"`,
			},
			[]string{"policies[0]: class manual → short_delay", "policies[0]: delay none → 10s", "policies[0]: longest delay none → 40s", "policies[0]: attempts 1 → 3"},
		},
		"opt-in": {
			[]catalog.Policy{{Faults: []catalog.Fault{catalog.FaultNeutral, catalog.FaultDestination}, OptIn: new(true)}},
			9100,
			map[string]string{"retry.opted_in": "true"},
			[]string{"policies[0]: opted in false → true"},
		},
		"opt-in taken back": {
			[]catalog.Policy{{Codes: code(9100), OptIn: new(true)}, {Codes: code(9100), OptIn: new(false)}}, 9100, map[string]string{}, nil,
		},
		"nothing new": {[]catalog.Policy{{Codes: code(3010), Delay: new(900.0)}}, 3010, map[string]string{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := base.WithPolicies(tc.policies)
			require.NoError(t, err)

			got := map[string]string{}
			for _, c := range catalog.Diff(base, s) {
				if c.Code == tc.code {
					got[c.Path] = c.New
				}
			}
			if was, _ := base.Lookup(tc.code); was.Retry.Target == catalog.TargetSame {
				delete(tc.want, "retry.target")
			}
			require.Equal(t, tc.want, got)

			e, _ := s.Lookup(tc.code)
			require.Equal(t, tc.overrides, e.Overrides)
			require.Equal(t, len(catalog.Diff(base, s)) > 0, base.ID() != s.ID())
			untouched, _ := base.Lookup(tc.code)
			require.Empty(t, untouched.Overrides)
		})
	}
}

func TestPoliciesRefused(t *testing.T) {
	base, err := parse(t, manualAllowed)
	require.NoError(t, err)

	for name, tc := range map[string]struct {
		policy catalog.Policy
		want   string
	}{
		"chooses by nothing":          {catalog.Policy{Delay: new(1.0)}, "policies[0]: chooses by nothing: give codes, faults or classes"},
		"changes nothing":             {catalog.Policy{Codes: code(3010)}, "policies[0]: changes nothing"},
		"no such code":                {catalog.Policy{Name: "retry.policies[4]", Codes: code(3011), Delay: new(1.0)}, "retry.policies[4]: chooses no cause of the catalog"},
		"no such pair":                {catalog.Policy{Codes: code(3010), Faults: []catalog.Fault{catalog.FaultCarrier}, Delay: new(1.0)}, "chooses no cause"},
		"nothing dialled":             {catalog.Policy{Faults: []catalog.Fault{catalog.FaultSuccess}, Delay: new(1.0)}, "no cause that it chooses is one that it can change"},
		"no opt-in asked":             {catalog.Policy{Classes: []catalog.Class{catalog.ClassNever}, OptIn: new(true)}, "no cause that it chooses"},
		"class":                       {catalog.Policy{Codes: code(3010), Class: new(catalog.Class("soon"))}, `class "soon": want one of none,`},
		"delay 0":                     {catalog.Policy{Codes: code(3010), Delay: new(0.0)}, "delay 0 s: want above 0 s, at most 2592000 s"},
		"no number":                   {catalog.Policy{Codes: code(3010), Delay: new(math.NaN())}, "delay NaN s: want"},
		"longest delay":               {catalog.Policy{Codes: code(3010), Cap: new(1e9)}, "longest delay 1e+09 s: want"},
		"no attempt":                  {catalog.Policy{Codes: code(3010), MaxAttempts: new(0)}, "0 attempts: want 1 to 1001"},
		"delay of a class without":    {catalog.Policy{Codes: code(3010), Class: new(catalog.ClassNever), Delay: new(1.0)}, "class never is not dialled again by machine"},
		"one attempt of a redial":     {catalog.Policy{Codes: code(3010), Class: new(catalog.ClassShortDelay), MaxAttempts: new(1)}, "one attempt is none"},
		"delay above the longest":     {catalog.Policy{Codes: code(3010), Delay: new(20000.0)}, "code 3010 (Busy Line): delay 5h33m20s is above the longest one, 4h: give that as well"},
		"longest below the delay":     {catalog.Policy{Codes: code(3010), Cap: new(1.0)}, "code 3010 (Busy Line): retry.cap_s is at least initial_s"},
		"blocked":                     {catalog.Policy{Codes: code(3050), Class: new(catalog.ClassLongDelay), Delay: new(1.0), MaxAttempts: new(2)}, "code 3050 (Unallocated number): class long_delay cannot be: the catalog blocks it (auto: blocked: "},
		"gated":                       {catalog.Policy{Codes: code(3030), Class: new(catalog.ClassLongDelay), Delay: new(1.0), MaxAttempts: new(2)}, "the catalog wants its fix confirmed first"},
		"flagged":                     {catalog.Policy{Codes: code(3110), Class: new(catalog.ClassLongDelay), Delay: new(1.0), MaxAttempts: new(2)}, "the catalog flags it counts_as_refusal"},
		"opt-in of a flagged one":     {catalog.Policy{Codes: code(6020), OptIn: new(true)}, "an opt-in cannot be: the catalog flags it suppress_destination"},
		"no delay so far":             {catalog.Policy{Codes: code(3020), Class: new(catalog.ClassLongDelay), Delay: new(1.0)}, "give a delay and a number of attempts as well"},
		"nothing to mend":             {catalog.Policy{Codes: code(3010), Class: new(catalog.ClassAfterFix)}, "a policy cannot: use an overlay"},
		"delay of a blocked code":     {catalog.Policy{Codes: code(3050), Delay: new(1.0)}, "class never with auto blocked is not dialled again by machine"},
		"opt-in of a blocked code":    {catalog.Policy{Codes: code(3050), OptIn: new(true)}, "class never with auto blocked is not dialled"},
		"attempts of a gated cause":   {catalog.Policy{Codes: code(3030), MaxAttempts: new(3)}, "is not dialled again by machine"},
		"delay without a longest one": {catalog.Policy{Classes: []catalog.Class{catalog.ClassShortDelay}, Delay: new(100_000.0)}, "is above the longest one"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := base.WithPolicies([]catalog.Policy{tc.policy})
			require.ErrorIs(t, err, catalog.ErrPolicy)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// TestPoliciesAllMistakes also of those that are seen only once others are out of the way; beside them comes what the rest makes.
func TestPoliciesAllMistakes(t *testing.T) {
	s, err := catalog.Default().WithPolicies([]catalog.Policy{
		{},
		{Codes: code(1), Delay: new(1.0)},
		{Name: "range", Codes: []catalog.CodeRange{{3000, 3099}}, Class: new(catalog.ClassLongDelay)},
		{Codes: code(3050), Delay: new(1.0)},
		{Codes: code(3010), Delay: new(60.0)},
		{Codes: code(3010), Class: new(catalog.ClassAfterFix)},
	})
	require.ErrorIs(t, err, catalog.ErrPolicy)
	for _, want := range []string{
		"policies[0]: chooses by nothing",
		"policies[1]: chooses no cause",
		"range: code 3050 (Unallocated number): class long_delay cannot be: the catalog blocks it",
		"policies[3]: code 3050 (Unallocated number): class never with auto blocked",
		"policies[5]: code 3010 (Busy Line): class after_fix says what has to be mended",
	} {
		require.ErrorContains(t, err, want)
	}
	busy, _ := s.Lookup(3010)
	require.InDelta(t, 60, busy.Retry.InitialS, 0)
	require.Equal(t, []string{"policies[4]: delay 15m → 1m"}, busy.Overrides)
	unallocated, _ := s.Lookup(3050)
	was, _ := catalog.Default().Lookup(3050)
	require.Equal(t, was, unallocated)
}

// TestPoliciesNeverAllow what the catalog forbids, whatever they say together.
func TestPoliciesNeverAllow(t *testing.T) {
	base := catalog.Default()

	rapid.Check(t, func(t *rapid.T) {
		policies := make([]catalog.Policy, rapid.IntRange(1, 3).Draw(t, "policies"))
		for i := range policies {
			policies[i] = drawPolicy(t)
		}

		s, err := base.WithPolicies(policies)
		if err != nil {
			require.ErrorIs(t, err, catalog.ErrPolicy)
			return
		}
		for i, e := range s.Entries() {
			was := base.Entries()[i]
			dials := e.Retry.MaxRetries > 0 && (e.Retry.Auto == catalog.AutoAllowed || e.Retry.Auto == catalog.AutoOptIn)
			if was.Retry.Auto == catalog.AutoBlocked || was.Retry.Auto == catalog.AutoGated {
				require.False(t, dials, "%d", e.Code)
			}
			if dials {
				require.Contains(t, []catalog.Class{catalog.ClassShortDelay, catalog.ClassLongDelay, catalog.ClassAlternate}, e.Retry.Class)
				require.Positive(t, e.Retry.InitialS)
				require.GreaterOrEqual(t, e.Retry.CapS, e.Retry.InitialS)
				require.NotEmpty(t, e.Retry.Jitter)
				require.NotEmpty(t, e.Retry.Target)
			} else if e.Retry.Auto != catalog.AutoGated {
				require.Zero(t, e.Retry.InitialS)
				require.False(t, e.Retry.OptedIn)
			}
			require.Equal(t, e.Retry == was.Retry, len(e.Overrides) == 0)
			require.True(t, !e.Retry.OptedIn || e.Retry.Auto == catalog.AutoOptIn)
		}
	})
}

func drawPolicy(t *rapid.T) catalog.Policy {
	entries := catalog.Default().Entries()
	from := rapid.SampledFrom(entries).Draw(t, "from").Code
	p := catalog.Policy{Codes: []catalog.CodeRange{{from, from + rapid.SampledFrom([]int32{0, 99, 9999}).Draw(t, "range")}}}

	if rapid.Bool().Draw(t, "by class") {
		p.Classes = []catalog.Class{rapid.SampledFrom(catalog.Classes()).Draw(t, "of class")}
	}
	if rapid.Bool().Draw(t, "sets class") {
		p.Class = new(rapid.SampledFrom(catalog.Classes()).Draw(t, "class"))
	}
	if rapid.Bool().Draw(t, "sets delay") {
		p.Delay, p.Cap = new(rapid.Float64Range(0.1, 1000).Draw(t, "delay")), new(10_000.0)
	}
	if rapid.Bool().Draw(t, "sets attempts") {
		p.MaxAttempts = new(rapid.IntRange(1, 9).Draw(t, "attempts"))
	}
	if rapid.Bool().Draw(t, "opts in") {
		p.OptIn = new(rapid.Bool().Draw(t, "opt-in"))
	}
	return p
}
