package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	yaml "github.com/goccy/go-yaml"
)

// masked stands for a value that came from outside and may be a secret.
const masked = "***"

// YAML is the configuration in force as YAML, every key with its value. What came from
// ${file:…} or ${VAR} shows as "***", as do passwords.
func (c *Config) YAML() ([]byte, error) {
	text, err := yaml.MarshalWithOptions(c.tree(reflect.ValueOf(*c), ""), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	return text, nil
}

// JSON is what YAML shows as JSON.
func (c *Config) JSON() ([]byte, error) {
	var text, b bytes.Buffer
	if err := writeJSON(&text, c.tree(reflect.ValueOf(*c), "")); err != nil {
		return nil, err
	}

	if err := json.Indent(&b, text.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	return append(b.Bytes(), '\n'), nil
}

// writeJSON writes a tree. The YAML library would as well, but with escapes that JSON does not know, such as \x1b.
func writeJSON(b *bytes.Buffer, tree any) error {
	switch v := tree.(type) {
	case yaml.MapSlice:
		return writeItems(b, "{}", len(v), func(i int) error {
			if err := writeJSON(b, v[i].Key); err != nil {
				return err
			}

			b.WriteByte(':')

			return writeJSON(b, v[i].Value)
		})
	case []any:
		return writeItems(b, "[]", len(v), func(i int) error { return writeJSON(b, v[i]) })
	}

	enc := json.NewEncoder(b) // the line end behind each value is white space, which json.Indent takes out
	enc.SetEscapeHTML(false)

	if err := enc.Encode(tree); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}

	return nil
}

func writeItems(b *bytes.Buffer, brackets string, n int, item func(i int) error) error {
	b.WriteByte(brackets[0])

	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}

		if err := item(i); err != nil {
			return err
		}
	}

	b.WriteByte(brackets[1])

	return nil
}

// tree is the configuration as ordered mappings, lists and scalars.
func (c *Config) tree(v reflect.Value, path string) any {
	if c.secrets[path] || isSecret(path) && v.String() != "" {
		return masked
	}

	switch value := v.Interface().(type) {
	case time.Duration:
		return shortest(value)
	case fmt.Stringer:
		return value.String()
	}

	switch v.Kind() {
	case reflect.Struct:
		return c.mapping(v, path)
	case reflect.Slice:
		return c.list(v, path)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}

		return c.tree(v.Elem(), path)
	case reflect.String:
		return v.String()
	default:
		return v.Interface()
	}
}

func (c *Config) mapping(v reflect.Value, path string) any {
	out := yaml.MapSlice{}

	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}

		inner := strings.TrimPrefix(path+"."+name, ".")
		item := c.tree(v.Field(i), inner)

		// The conditions of a match have no default to show.
		if empty, isList := item.([]any); item == nil || v.Type() == reflect.TypeFor[Match]() && isList && len(empty) == 0 {
			continue
		}

		out = append(out, yaml.MapItem{Key: name, Value: item})
	}

	return out
}

func (c *Config) list(v reflect.Value, path string) any {
	out := make([]any, 0, v.Len())
	for i := range v.Len() {
		item := c.indexed(path, i)
		out = append(out, c.tree(v.Index(i), item))
	}

	return out
}
