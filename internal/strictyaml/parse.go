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
	if at := tooDeep(tokens); at != nil {
		return nil, Mistakes{{file, at.Line, at.Column, fmt.Sprintf("nested more than %d deep", MaxDepth)}}
	}

	tree, err := parseTokens(tokens)
	if err != nil {
		return nil, Mistakes{syntaxMistake(file, err)}
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

func syntaxMistake(file string, err error) Mistake {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil || syntax.GetToken().Position == nil {
		return Mistake{File: file, Msg: firstLine(err.Error())}
	}

	at := syntax.GetToken().Position

	return Mistake{file, at.Line, at.Column, "not YAML: " + syntaxHint(syntax.GetMessage())}
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

// tooDeep finds the first token that is nested too deeply. It runs before the
// parser, which recurses. In block style every level but a list's within a
// mapping starts further to the right, so the open columns bound the depth.
func tooDeep(tokens token.Tokens) *token.Position {
	flow := 0

	var open []int

	for i, t := range tokens {
		switch t.Type { //nolint:exhaustive // only what opens or closes a level
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.CommentType, token.SpaceType:
			continue
		}

		if flow == 0 && (i == 0 || tokens[i-1].Position.Line < t.Position.Line || t.Type == token.SequenceEntryType || tokens[i-1].Type == token.SequenceEntryType || tokens[i-1].Type == token.MappingKeyType) {
			for len(open) > 0 && open[len(open)-1] > t.Position.Column {
				open = open[:len(open)-1]
			}

			if len(open) == 0 || open[len(open)-1] < t.Position.Column {
				open = append(open, t.Position.Column)
			}
		}

		if flow+len(open) > MaxDepth {
			return t.Position
		}
	}

	return nil
}
