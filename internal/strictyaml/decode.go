package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode fills what dst points to and reports all that does not fit; what fits is
// decoded all the same. What the document does not name keeps its value, save that
// a list or map that is named replaces the former one as a whole.
//
// dst may be built of structs, pointers, lists, maps with string keys, strings,
// integers, floats, booleans, time.Duration, any, and types that implement
// Unmarshaler or encoding.TextUnmarshaler. Keys of structs come from the tag
// `yaml:"name"`; without one the key is the field's name in lower case, and "-"
// hides a field. Two options may follow: "inline" puts a struct's keys among those
// around it; "single" lets one value stand for a list of one.
//
// Decode panics if dst is not a non-nil pointer or holds another type.
func (d *Document) Decode(dst any) Mistakes {
	dec := decoder{d: d}
	dec.pointer(d.root, "", dst)

	return dec.mistakes
}

type decoder struct {
	d        *Document
	mistakes Mistakes
}

func (d *decoder) pointer(n *node, path string, dst any) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("strictyaml: decode into %T, which is no pointer to a value", dst))
	}

	if n != nil {
		d.value(n, path, v.Elem())
	}
}

func (d *decoder) mistake(n *node, path, format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	if path != "" {
		msg = path + ": " + msg
	}

	d.mistakes = append(d.mistakes, Mistake{d.d.file, n.line, n.column, msg})
}

func (d *decoder) expected(n *node, path string, t reflect.Type) {
	d.mistake(n, path, "expected %s, found %s", wanted(t), describe(n))
}

func (d *decoder) value(n *node, path string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		d.indirect(n, path, v)

		return
	}

	if n.isNull() {
		d.null(n, path, v)

		return
	}

	if d.custom(n, path, v) {
		return
	}

	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Slice:
		d.slice(n, path, v)
	case reflect.Map:
		d.table(n, path, v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(d.anything(n, path)))
	default:
		if n.kind != scalar {
			d.expected(n, path, v.Type())

			return
		}

		d.scalar(n, path, v)
	}
}

func (d *decoder) indirect(n *node, path string, v reflect.Value) {
	if n.isNull() {
		return
	}

	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}

	d.value(n, path, v.Elem())
}

// null is how a section looks whose keys are all commented out.
func (d *decoder) null(n *node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Struct, reflect.Interface:
	default:
		d.mistake(n, path, "has no value; expected %s, or leave the key out", wanted(v.Type()))
	}
}

// custom lets a type that can read itself do so.
func (d *decoder) custom(n *node, path string, v reflect.Value) bool {
	switch u := v.Addr().Interface().(type) {
	case Unmarshaler:
		d.mistakes = append(d.mistakes, u.UnmarshalStrict(Value{d: d.d, n: n, path: path})...)
	case encoding.TextUnmarshaler:
		if n.kind != scalar {
			d.mistake(n, path, "expected a single value, found %s", describe(n))

			return true
		}

		if err := u.UnmarshalText([]byte(n.text)); err != nil {
			d.mistake(n, path, "%v, found %s", err, describe(n))
		}
	default:
		return false
	}

	return true
}

func (d *decoder) slice(n *node, path string, v reflect.Value) {
	if n.kind != list {
		d.expected(n, path, v.Type())

		return
	}

	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(item, index(path, i), out.Index(i))
	}

	v.Set(out)
}

func (d *decoder) table(n *node, path string, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		panic("strictyaml: decode into " + v.Type().String() + ", whose keys are no strings")
	}

	if n.kind != mapping {
		d.expected(n, path, v.Type())

		return
	}

	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))

	d.entries(n, path, func(e *entry) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, join(path, e.key), item)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), item)
	})
	v.Set(out)
}

// entries calls fn for each key once, and reports the second of two.
func (d *decoder) entries(n *node, path string, fn func(e *entry)) {
	lines := make(map[string]int, len(n.entries))

	for i := range n.entries {
		e := &n.entries[i]
		if line, twice := lines[e.key]; twice {
			d.mistakes = append(d.mistakes, Mistake{d.d.file, e.line, e.column, fmt.Sprintf("%s: given twice, first on line %d", join(path, e.key), line)})

			continue
		}

		lines[e.key] = e.line
		fn(e)
	}
}

func (d *decoder) anything(n *node, path string) any {
	switch n.kind {
	case list:
		out := []any{}
		d.slice(n, path, reflect.ValueOf(&out).Elem())

		return out
	case mapping:
		out := map[string]any{}
		d.table(n, path, reflect.ValueOf(&out).Elem())

		return out
	case scalar:
	}

	if n.style == plain {
		if b, ok := toBool(n.text); ok {
			return b
		}

		if i, err := parseInt(n.text, 64); err == nil { //nolint:mnd // bits
			return i
		}

		if f, err := strconv.ParseFloat(n.text, 64); err == nil && float.MatchString(n.text) && !leadingZero.MatchString(n.text) { //nolint:mnd // bits
			return f
		}
	}

	return n.text
}

func (d *decoder) scalar(n *node, path string, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d.duration(n, path, v)

		return
	}

	switch v.Kind() {
	case reflect.String:
		d.text(n, path, v)
	case reflect.Bool:
		d.boolean(n, path, v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(n, path, v)
	case reflect.Float32, reflect.Float64:
		d.real(n, path, v)
	default:
		panic("strictyaml: decode into " + v.Type().String() + ", which it does not know")
	}
}

func (d *decoder) text(n *node, path string, v reflect.Value) {
	if _, isBool := toBool(n.text); n.style == plain && (isBool || isNumber(n.text)) {
		d.mistake(n, path, "expected a string, found %s; write %q", describe(n), n.text)

		return
	}

	if e, ok := reflect.TypeAssert[Enumerated](v); ok && !slices.Contains(e.Values(), n.text) {
		hint := ""
		if word, near := Nearest(n.text, e.Values()); near && n.style != expanded {
			hint = fmt.Sprintf("; did you mean %q?", word)
		}

		d.mistake(n, path, "expected %s, found %s%s", oneOf(e.Values()), describe(n), hint)

		return
	}

	v.SetString(n.text)
}

func oneOf(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}

	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (d *decoder) boolean(n *node, path string, v reflect.Value) {
	b, ok := toBool(n.text)
	if ok && n.style != quoted {
		v.SetBool(b)

		return
	}

	if old, isOld := oldBool(n.text); isOld {
		b, ok = old, true
	}

	if ok && n.style != expanded {
		d.mistake(n, path, "expected true or false, found %s; write %t", describe(n), b)

		return
	}

	d.expected(n, path, v.Type())
}

func (d *decoder) duration(n *node, path string, v reflect.Value) {
	dur, err := time.ParseDuration(n.text)

	switch {
	case err == nil:
		v.SetInt(int64(dur))
	case n.style == plain && isNumber(n.text):
		d.mistake(n, path, "expected a duration, found %s; add the unit: ms, s, m or h", describe(n))
	default:
		d.expected(n, path, v.Type())
	}
}

// wanted names a type as a reader of the file would.
func wanted(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "a duration such as 500ms or 30s"
	}

	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		one := wanted(t.Elem())
		for _, article := range []string{"a ", "an "} {
			if noun, ok := strings.CutPrefix(one, article); ok && !strings.Contains(noun, " such as ") {
				return "a list of " + noun + "s"
			}
		}

		return "a list"
	default:
		return "a value"
	}
}
