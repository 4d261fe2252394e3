package catalog

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/callstream/enricher/internal/strictyaml"
)

// optionalField is a field that an overlay may set to null, which clears what it inherits.
// A field that every entry must have is not among them.
type optionalField struct {
	path  string
	clear func(e *Entry)
}

func optionalFields() []optionalField {
	return []optionalField{
		{"call_types", func(e *Entry) { e.CallTypes = "" }},
		{"sources", func(e *Entry) { e.Sources = nil }},
		{"directions", func(e *Entry) { e.Directions = nil }},
		{"states", func(e *Entry) { e.States = nil }},
		{"surfaces", func(e *Entry) { e.Surfaces = nil }},
		{"retry.target", func(e *Entry) { e.Retry.Target = "" }},
		{"retry.scope", func(e *Entry) { e.Retry.Scope = "" }},
		{"retry.initial_s", func(e *Entry) { e.Retry.InitialS = 0 }},
		{"retry.multiplier", func(e *Entry) { e.Retry.Multiplier = 0 }},
		{"retry.cap_s", func(e *Entry) { e.Retry.CapS = 0 }},
		{"retry.max_retries", func(e *Entry) { e.Retry.MaxRetries = 0 }},
		{"retry.jitter", func(e *Entry) { e.Retry.Jitter = "" }},
		{"retry.fix", func(e *Entry) { e.Retry.Fix = "" }},
		{"nearest", func(e *Entry) { e.Nearest = Nearest{} }},
		{"nearest.sip", func(e *Entry) { e.Nearest.SIP = 0 }},
		{"nearest.q850", func(e *Entry) { e.Nearest.Q850 = 0 }},
		{"flags", func(e *Entry) { e.Flags = nil }},
		{"params", func(e *Entry) { e.Params = nil }},
		{"source", func(e *Entry) { e.Source = "" }},
	}
}

// clearNulls takes out of e what the overlay's entry at path sets to null.
func clearNulls(doc *strictyaml.Document, path string, e *Entry) {
	for _, f := range optionalFields() {
		if doc.IsNull(path + "." + f.path) {
			f.clear(e)
		}
	}
}

// allowNulls takes out the decoder's mistakes about nulls that clear a field: it reads
// strictly into plain fields, and so refuses every null scalar.
func allowNulls(doc *strictyaml.Document, entries int, found strictyaml.Mistakes) strictyaml.Mistakes {
	type place struct{ line, column int }

	allowed := map[place]bool{}
	for i := range entries {
		for _, f := range optionalFields() {
			path := entryPath(i) + "." + f.path
			if doc.IsNull(path) {
				at := doc.At(path, "")
				allowed[place{at.Line, at.Column}] = true
			}
		}
	}

	return slices.DeleteFunc(found, func(m strictyaml.Mistake) bool { return allowed[place{m.Line, m.Column}] })
}

// entryPath is where the i-th entry stands in its file.
func entryPath(i int) string { return "entries[" + strconv.Itoa(i) + "]" }

// alone tells whether an overlay's entry says nothing but its code.
func alone(e *Entry) bool { return reflect.DeepEqual(*e, Entry{Code: e.Code}) }
