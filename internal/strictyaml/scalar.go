package strictyaml

import (
	"regexp"
	"strings"
)

// The forms of YAML 1.2's core schema, section 10.3.2, without .inf and .nan.
var (
	decimal     = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	leadingZero = regexp.MustCompile(`^[-+]?0[0-9]+$`)
	based       = regexp.MustCompile(`^0(x[0-9a-fA-F]+|o[0-7]+)$`)
	float       = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

func isNull(text string) bool {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return true
	default:
		return false
	}
}

func toBool(text string) (value, ok bool) {
	switch text {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	default:
		return false, false
	}
}

// oldBool tells what YAML 1.1 takes for a boolean beyond true and false.
func oldBool(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "yes", "on", "y":
		return true, true
	case "no", "off", "n":
		return false, true
	default:
		return false, false
	}
}

func isNumber(text string) bool {
	return float.MatchString(text) || based.MatchString(text)
}

// describe says what a value is, for "expected …, found …".
func describe(n *node) string {
	switch {
	case n.isNull():
		return "nothing"
	case n.kind == list:
		return "a list"
	case n.kind == mapping:
		return "a mapping"
	case n.style == expanded:
		return "what " + shorten(n.source) + " stands for" // the value may be a secret
	case n.style == quoted:
		return "the string " + shorten(n.text)
	case isNumber(n.text):
		return "the number " + n.text
	default:
		if _, ok := toBool(n.text); ok {
			return n.text
		}

		return "the string " + shorten(n.text)
	}
}
