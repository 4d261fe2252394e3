package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/callstream/enricher/internal/strictyaml"
)

// Vocabulary holds closed lists that belong to other packages. An empty list is not
// checked against.
type Vocabulary struct {
	Faults  []string
	Classes []string // retry classes
	Flags   []string
	Sources []string // parties that may end a call
	Members []string // of the object, those of retry as "retry.class"; "retry" is all of them
	Headers []string
}

// CheckWords checks words by closed lists. It is a check for Load, as are those below.
func (c *Config) CheckWords(known Vocabulary) strictyaml.Mistakes {
	var ms strictyaml.Mistakes

	check := func(path string, words, allowed []string) {
		for i, word := range words {
			if len(allowed) == 0 || slices.Contains(allowed, word) {
				continue
			}

			hint := ""
			if near, ok := strictyaml.Nearest(word, allowed); ok {
				hint = "; did you mean " + strconv.Quote(near) + "?"
			}

			item := c.indexed(path, i)
			if c.secrets[item] {
				hint = "" // a word that is near tells most of it
			}

			ms = append(ms, c.At(item, "%s is none of %s%s", c.quoted(item, word), strings.Join(allowed, ", "), hint))
		}
	}

	for i, r := range c.Routes {
		match := at("routes", i) + ".match."
		check(match+"fault", r.Match.Fault, known.Faults)
		check(match+"class", r.Match.Class, known.Classes)
		check(match+"flags", r.Match.Flags, known.Flags)
		check(match+"source", r.Match.Source, known.Sources)
	}

	for i, p := range c.Retry.Policies {
		policy := at("retry.policies", i)
		check(policy+".match.fault", p.Match.Fault, known.Faults)
		check(policy+".match.class", p.Match.Class, known.Classes)

		if p.Class != "" {
			check(policy+".class", []string{p.Class}, known.Classes)
		}
	}

	check("enrich.fields", c.Enrich.Fields, known.Members)
	check("enrich.headers", c.Enrich.Headers, known.Headers)

	return ms
}

// CheckPaths checks all gjson paths. check gets each with the key that it must not read, which is enrich.field; "" for those that
// may read all. What it says stands behind the path.
func (c *Config) CheckPaths(check func(path, field string) error) strictyaml.Mistakes {
	var ms strictyaml.Mistakes

	list := func(key string, paths []string, field string) {
		for i, path := range paths {
			if err := check(path, field); err != nil {
				ms = append(ms, c.At(at(key, i), "%s %v", c.quoted(at(key, i), path), err))
			}
		}
	}

	list("enrich.foreign_when", c.Enrich.ForeignWhen, c.Enrich.Field)

	for _, p := range c.Enrich.Paths.each() {
		list("enrich.paths."+p.name, *p.paths, c.Enrich.Field)
	}

	list("retry.cancel.key", c.Retry.Cancel.Key, "")
	list("retry.window.zone_paths", c.Retry.Window.ZonePaths, "")
	list("retry.window.number_paths", c.Retry.Window.NumberPaths, "")

	return ms
}

// CheckOptIn checks enrich.opt_in by the codes whose policy asks for an opt-in.
func (c *Config) CheckOptIn(asking []int32) strictyaml.Mistakes {
	var ms strictyaml.Mistakes

	for i, code := range c.Enrich.OptIn {
		if !slices.Contains(asking, code) {
			ms = append(ms, c.At(at("enrich.opt_in", i), "%d asks for no opt-in; those that do are %s", code, numbers(asking)))
		}
	}

	return ms
}

// indexed is the path of a list's item, or of the single value that stands for the list.
func (c *Config) indexed(path string, i int) string {
	if item := at(path, i); c.doc == nil || c.doc.Has(item) {
		return item
	}

	return path
}

func numbers(codes []int32) string {
	if len(codes) == 0 {
		return "none"
	}

	words := make([]string, 0, len(codes))
	for _, c := range codes {
		words = append(words, strconv.Itoa(int(c)))
	}

	return strings.Join(words, ", ")
}
