package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What may be linked into what is given away: licences that ask for their text to go along (`make dist` and the image do that) and
// for nothing of ours.
func allowedShipped() []string {
	return []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}
}

// Tests and benchmarks are not given away as programs, so that a licence which wants the source of its own files is fine too.
func allowedBeside() []string { return append(allowedShipped(), "MPL-2.0") }

type row struct {
	module   string
	licences []string
}

// judge finds each module's licences. All that is wrong comes at once.
func judge(all modules, allowed []string) ([]row, error) {
	found := map[string][]string{}
	var errs []error
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		ids, err := all[dir].licences()
		if err != nil {
			errs = append(errs, err)
		}
		found[all[dir].path] = append(found[all[dir].path], ids...)
	}
	rows := make([]row, 0, len(found))
	for _, module := range slices.Sorted(maps.Keys(found)) {
		r := row{module, slices.Compact(slices.Sorted(slices.Values(found[module])))}
		for _, id := range r.licences {
			if !slices.Contains(allowed, id) {
				errs = append(errs, fmt.Errorf("%s: %s is not on the list (%s): leave it out, or argue for it in tools/licences/judge.go",
					module, id, strings.Join(allowed, ", ")))
			}
		}
		rows = append(rows, r)
	}

	return rows, errors.Join(errs...)
}

// licences are those of all of a module's files.
func (l *linked) licences() ([]string, error) {
	files, err := l.files()
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no licence file in %s", l.path, l.root)
	}
	var all []string
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		ids, err := classify(files[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", l.path, name, err))
		}
		all = append(all, ids...)
	}

	return all, errors.Join(errs...)
}

func page(shipped, beside []row) []byte {
	var b bytes.Buffer
	b.WriteString(`# Licences

Written by ` + "`make licences UPDATE=1`" + ` from the licence files of the modules; ` + "`make licences`" + ` fails in CI when it is out of date, when a licence is not
on the allow-list, or when a file says something that is in no known licence. A module with files of several origins has several. The
program's own is Apache-2.0. Versions are in go.mod, and in the bill of materials of each release ([image.md](image.md)).

## In the program

What ` + "`enricher`" + ` has in it on Linux, macOS or Windows. Allowed: ` + strings.Join(allowedShipped(), ", ") + `. The texts go along: in the
archives, and in the image under ` + "`/usr/share/doc/enricher`" + `.

`)
	table(&b, shipped)
	b.WriteString(`
The image also has Mozilla's list of certificate authorities, by golang.org/x/crypto/x509roots/fallback (BSD-3-Clause; Mozilla's own list, from
which it is generated, is under MPL-2.0).

## In tests, benchmarks and builders

Not given away as programs. Allowed besides: ` + strings.Join(allowedBeside()[len(allowedShipped()):], ", ") + `. What is only run, such as linters
(tools) and Kubernetes (deploy/k8s/build), is not linked with anything of ours, and not listed.

`)
	table(&b, beside)

	return b.Bytes()
}

func table(b *bytes.Buffer, rows []row) {
	b.WriteString("| module | licences |\n|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s |\n", r.module, strings.Join(r.licences, ", "))
	}
}
