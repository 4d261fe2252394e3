package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
)

// field is one key that a struct knows.
type field struct {
	name   string
	index  []int
	single bool
}

// fields lists the keys of a struct, inlined ones included, in order.
func fields(t reflect.Type) []field {
	var out []field

	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")

		if name == "-" || !f.IsExported() {
			continue
		}

		if strings.Contains(options, "inline") {
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}

			continue
		}

		if name == "" {
			name = strings.ToLower(f.Name)
		}

		out = append(out, field{name: name, index: []int{i}, single: strings.Contains(options, "single")})
	}

	return out
}

func (d *decoder) structure(n *node, path string, v reflect.Value) {
	if n.kind != mapping {
		d.expected(n, path, v.Type())

		return
	}

	known := fields(v.Type())

	d.entries(n, path, func(e *entry) {
		for _, f := range known {
			if f.name == e.key {
				d.field(e.value, join(path, e.key), v.FieldByIndex(f.index), f.single)

				return
			}
		}

		d.unknown(e, path, known)
	})
}

func (d *decoder) field(n *node, path string, v reflect.Value, single bool) {
	if !single || n.kind == list || n.isNull() {
		d.value(n, path, v)

		return
	}

	one := reflect.MakeSlice(v.Type(), 1, 1)
	d.value(n, path, one.Index(0))
	v.Set(one)
}

func (d *decoder) unknown(e *entry, path string, known []field) {
	names := make([]string, 0, len(known))
	for _, f := range known {
		names = append(names, f.name)
	}

	hint := "known are " + strings.Join(names, ", ")
	if name, ok := Nearest(e.key, names); ok {
		hint = fmt.Sprintf("did you mean %q?", name)
	}

	where := ""
	if path != "" {
		where = " in " + path
	}

	d.mistakes = append(d.mistakes, Mistake{d.d.file, e.line, e.column, fmt.Sprintf("unknown key %s%s; %s", shorten(e.key), where, hint)})
}
