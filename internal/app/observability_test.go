package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/pipeline"
)

// What stands in deploy/observability and docs/runbook.md is held to the metrics that the program has. Whether the rules fire
// when they should is for promtool: `make test-rules`.

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	require.NoError(t, err)
	return string(text)
}

// ruleFile is a file of Prometheus' rules.
type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(readFile(t, "deploy", "observability", "rules.yaml")), &file, yaml.Strict()))
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestQueriesNameMetricsThatExist(t *testing.T) {
	known := samplesOfBothRoles(t)
	t.Run("rules", func(t *testing.T) {
		for _, a := range alerts(t) {
			require.Empty(t, known.mistakes(a.Expr), a.Alert)
		}
	})
	t.Run("dashboard", func(t *testing.T) {
		for title, queries := range dashboardQueries(t) {
			for _, query := range queries {
				require.Empty(t, known.mistakes(query), title)
			}
		}
	})
	t.Run("runbook", func(t *testing.T) {
		for _, name := range regexp.MustCompile(`\benricher_[a-z_]+`).FindAllString(readFile(t, "docs", "runbook.md"), -1) {
			require.Contains(t, known, name)
		}
	})
}

func TestEveryAlertIsComplete(t *testing.T) {
	for _, a := range alerts(t) {
		t.Run(a.Alert, func(t *testing.T) {
			require.Regexp(t, `^Enricher[A-Z][A-Za-z]+$`, a.Alert)
			require.Contains(t, []string{"critical", "warning", "info"}, a.Labels["severity"])
			require.Equal(t, "docs/runbook.md#"+strings.ToLower(a.Alert), a.Annotations["runbook_url"])
			require.NotEmpty(t, a.Annotations["summary"])
			require.NotEmpty(t, a.Annotations["description"])
		})
	}
}

// The runbook has an entry for each alert and for no other, with the same three parts.
func TestEveryAlertIsInTheRunbook(t *testing.T) {
	var names, entries []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	for section := range strings.SplitSeq(readFile(t, "docs", "runbook.md"), "\n## ") {
		name, text, _ := strings.Cut(section, "\n")
		if !strings.HasPrefix(name, "Enricher") {
			continue
		}
		entries = append(entries, name)
		for _, part := range []string{"**Means:**", "**Look:**", "**Do:**", "```sh\n"} {
			require.Contains(t, text, part, name)
		}
	}
	require.Equal(t, names, entries, "in the same order")
}

// For each alert promtool is asked for a case in which it fires, and for one in which it does not.
func TestEveryAlertHasBothCases(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Alert string `yaml:"alertname"`
				Fires []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(readFile(t, "deploy", "observability", "rules_test.yaml")), &file))
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			if len(c.Fires) > 0 {
				fires[c.Alert] = true
			} else {
				rests[c.Alert] = true
			}
		}
	}
	for _, a := range alerts(t) {
		require.True(t, fires[a.Alert], "%s fires nowhere", a.Alert)
		require.True(t, rests[a.Alert], "%s rests nowhere", a.Alert)
	}
}

// panel is the part of a Grafana panel that is looked at.
type panel struct {
	ID         int    `json:"id"`
	Type       string `json:"type"`
	Title      string `json:"title"`
	Datasource source `json:"datasource"`
	Targets    []struct {
		Datasource source `json:"datasource"`
		Expr       string `json:"expr"`
	} `json:"targets"`
	Grid struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type dashboard struct {
	UID        string  `json:"uid"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name string `json:"name"`
			Expr string `json:"expr"`
		} `json:"list"`
	} `json:"annotations"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	require.NoError(t, json.Unmarshal([]byte(readFile(t, "deploy", "observability", "dashboard.json")), &d))
	return d
}

// dashboardQueries are all that the dashboard asks Prometheus, by where they stand.
func dashboardQueries(t *testing.T) map[string][]string {
	t.Helper()
	d, queries := readDashboard(t), map[string][]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			var q struct {
				Query string `json:"query"`
			}
			require.NoError(t, json.Unmarshal(v.Query, &q))
			queries["variable "+v.Name] = append(queries["variable "+v.Name], q.Query)
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			queries["annotation "+a.Name] = append(queries["annotation "+a.Name], a.Expr)
		}
	}
	return queries
}

// Grafana takes a dashboard with mistakes like these without a word.
func TestDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	require.NotEmpty(t, d.UID)
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Title)
		require.False(t, ids[p.ID], "%s: another panel has id %d", p.Title, p.ID)
		ids[p.ID] = true
		require.LessOrEqual(t, p.Grid.X+p.Grid.W, 24, p.Title)
		require.Positive(t, p.Grid.W*p.Grid.H, p.Title)
		for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
			for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s stands on another panel", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		chosen := source{Type: "prometheus", UID: "${datasource}"}
		require.Equal(t, chosen, p.Datasource, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			require.Equal(t, chosen, target.Datasource, p.Title)
			require.NotEmpty(t, target.Expr, p.Title)
		}
	}
	require.True(t, slices.ContainsFunc(d.Panels, func(p panel) bool { return p.Type == "row" }))
}

// samplesOfBothRoles is what a process with both roles shows once it has had events of all kinds, since some
// metrics come with the traffic.
func samplesOfBothRoles(t *testing.T) samples {
	t.Helper()
	cluster := fake(t)
	cfg := configFor(cluster.ListenAddrs()...)
	cfg.Kafka.CreateTopics = true
	cfg.Roles = []config.Role{config.RoleFilter, config.RoleDelay}
	cfg.Retry.Tiers = []config.Tier{{Topic: "calls.wait", Wait: 5 * time.Minute}}
	cfg.Retry.Due, cfg.Retry.GaveUp = "calls.due", "calls.gave-up"
	r := start(t, cfg)
	for _, role := range []pipeline.Role{pipeline.Filter, pipeline.Delay} {
		r.until("running", func() bool { return r.app.Pipeline(role).State() == pipeline.Running })
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("calls.raw"))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.ProduceSync(t.Context(),
		kgo.StringRecord(`{"Direction":"outbound","HangupCauseCode":"3010","hangup_attempt":1}`),  // waits
		kgo.StringRecord(`{"Direction":"outbound","HangupCauseCode":"3010","hangup_attempt":99}`), // is given up
		kgo.StringRecord(`{"Direction":"outbound","HangupCauseCode":"3010"}`),                     // as well
		kgo.StringRecord(`{`), // is a dead letter
	).FirstErr())

	var body string
	for _, shown := range []string{
		`enricher_events_total\{outcome="enriched",role="filter"\} 3`,
		`enricher_dead_letters_total\{reason="not_json",role="filter"\} 1`,
		`enricher_retry_gave_up_total\{reason="attempts_exhausted",role="filter"\} 1`,
		`enricher_retry_gave_up_total\{reason="attempt_unknown",role="filter"\} 1`,
		`enricher_retry_entered_total\{role="filter",tier="calls.wait"\} 1`,
		`enricher_retry_waiting_records\{role="delay",tier="calls.wait"\} [1-9]`,
		`enricher_retry_due_total\{role="delay",tier="calls.wait"\} 0`,
		`enricher_retry_late_seconds_count\{role="delay",tier="calls.wait"\} 0`,
		`enricher_acknowledged_records_total\{role="filter",topic="calls.dead"\} 1`,
		`enricher_partition_lag_records\{partition="0",role="filter",topic="calls.raw"\} 0`,
	} {
		line := regexp.MustCompile(`(?m)^` + shown)
		r.until(shown, func() bool { _, body = r.get("/metrics"); return line.MatchString(body) })
	}
	require.NoError(t, r.stop())
	return parseSamples(body)
}
