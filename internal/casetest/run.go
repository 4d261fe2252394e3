package casetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/enrich"
)

// Mismatch is one expectation that did not hold.
type Mismatch struct {
	What string          `json:"what"` // such as "outcome" or "fields hangup.fault"
	Line int             `json:"line"` // where it is expected, from 1
	Want json.RawMessage `json:"want"` // null: nothing
	Got  json.RawMessage `json:"got"`
	Note string          `json:"note,omitempty"` // what may be the cause

	column int
}

// Run tries a case, and gives what did not hold in the order of the file; nothing if all did.
func (s *Subject) Run(c *Case) []Mismatch {
	r := run{c: c, s: s, got: s.try(c.record())}

	r.outcome()
	r.places()
	r.fields()
	r.headers()
	r.advice()

	slices.SortStableFunc(r.mismatches, func(a, b Mismatch) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.column, b.column))
	})

	return r.mismatches
}

// run is one case being held against what came out.
type run struct {
	c          *Case
	s          *Subject
	got        placed
	mismatches []Mismatch
}

// check notes what does not hold. The parts of the path are joined by dots in the file.
func (r *run) check(holds bool, section, key string, wanted, got []byte, note string) {
	if holds {
		return
	}

	path, what := "expect."+section, section
	if key != "" {
		path, what = path+"."+key, what+" "+key
	}

	at := r.c.at(path)
	r.mismatches = append(r.mismatches, Mismatch{what, at.Line, wanted, got, note, at.Column})
}

func (r *run) outcome() {
	e := &r.c.expect

	note := ""
	if r.got.Outcome == enrich.Malformed {
		note = fmt.Sprintf("%s: %s", r.got.Reason, r.got.Detail)
	}

	r.word("outcome", "", string(e.Outcome), r.got.Outcome.String(), note)
	r.word("reason", "", string(e.Reason), string(r.got.Reason), "")

	var code any // null: none
	if r.got.HasCode {
		code = r.got.Code
	}

	if e.noCode {
		r.check(!r.got.HasCode, "code", "", []byte("null"), encode(code), "")
	}

	if e.Code != nil {
		r.check(r.got.HasCode && *e.Code == r.got.Code, "code", "", encode(*e.Code), encode(code), "")
	}
}

// word compares a word of a closed list, if one is expected.
func (r *run) word(section, key, wanted, got, note string) {
	if wanted != "" {
		r.check(wanted == got, section, key, encode(wanted), orNull(got), note)
	}
}

func (r *run) places() {
	e := &r.c.expect

	if e.Output != nil {
		r.check(*e.Output == r.got.output, "output", "", encode(*e.Output), encode(r.got.output), "")
	}

	if e.Routes == nil {
		return
	}

	wanted, got := slices.Clone(e.Routes), slices.Clone(r.got.routes)
	slices.Sort(wanted)
	slices.Sort(got)
	r.check(slices.Equal(slices.Compact(wanted), got), "routes", "", encode(e.Routes), encode(r.got.routes), r.s.routeNote(e.Routes))
}

// routeNote says that a route is not there at all.
func (s *Subject) routeNote(wanted []string) string {
	for _, name := range wanted {
		if slices.Contains(s.names, name) {
			continue
		}

		if len(s.names) == 0 {
			return "the configuration has no routes"
		}

		note := fmt.Sprintf("the configuration has no route %q", name)
		if near, ok := strictyaml.Nearest(name, s.names); ok {
			note += fmt.Sprintf("; did you mean %q?", near)
		}

		return note
	}

	return ""
}

func (r *run) fields() {
	if len(r.c.expect.Fields) == 0 {
		return
	}

	value := r.got.AppendValue(nil)

	for path, w := range r.c.expect.Fields {
		got := gjson.GetBytes(value, path)

		note := ""
		if !got.Exists() {
			note = nearestPath(path, value)
		}

		r.check(w.holds(got), "fields", path, w.json(), raw(got), note)
	}
}

// raw is a found value as JSON.
func raw(v gjson.Result) []byte {
	switch {
	case v.Type == gjson.Null:
		return []byte("null")
	case gjson.Valid(v.Raw):
		return []byte(v.Raw)
	default: // a count, or what a modifier made
		return encode(v.Value())
	}
}

func nearestPath(path string, value []byte) string {
	var known []string

	const deep = 4 // the object's members are at 3

	paths(&known, "", gjson.ParseBytes(value), deep)

	if near, ok := strictyaml.Nearest(path, known); ok {
		return fmt.Sprintf("did you mean %s?", near)
	}

	return ""
}

// paths lists where something stands in an object.
func paths(out *[]string, prefix string, v gjson.Result, deep int) {
	const atMost = 1000 // of an event's own

	if !v.IsObject() || deep == 0 {
		return
	}

	v.ForEach(func(key, member gjson.Result) bool {
		path := prefix + key.Str
		*out = append(*out, path)
		paths(out, path+".", member, deep-1)

		return len(*out) < atMost
	})
}

func (r *run) headers() {
	if len(r.c.expect.Headers) == 0 {
		return
	}

	got := r.written()

	for name, wanted := range r.c.expect.Headers {
		value, has := got[name]
		shown := []byte("null")

		if has {
			shown = encode(value)
		}

		if wanted == nil {
			r.check(!has, "headers", name, []byte("null"), shown, "")

			continue
		}

		note := ""
		if near, ok := strictyaml.Nearest(name, slices.Sorted(maps.Keys(got))); ok && !has {
			note = fmt.Sprintf("did you mean %s?", near)
		}

		r.check(has && value == string(*wanted), "headers", name, encode(*wanted), shown, note)
	}
}

// written is the headers of the record that is written.
func (r *run) written() map[string]string {
	out := map[string]string{}
	for name, value := range r.c.headers {
		out[name] = string(value)
	}

	for _, name := range r.got.DropHeaders {
		delete(out, name)
	}

	for _, h := range r.got.Headers {
		out[h.Name] = string(h.Value)
	}

	return out
}

func (r *run) advice() {
	w, got := &r.c.expect.Advice, &r.got.Advice

	if w.Retryable != nil {
		r.check(*w.Retryable == got.Retryable, "advice", "retryable", encode(*w.Retryable), encode(got.Retryable), "")
	}

	r.word("advice", "class", string(w.Class), string(got.Class), "")
	r.amount("delay_s", w.DelayS, got.DelayS)
	r.amount("attempt", w.Attempt, int64(got.Attempt))
	r.amount("max_attempts", w.MaxAttempts, int64(got.MaxAttempts))
	r.word("advice", "reason", string(w.Reason), string(got.Reason), "")

	if w.NotBefore != nil {
		at := time.Time(*w.NotBefore).UnixMilli()
		r.check(at == got.NotBeforeMS, "advice", "not_before", instant(at), instant(got.NotBeforeMS), r.timeNote())
	}
}

// timeNote says why there is no time.
func (r *run) timeNote() string {
	if r.c.Timestamp.IsZero() {
		return "the case has no timestamp to count from"
	}

	return ""
}

func (r *run) amount(key string, wanted *amount, got int64) {
	if wanted != nil {
		r.check(wanted.holds(float64(got)), "advice", key, wanted.json(), strconv.AppendInt(nil, got, 10), "")
	}
}

// instant is milliseconds since the epoch as a JSON string; null for -1.
func instant(ms int64) []byte {
	if ms < 0 {
		return []byte("null")
	}

	return encode(time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func orNull(word string) []byte {
	if word == "" {
		return []byte("null")
	}

	return encode(word)
}
