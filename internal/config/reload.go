package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// liveKeys are what a running process takes up when its file changes, with all below them. Everything else needs
// a restart: topics that are read, groups, transactions and memory are laid out at the start.
func liveKeys() []string {
	return []string{
		"input.format", "input.invalid_utf8", "input.max_depth", "output.drop", "routes",
		"retry.assume_first_attempt", "retry.due_per_second", "retry.policies", "retry.window", "catalog", "enrich",
	}
}

// With is the configuration with those keys taken from next that can change in a running process.
func (c *Config) With(next *Config) *Config {
	merged := *c
	merged.secrets = maps.Clone(c.secrets)
	maps.Copy(merged.secrets, next.secrets)

	for _, key := range liveKeys() {
		to, from := reflect.ValueOf(&merged).Elem(), reflect.ValueOf(next).Elem()

		for name := range strings.SplitSeq(key, ".") {
			to, from = member(to, name), member(from, name)
		}

		to.Set(from)
	}

	return &merged
}

// member is the field of a struct that a key of the file stands for.
func member(v reflect.Value, key string) reflect.Value {
	for f := range v.Type().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name == key {
			return v.FieldByIndex(f.Index)
		}
	}

	panic("no key " + key) // the tests take every live key
}

// Changes lists the keys whose values differ between two configurations, in the order of the file. A list is one
// key, whatever differs in it.
func Changes(a, b *Config) []string { return changes(reflect.ValueOf(*a), reflect.ValueOf(*b), "") }

func changes(a, b reflect.Value, path string) (keys []string) {
	if a.Kind() != reflect.Struct {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			keys = append(keys, path)
		}

		return keys
	}

	for f := range a.Type().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}

		keys = append(keys, changes(a.FieldByIndex(f.Index), b.FieldByIndex(f.Index), strings.TrimPrefix(path+"."+name, "."))...)
	}

	return keys
}

// Files are the files that a change of is worth a look: the configuration's own, and overlays.
func (c *Config) Files() []string {
	var files []string
	if c.doc != nil {
		files = append(files, c.doc.File())
	}

	return append(files, slices.Clone(c.Catalog.Overlays)...)
}
