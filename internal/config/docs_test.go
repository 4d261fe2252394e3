package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
)

const (
	docsFile   = "../../docs/configuration.md"
	tableBegin = "<!-- keys: written by `go test ./internal/config -update` -->\n"
	tableEnd   = "<!-- end of keys -->\n"
)

// TestDocumentation holds the tables of docs/configuration.md to the schema.
func TestDocumentation(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(docsFile)
	require.NoError(t, err)

	before, rest, ok := strings.Cut(string(text), tableBegin)
	require.True(t, ok, "no place for the keys")

	_, after, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok, "no end of the keys")

	golden(t, docsFile, before+tableBegin+tables(t)+tableEnd+after)
}

// tables has one table for each section of the file, the keys in order.
func tables(t *testing.T) string {
	t.Helper()

	schemas := map[string]map[string]any{}
	described(schemaOf(t), "", func(path string, s map[string]any) { schemas[path] = s })

	var b strings.Builder

	section := ""

	for _, path := range config.KeyPaths() {
		if top, _, _ := strings.Cut(strings.TrimSuffix(path, "[]"), "."); strings.TrimSuffix(top, "[]") != section {
			section = strings.TrimSuffix(top, "[]")
			fmt.Fprintf(&b, "\n### `%s`\n", section)

			if schemas[path]["properties"] != nil || path == "routes" {
				fmt.Fprintf(&b, "\n%s\n", schemas[section]["description"])
			}

			b.WriteString("\n| key | values | default | meaning |\n|---|---|---|---|\n")

			if schemas[path]["properties"] != nil || path == "routes" {
				continue
			}
		}

		s := schemas[path]
		if s["properties"] != nil && s["minProperties"] == nil {
			fmt.Fprintf(&b, "| `%s` | | | %s |\n", path, s["description"])

			continue
		}

		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", path, kinds(s), shownDefault(t, s), s["description"])
	}

	return b.String() + "\n"
}

// kinds says what may stand there.
func kinds(s map[string]any) string {
	if enum, ok := s["enum"].([]any); ok {
		words := make([]string, 0, len(enum))
		for _, e := range enum {
			words = append(words, fmt.Sprintf("`%v`", e))
		}

		return strings.Join(words, ", ")
	}

	pattern, _ := s["pattern"].(string)

	switch {
	case s["anyOf"] != nil:
		return choices(s["anyOf"].([]any))
	case s["type"] == "array":
		return plural(kinds(object(s["items"])))
	case pattern == `\$\{`:
		return ""
	case strings.Contains(pattern, "KiB"):
		return "size"
	case strings.Contains(pattern, "ms"):
		return "duration"
	case strings.Contains(pattern, "earliest"):
		return "`earliest`, `latest`, time"
	case strings.Contains(pattern, "-"):
		return "range"
	case s["type"] == "boolean":
		return "`true`, `false`"
	default:
		return fmt.Sprint(s["type"])
	}
}

func choices(list []any) string {
	var out []string

	for _, one := range list {
		if object(one)["type"] == "array" {
			return strings.Join(out, " or ") + "; one, or a list"
		}

		if k := kinds(object(one)); k != "" {
			out = append(out, k)
		}
	}

	return strings.Join(out, " or ")
}

func plural(kind string) string {
	if strings.HasPrefix(kind, "`") {
		return "list of " + kind
	}

	return "list of " + kind + "s"
}

func shownDefault(t *testing.T, s map[string]any) string {
	t.Helper()

	def, ok := s["default"]
	if !ok {
		return ""
	}

	text, err := json.Marshal(def)
	require.NoError(t, err)

	return "`" + strings.ReplaceAll(string(text), `","`, `", "`) + "`"
}
