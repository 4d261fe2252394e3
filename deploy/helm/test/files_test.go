package chart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

// TestCopies: what the chart carries is what the repository has. A chart can only read its own files.
func TestCopies(t *testing.T) {
	for copied, source := range map[string]string{
		"files/rules.yaml":               "deploy/observability/rules.yaml",
		"files/dashboards/enricher.json": "deploy/observability/dashboard.json",
	} {
		t.Run(copied, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(rootDir, source))
			require.NoError(t, err)
			golden(t, filepath.Join(chartDir, copied), string(text))
		})
	}
}

// TestRulesAndDashboardsArrive: templates of Prometheus and Grafana are not taken for Helm's.
func TestRulesAndDashboardsArrive(t *testing.T) {
	all := objects(t, caseValues(t, "keda", `autoscaling: {minReplicas: 1}`))
	text, err := os.ReadFile(filepath.Join(chartDir, "files", "rules.yaml"))
	require.NoError(t, err)
	var want monitoringv1.PrometheusRuleSpec
	require.NoError(t, sigsyaml.UnmarshalStrict(text, &want))
	require.NotEmpty(t, want.Groups)
	require.Equal(t, want, find[*monitoringv1.PrometheusRule](t, all, "PrometheusRule", "demo-enricher").Spec)

	dashboard, err := os.ReadFile(filepath.Join(chartDir, "files", "dashboards", "enricher.json"))
	require.NoError(t, err)
	got := find[*corev1.ConfigMap](t, all, "ConfigMap", "demo-enricher-dashboards").Data["enricher.json"]
	require.JSONEq(t, string(dashboard), got)
}

// TestRulesLeftOut: by name, and that of nothing running where nothing may run.
func TestRulesLeftOut(t *testing.T) {
	alerts := func(changes ...string) []string {
		var names []string
		for _, g := range find[*monitoringv1.PrometheusRule](t, objects(t, caseValues(t, "keda", changes...)), "PrometheusRule", "demo-enricher").Spec.Groups {
			for _, r := range g.Rules {
				names = append(names, r.Alert)
			}
		}
		return names
	}
	require.NotContains(t, alerts(), "EnricherAbsent")
	all := alerts(`autoscaling: {minReplicas: 1}`)
	require.Contains(t, all, "EnricherAbsent")
	require.Contains(t, all, "EnricherDown")
	require.NotContains(t, alerts(`metrics: {prometheusRule: {disable: [EnricherDown]}}`), "EnricherDown")
}

// TestSchemaHasTheConfiguration: the part of the values' schema that is the configuration's comes from the program.
func TestSchemaHasTheConfiguration(t *testing.T) {
	const begin = `    "config": {` + "\n"
	file := filepath.Join(chartDir, "values.schema.json")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	defs := strings.LastIndex(string(text), `  "$defs": {`)
	require.Positive(t, defs)
	at := strings.Index(string(text)[defs:], begin)
	require.Positive(t, at, "config stands last in $defs")

	program, err := os.ReadFile(filepath.Join(rootDir, "config", "schema.json"))
	require.NoError(t, err)
	// A schema in a schema names neither its dialect nor itself.
	program = regexp.MustCompile(`(?m)^  "(\$schema|title)": .*\n`).ReplaceAll(program, nil)
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, bytes.TrimSpace(program), "    ", "  "))
	want := string(text)[:defs+at] + `    "config": ` + indented.String() + "\n  }\n}\n"
	require.True(t, json.Valid([]byte(want)))
	golden(t, file, want)
}

const (
	tableBegin = "<!-- values: written by `go -C deploy/helm/test test . -update` -->\n"
	tableEnd   = "<!-- end of values -->\n"
)

// TestReadme holds the table of the chart's README to values.yaml.
func TestReadme(t *testing.T) {
	file := filepath.Join(chartDir, "README.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), tableBegin)
	require.True(t, ok, "no place for the table")
	_, after, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok, "no end of the table")
	golden(t, file, before+tableBegin+table(t)+tableEnd+after)
}

// table has a row for each value that values.yaml describes, as helm-docs writes it.
func table(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	require.NoError(t, err)
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &doc))
	var b strings.Builder
	b.WriteString("\n| Key | Type | Default | Description |\n|---|---|---|---|\n")
	rows(t, &b, "", doc.Content[0], false)
	return b.String() + "\n"
}

func rows(t *testing.T, b *strings.Builder, prefix string, node *yaml.Node, described bool) {
	t.Helper()
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		text := description(key)
		if text != "" {
			fmt.Fprintf(b, "| `%s` | %s | `%s` | %s |\n", path, kind(value), compact(t, value), strings.ReplaceAll(text, "|", `\|`))
		}
		switch {
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			rows(t, b, path+".", value, described || text != "")
		case text == "":
			require.True(t, described, "values.yaml: %s has no description; begin its comment with \"# -- \"", path)
		}
	}
}

// description is the comment above a key from "# --" on.
func description(key *yaml.Node) string {
	_, text, ok := strings.Cut(key.HeadComment, "# -- ")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(text, "\n# ", " ")
}

func kind(value *yaml.Node) string {
	switch value.Kind {
	case yaml.MappingNode:
		return "object"
	case yaml.SequenceNode:
		return "list"
	default:
		return map[string]string{"!!str": "string", "!!bool": "bool", "!!int": "int", "!!null": "int or null"}[value.Tag]
	}
}

func compact(t *testing.T, value *yaml.Node) string {
	t.Helper()
	var v any
	require.NoError(t, value.Decode(&v))
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// TestDocs: every values file that the documentation shows installs. Those of the session in kubernetes.md, which lie over each
// other, have been installed where it was written.
func TestDocs(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	for _, file := range []string{filepath.Join(chartDir, "README.md"), filepath.Join(rootDir, "docs", "kubernetes.md")} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		page, _, _ := strings.Cut(string(text), "<!-- transcript:")
		blocks := block.FindAllStringSubmatch(page, -1)
		require.NotEmpty(t, blocks, file)
		for i, m := range blocks {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i), func(t *testing.T) {
				holds(t, objects(t, caseValues(t, "minimal", m[1])))
			})
		}
	}
}

// TestDocsOperations: the two files of the operator's way from nothing to pods that are scaled, the second over the first.
func TestDocsOperations(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(rootDir, "docs", "operations.md"))
	require.NoError(t, err)
	section, _, _ := strings.Cut(string(text), "## The status page")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1)
	require.Len(t, blocks, 2)
	values := map[string]any{}
	for _, block := range blocks {
		var change map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(block[1]), &change))
		values = overlay(values, change)
		holds(t, objects(t, values))
	}
}

// TestDocsMistakes: what the documentation shows of mistakes is what they look like.
func TestDocsMistakes(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join(rootDir, "docs", "kubernetes.md"))
	require.NoError(t, err)
	for _, values := range []string{
		`config: {kafka: {clientid: calls}}`,
		`{partitions: 12, autoscaling: {type: keda, maxReplicas: 20}, terminationGracePeriodSeconds: 30}`,
	} {
		_, err := render(caseValues(t, "minimal", values))
		require.Error(t, err)
		lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
		told := lines[slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "- at ") || strings.HasPrefix(l, "The values") }):]
		require.Contains(t, string(docs), "```\n"+strings.Join(told, "\n")+"\n```")
	}
}
