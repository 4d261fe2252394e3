package casetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/strictyaml"
)

// datum is a JSON value that is written in YAML. The zero datum is null.
type datum struct{ text []byte }

// UnmarshalStrict reads any value. Numbers keep their digits, as far as JSON has such numbers;
// keys are sorted.
func (d *datum) UnmarshalStrict(v strictyaml.Value) (ms strictyaml.Mistakes) {
	if text, ok := v.Scalar(); ok {
		var x any

		ms = v.Decode(&x)
		d.text = encode(x)

		if _, isText := x.(string); !isText && json.Valid([]byte(text)) {
			d.text = []byte(text)
		}

		return ms
	}

	if v.Describe() == "a list" {
		var items []datum

		ms = v.Decode(&items)
		d.text = encode(items)

		return ms
	}

	var members map[string]datum

	ms = v.Decode(&members)
	d.text = encode(members)

	return ms
}

// MarshalJSON gives the text.
func (d datum) MarshalJSON() ([]byte, error) {
	if d.text == nil {
		return []byte("null"), nil
	}

	return d.text, nil
}

// encode is plain values as JSON. It does not escape for HTML: the text is an event, or is shown.
func encode(v any) []byte {
	var b bytes.Buffer

	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)

	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("casetest: encode: %v", err)) // plain values: cannot happen
	}

	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// amount is a number, or a range with both ends included.
type amount struct{ low, high *float64 }

// UnmarshalStrict reads 30, or {min: 30, max: 60} with at least one of the two.
func (a *amount) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	if _, ok := v.Scalar(); ok {
		ms := v.Decode(&a.low)
		a.high = a.low

		return ms
	}

	var ends struct {
		Min *float64 `yaml:"min"`
		Max *float64 `yaml:"max"`
	}

	ms := v.Decode(&ends)
	a.low, a.high = ends.Min, ends.Max

	switch {
	case len(ms) > 0:
	case a.low == nil && a.high == nil:
		ms = append(ms, v.Mistake("expected a number, or a range such as {min: 30, max: 60}, found %s without either end", v.Describe()))
	case a.low != nil && a.high != nil && *a.low > *a.high:
		ms = append(ms, v.Mistake("min is above max: nothing could be between"))
	}

	return ms
}

func (a *amount) holds(f float64) bool {
	return (a.low == nil || *a.low <= f) && (a.high == nil || f <= *a.high)
}

func (a *amount) json() []byte {
	if a.low == a.high { // one number
		return encode(a.low)
	}

	return encode(struct {
		Min *float64 `json:"min,omitempty"`
		Max *float64 `json:"max,omitempty"`
	}{a.low, a.high})
}

// want is what has to stand somewhere in the output: a value, a range of numbers, or, as the
// zero want, nothing.
type want struct {
	value datum
	among *amount
}

// UnmarshalStrict reads any value. A mapping of nothing but min and max is a range.
func (w *want) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	if ms := v.Decode(&w.value); len(ms) > 0 {
		return ms
	}

	members := gjson.ParseBytes(w.value.text)
	if keys := members.Map(); !members.IsObject() || len(keys) == 0 || slices.ContainsFunc(slices.Collect(maps.Keys(keys)), notEnd) {
		return nil
	}

	w.among = &amount{}

	return v.Decode(w.among)
}

func notEnd(key string) bool { return key != "min" && key != "max" }

func (w *want) absent() bool { return w.value.text == nil }

func (w *want) holds(got gjson.Result) bool {
	switch {
	case w.absent():
		return got.Type == gjson.Null // also what does not exist
	case w.among != nil:
		return got.Type == gjson.Number && w.among.holds(got.Num)
	default:
		return same(gjson.ParseBytes(w.value.text), got)
	}
}

func (w *want) json() []byte {
	if w.among != nil {
		return w.among.json()
	}

	return encode(w.value)
}

// same compares JSON values: numbers by value, objects without regard to order.
func same(a, b gjson.Result) bool {
	switch {
	case a.Type != b.Type || a.IsArray() != b.IsArray():
		return false
	case a.Type == gjson.Number:
		return sameNumber(a.Raw, b.Raw)
	case a.Type == gjson.String:
		return a.Str == b.Str
	case a.IsArray():
		return slices.EqualFunc(a.Array(), b.Array(), same)
	case a.Type == gjson.JSON:
		return maps.EqualFunc(a.Map(), b.Map(), same)
	default:
		return true // true, false and null are types
	}
}

func sameNumber(a, b string) bool {
	i, err1 := strconv.ParseInt(a, 10, 64)
	j, err2 := strconv.ParseInt(b, 10, 64)

	if err1 == nil && err2 == nil {
		return i == j // also where a float has no place for all digits
	}

	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)

	return a == b || err1 == nil && err2 == nil && x == y
}

// text is the text of any scalar: headers are text, however they look.
type text string

// UnmarshalText takes all.
func (t *text) UnmarshalText(b []byte) error {
	*t = text(b)

	return nil
}

// moment is a time in RFC 3339.
type moment time.Time

// UnmarshalStrict reads a time.
func (m *moment) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	text, _ := v.Scalar()

	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return strictyaml.Mistakes{v.Mistake("expected a time such as 2026-01-31T12:00:00Z, found %s", v.Describe())}
	}

	*m = moment(at)

	return nil
}

// event is the value of a record.
type event struct{ bytes []byte }

// UnmarshalStrict reads a mapping, which becomes JSON, or a string, which stays as it is.
func (e *event) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	found := v.Describe()

	if text, ok := v.Scalar(); ok && strings.HasPrefix(found, "the string ") {
		e.bytes = []byte(text)

		return nil
	}

	if found != "a mapping" {
		const forms = "a mapping (which is turned into JSON) or a string (which is taken as it is)"

		return strictyaml.Mistakes{v.Mistake("expected %s, found %s", forms, found)}
	}

	var d datum

	ms := v.Decode(&d)
	e.bytes = d.text

	return ms
}
