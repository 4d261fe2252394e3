package oci

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Write writes the image as an OCI layout into an empty directory. Its name there is its tag.
func (i *Image) Write(dir string) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("write layout: %w", err)
	}
	if err := path.AppendIndex(i.Index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": i.Tag})); err != nil {
		return fmt.Errorf("write image: %w", err)
	}

	return nil
}

// Push sends the image to a registry, with the login that is in the user's Docker or Podman configuration. A reference without
// a tag gets the image's. What it returns is where the image is, by digest.
func (i *Image) Push(ctx context.Context, reference string) (string, error) {
	ref, err := name.ParseReference(reference, name.WithDefaultTag(i.Tag))
	if err != nil {
		return "", fmt.Errorf("read reference: %w (want a name such as registry.example/team/enricher)", err)
	}
	if err := remote.WriteIndex(ref, i.Index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return "", fmt.Errorf("push to %s: %w", ref.Name(), err)
	}
	digest, err := i.Digest()
	if err != nil {
		return "", err
	}

	return ref.Context().Digest(digest).String(), nil
}

// Digest is the image's name for all platforms.
func (i *Image) Digest() (string, error) {
	digest, err := i.Index.Digest()
	if err != nil {
		return "", fmt.Errorf("compute digest: %w", err)
	}

	return digest.String(), nil
}

// Platforms says what is in the image.
func (i *Image) Platforms() ([]Platform, error) {
	manifest, err := i.Index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	list := make([]Platform, 0, len(manifest.Manifests))
	for _, d := range manifest.Manifests {
		image, err := i.Index.Image(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("read image: %w", err)
		}
		p := Platform{Name: d.Platform.String(), Digest: d.Digest.String()}
		if p.Compressed, p.Unpacked, err = sizes(image); err != nil {
			return nil, fmt.Errorf("measure %s: %w", p.Name, err)
		}
		list = append(list, p)
	}

	return list, nil
}

func sizes(image v1.Image) (compressed, unpacked int64, err error) {
	manifest, err := image.Manifest()
	if err != nil {
		return 0, 0, fmt.Errorf("read manifest: %w", err)
	}
	compressed, err = image.Size()
	if err != nil {
		return 0, 0, fmt.Errorf("read manifest: %w", err)
	}
	compressed += manifest.Config.Size
	layers, err := image.Layers()
	if err != nil {
		return 0, 0, fmt.Errorf("read layers: %w", err)
	}
	for n, l := range layers {
		compressed += manifest.Layers[n].Size
		size, err := partial.UncompressedSize(l)
		if err != nil {
			return 0, 0, fmt.Errorf("unpack layer: %w", err)
		}
		unpacked += size
	}

	return compressed, unpacked, nil
}
