package strictyaml

import "fmt"

// Unmarshaler is for types that read their own form, or several forms.
type Unmarshaler interface {
	// UnmarshalStrict reads v, which is never null, into the receiver.
	UnmarshalStrict(v Value) Mistakes
}

// Enumerated is for string types with a closed list of values. Others are refused,
// with the nearest right one.
type Enumerated interface {
	// Values lists what is allowed; it is asked of the zero value too.
	Values() []string
}

// Value is a part of a document, as an Unmarshaler sees it.
type Value struct {
	d    *Document
	n    *node
	path string
}

// Scalar gives the text of a scalar; ok is false for a list or a mapping.
func (v Value) Scalar() (text string, ok bool) { return v.n.text, v.n.kind == scalar }

// Describe says what the value is, to follow "found" in a message.
func (v Value) Describe() string { return describe(v.n) }

// Decode decodes the value into what dst points to, as Document.Decode does.
func (v Value) Decode(dst any) Mistakes {
	dec := decoder{d: v.d}
	dec.pointer(v.n, v.path, dst)

	return dec.mistakes
}

// Mistake makes a mistake at the value's place; its text begins with the path.
func (v Value) Mistake(format string, args ...any) Mistake {
	return Mistake{v.d.file, v.n.line, v.n.column, v.path + ": " + fmt.Sprintf(format, args...)}
}
