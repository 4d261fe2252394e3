package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of an entry's texts, in characters, and of its numbers.
const (
	maxSummary    = 140
	maxText       = 400
	maxEntryName  = 60
	maxDelayS     = 30 * 24 * 3600
	maxMultiplier = 100
	maxRetries    = 1000
	maxSIP        = 699
	maxQ850       = 127
)

// check holds the finished catalog to its rules.
func (b *build) check() {
	if len(b.entries) > maxEntries {
		b.mistake(b.last, "entries", "with these the catalog has more than %d codes", maxEntries)
		return
	}
	byName := map[string]placed{}
	for _, code := range slices.Sorted(maps.Keys(b.entries)) {
		p := b.entries[code]
		c := checker{b: b, p: p}
		c.whole()
		c.texts()
		c.lists()
		c.retry()
		var buf [maxName]byte
		folded, ok := fold(&buf, p.Name)
		if !ok {
			continue // reported with the texts
		}
		if other, ok := byName[string(folded)]; ok {
			if b.isBuiltIn(p.doc) || !p.doc.Has(p.path+".name") { // the other one has taken the name
				c.p, other = other, p
			}
			c.wrong("name", "%q is the name of code %d already", c.p.Name, other.Code)
		}
		byName[string(folded)] = p
	}
	for _, l := range slices.SortedFunc(maps.Values(b.names), func(a, b placedName) int { return cmp.Compare(a.Name, b.Name) }) {
		if _, ok := b.entries[l.Code]; !ok {
			b.mistake(l.doc, l.path+".code", "there is no code %d for the name %q%s", l.Code, l.Name, b.nearestCode(l.Code))
		}
		var buf [maxName]byte
		folded, _ := fold(&buf, l.Name)
		switch e, ok := byName[string(folded)]; {
		case !ok || e.Code == l.Code:
		case b.isBuiltIn(l.doc):
			b.mistake(e.doc, e.path+".name", "%q is the legacy name %s of code %d: it cannot be the name of %d", e.Name, l.Name, l.Code, e.Code)
		default:
			b.mistake(l.doc, l.path+".name", "%q is the name of code %d: it cannot stand for %d", l.Name, e.Code, l.Code)
		}
	}
}

// checker holds one entry to the rules.
type checker struct {
	b *build
	p placed
}

func (c *checker) wrong(field, format string, args ...any) {
	path := c.p.path
	if field != "" {
		path += "." + field
	}
	c.b.mistakes = append(c.b.mistakes, c.p.doc.At(path, "%s: %s", path, fmt.Sprintf(format, args...)))
}

// whole says of an entry that adds a code, and lacks what a new one needs, that it does: it may be meant to change another.
func (c *checker) whole() {
	a, ok := c.b.added[c.p.Code]
	if !ok {
		return
	}
	e := &c.p.Entry
	for field, empty := range map[string]bool{
		"name": e.Name == "", "summary": e.Summary == "", "remedy": e.Remedy == "", "fault": e.Fault == "",
		"sources": len(e.Sources) == 0 && !e.Provisional, "states": len(e.States) == 0 && !e.Provisional,
		"retry.class": e.Retry.Class == "", "retry.auto": e.Retry.Auto == "", "retry.why": e.Retry.Why == "",
	} {
		if empty && !c.p.doc.Has(c.p.path+"."+field) {
			c.b.mistake(a.doc, a.path+".code", "code %d is not in the catalog, so this adds it%s", e.Code, a.nearest)
			return
		}
	}
}

func (c *checker) texts() {
	if c.p.Code < 0 {
		c.wrong("code", "a code is not negative")
	}
	for _, t := range []struct {
		field, text string
		most        int
	}{
		{"name", c.p.Name, maxEntryName}, {"summary", c.p.Summary, maxSummary}, {"remedy", c.p.Remedy, maxText}, {"retry.why", c.p.Retry.Why, maxText},
	} {
		switch n := utf8.RuneCountInString(t.text); {
		case strings.TrimSpace(t.text) == "":
			c.wrong(t.field, "is missing (code %d)", c.p.Code)
		case n > t.most:
			c.wrong(t.field, "has %d characters, at most %d", n, t.most)
		case strings.ContainsAny(t.text, "\n\r"):
			c.wrong(t.field, "is more than one line")
		case t.field == "name" && !foldable(t.text):
			c.wrong(t.field, "%q cannot be looked up: a name has 1 to %d bytes besides outer ' ', '_' and '-'", t.text, maxName)
		}
	}
	if c.p.Provisional && c.p.Source == "" {
		c.wrong("source", "is missing: a provisional code says where it was seen")
	}
	if !c.p.Provisional && c.p.Source != "" {
		c.wrong("source", "only a provisional code has one")
	}
}

