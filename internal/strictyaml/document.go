package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// At makes a mistake at a path such as "routes[0].match.codes[1]", or at the
// nearest parent that stands in the file. A key may hold dots.
func (d *Document) At(path, format string, args ...any) Mistake {
	m := Mistake{File: d.file, Line: 1, Column: 1, Msg: fmt.Sprintf(format, args...)}

	if n, _ := d.find(path); n != nil && n != d.root {
		m.Line, m.Column = n.line, n.column
	}

	return m
}

// Has tells whether something stands at a path, be it null.
func (d *Document) Has(path string) bool {
	_, whole := d.find(path)

	return whole
}

// IsNull tells whether null, ~ or nothing at all stands at a path. It is false
// where the path is not in the file.
func (d *Document) IsNull(path string) bool {
	n, whole := d.find(path)

	return whole && n.isNull()
}

// Expand offers every scalar value, keys excepted, to fn with its path. If fn
// changes the text, the value loses its type: see the package comment. An error
// is a mistake at the value's place, and leaves the value alone.
func (d *Document) Expand(fn func(path, text string) (string, error)) Mistakes {
	var ms Mistakes

	walk(d.root, "", func(path string, n *node) {
		text, err := fn(path, n.text)
		if err != nil {
			ms = append(ms, Mistake{d.file, n.line, n.column, fmt.Sprintf("%s: %v", path, err)})

			return
		}

		if text != n.text {
			n.source, n.text, n.style = n.text, text, expanded
		}
	})

	return ms
}

func walk(n *node, path string, fn func(string, *node)) {
	switch {
	case n.isNull():
	case n.kind == scalar:
		fn(path, n)
	case n.kind == list:
		for i, item := range n.items {
			walk(item, index(path, i), fn)
		}
	case n.kind == mapping:
		for _, e := range n.entries {
			walk(e.value, join(path, e.key), fn)
		}
	}
}

// find gives the node at a path, or the nearest one above it.
func (d *Document) find(path string) (n *node, whole bool) {
	n = d.root
	for n != nil && path != "" {
		next, rest := step(n, path)
		if next == nil {
			return n, false
		}

		n, path = next, rest
	}

	return n, n != nil
}

func step(n *node, path string) (*node, string) {
	if strings.HasPrefix(path, "[") {
		number, rest, _ := strings.Cut(path[1:], "]")

		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(n.items) {
			return nil, ""
		}

		return n.items[i], strings.TrimPrefix(rest, ".")
	}

	var (
		best *node
		key  = -1
		rest string
	)

	for _, e := range n.entries {
		after, ok := strings.CutPrefix(path, e.key)
		if ok && len(e.key) > key && (after == "" || after[0] == '.' || after[0] == '[') {
			best, key, rest = e.value, len(e.key), strings.TrimPrefix(after, ".")
		}
	}

	return best, rest
}

func join(path, key string) string {
	if path == "" {
		return key
	}

	return path + "." + key
}

func index(path string, i int) string {
	return path + "[" + strconv.Itoa(i) + "]"
}

// shorten quotes a text for a message.
func shorten(text string) string {
	const atMost = 40

	if utf8.RuneCountInString(text) > atMost {
		text = string([]rune(text)[:atMost-1]) + "…"
	}

	return strconv.Quote(text)
}
