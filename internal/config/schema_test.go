package config_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
)

// schemaOf is the schema as plain values.
func schemaOf(t *testing.T) map[string]any {
	t.Helper()

	text, err := config.Schema(config.Vocabulary{})
	require.NoError(t, err)

	var s map[string]any
	require.NoError(t, json.Unmarshal(text, &s))

	return s
}

// described walks the properties of a schema.
func described(s map[string]any, path string, visit func(path string, s map[string]any)) {
	if path != "" {
		visit(path, s)
	}

	for name, p := range object(s["properties"]) {
		described(object(p), strings.TrimPrefix(path+"."+name, "."), visit)
	}

	if items := object(s["items"]); items["properties"] != nil {
		for name, p := range object(items["properties"]) {
			described(object(p), path+"[]."+name, visit)
		}
	}
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m } //nolint:nlreturn // short

// structKeys walks the structs by reflection, apart from the generator.
func structKeys(t reflect.Type, path string) []string {
	var out []string

	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}

		name = strings.TrimPrefix(path+"."+name, ".")
		out = append(out, name)

		switch {
		case f.Type.Kind() == reflect.Struct:
			out = append(out, structKeys(f.Type, name)...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem() != reflect.TypeFor[config.CodeRange]():
			out = append(out, structKeys(f.Type.Elem(), name+"[]")...)
		}
	}

	return out
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()

	keys := map[string]bool{}

	described(schemaOf(t), "", func(path string, s map[string]any) {
		require.NotEmpty(t, s["description"], "%s has no description in keys.go", path)

		if s["type"] == "object" {
			require.Equal(t, false, s["additionalProperties"], path)
		}

		keys[path] = true
	})

	require.ElementsMatch(t, structKeys(reflect.TypeFor[config.Config](), ""), slices.Collect(maps.Keys(keys)))
}

func TestNoDescriptionIsLeftOver(t *testing.T) {
	t.Parallel()

	require.Equal(t, structKeys(reflect.TypeFor[config.Config](), ""), config.KeyPaths(), "keys.go lists the keys in the structs' order")
}

// TestReferenceFile holds config/enricher.yaml to name every key, with its default.
func TestReferenceFile(t *testing.T) {
	t.Parallel()

	const file = "../../config/enricher.yaml"

	got, err := config.Load(file)
	require.NoError(t, err)

	want := config.Default()
	want.Kafka.Brokers = []string{"127.0.0.1:9092"}
	want.Input.Topics = []string{"calls.raw"}
	want.Input.Group = "enricher"
	want.Output.Topic = "calls.enriched"
	want.DeadLetter.Topic = "calls.dead"
	yes := true
	want.Routes = []config.Route{{Name: "retry", Match: config.Match{Retryable: &yes}, Topic: "calls.retry"}}
	require.Equal(t, values(t, want), values(t, got))

	text, err := os.ReadFile(file)
	require.NoError(t, err)

	doc, err := strictyaml.Parse(file, text)
	require.NoError(t, err)

	for _, key := range config.KeyPaths() {
		if condition, ok := strings.CutPrefix(key, "routes[].match."); ok {
			require.Contains(t, string(text), "#   "+condition, "a condition that the comment does not explain")

			continue
		}

		if strings.HasPrefix(key, "retry.") && strings.Contains(key, "[]") { // empty by default: an example in the comment has it
			require.Contains(t, string(text), key[strings.LastIndexByte(key, '.')+1:]+": ", key)

			continue
		}

		require.True(t, doc.Has(strings.Replace(key, "[]", "[0]", 1)), "%s lacks %s", file, key)
	}
}

func TestFilesFitTheSchema(t *testing.T) {
	t.Parallel()

	schema := schemaOf(t)

	for _, file := range []string{"../../config/enricher.yaml", "../../config/minimal.yaml", "../../config/retry.yaml"} {
		_, err := config.Load(file)
		require.NoError(t, err)

		text, err := os.ReadFile(file)
		require.NoError(t, err)

		first, _, _ := strings.Cut(string(text), "\n")
		require.Equal(t, "# yaml-language-server: $schema=schema.json", first)
		require.FileExists(t, filepath.Join(filepath.Dir(file), "schema.json"))
		require.Empty(t, violations(schema, plain(t, string(text)), ""), file)
	}

	shown, err := parse(t, least).YAML()
	require.NoError(t, err)
	require.Empty(t, violations(schema, plain(t, string(shown)), ""), "what config show writes")
}

