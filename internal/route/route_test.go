package route_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func results(t *testing.T) map[string]*enrich.Result {
	t.Helper()
	return resultsOf(t, enrich.DefaultOptions())
}

func resultsOf(t *testing.T, opt enrich.Options) map[string]*enrich.Result {
	t.Helper()
	e, err := enrich.New(catalog.Default(), opt)
	require.NoError(t, err)
	all := map[string]*enrich.Result{}
	for name, event := range map[string]string{
		"busy":      `{"Direction":"outbound","HangupCauseCode":"3010"}`,
		"busy in":   `{"Direction":"inbound","HangupCauseCode":"3010"}`,
		"dead line": `{"Direction":"outbound","HangupCauseCode":"3050"}`,
		"normal":    `{"Direction":"outbound","HangupCauseCode":"4000"}`,
		"unknown":   `{"Direction":"outbound","HangupCauseCode":"9999"}`,
		"ring":      `{"Direction":"outbound","Event":"Ring"}`,
		"broken":    `{`,
	} {
		res := new(enrich.Result)
		e.Enrich(&enrich.Record{Value: []byte(event), TimestampMS: 1}, res)
		all[name] = res
	}
	res := new(enrich.Result)
	e.Enrich(&enrich.Record{}, res)
	all["tombstone"] = res
	return all
}

func TestMatches(t *testing.T) {
	yes, no := true, false
	sparing := enrich.DefaultOptions()
	sparing.Fields, sparing.Headers, sparing.WrittenOnly = []string{"code"}, []string{}, true
	for name, tc := range map[string]struct {
		rule route.Rule
		want []string
	}{
		"retryable":            {route.Rule{Retryable: &yes}, []string{"busy"}},
		"not retryable, known": {route.Rule{Retryable: &no, Outcomes: []string{"enriched"}}, []string{"busy in", "dead line", "normal"}},
		"one code":             {route.Rule{Codes: []route.CodeRange{{From: 3010, To: 3010}}}, []string{"busy", "busy in"}},
		"a range, ends in":     {route.Rule{Codes: []route.CodeRange{{From: 3050, To: 4000}}}, []string{"dead line", "normal"}},
		"unknown code in it":   {route.Rule{Codes: []route.CodeRange{{From: 9000, To: 9999}}}, []string{"unknown"}},
		"outcomes":             {route.Rule{Outcomes: []string{"malformed", "tombstone", "no_code"}}, []string{"broken", "tombstone", "ring"}},
		"fault":                {route.Rule{Faults: []string{"success"}}, []string{"normal"}},
		"class":                {route.Rule{Classes: []string{"never", "none"}}, []string{"dead line", "normal"}},
		"flag":                 {route.Rule{Flags: []string{"suppress_destination"}}, []string{"dead line"}},
		"source":               {route.Rule{Sources: []string{"caller"}}, []string{"normal"}},
		"direction":            {route.Rule{Directions: []string{"inbound"}}, []string{"busy in"}},
		"all must hold":        {route.Rule{Faults: []string{"destination"}, Directions: []string{"outbound"}, Classes: []string{"long_delay"}}, []string{"busy"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := route.Compile(tc.rule)
			require.NoError(t, err)
			var got []string
			for event, res := range results(t) {
				if m.Matches(res) {
					got = append(got, event)
				}
			}
			require.ElementsMatch(t, tc.want, got)
			if m.AboutCall() {
				return
			}
			for event, res := range resultsOf(t, sparing) {
				require.Equal(t, slices.Contains(tc.want, event), m.Matches(res), "%s, of which nothing is known but its cause", event)
			}
		})
	}
}

func TestCompileReportsEveryMistake(t *testing.T) {
	_, err := route.Compile(route.Rule{
		Outcomes: []string{"fine"}, Codes: []route.CodeRange{{From: 5, To: 4}}, Faults: []string{"mine"}, Classes: []string{"soon"},
		Flags: []string{"odd"}, Directions: []string{"up"}, Sources: []string{"nobody"},
	})
	for _, word := range []string{`"fine"`, "5-4", `"mine"`, `"soon"`, `"odd"`, `"up"`, `"nobody"`} {
		require.ErrorContains(t, err, word)
	}
	_, err = route.Compile(route.Rule{})
	require.ErrorContains(t, err, "every event")
}

func TestMatchesDoesNotAllocate(t *testing.T) {
	yes := true
	m, err := route.Compile(route.Rule{Retryable: &yes, Codes: []route.CodeRange{{From: 3000, To: 3999}}, Faults: []string{"destination"}, Flags: []string{"list_hygiene"}, Sources: []string{"carrier"}})
	require.NoError(t, err)
	all := results(t)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, res := range all {
			m.Matches(res)
		}
	}))
}
