package route_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// rules are such as people write: retries apart, bad lists, a look at unknown codes, and some
// that name every member there is.
func rules() []route.Rule {
	yes, no := true, false
	return []route.Rule{
		{Retryable: &yes},
		{Flags: []string{"suppress_destination"}},
		{Outcomes: []string{"unknown_code"}},
		{Faults: []string{"account", "app_config"}, Directions: []string{"outbound"}},
		{Codes: []route.CodeRange{{From: 3000, To: 3999}, {From: 9000, To: 9199}}},
		{Classes: []string{"long_delay", "short_delay"}, Retryable: &no},
		{Sources: []string{"carrier"}, Outcomes: []string{"enriched"}},
		{
			Outcomes: []string{"enriched"}, Codes: []route.CodeRange{{From: 0, To: 9999}}, Faults: []string{"destination", "carrier", "success"},
			Classes: []string{"long_delay", "none", "never"}, Flags: []string{"list_hygiene"}, Directions: []string{"outbound", "inbound"}, Sources: []string{"called_party", "carrier"},
		},
	}
}

// lifelike are results of events as life mixes them.
func lifelike(t testing.TB) []*enrich.Result {
	t.Helper()
	const events = 1024
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)
	g := eventgen.New(1, catalog.Default().Entries())
	out := make([]*enrich.Result, events)
	for i := range out {
		out[i] = new(enrich.Result)
		e.Enrich(&enrich.Record{Value: g.Next().Value, TimestampMS: 1}, out[i]) // what matches is not in the event's bytes
	}
	return out
}

func compiled(t testing.TB, n int) []*route.Matcher {
	t.Helper()
	out := make([]*route.Matcher, n)
	for i, r := range rules()[:n] {
		var err error
		out[i], err = route.Compile(r)
		require.NoError(t, err)
	}
	return out
}

// BenchmarkMatches is for each event, by the number of routes that it is held against.
func BenchmarkMatches(b *testing.B) {
	results := lifelike(b)
	for _, n := range []int{0, 1, len(rules())} {
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			matchers, matched := compiled(b, n), 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				for _, m := range matchers {
					if m.Matches(results[i%len(results)]) {
						matched++
					}
				}
			}
			b.ReportMetric(float64(matched)/float64(b.N), "copies/op")
		})
	}
}

// BenchmarkRule is each rule alone.
func BenchmarkRule(b *testing.B) {
	results := lifelike(b)
	for i, m := range compiled(b, len(rules())) {
		b.Run(strconv.Itoa(i), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				m.Matches(results[i%len(results)])
			}
		})
	}
}

func TestNoRuleAllocates(t *testing.T) {
	results := lifelike(t)
	for i, m := range compiled(t, len(rules())) {
		matched := 0
		require.Zero(t, testing.AllocsPerRun(5, func() {
			for _, res := range results {
				if m.Matches(res) {
					matched++
				}
			}
		}), i)
		require.Positive(t, matched, "rule %d matches nothing: what it costs says nothing", i)
	}
}