func (c *checker) lists() {
	if !c.p.Provisional && len(c.p.Sources) == 0 {
		c.wrong("sources", "is missing: %s", oneOf(Sources()))
	}
	if !c.p.Provisional && len(c.p.States) == 0 {
		c.wrong("states", "is missing: %s", oneOf(States()))
	}
	for i, s := range c.p.Sources {
		if at := fmt.Sprintf("sources[%d]", i); s.By == "" && !c.p.doc.Has(c.p.path+"."+at+".by") {
			c.wrong(at, "by is missing: %s", oneOf(Sources()))
		}
	}
	if c.p.Fault == "" {
		c.wrong("fault", "is missing: %s", oneOf(Faults()))
	}
	if n := c.p.Nearest.SIP; n != 0 && (n < 100 || n > maxSIP) {
		c.wrong("nearest.sip", "%d is no SIP response code", n)
	}
	if n := c.p.Nearest.Q850; n < 0 || n > maxQ850 {
		c.wrong("nearest.q850", "%d is no Q.850 cause", n)
	}
	twice(c, "directions", c.p.Directions)
	twice(c, "states", c.p.States)
	twice(c, "surfaces", c.p.Surfaces)
	twice(c, "flags", c.p.Flags)
}

func twice[T ~string](c *checker, field string, list []T) {
	for i, w := range list {
		if slices.Contains(list[:i], w) {
			c.wrong(fmt.Sprintf("%s[%d]", field, i), "%q stands twice", w)
		}
	}
}

// delays tells whether a class waits before a redial.
func delays(class Class) bool {
	return class == ClassShortDelay || class == ClassLongDelay || class == ClassAlternate
}

func (c *checker) retry() { checkRetry(&c.p.Retry, c.wrong) }

// checkRetry holds a policy to the rules; wrong takes each mistake with its field.
func checkRetry(r *Retry, wrong func(field, format string, args ...any)) {
	if r.Class == "" {
		wrong("retry.class", "is missing: %s", oneOf(Classes()))
		return
	}
	if r.Auto == "" {
		wrong("retry.auto", "is missing: %s", oneOf(Autos()))
		return
	}
	if (r.Class == ClassNone || r.Class == ClassNever) && r.Auto != AutoBlocked {
		wrong("retry.auto", "class %s goes with auto: blocked", r.Class)
	}
	// A cause that is gated may be tried once its fix is signalled; then it has a delay.
	timed := r.InitialS != 0 || r.Multiplier != 0 || r.CapS != 0 || r.MaxRetries != 0 || r.Jitter != ""
	switch {
	case delays(r.Class), r.Auto == AutoGated && timed:
		checkDelay(r, wrong)
	case timed:
		wrong("retry", "class %s with auto: %s has no delay: leave out initial_s, multiplier, cap_s, max_retries and jitter", r.Class, r.Auto)
	}
	if delays(r.Class) && r.Auto == AutoBlocked {
		wrong("retry.auto", "class %s is for redialling: auto is allowed, opt_in or gated", r.Class)
	}
	if r.Class == ClassAfterFix && r.Fix == "" {
		wrong("retry.fix", "is missing: class after_fix says what has to be mended: %s", oneOf(Fixes()))
	}
}

func checkDelay(r *Retry, wrong func(field, format string, args ...any)) {
	if !(r.InitialS > 0 && r.InitialS <= maxDelayS) {
		wrong("retry.initial_s", "is above 0 and at most %d seconds", maxDelayS)
	}
	if !(r.Multiplier >= 1 && r.Multiplier <= maxMultiplier) {
		wrong("retry.multiplier", "is 1 to %d", maxMultiplier)
	}
	if !(r.CapS >= r.InitialS && r.CapS <= maxDelayS) {
		wrong("retry.cap_s", "is at least initial_s and at most %d seconds", maxDelayS)
	}
	if r.MaxRetries < 1 || r.MaxRetries > maxRetries {
		wrong("retry.max_retries", "is 1 to %d: nobody may be called for ever", maxRetries)
	}
	if r.Jitter == "" {
		wrong("retry.jitter", "is missing: %s", oneOf(Jitters()))
	}
	if r.Target == "" {
		wrong("retry.target", "is missing: %s", oneOf(Targets()))
	}
}

func oneOf[T ~string](list []T) string { return "one of " + strings.Join(words(list), ", ") }
