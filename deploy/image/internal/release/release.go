// Package release makes what people download: an archive for each platform, a bill of materials beside each, and
// checksums of all. The same input gives the same bytes.
package release

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/files"
)

// Sums is the name of the file of checksums, which `sha256sum -c` reads.
const Sums = "SHA256SUMS"

// Content is one platform's share of a release.
type Content struct {
	Binary   *build.Binary
	Licenses []byte
	Beside   []files.File // what goes into the archive beside the program: README, LICENSE, configuration
}

// Files makes the archive of one platform and its bill of materials.
func Files(src *build.Source, c Content) ([]files.File, error) {
	name := Name(c.Binary)
	program := files.File{Name: "enricher", Mode: files.Executable, Data: c.Binary.Data}
	pack, suffix := files.TarGzip, ".tar.gz"
	if c.Binary.OS == "windows" {
		program.Name += ".exe"
		pack, suffix = files.Zip, ".zip"
	}
	list := append([]files.File{program, {Name: "LICENSES.txt", Mode: files.Plain, Data: c.Licenses}}, c.Beside...)

	var archive bytes.Buffer
	if err := pack(&archive, files.Below(name, list), src.Time); err != nil {
		return nil, fmt.Errorf("make %s%s: %w", name, suffix, err)
	}
	bom, err := BOM(c.Binary, src.Commit, src.Time.Format(time.RFC3339))
	if err != nil {
		return nil, fmt.Errorf("make %s.cdx.json: %w", name, err)
	}

	return []files.File{
		{Name: name + suffix, Mode: files.Plain, Data: archive.Bytes()},
		{Name: name + ".cdx.json", Mode: files.Plain, Data: bom},
	}, nil
}

// Name is what the files of one platform are called, without what is behind the dot.
func Name(b *build.Binary) string {
	version := strings.ReplaceAll(b.Version, "+", "-")

	return strings.Join([]string{"enricher", version, b.OS, b.Arch}, "_")
}

// Checksums is the file of checksums of a release's other files.
func Checksums(list []files.File) files.File {
	lines := make([]string, 0, len(list))
	for _, f := range list {
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(f.Data), f.Name))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })

	return files.File{Name: Sums, Mode: files.Plain, Data: []byte(strings.Join(lines, ""))}
}
