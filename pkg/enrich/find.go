package enrich

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// finder knows where in an event each field may stand.
type finder struct {
	keys *jsonscan.Keys // key 0 is Options.Field

	foreign                                           field
	code, name, direction, answerTime, billed, status field
	callID, aLeg, parentCall, attempt, event          field
}

// field is the list of places for one field.
type field struct {
	places []place
	slots  uint64 // bits of the places that the scan finds
	nested bool   // some places are for gjson to find
	mixed  bool   // the order of places is not that of slots, or some have none
}

type place struct {
	path string
	slot int  // key of the scan; -1: gjson finds it
	made bool // by a modifier or out of the path itself, so that it need not be JSON
}

// newFinder prepares the paths of opt, and gives every mistake in them. Without call, only those of
// the cause are looked for.
func newFinder(opt *Options, call bool) (*finder, []error) {
	f := &finder{}
	names := []string{opt.Field}

	var errs []error

	for _, it := range f.fields(opt) {
		wanted := call || it.field == &f.foreign || it.field == &f.code || it.field == &f.name
		known := len(names)

		for i, path := range it.paths {
			p, err := newPlace(path, opt.Field, &names)
			if err != nil {
				errs = append(errs, fmt.Errorf("option %s[%d] %q %w", it.option, i, path, err))

				continue
			}

			if wanted {
				it.field.add(p)
			}
		}

		if !wanted {
			names = names[:known]
		}
	}

	keys, err := jsonscan.NewKeys(names)
	if err != nil {
		errs = append(errs, fmt.Errorf("prepare keys: %w", err)) // newPlace asks for no more
	}

	f.keys = keys

	return f, errs
}

type fieldPaths struct {
	name   string // for Explain
	option string // for mistakes in Options
	field  *field
	paths  []string
}

// fields pairs each field with its paths.
func (f *finder) fields(opt *Options) []fieldPaths {
	p := &opt.Paths

	return []fieldPaths{
		{"foreign", "ForeignWhen", &f.foreign, opt.ForeignWhen},
		{"code", "Paths.Code", &f.code, p.Code},
		{"name", "Paths.Name", &f.name, p.Name},
		{"direction", "Paths.Direction", &f.direction, p.Direction},
		{"answer_time", "Paths.AnswerTime", &f.answerTime, p.AnswerTime},
		{"billed", "Paths.Billed", &f.billed, p.Billed},
		{"status", "Paths.Status", &f.status, p.Status},
		{"call_id", "Paths.CallID", &f.callID, p.CallID},
		{"a_leg", "Paths.ALeg", &f.aLeg, p.ALeg},
		{"parent_call", "Paths.ParentCall", &f.parentCall, p.ParentCall},
		{"attempt", "Paths.Attempt", &f.attempt, p.Attempt},
		{"event", "Paths.Event", &f.event, p.Event},
	}
}

func (f *field) add(p place) {
	f.places = append(f.places, p)
	if p.slot < 0 {
		f.nested, f.mixed = true, true

		return
	}

	f.mixed = f.mixed || f.slots>>p.slot != 0
	f.slots |= 1 << p.slot
}

// newPlace finds out who answers a path, and adds its key to names if the scan does.
func newPlace(path, own string, names *[]string) (place, error) {
	if err := CheckPath(path, own); err != nil {
		return place{}, err
	}

	name, simple := simpleKey(path)
	if !simple {
		return place{path: path, slot: -1, made: strings.ContainsAny(path, "@!")}, nil
	}

	slot := slices.Index(*names, name)
	if slot < 0 {
		if len(*names) == jsonscan.MaxKeys {
			return place{path: path, slot: -1}, nil
		}

		slot = len(*names)
		*names = append(*names, name)
	}

	return place{path: path, slot: slot}, nil
}

// simpleKey gives the top-level key that a path means, if it means just that.
func simpleKey(path string) (string, bool) {
	if !strings.ContainsAny(path, "\\.|#*?@!{}[]()=<>%~\"'`") {
		return path, true
	}

	var key []byte

	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '\\' {
			i++
			key = append(key, path[i]) // checkGrammar saw that there is one

			continue
		}

		if strings.IndexByte(".|#*?@!{}[]()=<>%~\"'`", c) >= 0 {
			return "", false
		}

		key = append(key, c)
	}

	return string(key), true
}

