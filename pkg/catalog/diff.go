package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Change is one difference between two snapshots.
type Change struct {
	Code int32  `json:"code"`
	Kind Kind   `json:"kind"`
	Path string `json:"path,omitempty"` // the field, dotted, or "legacy_names." and a name; "" for a whole entry
	Old  string `json:"old,omitempty"`  // as JSON: the field, or the legacy name's ground; for a whole entry its name
	New  string `json:"new,omitempty"`
}

// Kind says what became of an entry or a field.
type Kind string

// The kinds of change.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// String is the change in one line.
func (c Change) String() string {
	switch {
	case c.Path == "" && c.Kind == Added:
		return fmt.Sprintf("+ %d %s", c.Code, c.New)
	case c.Path == "":
		return fmt.Sprintf("- %d %s", c.Code, c.Old)
	case c.Kind == Added:
		return fmt.Sprintf("~ %d %s: %s (was not set)", c.Code, c.Path, c.New)
	case c.Kind == Removed:
		return fmt.Sprintf("~ %d %s: not set (was %s)", c.Code, c.Path, c.Old)
	default:
		return fmt.Sprintf("~ %d %s: %s → %s", c.Code, c.Path, c.Old, c.New)
	}
}

// Diff lists what b has differently from a: code by code, field by field, in the order of
// codes and fields, and after its fields a code's legacy names. A name that moves to another
// code is removed from the one and added to the other. Snapshots of one revision without a
// difference have the same SHA256.
func Diff(a, b *Snapshot) []Change {
	var changes []Change
	for _, e := range a.entries {
		other, ok := b.Lookup(e.Code)
		if !ok {
			changes = append(changes, Change{Code: e.Code, Kind: Removed, Old: e.Name})
			continue
		}
		changes = append(changes, diffEntry(&e, other)...)
	}
	for _, e := range b.entries {
		if _, ok := a.Lookup(e.Code); !ok {
			changes = append(changes, Change{Code: e.Code, Kind: Added, New: e.Name})
		}
	}
	changes = append(changes, diffNames(a, b)...)
	slices.SortStableFunc(changes, func(x, y Change) int { return cmp.Compare(x.Code, y.Code) })
	return changes
}

func diffNames(a, b *Snapshot) []Change {
	type key struct {
		code int32
		path string
	}
	grounds := func(s *Snapshot) map[key]string {
		out := map[key]string{}
		for _, l := range s.legacy {
			out[key{l.Code, "legacy_names." + l.Name}] = strconv.Quote(l.Ground)
		}
		return out
	}
	old, now := grounds(a), grounds(b)
	var changes []Change
	for k, ground := range now {
		switch was, had := old[k]; {
		case !had:
			changes = append(changes, Change{k.code, Added, k.path, "", ground})
		case was != ground:
			changes = append(changes, Change{k.code, Changed, k.path, was, ground})
		}
	}
	for k, ground := range old {
		if _, has := now[k]; !has {
			changes = append(changes, Change{k.code, Removed, k.path, ground, ""})
		}
	}
	slices.SortFunc(changes, func(x, y Change) int { return cmp.Compare(x.Path, y.Path) })
	return changes
}

func diffEntry(a, b *Entry) []Change {
	old, now := flatten(a), flatten(b)
	paths := maps.Clone(old)
	maps.Copy(paths, now)
	var changes []Change
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		o, had := old[path]
		n, has := now[path]
		switch {
		case !had:
			changes = append(changes, Change{a.Code, Added, path, "", n})
		case !has:
			changes = append(changes, Change{a.Code, Removed, path, o, ""})
		case o != n:
			changes = append(changes, Change{a.Code, Changed, path, o, n})
		}
	}
	return changes
}

// flatten gives an entry's fields by dotted path, each as JSON; lists are whole.
func flatten(e *Entry) map[string]string {
	raw, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("catalog: marshal entry: %v", err)) // plain fields: cannot happen
	}
	out := map[string]string{}
	flattenInto(out, "", raw)
	return out
}

func flattenInto(out map[string]string, path string, raw json.RawMessage) {
	var object map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &object) != nil {
		out[path] = string(raw)
		return
	}
	for key, value := range object {
		p := key
		if path != "" {
			p = path + "." + key
		}
		flattenInto(out, p, value)
	}
}
