package release_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/files"
	"github.com/callstream/enricher/deploy/image/internal/release"
)

func source() *build.Source {
	return &build.Source{Commit: strings.Repeat("c0", 20), Time: time.Date(2026, 11, 26, 9, 6, 34, 0, time.UTC)}
}

func content(goos string) release.Content {
	return release.Content{
		Binary: &build.Binary{
			Target: build.Target{OS: goos, Arch: "amd64"}, Version: "v1.2.3+dirty", Data: []byte("program for " + goos),
			Info: &debug.BuildInfo{
				GoVersion: "go1.26.8",
				Main:      debug.Module{Path: "github.com/callstream/enricher", Version: "v1.2.3+dirty"},
				Deps: []*debug.Module{
					{Path: "github.com/Some/One", Version: "v1.0.0", Sum: "h1:abc="},
					{Path: "example.com/two", Version: "v2.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v2.0.1+incompatible"}},
				},
			},
		},
		Licenses: []byte("terms"),
		Beside:   []files.File{{Name: "README.md", Mode: files.Plain, Data: []byte("read me")}},
	}
}

func TestFiles(t *testing.T) {
	for goos, want := range map[string]struct{ archive, program string }{
		"linux":   {"enricher_v1.2.3-dirty_linux_amd64.tar.gz", "enricher"},
		"darwin":  {"enricher_v1.2.3-dirty_darwin_amd64.tar.gz", "enricher"},
		"windows": {"enricher_v1.2.3-dirty_windows_amd64.zip", "enricher.exe"},
	} {
		t.Run(goos, func(t *testing.T) {
			list, err := release.Files(source(), content(goos))
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Equal(t, want.archive, list[0].Name)
			require.Equal(t, "enricher_v1.2.3-dirty_"+goos+"_amd64.cdx.json", list[1].Name)
			again, err := release.Files(source(), content(goos))
			require.NoError(t, err)
			require.Equal(t, list, again)

			dir := "enricher_v1.2.3-dirty_" + goos + "_amd64/"
			names := unpacked(t, list[0])
			require.Equal(t, map[string]string{
				dir: "", dir + want.program: "program for " + goos, dir + "LICENSES.txt": "terms", dir + "README.md": "read me",
			}, names)
		})
	}
}

func TestChecksums(t *testing.T) {
	sums := release.Checksums([]files.File{{Name: "b", Data: []byte("2")}, {Name: "a", Data: []byte("1")}})
	require.Equal(t, "SHA256SUMS", sums.Name)
	require.Equal(t, fmt.Sprintf("%x  a\n%x  b\n", sha256.Sum256([]byte("1")), sha256.Sum256([]byte("2"))), string(sums.Data))
}

func TestBOM(t *testing.T) {
	c := content("linux")
	text, err := release.BOM(c.Binary, source().Commit, "2026-11-26T09:06:34Z")
	require.NoError(t, err)
	requireSchema(t, text)

	var bom cdx.BOM
	require.NoError(t, cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom))
	require.Equal(t, cdx.SpecVersion1_6, bom.SpecVersion)
	require.Equal(t, "2026-11-26T09:06:34Z", bom.Metadata.Timestamp)
	program := bom.Metadata.Component
	require.Equal(t, "pkg:golang/github.com/callstream/enricher@v1.2.3%2Bdirty?type=module", program.PackageURL)
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(c.Binary.Data)), (*program.Hashes)[0].Value)

	var purls []string
	for _, p := range *bom.Components {
		purls = append(purls, p.PackageURL)
	}
	require.Equal(t, []string{
		"pkg:golang/std@1.26.8?type=module",
		"pkg:golang/github.com/some/one@v1.0.0?type=module",
		"pkg:golang/example.com/fork@v2.0.1%2Bincompatible?type=module",
	}, purls)
	require.Equal(t, "h1:abc=", (*(*bom.Components)[1].Properties)[0].Value)
	require.Equal(t, program.PackageURL, (*bom.Dependencies)[0].Ref)
	require.Equal(t, purls, *(*bom.Dependencies)[0].Dependencies)

	same, err := release.BOM(c.Binary, source().Commit, "2026-11-26T09:06:34Z")
	require.NoError(t, err)
	require.Equal(t, text, same)
	c.Binary.Data = []byte("another")
	other, err := release.BOM(c.Binary, source().Commit, "2026-11-26T09:06:34Z")
	require.NoError(t, err)
	require.NotContains(t, string(other), bom.SerialNumber)
}

// requireSchema holds a bill of materials to the standard's own schema, which is in the library's module.
func requireSchema(t *testing.T, text []byte) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	require.NoError(t, err)
	load := func(name string) gojsonschema.JSONLoader {
		b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "schema", name))
		require.NoError(t, err)

		return gojsonschema.NewBytesLoader(b)
	}
	schemas := gojsonschema.NewSchemaLoader()
	require.NoError(t, schemas.AddSchemas(load("spdx.schema.json"), load("jsf-0.82.schemax.json")))
	schema, err := schemas.Compile(load("bom-1.6.schema.json"))
	require.NoError(t, err)
	result, err := schema.Validate(gojsonschema.NewBytesLoader(text))
	require.NoError(t, err)
	require.Empty(t, result.Errors())

	// It must be able to say no.
	wrong := bytes.Replace(text, []byte(`"type": "library"`), []byte(`"type": "thing"`), 1)
	result, err = schema.Validate(gojsonschema.NewBytesLoader(wrong))
	require.NoError(t, err)
	require.NotEmpty(t, result.Errors())
}
