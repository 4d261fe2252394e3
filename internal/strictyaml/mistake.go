package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing wrong with a file, and where.
type Mistake struct {
	// File is the name given to Parse.
	File string
	// Line and Column count from 1, columns in characters. Line 0 means that the
	// mistake concerns the file as a whole.
	Line, Column int
	// Msg says what is wrong and, where that can be known, what would be right.
	Msg string
}

// Error is "file:line:column: msg", which editors and terminals turn into a link.
func (m Mistake) Error() string {
	if m.Line == 0 {
		return m.File + ": " + m.Msg
	}

	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Msg)
}

// Mistakes are all things wrong with one file or several.
type Mistakes []Mistake

// maxListed is how many mistakes Error lists. Who has made more has made one of them many times.
const maxListed = 200

// Error lists the mistakes one to a line: files in the order in which they first
// appear, and by position within a file. Of very many it gives the first and the number.
func (ms Mistakes) Error() string {
	all := ms.sorted()
	listed := all[:min(len(all), maxListed)]
	lines := make([]string, 0, len(listed)+1)

	for _, m := range listed {
		lines = append(lines, m.Error())
	}

	if more := len(all) - len(listed); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d mistakes more", more))
	}

	return strings.Join(lines, "\n")
}

// Unwrap gives the mistakes as errors, in the order of Error.
func (ms Mistakes) Unwrap() []error {
	errs := make([]error, 0, len(ms))
	for _, m := range ms.sorted() {
		errs = append(errs, m)
	}

	return errs
}

// Err is nil if there is no mistake, else ms. It spares callers the trap of an
// interface that holds an empty slice and is not nil.
func (ms Mistakes) Err() error {
	if len(ms) == 0 {
		return nil
	}

	return ms
}

func (ms Mistakes) sorted() Mistakes {
	order := map[string]int{}

	for _, m := range ms {
		if _, seen := order[m.File]; !seen {
			order[m.File] = len(order)
		}
	}

	out := slices.Clone(ms)
	slices.SortStableFunc(out, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})

	return out
}
