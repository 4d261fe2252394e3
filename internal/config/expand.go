package config

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/callstream/enricher/internal/strictyaml"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// alone is the whole of a value that comes from outside. An empty default says no more than none.
var alone = regexp.MustCompile(`^\$\{(file:[^}]*|[A-Za-z_][A-Za-z0-9_]*(:-)?)\}$`)

// expand replaces ${VAR}, ${VAR:-default} and ${file:PATH} in scalar values. It runs on
// the parsed document, so that a value cannot bring keys or structure with it.
func (c *Config) expand(src Source) strictyaml.Mistakes {
	return c.doc.Expand(func(path, text string) (string, error) {
		if astray(path) {
			return text, nil // decoding refuses it for its kind
		}

		out, secret, err := expandText(text, src, isSecret(path))
		if secret || isSecret(path) && out != "" {
			c.secrets[path] = true
		}

		if isSecret(path) && err == nil && text != "" && !alone.MatchString(text) { // a default stands in the file as well
			err = errLiteral
		}

		return out, err
	})
}

// unquoted leaves out what decoding says of a secret that has been refused already, since that quotes it. What stands in the
// place of a section with secrets may be one, a level too high: its kind is said alone.
func unquoted(decoded, refused strictyaml.Mistakes) strictyaml.Mistakes {
	const section = "expected a mapping, found "

	for i, m := range decoded {
		before, found, ok := strings.Cut(m.Msg, section+"the ")
		if ok && astray(strings.TrimSuffix(before, ": ")) {
			kind, _, _ := strings.Cut(found, " ")
			decoded[i].Msg = before + section + "a " + kind
		}
	}

	return slices.DeleteFunc(decoded, func(m strictyaml.Mistake) bool {
		path, _, _ := strings.Cut(m.Msg, ": ")

		return isSecret(path) && slices.ContainsFunc(refused, func(r strictyaml.Mistake) bool { return r.Line == m.Line && r.Column == m.Column })
	})
}

// expandText goes through a text once: what has been put in is not looked at again. If it is to be hidden, errors quote
// no part of it but the names of variables and files.
func expandText(text string, src Source, hide bool) (out string, secret bool, err error) {
	var (
		b    strings.Builder
		errs []string
	)

	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)

			break
		}

		if escaped, ok := strings.CutSuffix(before, "$"); ok { // $${ stands for ${
			b.WriteString(escaped + "${")

			text = rest

			continue
		}

		b.WriteString(before)

		inner, after, closed := strings.Cut(rest, "}")
		if !closed && hide {
			return "", secret, errUnclosed
		}

		if !closed {
			return "", secret, fmt.Errorf("%w in %q", errUnclosed, "${"+rest)
		}

		value, outside, err := lookUp(inner, src, hide)
		if err != nil {
			errs = append(errs, err.Error())
		}

		secret = secret || outside
		text = after

		b.WriteString(value)
	}

	if len(errs) > 0 {
		return "", secret, fmt.Errorf("%w%s", errExpand, strings.Join(errs, "; "))
	}

	return b.String(), secret, nil
}

var (
	errExpand   = errors.New("cannot fill in: ")
	errUnclosed = errors.New("no closing }; write $${ for a literal ${")
	errVariable = errors.New("is neither ${VAR}, ${VAR:-default} nor ${file:PATH}; write $${ for a literal ${")
	errNested   = errors.New("has another ${ in its default, which is not looked at again: give a plain default, or none and set the variable")
	errUnset    = errors.New("environment variable is not set; set it")
	errLiteral  = errors.New("is a secret, which does not belong into the file itself, nor does a part of it: write ${file:PATH} or ${VAR} alone")
	errNotText  = errors.New("is not UTF-8 text")
)

// lookUp also tells whether the value came from outside: then it may be a secret, and is not shown. A
// default stands in the file, for all to read.
func lookUp(inner string, src Source, hide bool) (value string, outside bool, err error) {
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		value, err = fromFile(path, src)

		return value, true, err
	}

	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variable.MatchString(name) && hide {
		return "", false, fmt.Errorf("${…} %w", errVariable)
	}

	if !variable.MatchString(name) {
		return "", false, fmt.Errorf("%q %w", "${"+inner+"}", errVariable)
	}

	value, set := src.Env(name)

	switch {
	case strings.Contains(fallback, "${"):
		return "", false, fmt.Errorf("${%s:-…} %w", name, errNested)
	case hasFallback && value == "":
		return fallback, false, nil // as in a shell: unset or empty
	case !set && hide: // a default would stand in the file
		return "", false, fmt.Errorf("%s: %w", name, errUnset)
	case !set:
		return "", false, fmt.Errorf("%s: %w, or give a default as in ${%s:-default}", name, errUnset, name)
	case !utf8.ValidString(value):
		return "", true, fmt.Errorf("%s: %w", name, errNotText)
	default:
		return value, true, nil
	}
}

// fromFile reads a value from a file, such as a mounted secret.
func fromFile(path string, src Source) (string, error) {
	content, err := src.File(path)

	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("${file:%s}: %w", path, fs.ErrNotExist)
	case err != nil:
		return "", fmt.Errorf("${file:%s}: %w", path, err)
	case !utf8.Valid(content):
		return "", fmt.Errorf("${file:%s}: %w", path, errNotText)
	}

	return withoutLineEnd(content), nil
}
