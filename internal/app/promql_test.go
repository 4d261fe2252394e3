package app_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// samples are the metrics of a scrape: the values of each label, by the name of the metric.
type samples map[string]map[string][]string

// Parts of the text format and of PromQL, as far as the files in deploy/observability use them. What promtool finds as well
// (grammar, functions) is left to it.
var (
	sampleLine  = regexp.MustCompile(`(?m)^([a-z0-9_:]+)(?:\{(.*)\})? \S+$`)
	labelPair   = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	grouping    = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	span        = regexp.MustCompile(`\[[^\]]*\]|\boffset\s+\$?\w+`)
	selector    = regexp.MustCompile(`([A-Za-z_:][\w:]*)\s*(?:\{([^}]*)\}|(\())?`)
)

func parseSamples(text string) samples {
	s := samples{}
	for _, line := range sampleLine.FindAllStringSubmatch(text, -1) {
		if s[line[1]] == nil {
			s[line[1]] = map[string][]string{}
		}
		for _, pair := range labelPair.FindAllStringSubmatch(line[2], -1) {
			s[line[1]][pair[1]] = append(s[line[1]][pair[1]], pair[3])
		}
	}
	return s
}

// mistakes lists what a query names and a scrape does not have: metrics, labels, and values of labels.
func (s samples) mistakes(query string) []string {
	var wrong, labels []string
	if call := labelValues.FindStringSubmatch(query); call != nil {
		query, labels = call[1], append(labels, call[2])
	}
	for _, g := range grouping.FindAllStringSubmatch(query, -1) {
		labels = append(labels, strings.FieldsFunc(g[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	query = span.ReplaceAllString(grouping.ReplaceAllString(query, ""), "")
	had := []string{"namespace", "job", "instance"} // labels that the scrape adds
	for _, found := range selector.FindAllStringSubmatch(query, -1) {
		name, matchers, called := found[1], found[2], found[3] != ""
		if called || slices.Contains([]string{"and", "or", "unless", "bool"}, name) {
			continue
		}
		if slices.Contains([]string{"up", "ALERTS"}, name) { // Prometheus' own
			continue
		}
		metric, ok := s[name]
		if !ok {
			wrong = append(wrong, "there is no metric "+name)
			continue
		}
		for label := range metric {
			had = append(had, label)
		}
		wrong = append(wrong, wrongMatchers(name, metric, matchers)...)
	}
	for _, label := range labels {
		if !slices.Contains(had, label) {
			wrong = append(wrong, "no metric of the query has a label "+label)
		}
	}
	return wrong
}

func wrongMatchers(name string, metric map[string][]string, matchers string) []string {
	var wrong []string
	for _, m := range labelPair.FindAllStringSubmatch(matchers, -1) {
		label, operator, value := m[1], m[2], m[3]
		if label == "job" || label == "instance" {
			continue
		}
		values, ok := metric[label]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s has no label %s", name, label))
			continue
		}
		wanted := []string{value}
		if strings.Contains(operator, "~") {
			wanted = strings.Split(value, "|")
		}
		for _, v := range wanted {
			if !slices.Contains(values, v) {
				wrong = append(wrong, fmt.Sprintf("%s has no %s %q", name, label, v))
			}
		}
	}
	return wrong
}

func TestMistakesInQueries(t *testing.T) {
	s := parseSamples("# HELP a_total A.\n# TYPE a_total counter\na_total{role=\"x\",to=\"out\"} 1\na_total{role=\"y\",to=\"out\"} 2\n" +
		"lag 3\nlate_bucket{tier=\"t\",le=\"+Inf\"} 4\n")
	require.Equal(t, samples{
		"a_total": {"role": {"x", "y"}, "to": {"out", "out"}}, "lag": {}, "late_bucket": {"tier": {"t"}, "le": {"+Inf"}},
	}, s)
	for query, want := range map[string][]string{
		`a_total`: nil,
		"sum by (namespace, job, role) (rate(a_total{role=\"x\"}[5m]))\n  > 60 * sum by (job) (lag offset 10m)":   nil,
		`histogram_quantile(0.9, sum by (le, tier) (rate(late_bucket{job=~"$job", tier="t"}[$__rate_interval])))`: nil,
		`up == 0 and on (job, instance) last_over_time(lag[1d])`:                                                  nil,
		`(a_total unless a_total offset $__range) or increase(a_total[$__range])`:                                 nil,
		`count(ALERTS{alertstate="firing"}) or vector(0)`:                                                         nil,
		`label_values(a_total{job=~"$job"}, instance)`:                                                            nil,
		`a_total{role=~"x|y"}`: nil,
		`rate(b_total[5m])`:    {"there is no metric b_total"},
		`lag > 0 unless lags`:  {"there is no metric lags"},
		`lag{role="x"}`:        {"lag has no label role"},
		`a_total{role="z"}`:    {`a_total has no role "z"`},
		`a_total{role=~"x|z"}`: {`a_total has no role "z"`},
		`a_total{to!="in"}`:    {`a_total has no to "in"`},
		`sum by (tier) (lag)`:  {"no metric of the query has a label tier"},
		`lag and on (rôle) a`:  {"there is no metric a", "no metric of the query has a label rôle"},
		`label_values(lag, x)`: {"no metric of the query has a label x"},
	} {
		require.Equal(t, want, s.mistakes(query), query)
	}
}
