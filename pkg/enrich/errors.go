package enrich

import "errors"

// ErrOptions is in every error that New returns for its options.
var ErrOptions = errors.New("bad options")

var (
	errPathComponent = errors.New("empty path, or a part of it is")
	errPathBackslash = errors.New("ends with a backslash")
	errPathBracket   = errors.New("a bracket or quote is not closed")
	errOwnField      = errors.New("reads what Field writes; choose another Field")
)
