package oci_test

import (
	"context"
	"io"
	"log" //nolint:depguard // the registry wants one
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/oci"
)

func source() *build.Source {
	return &build.Source{Commit: strings.Repeat("c0", 20), Time: time.Date(2026, 11, 26, 9, 6, 34, 0, time.UTC)}
}

func content(arch, version string) oci.Content {
	return oci.Content{
		Binary:   &build.Binary{Target: build.Target{OS: "linux", Arch: arch}, Version: version, Data: []byte("program for " + arch)},
		Licenses: []byte("terms"),
	}
}

func made(t *testing.T) *oci.Image {
	t.Helper()
	image, err := oci.New(source(), []oci.Content{content("amd64", "v1.2.3+dirty"), content("arm64", "v1.2.3+dirty")})
	require.NoError(t, err)

	return image
}

func TestNew(t *testing.T) {
	image := made(t)
	require.Equal(t, "v1.2.3-dirty", image.Tag)

	manifest, err := image.Index.IndexManifest()
	require.NoError(t, err)
	require.Equal(t, "v1.2.3+dirty", manifest.Annotations["org.opencontainers.image.version"])
	require.Len(t, manifest.Manifests, 2)
	var base []v1.Hash
	for n, arch := range []string{"amd64", "arm64"} {
		require.Equal(t, &v1.Platform{OS: "linux", Architecture: arch}, manifest.Manifests[n].Platform)
		one, err := image.Index.Image(manifest.Manifests[n].Digest)
		require.NoError(t, err)
		config, err := one.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, "linux", config.OS)
		require.Equal(t, arch, config.Architecture)
		require.Equal(t, source().Time, config.Created.Time)
		require.Equal(t, []string{"/enricher"}, config.Config.Entrypoint)
		require.Empty(t, config.Config.Cmd)
		require.Equal(t, "65532:65532", config.Config.User)
		require.Equal(t, source().Commit, config.Config.Labels["org.opencontainers.image.revision"])
		require.Equal(t, "2026-11-26T09:06:34Z", config.Config.Labels["org.opencontainers.image.created"])
		require.Len(t, config.RootFS.DiffIDs, 2)
		base = append(base, config.RootFS.DiffIDs[0])
	}
	require.Equal(t, base[0], base[1], "platforms share the lower layer")
}

// What is not in the source and the binaries must not be in the image; what is must be.
func TestDigest(t *testing.T) {
	digest := func(src *build.Source, list ...oci.Content) string {
		image, err := oci.New(src, list)
		require.NoError(t, err)
		d, err := image.Digest()
		require.NoError(t, err)

		return d
	}
	first := digest(source(), content("amd64", "v1"))
	require.Equal(t, first, digest(source(), content("amd64", "v1")))

	later := source()
	later.Time = later.Time.Add(time.Second)
	require.NotEqual(t, first, digest(later, content("amd64", "v1")))
	require.NotEqual(t, first, digest(source(), content("amd64", "v2")))
	other := content("amd64", "v1")
	other.Binary.Data = []byte("another program")
	require.NotEqual(t, first, digest(source(), other))
}

func TestNewFails(t *testing.T) {
	_, err := oci.New(source(), nil)
	require.EqualError(t, err, "make image: no platforms")
	_, err = oci.New(source(), []oci.Content{content("amd64", "v1"), content("arm64", "v2")})
	require.EqualError(t, err, "make image: linux/amd64 is of version v1, linux/arm64 of v2: was the source changed meanwhile?")
}

func TestPlatforms(t *testing.T) {
	list, err := made(t).Platforms()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "linux/amd64", list[0].Name)
	require.Equal(t, "linux/arm64", list[1].Name)
	require.NotEqual(t, list[0].Digest, list[1].Digest)
	require.Greater(t, list[0].Compressed, int64(50_000)) // the certificate authorities
	require.Greater(t, list[0].Unpacked, list[0].Compressed)
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	image := made(t)
	require.NoError(t, image.Write(dir))

	index, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	require.NoError(t, validate.Index(index))
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	require.Equal(t, "v1.2.3-dirty", manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"])
	digest, err := image.Digest()
	require.NoError(t, err)
	require.Equal(t, digest, manifest.Manifests[0].Digest.String())

	taken := filepath.Join(dir, "taken")
	require.NoError(t, os.WriteFile(taken, nil, 0o600))
	require.ErrorContains(t, image.Write(taken), "write layout: ")
}

func TestPush(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir()) // nobody's login
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	image := made(t)
	digest, err := image.Digest()
	require.NoError(t, err)

	for reference, tag := range map[string]string{"/team/enricher": "v1.2.3-dirty", "/team/enricher:stable": "stable"} {
		at, err := image.Push(t.Context(), host+reference)
		require.NoError(t, err)
		require.Equal(t, host+"/team/enricher@"+digest, at)

		ref, err := name.NewTag(host + "/team/enricher:" + tag)
		require.NoError(t, err)
		pulled, err := remote.Index(ref)
		require.NoError(t, err)
		require.NoError(t, validate.Index(pulled))
		got, err := pulled.Digest()
		require.NoError(t, err)
		require.Equal(t, digest, got.String())
	}
}

func TestPushFails(t *testing.T) {
	_, err := made(t).Push(t.Context(), "NOT A NAME")
	require.ErrorContains(t, err, "want a name such as registry.example/team/enricher")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = made(t).Push(ctx, "127.0.0.1:1/enricher")
	require.ErrorContains(t, err, "push to 127.0.0.1:1/enricher:v1.2.3-dirty: ")
}
