// Package oci makes container images of binaries, for several platforms under one name, and writes them to a
// directory or a registry. It needs no daemon, pulls nothing, and the same input gives the same digest.
package oci

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/files"
)

// Program is where the binary is in the image.
const Program = "enricher"

// Content is one platform's share of an image.
type Content struct {
	Binary   *build.Binary
	Licenses []byte
}

// Image is an image for several platforms.
type Image struct {
	Index v1.ImageIndex
	Tag   string // the version, in letters that a tag may have
}

// Platform is what there is to say of one platform's image. Sizes are bytes.
type Platform struct {
	Name       string // such as linux/arm64
	Digest     string
	Compressed int64 // of all that is pulled: layers, configuration and manifest
	Unpacked   int64 // of the layers
}

// New makes an image of what was compiled from a source.
func New(src *build.Source, contents []Content) (*Image, error) {
	if len(contents) == 0 {
		return nil, errors.New("make image: no platforms")
	}
	version := contents[0].Binary.Version
	base, err := baseLayer()
	if err != nil {
		return nil, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, c := range contents {
		if c.Binary.Version != version {
			return nil, fmt.Errorf("make image: %s is of version %s, %s of %s: was the source changed meanwhile?",
				contents[0].Binary.Target, version, c.Binary.Target, c.Binary.Version)
		}
		image, err := one(src, c, base)
		if err != nil {
			return nil, fmt.Errorf("make image for %s: %w", c.Binary.Target, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: c.Binary.OS, Architecture: c.Binary.Arch}},
		})
	}
	annotated, ok := mutate.Annotations(index, labels(src, version)).(v1.ImageIndex)
	if !ok {
		return nil, errors.New("make image: annotations made something else of the index")
	}

	return &Image{Index: annotated, Tag: Tag(version)}, nil
}

// Tag is a version in letters that a tag may have.
func Tag(version string) string { return strings.ReplaceAll(version, "+", "-") }

// one makes the image of one platform: two layers, and what a runtime has to know.
func one(src *build.Source, c Content, base mutate.Addendum) (v1.Image, error) {
	program, err := layer(Files(c), src.Time, "the program and the licences of what is in it")
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS:           c.Binary.OS,
		Architecture: c.Binary.Arch,
		Created:      v1.Time{Time: src.Time},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{"/" + Program},
			User:       files.User,
			WorkingDir: "/",
			Labels:     labels(src, c.Binary.Version),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("set configuration: %w", err)
	}
	if image, err = mutate.Append(image, base, program); err != nil {
		return nil, fmt.Errorf("add layers: %w", err)
	}

	return image, nil
}

// Files are those of the upper layer.
func Files(c Content) []files.File {
	return []files.File{
		{Name: Program, Mode: files.Executable, Data: c.Binary.Data},
		{Name: "usr/share/doc/enricher/LICENSES.txt", Mode: files.Plain, Data: c.Licenses},
	}
}

// baseLayer is the lower layer. It bears no date, so that it stays the same, and is not pulled again, as long as its content does.
func baseLayer() (mutate.Addendum, error) {
	list, err := files.Base()
	if err != nil {
		return mutate.Addendum{}, fmt.Errorf("make base: %w", err)
	}

	return layer(list, time.Unix(0, 0).UTC(), "certificate authorities and users")
}

func layer(list []files.File, at time.Time, about string) (mutate.Addendum, error) {
	var b bytes.Buffer
	if err := files.Tar(&b, list, at); err != nil {
		return mutate.Addendum{}, fmt.Errorf("make layer: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	l, err := tarball.LayerFromOpener(open, tarball.WithCompressedCaching,
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return mutate.Addendum{}, fmt.Errorf("compress layer: %w", err)
	}

	return mutate.Addendum{Layer: l, History: v1.History{Created: v1.Time{Time: at}, CreatedBy: "make image", Comment: about}}, nil
}

// labels are the annotations that the OCI defines. A registry shows them, so the index has them as well.
func labels(src *build.Source, version string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         "enricher",
		"org.opencontainers.image.description":   "A Kafka stream filter that says in call events what their hangup-cause code means",
		"org.opencontainers.image.source":        "https://github.com/callstream/enricher",
		"org.opencontainers.image.documentation": "https://github.com/callstream/enricher/blob/main/docs/image.md",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.version":       version,
		"org.opencontainers.image.revision":      src.Commit,
		"org.opencontainers.image.created":       src.Time.Format(time.RFC3339),
	}
}
