package cli

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/pkg/catalog"
)

// entryRows are all columns of an entry that say something, one to a line, under the
// names that JSON has for them.
func entryRows(e *catalog.Entry) [][]cell {
	var rows [][]cell

	columns(reflect.ValueOf(*e), "", func(name, text string) {
		if text != "" {
			rows = append(rows, []cell{{name, bold}, {text: text}})
		}
	})

	return rows
}

// columns walks the fields, so that a column added to the catalog shows by itself.
func columns(v reflect.Value, prefix string, row func(name, text string)) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")

		if name == "-" {
			continue
		}

		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			columns(f, prefix+name+".", row)
		case reflect.Slice:
			row(prefix+name, items(f))
		case reflect.Map:
			for _, key := range slices.Sorted(maps.Keys(byKey(f))) {
				row(prefix+name+"."+key, fmt.Sprint(byKey(f)[key]))
			}
		default:
			text := fmt.Sprint(f.Interface())
			if f.IsZero() && name != "code" { // 0 is a real code
				text = ""
			}

			row(prefix+name, text)
		}
	}
}

// byKey is a map with string keys as one of any values.
func byKey(v reflect.Value) map[string]any {
	out := make(map[string]any, v.Len())
	for iter := v.MapRange(); iter.Next(); {
		out[iter.Key().String()] = iter.Value().Interface()
	}

	return out
}

func items(v reflect.Value) string {
	out := make([]string, 0, v.Len())

	for i := range v.Len() {
		item := v.Index(i).Interface()
		if ref, ok := item.(catalog.SourceRef); ok && ref.When != "" {
			item = fmt.Sprintf("%s (%s)", ref.By, ref.When)
		} else if ok {
			item = ref.By
		}

		out = append(out, fmt.Sprint(item))
	}

	return strings.Join(out, ", ")
}

func number(f float64) string {
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// retryInWords says an entry's policy in a sentence or two.
func retryInWords(e *catalog.Entry) string {
	r := &e.Retry
	text := classInWords(r)

	if r.MaxRetries > 0 && r.InitialS > 0 {
		text += " " + waitsInWords(r)
	}

	if r.Target != "" {
		text += " Dial: " + spaced(string(r.Target)) + "."
	}

	if r.Fix != "" {
		text += " To mend: " + spaced(string(r.Fix)) + "."
	}

	if r.Scope != "" {
		text += " It affects more than this call: " + spaced(string(r.Scope)) + "."
	}

	return text
}

// overridesInWords are lines that say what the configuration changed of an entry's policy.
func overridesInWords(e *catalog.Entry) string {
	var b strings.Builder
	for _, o := range e.Overrides {
		b.WriteString("policy changed by " + o + "\n")
	}

	return b.String()
}

func classInWords(r *catalog.Retry) string {
	var class string

	switch r.Class {
	case catalog.ClassNone:
		return "Nothing to retry: the call did what it should, or was ended on purpose."
	case catalog.ClassNever:
		return "Never dial this again."
	case catalog.ClassManual:
		class = "A person decides whether to dial again"
	case catalog.ClassAfterFix:
		class = "Dial again only once the cause is mended"
	case catalog.ClassShortDelay:
		class = "Dial again after a short while"
	case catalog.ClassLongDelay:
		class = "Dial again, but not soon"
	case catalog.ClassAlternate:
		class = "Dial again, another person or number"
	default:
		class = string(r.Class)
	}

	switch r.Auto {
	case catalog.AutoAllowed:
		return class + "; a machine may do so."
	case catalog.AutoOptIn:
		if r.OptedIn {
			return class + "; a machine may do so, as the operator opted in."
		}

		return class + "; a machine may do so if the operator opted in (enrich.opt_in)."
	case catalog.AutoGated:
		return class + "; a machine may do so once the fix is confirmed."
	case catalog.AutoBlocked:
		return class + "; never by machine."
	default:
		return class + "."
	}
}

// seconds writes a time as people say it: 30 s, 2 min, 6 h, 2 d.
func seconds(s float64) string {
	const day = 24 * time.Hour

	d := time.Duration(s * float64(time.Second))

	for _, u := range []struct {
		unit time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}} {
		if d >= 2*u.unit && d%u.unit == 0 || d == u.unit {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}

	return number(s) + " s"
}

func spaced(word string) string { return strings.ReplaceAll(word, "_", " ") }
