package catalog

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/callstream/enricher/internal/strictyaml"
)

// build is a catalog under construction: each entry with the place that it was last set at,
// for messages.
type build struct {
	entries  map[int32]placed
	names    map[string]placedName // by folded name
	added    map[int32]addition    // codes that an overlay has put in
	unread   strictyaml.Mistakes   // values that could not be decoded
	mistakes strictyaml.Mistakes   // values that break a rule
	builtIn  []*strictyaml.Document
	last     *strictyaml.Document // the file that was laid last
}

// all are the mistakes to report: a value that could not be decoded is not also held to the rules.
func (b *build) all() strictyaml.Mistakes {
	type place struct {
		file         string
		line, column int
	}
	reported := map[place]bool{}
	for _, m := range b.unread {
		reported[place{m.File, m.Line, m.Column}] = true
	}
	return append(b.unread, slices.DeleteFunc(b.mistakes, func(m strictyaml.Mistake) bool {
		return reported[place{m.File, m.Line, m.Column}]
	})...)
}

// isBuiltIn tells whether a document is the program's own: a user's mistake is not reported there.
func (b *build) isBuiltIn(doc *strictyaml.Document) bool { return slices.Contains(b.builtIn, doc) }

type placed struct {
	Entry
	doc  *strictyaml.Document
	path string
}

type placedName struct {
	LegacyName
	doc  *strictyaml.Document
	path string
}

// addition is where an overlay put in a code that there was not, and which one it may have meant.
type addition struct {
	doc     *strictyaml.Document
	path    string
	nearest string
}

func (b *build) mistake(doc *strictyaml.Document, path, format string, args ...any) {
	b.mistakes = append(b.mistakes, doc.At(path, "%s: %s", path, fmt.Sprintf(format, args...)))
}

// put sets an entry; once means that the file may have its code only here.
func (b *build) put(doc *strictyaml.Document, path string, e Entry, once bool) {
	if old, ok := b.entries[e.Code]; ok && once && old.doc == doc {
		b.mistake(doc, path+".code", "code %d stands already at %s of this file", e.Code, old.path)
		return
	}
	b.entries[e.Code] = placed{e, doc, path}
}

func (b *build) putName(doc *strictyaml.Document, path string, l LegacyName) {
	var buf [maxName]byte
	folded, ok := fold(&buf, l.Name)
	if !ok {
		b.mistake(doc, path+".name", "a name has 1 to %d bytes", maxName)
		return
	}
	if old, ok := b.names[string(folded)]; ok && old.doc == doc {
		b.mistake(doc, path+".name", "%q stands already at %s of this file: one name has one code", l.Name, old.path)
		return
	}
	if !doc.Has(path + ".code") {
		b.mistake(doc, path, "code is missing") // 0 would be a code
		return
	}
	if l.Ground == "" {
		b.mistake(doc, path, "ground is missing: say why this name is this code and no other")
	}
	b.names[string(folded)] = placedName{l, doc, path}
}

// overlayEntry is an entry of an overlay before it is known what it is laid over.
type overlayEntry struct {
	Entry    `yaml:",inline"`
	Disabled bool `yaml:"disabled"`
	value    strictyaml.Value
	readable bool // the code is a code
}

// UnmarshalStrict implements strictyaml.Unmarshaler.
func (o *overlayEntry) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	type plain overlayEntry // without this method
	var p plain
	ms := v.Decode(&p)
	*o = overlayEntry(p)
	o.value = v
	// Without its code an entry cannot be placed; 0 would be a code.
	code := struct {
		Code int64 `yaml:"code"`
	}{math.MinInt64}
	_ = v.Decode(&code) // its mistakes are those of above, and keys that it does not know
	o.readable = math.MinInt32 <= code.Code && code.Code <= math.MaxInt32
	return ms
}

// overlay lays one file over what there is.
func (b *build) overlay(doc *strictyaml.Document) {
	var file struct {
		Entries     []overlayEntry `yaml:"entries"`
		LegacyNames []LegacyName   `yaml:"legacy_names"`
	}
	found := doc.Decode(&file)
	b.unread = append(b.unread, allowNulls(doc, len(file.Entries), found)...)
	b.last = doc
	seen := map[int32]string{}
	for i := range file.Entries {
		o, path := &file.Entries[i], entryPath(i)
		if !doc.Has(path + ".code") {
			b.mistake(doc, path, "code is missing")
			continue
		}
		if !o.readable {
			continue // reported by the decoder
		}
		if at, ok := seen[o.Code]; ok {
			b.mistake(doc, path+".code", "code %d stands already at %s of this file", o.Code, at)
			continue
		}
		seen[o.Code] = path
		b.lay(doc, path, o)
	}
	for i, l := range file.LegacyNames {
		b.putName(doc, fmt.Sprintf("legacy_names[%d]", i), l)
	}
}

// lay applies one entry of an overlay: it disables a code, changes the given fields, or adds.
func (b *build) lay(doc *strictyaml.Document, path string, o *overlayEntry) {
	old, exists := b.entries[o.Code]
	if o.Disabled {
		if !exists {
			b.mistake(doc, path, "code %d cannot be disabled: there is no such code%s", o.Code, b.nearestCode(o.Code))
			return
		}
		if !alone(&o.Entry) {
			b.mistake(doc, path+".disabled", "a code that is disabled has no other fields: leave them out")
		}
		delete(b.entries, o.Code)
		delete(b.added, o.Code)
		maps.DeleteFunc(b.names, func(_ string, l placedName) bool { return l.Code == o.Code })
		return
	}
	if !exists {
		b.added[o.Code] = addition{doc, path, b.nearestCode(o.Code)}
		b.put(doc, path, o.Entry, false)
		return
	}
	merged := overlayEntry{Entry: old.Entry}
	merged.Params = maps.Clone(old.Params) // not shared with the entry below
	type plain overlayEntry
	p := plain(merged)
	_ = o.value.Decode(&p) // its mistakes have been reported when the file was decoded
	clearNulls(doc, path, &p.Entry)
	if doc.Has(path+".retry.class") && !delays(p.Retry.Class) {
		p.Retry = withoutDelays(p.Retry, o.Retry)
	}
	b.put(doc, path, p.Entry, false)
}

// withoutDelays drops the delay that a class without one has inherited; what the overlay
// itself says stays, and is refused later if it does not fit.
func withoutDelays(merged, given Retry) Retry {
	merged.InitialS, merged.Multiplier, merged.CapS = given.InitialS, given.Multiplier, given.CapS
	merged.MaxRetries, merged.Jitter = given.MaxRetries, given.Jitter
	return merged
}

// nearestCode suggests the code that is nearest as a number: digits of a code have a meaning
// by place, so that a slip in the last one is likelier than in the first.
func (b *build) nearestCode(code int32) string {
	best, distance := int32(0), int64(suggestWithin+1)
	for c := range b.entries {
		d := max(int64(code)-int64(c), int64(c)-int64(code))
		if d < distance || d == distance && c < best {
			best, distance = c, d
		}
	}
	if distance > suggestWithin {
		return ""
	}
	return "; did you mean " + strconv.Itoa(int(best)) + "?"
}

// suggestWithin is how far a suggested code may be from the one that is not there.
const suggestWithin = 50