// CheckPath says what is wrong with a gjson path, nil if nothing is: it could never match, or it reads what is written under
// the key field, which is Options.Field; "" for a path that has nothing to do with that. New checks the paths of its Options
// by itself.
func CheckPath(path, field string) error {
	if err := checkGrammar(path); err != nil {
		return err
	}

	name, simple := simpleKey(path)
	if simple && name == field || strings.HasPrefix(path, field+".") || strings.HasPrefix(path, field+"|") {
		return errOwnField
	}

	return nil
}

// checkGrammar finds what gjson would take in silence and never match.
func checkGrammar(path string) error {
	var closing []byte

	bare := true // no component begun since the start or the last separator

	for i := 0; i < len(path); i++ {
		c := path[i]

		switch {
		case c == '\\':
			if i++; i == len(path) {
				return errPathBackslash
			}
		case c == '"' && len(closing) > 0: // a string within a query
			end := strings.IndexByte(path[i+1:], '"')
			if end < 0 {
				return errPathBracket
			}

			i += 1 + end
		case len(closing) > 0 && c == closing[len(closing)-1]:
			closing = closing[:len(closing)-1]
		case c == '(':
			closing = append(closing, ')')
		case c == '{' || c == '[':
			closing = append(closing, c+2)
		case len(closing) == 0 && (c == '.' || c == '|'):
			if bare {
				return errPathComponent
			}

			bare = true

			continue
		}

		bare = false
	}

	switch {
	case bare:
		return errPathComponent
	case len(closing) > 0:
		return errPathBracket
	default:
		return nil
	}
}

// event is a scanned event for look-ups.
type event struct {
	text string // its JSON text
	doc  *jsonscan.Doc
}

// textOf gives p as a string without copying it. gjson wants strings; the string
// lives no longer than the call it is made for, and nobody writes to p meanwhile.
func textOf(p []byte) string {
	return unsafe.String(unsafe.SliceData(p), len(p)) //nolint:gosec // see above
}

func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // for reading only, see textOf
}

// raw gives the JSON of what stands at p, "" if nothing does.
func (ev *event) raw(p *place) string {
	if p.slot < 0 {
		return p.get(ev.text)
	}

	if ev.doc.Seen>>(uint(p.slot)&63)&1 == 0 {
		return ""
	}

	m := &ev.doc.First[p.slot]

	return ev.text[m.Start:m.End]
}

// get has gjson find it. What is no JSON is not there: @fromstr looks into the text of a string, which an event may
// fill with anything.
func (p *place) get(text string) string {
	raw := gjson.Get(text, p.path).Raw
	if !p.made {
		return raw
	}

	if raw = strings.Trim(raw, " \t\r\n"); !gjson.Valid(raw) {
		return ""
	}

	return raw
}

// absent says, at one look, that none of a field's places has anything.
func (ev *event) absent(f *field) bool { return ev.doc.Seen&f.slots == 0 && !f.nested }

// first gives the JSON of the first place that has something present, "" if none has.
func (ev *event) first(f *field) string {
	if f.mixed {
		return ev.firstMixed(f)
	}

	for seen := ev.doc.Seen & f.slots; seen != 0; seen &= seen - 1 {
		m := &ev.doc.First[bits.TrailingZeros64(seen)]
		if raw := ev.text[m.Start:m.End]; present(raw) {
			return raw
		}
	}

	return ""
}

// firstMixed is first where a look at the scan's bits does not give the order.
func (ev *event) firstMixed(f *field) string {
	if ev.absent(f) {
		return ""
	}

	for i := range f.places {
		if raw := ev.raw(&f.places[i]); present(raw) {
			return raw
		}
	}

	return ""
}

// present: exists, not null, not "".
func present(raw string) bool { return raw != "" && raw[0] != 'n' && raw != `""` }
