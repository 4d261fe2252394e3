package files

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// Licenses is the text of the licences of all that is linked into a binary, which nearly all of them want to go with it: of
// Go, and of each module by its directory in dirs.
func Licenses(info *debug.BuildInfo, dirs map[string]string, goRoot string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Licences of what is linked into enricher %s, beside its own.\n", info.Main.Version)
	if err := appendLicenses(&b, "Go "+strings.TrimPrefix(info.GoVersion, "go"), goRoot); err != nil {
		return nil, err
	}
	for _, d := range info.Deps {
		version := d.Version
		if d.Replace != nil {
			version = d.Replace.Path + " " + d.Replace.Version
		}
		if err := appendLicenses(&b, d.Path+" "+version, dirs[d.Path]); err != nil {
			return nil, err
		}
	}

	return b.Bytes(), nil
}

// appendLicenses adds the licence files of a directory. Having none is an error: it is to be looked at before it is given away.
func appendLicenses(b *bytes.Buffer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("find licence of %s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !isLicense(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // of the module cache
		if err != nil {
			return fmt.Errorf("read licence of %s: %w", name, err)
		}
		fmt.Fprintf(b, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("=", 80), name, e.Name(), bytes.TrimSpace(text))
		found = found || !strings.HasPrefix(strings.ToUpper(e.Name()), "NOTICE")
	}
	if !found {
		return fmt.Errorf("find licence of %s: no LICENSE, LICENCE or COPYING in %s", name, dir)
	}

	return nil
}

// isLicense knows LICENSE, LICENSE.md, LICENSE-MIT, COPYING, NOTICE and the like; a program's text is none.
func isLicense(name string) bool {
	if strings.HasSuffix(name, ".go") {
		return false
	}
	upper := strings.ToUpper(name)

	return slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, func(p string) bool {
		return strings.HasPrefix(upper, p)
	})
}
