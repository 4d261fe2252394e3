package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// own are our modules; their licence is in LICENSE.
const own = "github.com/callstream/enricher"

// goProject stands for the standard library and the runtime, which every program has in it.
const goProject = "Go"

// modules are what is linked, by directory: one module may be there in several versions.
type modules map[string]*linked

// linked is a module with the directories of the packages that are linked: their licences count beside the root's.
type linked struct {
	path string
	root string
	dirs map[string]bool
}

// collect lists what the shipped program links, and what the rest of this repository does beside it: tests, benchmarks, the
// image's builder. The programs of tools and deploy/k8s/build are run and not linked; nothing of them is given on.
func collect(ctx context.Context, root, tags string) (shipped, beside modules, err error) {
	shipped = modules{}
	// What archives are made for (deploy/image): each may link something of its own.
	for _, goos := range []string{"linux", "darwin", "windows"} {
		if err := shipped.list(ctx, root, goos, "./cmd/enricher"); err != nil {
			return nil, nil, err
		}
	}
	beside = modules{}
	dirs, err := ownModules(root)
	if err != nil {
		return nil, nil, err
	}
	for _, dir := range dirs {
		if err := beside.list(ctx, dir, "linux", "-test", "-tags", tags, "./..."); err != nil {
			return nil, nil, err
		}
	}
	maps.DeleteFunc(beside, func(_ string, l *linked) bool { return shipped.has(l.path) })
	if err := shipped.addGo(ctx); err != nil {
		return nil, nil, err
	}

	return shipped, beside, nil
}

// ownModules are the directories with a go.mod, without those of programs that are only run.
func ownModules(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch filepath.ToSlash(rel) {
		case ".git", "tools", "deploy/k8s/build":
			return filepath.SkipDir
		}
		if d.Name() == "go.mod" {
			dirs = append(dirs, filepath.Dir(path))
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find modules: %w", err)
	}

	return dirs, nil
}

func (m modules) list(ctx context.Context, dir, goos string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-json=Dir,Standard,Module"}, args...)...) //nolint:gosec // our own arguments
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0", "GOWORK=off", "PWD="+dir)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list packages of %s: %w", dir, err)
	}

	return m.add(out)
}

// add takes what `go list -json` prints.
func (m modules) add(out []byte) error {
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg struct {
			Dir      string
			Standard bool
			Module   *struct{ Path, Dir string }
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) { //nolint:musttag // the names are those of `go list`
			return nil
		} else if err != nil {
			return fmt.Errorf("read list of packages: %w", err)
		}
		if pkg.Standard || pkg.Module == nil || pkg.Module.Path == own || strings.HasPrefix(pkg.Module.Path, own+"/") {
			continue
		}
		if m[pkg.Module.Dir] == nil {
			m[pkg.Module.Dir] = &linked{path: pkg.Module.Path, root: pkg.Module.Dir, dirs: map[string]bool{}}
		}
		m[pkg.Module.Dir].addDir(pkg.Dir)
	}
}

func (m modules) has(path string) bool {
	for _, l := range m {
		if l.path == path {
			return true
		}
	}

	return false
}

// addDir adds a package's directory and those above it, up to the module's root.
func (l *linked) addDir(dir string) {
	for !l.dirs[dir] && len(dir) >= len(l.root) {
		l.dirs[dir] = true
		dir = filepath.Dir(dir)
	}
}

func (m modules) addGo(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go: %w", err)
	}
	root := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(root, "LICENSE")); err != nil { // as Debian packages it
		root = filepath.Dir(root)
	}
	m[root] = &linked{path: goProject, root: root, dirs: map[string]bool{root: true}}

	return nil
}

// files are the licence files, by name relative to the module.
func (l *linked) files() (map[string]string, error) {
	texts := map[string]string{}
	for dir := range maps.Keys(l.dirs) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("look for licences: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() || !isLicence(e.Name()) {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // of the module cache
			if err != nil {
				return nil, fmt.Errorf("read licence: %w", err)
			}
			rel, err := filepath.Rel(l.root, filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, fmt.Errorf("name licence: %w", err)
			}
			texts[filepath.ToSlash(rel)] = string(text)
		}
	}

	return texts, nil
}

// isLicence knows LICENSE, LICENCE.md, LICENSE-MIT, COPYING and UNLICENSE. Programs are none, nor is what is for documentation, as
// nobody links it; a NOTICE says who, not how.
func isLicence(name string) bool {
	switch filepath.Ext(name) {
	case ".go", ".sh", ".docs":
		return false
	}
	upper := strings.ToUpper(name)
	for _, p := range []string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"} {
		if strings.HasPrefix(upper, p) {
			return true
		}
	}

	return false
}
