package release

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/callstream/enricher/deploy/image/internal/build"
)

// BOM is a bill of materials of a binary, in CycloneDX 1.6: the modules and the version of Go that are linked into it, as
// the binary itself says. Build information does not say which module needs which, so all stand below the program.
func BOM(b *build.Binary, commit, date string) ([]byte, error) {
	program := component(cdx.ComponentTypeApplication, b.Info.Main.Path, b.Version, "")
	program.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sha256.Sum256(b.Data))}}
	program.Licenses = &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}
	program.Properties = &[]cdx.Property{
		{Name: "enricher:platform", Value: b.String()},
		{Name: "enricher:commit", Value: commit},
	}

	parts := make([]cdx.Component, 0, 1+len(b.Info.Deps))
	parts = append(parts, component(cdx.ComponentTypeLibrary, "std", strings.TrimPrefix(b.Info.GoVersion, "go"), ""))
	for _, d := range b.Info.Deps {
		parts = append(parts, dependency(d))
	}
	refs := make([]string, 0, len(parts))
	needs := make([]cdx.Dependency, 0, 1+len(parts))
	needs = append(needs, cdx.Dependency{Ref: program.BOMRef, Dependencies: &refs})
	for _, p := range parts {
		refs = append(refs, p.BOMRef)
		needs = append(needs, cdx.Dependency{Ref: p.BOMRef})
	}

	bom := cdx.NewBOM()
	bom.SerialNumber = serial(b.Data)
	bom.Metadata = &cdx.Metadata{
		Timestamp:  date,
		Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhasePostBuild}},
		Component:  &program,
	}
	bom.Components = &parts
	bom.Dependencies = &needs

	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("encode bill of materials: %w", err)
	}

	return out.Bytes(), nil
}

func dependency(d *debug.Module) cdx.Component {
	if d.Replace != nil {
		d = d.Replace
	}

	return component(cdx.ComponentTypeLibrary, d.Path, d.Version, d.Sum)
}

// component is a Go module. The sum is that of go.sum; it is not the hash of a file, so it is a property.
func component(kind cdx.ComponentType, path, version, sum string) cdx.Component {
	purl := "pkg:golang/" + strings.ToLower(path) + "@" + strings.ReplaceAll(version, "+", "%2B") + "?type=module"
	c := cdx.Component{BOMRef: purl, Type: kind, Name: path, Version: version, PackageURL: purl}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: sum}}
	}

	return c
}

// serial names a bill by what it is of, since a random name would differ each time.
func serial(data []byte) string {
	h := sha256.Sum256(data)
	h[6] = h[6]&0x0f | 0x80 // version 8: made as its maker likes
	h[8] = h[8]&0x3f | 0x80

	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
