package chart_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestProgramTakesTheConfiguration mounts what was rendered as the pods do, and asks the real program.
func TestProgramTakesTheConfiguration(t *testing.T) {
	program := build(t)
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			out, err := validate(t, program, objects(t, caseValues(t, name)))
			require.NoError(t, err, out)
			require.Contains(t, out, "ok")
		})
	}
	t.Run("a mistake that no schema sees", func(t *testing.T) {
		out, err := validate(t, program, objects(t, caseValues(t, "minimal", `config: {output: {topic: calls.raw}}`)))
		require.Error(t, err)
		require.Contains(t, out, "what is written would be read again, without end")
	})
	t.Run("a broken overlay", func(t *testing.T) {
		out, err := validate(t, program, objects(t, caseValues(t, "retry", `overlays: {acme.yaml: "entries: [{code: x}]\n"}`)))
		require.Error(t, err)
		require.Contains(t, out, "acme.yaml")
	})
}

// TestEveryKeyPasses: the reference configurations pass schema, templates and program, whatever they set.
func TestEveryKeyPasses(t *testing.T) {
	program := build(t)
	for _, file := range []string{"enricher.yaml", "minimal.yaml", "retry.yaml"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(rootDir, "config", file))
			require.NoError(t, err)
			var config map[string]any
			require.NoError(t, yaml.Unmarshal(text, &config))
			config["ops"] = overlay(section(config, "ops"), map[string]any{"listen": ":8080"})
			all := objects(t, map[string]any{"config": config})
			out, err := validate(t, program, all)
			require.NoError(t, err, out)
		})
	}
}

func section(config map[string]any, key string) map[string]any {
	if below, ok := config[key].(map[string]any); ok {
		return below
	}
	return map[string]any{}
}

// TestConfigurationIsVerbatim: what comes out is what went in, with the chart's defaults where nothing did.
func TestConfigurationIsVerbatim(t *testing.T) {
	odd := `config: {enrich: {field: "{{ .Release.Name }}", opt_in: [2000]}, kafka: {client_id: "017"}, input: {group: "${GROUP:-a: b}", max_depth: 9999999},
  retry: {window: {from: "09:00", to: "20:00", zone: "no"}}, limits: {buffer_bytes: 68719476736}}`
	for _, name := range cases(t) {
		t.Run(name, func(t *testing.T) {
			values := caseValues(t, name)
			if name == "minimal" {
				values = caseValues(t, name, odd)
			}
			want := overlay(map[string]any{"ops": map[string]any{"listen": ":8080"}, "log": map[string]any{"format": "json"}}, section(values, "config"))
			all := objects(t, values)
			fullname := "demo-enricher"
			if name == "hpa" {
				fullname = "calls"
			}
			var got map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(find[*corev1.ConfigMap](t, all, "ConfigMap", fullname).Data["enricher.yaml"]), &got))
			require.Equal(t, want, got)
		})
	}
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "enricher")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/enricher")
	cmd.Dir = rootDir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// validate lays the ConfigMaps out as the kubelet does and runs `enricher config validate` with the pod's variables.
func validate(t *testing.T, program string, all []object) (string, error) {
	t.Helper()
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets")
	require.NoError(t, os.MkdirAll(filepath.Join(secrets, "kafka"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(secrets, "kafka", "client-id"), []byte("calls\n"), 0o644))
	var pod *corev1.PodSpec
	for _, o := range all {
		if o.kind == "StatefulSet" {
			pod = podSpec(o)
		}
	}
	for _, source := range pod.Volumes[0].Projected.Sources {
		data := maps.Clone(find[*corev1.ConfigMap](t, all, "ConfigMap", source.ConfigMap.Name).Data)
		for _, item := range source.ConfigMap.Items {
			file := filepath.Join(dir, "etc", item.Path)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			text := strings.ReplaceAll(data[item.Key], "/run/secrets", secrets)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "config", "validate", filepath.Join(dir, "etc", "enricher.yaml"))
	cmd.Env = environment(pod.Containers[0])
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// environment is what the kubelet makes of a container's variables, on a node whose pods have no zone.
func environment(c corev1.Container) []string {
	var env []string
	var known []string // pairs for a Replacer
	for _, e := range c.Env {
		value := strings.NewReplacer(known...).Replace(e.Value)
		switch from := e.ValueFrom; {
		case from == nil:
		case from.ResourceFieldRef != nil:
			limit, divisor := c.Resources.Limits.Memory().Value(), from.ResourceFieldRef.Divisor.Value()
			value = strconv.FormatInt((limit+divisor-1)/divisor, 10)
		case from.FieldRef.FieldPath == "metadata.name":
			value = "demo-enricher-0"
		}
		env = append(env, e.Name+"="+value)
		known = append(known, "$("+e.Name+")", value)
	}
	return env
}

// TestMemoryLimit: Go is told 95 % of the container's limit, whatever the unit, or what the values say.
func TestMemoryLimit(t *testing.T) {
	for _, tt := range []struct{ name, values, want string }{
		{"default", `{}`, "GOMEMLIMIT=256000000"},
		{"gibibytes", `filter: {resources: {limits: {memory: 2Gi}}}`, "GOMEMLIMIT=2048000000"},
		{"rounded up to a mebibyte", `filter: {resources: {limits: {memory: 500M}}}`, "GOMEMLIMIT=477000000"},
		{"given", `goMemLimit: 200MiB`, "GOMEMLIMIT=200MiB"},
		{"off", `goMemLimit: "off"`, ""},
		{"off, and by hand", `{goMemLimit: "off", extraEnv: [{name: GOMEMLIMIT, value: 1GiB}]}`, "GOMEMLIMIT=1GiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := find[*appsv1.StatefulSet](t, objects(t, caseValues(t, "minimal", tt.values)), "StatefulSet", "demo-enricher")
			got := ""
			for _, e := range environment(set.Spec.Template.Spec.Containers[0]) {
				if strings.HasPrefix(e, "GOMEMLIMIT=") {
					got = e
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
}
