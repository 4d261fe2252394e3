package enrich

import "errors"

// ErrOptions is in every error that New returns for its options.
var ErrOptions = errors.New("bad options")

var (
	errPathComponent = errors.New(`has an empty part: write one dot between two keys, as in call.code, and \. for a dot in a key`)
	errPathBackslash = errors.New(`ends with a backslash: write the character behind it that it is for, as in call\.code`)
	errPathBracket   = errors.New(`has a bracket or quote that is not closed: close it, as in causes.#(kind=="hangup").code`)
	errOwnField      = errors.New("reads what is written by the enricher itself: choose another path, or another field to write")
)
