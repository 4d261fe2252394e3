package strictyaml

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type kind uint8

const (
	scalar kind = iota
	list
	mapping
)

type style uint8

const (
	plain    style = iota
	quoted         // also literal and folded blocks
	expanded       // changed by Expand: without a type of its own
)

// node is what is left of the library's tree: values with their places.
type node struct {
	kind    kind
	style   style
	text    string // of a scalar; "" with style plain: nothing stands there
	source  string // what an expanded scalar was written as
	items   []*node
	entries []entry

	line, column int // of the value; of its key where the value is a block or missing
}

type entry struct {
	key          string
	line, column int
	value        *node
}

func (n *node) isNull() bool {
	return n == nil || n.kind == scalar && n.style == plain && isNull(n.text)
}

// builder turns the library's tree into nodes.
type builder struct {
	file     string
	mistakes Mistakes
}

func (b *builder) mistake(t *token.Token, format string, args ...any) {
	b.mistakes = append(b.mistakes, Mistake{b.file, t.Position.Line, t.Position.Column, fmt.Sprintf(format, args...)})
}

func (b *builder) document(tree *ast.File) *node {
	var root *node

	seen := false

	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}

		if directive, ok := doc.Body.(*ast.DirectiveNode); ok {
			b.mistake(directive.GetToken(), "a YAML directive (%%): take it out, none is needed")

			continue
		}

		if seen {
			second := b.node(doc.Body)
			b.mistakes = append(b.mistakes, Mistake{b.file, second.line, second.column, "a second document: one file holds one"})

			break
		}

		seen, root = true, b.node(doc.Body)
	}

	return root
}

// node is nil only where a mistake has been noted.
func (b *builder) node(n ast.Node) *node {
	t := n.GetToken()
	out := &node{line: t.Position.Line, column: t.Position.Column}

	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = mapping
		b.mapping(out, n)
	case *ast.SequenceNode:
		out.kind = list
		for _, item := range n.Values {
			out.items = append(out.items, b.node(item))
		}
	case *ast.LiteralNode:
		out.text, out.style = n.Value.Value, quoted
	case *ast.StringNode:
		out.text = n.Value
		if t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType {
			out.style = quoted
		}
	case *ast.NullNode:
		if t.Type != token.ImplicitNullType {
			out.text = t.Value
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.text = t.Value
	case *ast.AnchorNode, *ast.AliasNode:
		b.mistake(t, "an anchor or alias (%s): write the value out; quote it if it is text", t.Value)
	case *ast.TagNode:
		b.mistake(t, "a tag, which begins with !: take it out; quote it if it is text") // it may be a password
	default:
		b.mistake(t, "a %s is not used here", n.Type())
	}

	return out
}

func (b *builder) mapping(out *node, n *ast.MappingNode) {
	for _, e := range n.Values {
		t := e.Key.GetToken()

		switch key := e.Key.(type) {
		case *ast.StringNode:
			out.entries = append(out.entries, b.entry(key.Value, t, e.Value))
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
			out.entries = append(out.entries, b.entry(t.Value, t, e.Value))
		case *ast.MergeKeyNode:
			b.mistake(t, "a merge key (<<): write the keys out")
		default:
			b.mistake(t, "a key that is not plain text")
		}
	}

	// The library gives the first colon as the place of a block.
	if !n.IsFlowStyle && len(out.entries) > 0 {
		out.line, out.column = out.entries[0].line, out.entries[0].column
	}
}

func (b *builder) entry(key string, at *token.Token, value ast.Node) entry {
	e := entry{key: key, line: at.Position.Line, column: at.Position.Column, value: b.node(value)}

	// A block begins at its first key or dash, and nothing begins nowhere: in a
	// message both are better shown where the key is.
	if e.value.kind != scalar || e.value.isNull() {
		e.value.line, e.value.column = e.line, e.column
	}

	return e
}