// TestSchemaAgreesWithLoad holds that what the schema refuses Load refuses too.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()

	schema := schemaOf(t)

	for text, want := range map[string]bool{
		least:                                                           true,
		"kafka: {brokers: [\"k:9092\"]}\n":                              false,
		least + "extra: 1\n":                                            false,
		least + "delivery: at_least_once\n":                             true,
		least + "delivery: exactly_once\n":                              true,
		least + "delivery: at_most_once\n":                              false,
		least + "log: {level: loud}\n":                                  false,
		least + "log: {level: \"${LEVEL:-info}\"}\n":                    true,
		least + "log:\n":                                                true,
		least + "limits: {linger: 5}\n":                                 false,
		least + "limits: {linger: 1.5ms}\n":                             true,
		least + "limits: {buffer_bytes: 64MB}\n":                        false,
		least + "limits: {buffer_bytes: 64MiB}\n":                       true,
		least + "limits: {buffer_bytes: 2000000}\n":                     true,
		least + "routes: []\n":                                          true,
		least + "routes: [{name: a, match: {}, topic: t}]\n":            false,
		least + "routes: [{name: a, match: {codes: 3010}, topic: t}]\n": true,
		least + "routes: [{name: a, match: {codes: [3010, 3000-3099]}, topic: t}]\n":              true,
		least + "routes: [{name: a, match: {codes: x}, topic: t}]\n":                              false,
		least + "routes: [{name: a, match: {outcome: [enriched], retryable: no}, topic: t}]\n":    false,
		least + "routes: [{name: a, match: {direction: outbound, retryable: false}, topic: t}]\n": true,
		least + "routes: [{match: {codes: 3010}, topic: t}]\n":                                    false,
		least + "enrich: {opt_in: [1.5]}\n":                                                       false,
	} {
		_, err := config.Parse("f", []byte(text), source())
		require.Equal(t, want, err == nil, "%s\n%v", text, err)
		require.Equal(t, want, len(violations(schema, plain(t, text), "")) == 0, "%s\n%v", text, violations(schema, plain(t, text), ""))
	}
}

func plain(t *testing.T, text string) any {
	t.Helper()

	doc, err := strictyaml.Parse("f", []byte(text))
	require.NoError(t, err)

	var v any
	require.Empty(t, doc.Decode(&v))

	return v
}

// violations is as much of a validator as the schema needs.
func violations(s map[string]any, v any, path string) []string {
	var out []string

	if choices, ok := s["anyOf"].([]any); ok && !slices.ContainsFunc(choices, func(one any) bool { return len(violations(object(one), v, path)) == 0 }) {
		out = append(out, path+": none of the choices")
	}

	if !ofType(s["type"], v) {
		return append(out, path+": type")
	}

	switch v := v.(type) {
	case string:
		enum, _ := s["enum"].([]any)
		if enum != nil && !slices.Contains(enum, any(v)) {
			out = append(out, path+": enum")
		}

		if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			out = append(out, path+": pattern")
		}
	case int64:
		low, hasLow := s["minimum"].(float64)
		high, hasHigh := s["maximum"].(float64)

		if hasLow && float64(v) < low || hasHigh && float64(v) > high {
			out = append(out, path+": range")
		}
	case []any:
		if least, ok := s["minItems"].(float64); ok && len(v) < int(least) {
			out = append(out, path+": minItems")
		}

		for _, item := range v {
			out = append(out, violations(object(s["items"]), item, path+"[]")...)
		}
	case map[string]any:
		out = append(out, members(s, v, path)...)
	}

	return out
}

func members(s, v map[string]any, path string) []string {
	var out []string

	for name, item := range v {
		p, known := object(s["properties"])[name]
		if !known && s["additionalProperties"] == false {
			out = append(out, path+": unknown "+name)
		}

		out = append(out, violations(object(p), item, path+"."+name)...)
	}

	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			out = append(out, path+": lacks "+name.(string))
		}
	}

	if least, ok := s["minProperties"].(float64); ok && len(v) < int(least) {
		out = append(out, path+": minProperties")
	}

	return out
}

func ofType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return ofType(one, v) })
	}

	got := "null"

	switch v.(type) {
	case string:
		got = "string"
	case int64:
		got = "integer"
	case float64:
		got = "number"
	case bool:
		got = "boolean"
	case []any:
		got = "array"
	case map[string]any:
		got = "object"
	}

	return want == nil || want == got
}
