package main

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxRest is how many words may be left of a file when all known texts and copyright lines are taken out: names, headings, "see
// AUTHORS". A condition that somebody added is longer, or has a word of forbidden in it.
const maxRest = 60

var forbidden = regexp.MustCompile(`\b(gpl|agpl|lgpl|gnu|commons|commercial|sell|evil|must|shall|prohibited|restrict\w*)\b`)

//go:embed texts/*.txt
var texts embed.FS

// load reads the licences by what they say. `...` in a text stands for a name of up to 24 words.
func load() ([]licence, error) {
	names, err := fs.Glob(texts, "texts/*.txt")
	if err != nil {
		return nil, fmt.Errorf("find texts: %w", err)
	}
	all := make([]licence, 0, len(names))
	for _, name := range names {
		text, err := texts.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read text: %w", err)
		}
		var parts []string
		for part := range strings.SplitSeq(string(text), "...") {
			parts = append(parts, words(part))
		}
		pattern, err := regexp.Compile(`\b` + strings.Join(parts, `(?: \w+){0,24}? `) + `\b`)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
		id, _, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".txt"), "_")
		all = append(all, licence{id, pattern, len(pattern.String())})
	}
	// The longest first: a text may have another within it, as BSD-3-Clause has two clauses of BSD-2-Clause.
	slices.SortStableFunc(all, func(a, b licence) int { return b.size - a.size })

	return all, nil
}

type licence struct {
	id      string // by SPDX; empty for what stands beside licences and grants nothing
	pattern *regexp.Regexp
	size    int
}

// classify names the licences in a text, sorted. Text that is in none of them is an error.
func classify(text string) ([]string, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	rest := words(withoutCopyright(text))
	var ids []string
	for _, l := range all {
		if !l.pattern.MatchString(rest) {
			continue
		}
		rest = words(l.pattern.ReplaceAllString(rest, " "))
		if l.id != "also" && !slices.Contains(ids, l.id) {
			ids = append(ids, l.id)
		}
	}
	left := strings.Fields(rest)
	if len(ids) == 0 || len(left) > maxRest || forbidden.MatchString(rest) {
		return nil, fmt.Errorf("unknown text: %s", strings.Join(left[:min(len(left), maxRest)], " "))
	}
	slices.Sort(ids)

	return ids, nil
}

var copyrightLine = regexp.MustCompile(`(?im)^\W*((portions )?(copyright|\(c\)|©)[^\n]*(\(c\)|©|\d{4}|authors|yyyy)|all rights reserved)[^\n]*$`)

func withoutCopyright(text string) string { return copyrightLine.ReplaceAllString(text, "") }

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

// words are a text's, in lower case, with one space between them. Single letters and digits are left out: some number the clauses.
func words(text string) string {
	var all []string
	for _, w := range notWord.Split(strings.ToLower(text), -1) {
		if len(w) > 1 {
			all = append(all, w)
		}
	}

	return strings.Join(all, " ")
}
