package strictyaml

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	yaml "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxDepth is how deeply mappings and lists may be nested.
const MaxDepth = 64

// MaxKeys is how many keys a mapping in block style may have, and MaxEmpty how many items without a value a file.
const (
	MaxKeys  = 1000
	MaxEmpty = 20_000
)

// Document is one parsed file. It is not safe for concurrent use while Expand runs.
type Document struct {
	file string
	root *node // nil: an empty file
}

// File is the name given to Parse.
func (d *Document) File() string { return d.file }

// Parse reads one YAML document. The error is of type Mistakes. An empty document
// is sound, and decodes to nothing.
func Parse(file string, src []byte) (*Document, error) {
	text, mistake := checkText(file, src)
	if mistake != nil {
		return nil, Mistakes{*mistake}
	}

	tokens := lexer.Tokenize(text)
	if at, excess := tooMuch(tokens); at != nil {
		return nil, Mistakes{{file, at.Line, at.Column, excess}}
	}

	tree, err := parseTokens(tokens)
	if err != nil {
		return nil, Mistakes{syntaxMistake(file, text, err)}
	}

	b := builder{file: file}
	root := b.document(tree)

	if err := b.mistakes.Err(); err != nil {
		return nil, err
	}

	return &Document{file: file, root: root}, nil
}

// parseTokens keeps a fault in the YAML library from ending the process: the file is
// an operator's, and he needs a message, not a stack.
func parseTokens(tokens token.Tokens) (tree *ast.File, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", errUnreadable, fault)
		}
	}()

	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) //nolint:wrapcheck // turned into a Mistake by the caller
}

var errUnreadable = errors.New("not readable as YAML")

func syntaxMistake(file, text string, err error) Mistake {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil || syntax.GetToken().Position == nil {
		return Mistake{File: file, Msg: firstLine(err.Error())}
	}

	at := syntax.GetToken().Position

	return Mistake{file, at.Line, at.Column, "not YAML: " + syntaxHint(syntax.GetMessage()) + bareVariable(text, at)}
}

// bareVariable helps who has written ${…} without quotes within [ ] or { }, where its { opens a mapping.
func bareVariable(text string, at *token.Position) string {
	lines := strings.Split(text, "\n")
	if at.Line < 1 || at.Line > len(lines) {
		return ""
	}

	line := []rune(lines[at.Line-1])
	if at.Column < 2 || at.Column > len(line) || string(line[at.Column-2:at.Column]) != "${" { //nolint:mnd // two characters
		return ""
	}

	return "; a value with ${…} within [ ] or { } needs quotes"
}

// syntaxHint adds what mostly causes the library's less telling messages.
func syntaxHint(msg string) string {
	switch {
	case strings.Contains(msg, "cannot start any token") && strings.Contains(msg, "\t"):
		return "a tab where only spaces may indent"
	case strings.Contains(msg, "mapping value is not allowed"):
		return `a second ": " in one value, or a wrong indent; quote values that hold ": "`
	default:
		return firstLine(msg)
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")

	return line
}

// checkText refuses what no editor shows, and takes a byte order mark off.
func checkText(file string, src []byte) (string, *Mistake) {
	text := strings.TrimPrefix(string(src), "\ufeff")
	line, column := 1, 1

	for i, r := range text {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return "", &Mistake{file, line, column, "not UTF-8: save the file as UTF-8"}
			}
		}

		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return "", &Mistake{file, line, column, fmt.Sprintf("control character %U: write it as an escape in double quotes", r)}
		}

		column++

		if r == '\n' {
			line, column = line+1, 1
		}
	}

	return text, nil
}

// tooMuch finds the first token that is nested too deeply, or is one key, item or document too many. It runs before the
// parser, which recurses, and whose work grows with the square of a mapping's keys, of all items without a value, and of
// the documents.
func tooMuch(tokens token.Tokens) (at *token.Position, excess string) {
	o := outline{tokens: tokens}

	for i, t := range tokens {
		if excess = o.take(i, t); excess != "" {
			return t.Position, excess
		}
	}

	return nil, ""
}

// outline is how far a file is nested at a token. In block style every level but a list's within a
// mapping starts further to the right, so the open columns bound the depth.
type outline struct {
	tokens token.Tokens
	flow   int     // open brackets
	open   []block // the blocks outside of them
	heads  int     // of documents
	empty  int     // items of lists
}

type block struct{ column, keys int }

// maxHeads is how many times --- may stand: what is behind the second is read only to say that it is one too many.
const maxHeads = 8

func (o *outline) take(i int, t *token.Token) (excess string) {
	switch t.Type { //nolint:exhaustive // only what opens, closes or divides
	case token.SequenceStartType, token.MappingStartType:
		o.flow++
	case token.SequenceEndType, token.MappingEndType:
		o.flow--
	case token.DocumentHeaderType:
		o.heads++
	case token.CommentType, token.SpaceType:
		return ""
	}

	if o.flow == 0 && o.begins(i, t) {
		o.block(t.Position.Column)
	}

	if o.flow == 0 && t.Type == token.MappingValueType && len(o.open) > 0 {
		o.open[len(o.open)-1].keys++
	}

	if o.flow == 0 && t.Type == token.SequenceEntryType && o.hasNothing(i, t) {
		o.empty++
	}

	switch {
	case o.flow+len(o.open) > MaxDepth:
		return fmt.Sprintf("nested more than %d deep", MaxDepth)
	case o.heads > maxHeads:
		return "a second document: one file holds one"
	case len(o.open) > 0 && o.open[len(o.open)-1].keys > MaxKeys:
		return fmt.Sprintf("more than %d keys in one mapping", MaxKeys)
	case o.empty > MaxEmpty:
		return fmt.Sprintf("more than %d items without a value", MaxEmpty)
	}

	return ""
}

// hasNothing tells whether nothing stands behind a dash: what comes next is on another line, and no further to the right.
func (o *outline) hasNothing(i int, dash *token.Token) bool {
	for _, next := range o.tokens[i+1:] {
		if next.Type != token.CommentType && next.Type != token.SpaceType {
			return next.Position.Line > dash.Position.Line && next.Position.Column <= dash.Position.Column
		}
	}

	return true
}

// begins tells whether a block can begin at a token: it is the first on its line, or a dash, or behind one.
func (o *outline) begins(i int, t *token.Token) bool {
	if i == 0 || t.Type == token.SequenceEntryType {
		return true
	}

	before := o.tokens[i-1]

	return before.Position.Line < t.Position.Line || before.Type == token.SequenceEntryType || before.Type == token.MappingKeyType
}

// block closes the blocks to the right of a column, and opens one there if there is none.
func (o *outline) block(column int) {
	for len(o.open) > 0 && o.open[len(o.open)-1].column > column {
		o.open = o.open[:len(o.open)-1]
	}

	if len(o.open) == 0 || o.open[len(o.open)-1].column < column {
		o.open = append(o.open, block{column: column})
	}
}
