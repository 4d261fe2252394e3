package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := texts.ReadFile("texts/" + name + ".txt")
	require.NoError(t, err)

	return string(b)
}

func TestClassify(t *testing.T) {
	mit, bsd3, bsd2, apache := text(t, "MIT"), text(t, "BSD-3-Clause"), text(t, "BSD-2-Clause"), text(t, "Apache-2.0")
	for _, tt := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"each by its own text", "The MIT License\n\nCopyright (c) 2020 A. Person\n\n" + mit, []string{"MIT"}, ""},
		{"two clauses are not three", "Copyright 2009 The Authors. All rights reserved.\n" + bsd2, []string{"BSD-2-Clause"}, ""},
		{"three clauses are not two", bsd3, []string{"BSD-3-Clause"}, ""},
		{"names and numbers in between", strings.Replace(bsd3, "the name of ...", "the name of Acme nor the names of its contributors", 1), []string{"BSD-3-Clause"}, ""},
		{"several in one file", mit + "\nand\n" + apache, []string{"Apache-2.0", "MIT"}, ""},
		{"a line that wraps before copyright notice stays", strings.ReplaceAll(mit, "The above copyright", "The above\ncopyright"), []string{"MIT"}, ""},
		{"a condition put in", strings.Replace(mit, "The above copyright", "The Software shall be used for Good, not Evil.\nThe above copyright", 1), nil, "unknown text"},
		{"a condition behind it", mit + "\nYou may not sell the Software.", nil, "sell the software"},
		{"a long text behind it", mit + strings.Repeat("\nand some more words here", 13), nil, "and some more words"},
		{"a word changed", strings.Replace(mit, "without limitation", "with limitation", 1), nil, "unknown text"},
		{"GPL", "GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007", nil, "gnu general public license"},
		{"empty", "", nil, "unknown text"},
		{"what grants nothing", text(t, "also_apache-appendix"), nil, "unknown text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := classify(tt.text)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)

				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// TestEachTextIsItself: no known text is taken for another.
func TestEachTextIsItself(t *testing.T) {
	files, err := filepath.Glob("texts/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		id, _, _ := strings.Cut(name, "_")
		if id == "also" {
			continue
		}
		got, err := classify(text(t, name))
		require.NoError(t, err, name)
		require.Equal(t, []string{id}, got, name)
	}
}

// module lays out a module with files, as the module cache has it.
func module(t *testing.T, path string, files map[string]string) *linked {
	t.Helper()
	l := &linked{path: path, root: t.TempDir(), dirs: map[string]bool{}}
	l.dirs[l.root] = true
	for name, content := range files {
		file := filepath.Join(l.root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	}

	return l
}

func TestJudge(t *testing.T) {
	mit, mpl := text(t, "MIT"), text(t, "MPL-2.0")
	for _, tt := range []struct {
		name  string
		files map[string]string
		deep  string // a package that is linked
		want  []string
		err   string
	}{
		{"allowed", map[string]string{"LICENSE": mit}, "", []string{"MIT"}, ""},
		{"by its British name", map[string]string{"LICENCE.md": mit}, "", []string{"MIT"}, ""},
		{"not allowed", map[string]string{"LICENSE": mpl}, "", nil, "a/b: MPL-2.0 is not on the list"},
		{"none", map[string]string{"license.go": "package a", "NOTICE": mit}, "", nil, "a/b: no licence file"},
		{"unknown", map[string]string{"COPYING": "Ask me first."}, "", nil, "a/b, COPYING: unknown text: ask me first"},
		{"of a package that is linked", map[string]string{"LICENSE": mit, "x/LICENSE": mpl, "x/y/y.go": ""}, "x/y", nil, "MPL-2.0 is not on the list"},
		{"of a package that is not", map[string]string{"LICENSE": mit, "x/LICENSE": mpl}, "", []string{"MIT"}, ""},
		{"of documentation", map[string]string{"LICENSE": mit, "LICENSE.docs": "Attribution"}, "", []string{"MIT"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := module(t, "a/b", tt.files)
			l.addDir(filepath.Join(l.root, tt.deep))
			rows, err := judge(modules{l.root: l}, allowedShipped())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)

				return
			}
			require.NoError(t, err)
			require.Equal(t, []row{{"a/b", tt.want}}, rows)
		})
	}
}

// TestVersions: a module that is linked in two versions has the licences of both.
func TestVersions(t *testing.T) {
	first, second := module(t, "a/b", map[string]string{"LICENSE": text(t, "MIT")}), module(t, "a/b", map[string]string{"LICENSE": text(t, "ISC")})
	rows, err := judge(modules{first.root: first, second.root: second}, allowedShipped())
	require.NoError(t, err)
	require.Equal(t, []row{{"a/b", []string{"ISC", "MIT"}}}, rows)
}

func TestList(t *testing.T) {
	m := modules{}
	require.NoError(t, m.add([]byte(`{"Dir":"/go/src/fmt","Standard":true}
{"Dir":"/m/a@v1/x/y","Module":{"Path":"a","Dir":"/m/a@v1"}}
{"Dir":"/src/internal","Module":{"Path":"github.com/callstream/enricher","Dir":"/src"}}
{"Dir":"/src/bench","Module":{"Path":"github.com/callstream/enricher/bench","Dir":"/src/bench"}}`)))
	require.Equal(t, modules{"/m/a@v1": {path: "a", root: "/m/a@v1", dirs: map[string]bool{"/m/a@v1/x/y": true, "/m/a@v1/x": true, "/m/a@v1": true}}}, m)
	require.Error(t, m.add([]byte(`{"Dir":`)))
}

func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "licences.md")
	require.ErrorContains(t, compare(file, []byte("a"), false), "read licences")
	require.NoError(t, compare(file, []byte("a"), true))
	require.NoError(t, compare(file, []byte("a"), false))
	require.ErrorContains(t, compare(file, []byte("b"), false), "make licences UPDATE=1")
	require.ErrorContains(t, compare(filepath.Join(file, "x"), nil, true), "write licences")
}

func TestNoRepository(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), t.TempDir(), "", false), "list packages")
}
