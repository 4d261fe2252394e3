package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/strictyaml"
)

// schema is the part of JSON Schema, draft 2020-12, that a configuration needs. The
// order of its members is that of the output.
type schema struct {
	Dialect     string      `json:"$schema,omitempty"`
	ID          string      `json:"$id,omitempty"`
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
	Type        any         `json:"type,omitempty"` // a name, or a list of names
	Enum        []string    `json:"enum,omitempty"`
	Pattern     string      `json:"pattern,omitempty"`
	Minimum     any         `json:"minimum,omitempty"`
	Maximum     any         `json:"maximum,omitempty"`
	MinItems    int         `json:"minItems,omitempty"`
	Items       *schema     `json:"items,omitempty"`
	AnyOf       []*schema   `json:"anyOf,omitempty"`
	Default     any         `json:"default,omitempty"`
	Properties  *properties `json:"properties,omitempty"`
	Required    []string    `json:"required,omitempty"`
	Additional  *bool       `json:"additionalProperties,omitempty"`
	MinProps    int         `json:"minProperties,omitempty"`
}

// properties keeps the order of the keys.
type properties struct {
	names   []string
	schemas map[string]*schema
}

// MarshalJSON writes an object in order.
func (p *properties) MarshalJSON() ([]byte, error) {
	var b strings.Builder

	for i, name := range p.names {
		text, err := json.Marshal(p.schemas[name])
		if err != nil {
			return nil, fmt.Errorf("write schema of %s: %w", name, err)
		}

		if i > 0 {
			b.WriteByte(',')
		}

		fmt.Fprintf(&b, "%q:%s", name, text)
	}

	return []byte("{" + b.String() + "}"), nil
}

// required are the keys without which no file is valid.
func required() []string {
	return []string{
		"kafka", "kafka.brokers", "input", "input.topics", "input.group", "output", "output.topic",
		"routes[].name", "routes[].match", "routes[].topic",
		"retry.tiers[].topic", "retry.tiers[].wait", "retry.policies[].match", "retry.window.prefixes[].prefix", "retry.window.prefixes[].zone",
	}
}

// Schema is the JSON Schema (draft 2020-12) of a configuration file, indented. A value may
// always be a string that holds ${…} where its type allows any string; where
// it does not, a pattern for that is among the choices.
func Schema(known Vocabulary) ([]byte, error) {
	g := generator{keys: map[string]key{}, known: known}
	for _, k := range keys() {
		g.keys[k.path] = k
	}

	root := g.of(reflect.ValueOf(*Default()), "")
	root.Dialect = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "enricher configuration"

	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}

	return append(text, '\n'), nil
}

type generator struct {
	keys  map[string]key
	known Vocabulary
}

// of describes a type; the value gives the default.
func (g *generator) of(v reflect.Value, path string) *schema {
	s := &schema{Description: g.keys[path].doc}

	if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[CodeRange]() {
		g.object(s, v, path)

		return s
	}

	if v.Kind() == reflect.Slice {
		g.list(s, v, path)
	} else {
		g.scalar(s, v, path)
	}

	if !strings.Contains(path, "[]") && !isRequired(path) {
		s.Default = Default().tree(v, path)
	}

	return s
}

func isRequired(path string) bool {
	return slices.Contains(required(), path)
}

func (g *generator) object(s *schema, v reflect.Value, path string) {
	no := false
	s.Type, s.Additional = "object", &no
	s.Properties = &properties{schemas: map[string]*schema{}}

	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}

		inner := strings.TrimPrefix(path+"."+name, ".")
		field := g.of(v.Field(i), inner)

		if strings.Contains(v.Type().Field(i).Tag.Get("yaml"), ",single") {
			one := *field.Items
			one.Description = ""
			field = &schema{Description: field.Description, AnyOf: []*schema{&one, {Type: "array", Items: &one}}}
		}

		s.Properties.names = append(s.Properties.names, name)
		s.Properties.schemas[name] = field

		if isRequired(inner) {
			s.Required = append(s.Required, name)
		}
	}

	if v.Type() == reflect.TypeFor[Match]() || v.Type() == reflect.TypeFor[PolicyMatch]() {
		s.MinProps = 1
	}

	// A section whose keys are all commented out is null.
	if len(s.Required) == 0 && s.MinProps == 0 && path != "" {
		s.Type = []string{"object", "null"}
	}
}

func (g *generator) list(s *schema, v reflect.Value, path string) {
	item := path + "[]"
	if isRequired(path) {
		s.MinItems = 1
	}

	s.Type = "array"
	s.Items = g.of(reflect.New(v.Type().Elem()).Elem(), item)
	s.Items.Description = ""

	if words := g.words(path); len(words) > 0 {
		s.Items = &schema{AnyOf: []*schema{{Type: typeString, Enum: words}, {Type: typeString, Pattern: expansion}}}
	}
}

// words are the closed lists that Config's types do not know.
func (g *generator) words(path string) []string {
	switch path {
	case "routes[].match.fault", "retry.policies[].match.fault":
		return g.known.Faults
	case "routes[].match.class", "retry.policies[].match.class":
		return g.known.Classes
	case "routes[].match.flags":
		return g.known.Flags
	case "routes[].match.source":
		return g.known.Sources
	case "enrich.fields":
		return g.known.Members
	case "enrich.headers":
		return g.known.Headers
	default:
		return nil
	}
}

const (
	typeString = "string"
	expansion  = `\$\{`            // in a value that is filled in later
	number     = `(0|[1-9][0-9]*)` // that no reader takes for octal
)

func (g *generator) scalar(s *schema, v reflect.Value, path string) {
	if e, ok := reflect.TypeAssert[strictyaml.Enumerated](v); ok {
		s.AnyOf = []*schema{{Type: typeString, Enum: e.Values()}, {Type: typeString, Pattern: expansion}}

		return
	}

	switch v.Interface().(type) {
	case Bytes:
		s.AnyOf = []*schema{{Type: typeString, Pattern: `^` + number + ` *(B|KiB|MiB|GiB)?$|` + expansion}, {Type: "integer", Minimum: 0}}
	case CodeRange:
		s.AnyOf = []*schema{{Type: typeString, Pattern: `^` + number + `( *- *` + number + `)?$|` + expansion}, {Type: "integer", Minimum: 0}}
	case time.Duration:
		s.Type, s.Pattern = typeString, `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|`+expansion
	case Start:
		s.Type, s.Pattern = typeString, `^(earliest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T.+)$|`+expansion
	default:
		g.plain(s, v, path)
	}

	if k := g.keys[path]; k.low != nil && s.Minimum == nil {
		s.Description += fmt.Sprintf(" %v to %v.", k.low, k.high)
	}
}

func (g *generator) plain(s *schema, v reflect.Value, path string) {
	kind := v.Kind()
	if kind == reflect.Pointer {
		kind = v.Type().Elem().Kind()
	}

	switch kind {
	case reflect.Bool:
		s.AnyOf = []*schema{{Type: "boolean"}, {Type: typeString, Pattern: expansion}}
	case reflect.Int, reflect.Int32:
		k := g.keys[path]
		if k.low == nil {
			k.low, k.high = 0, 1<<31-1
		}

		s.AnyOf = []*schema{{Type: "integer", Minimum: k.low, Maximum: k.high}, {Type: typeString, Pattern: expansion}}
	default:
		s.Type = typeString
	}
}
