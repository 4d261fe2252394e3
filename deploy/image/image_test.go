//go:build image

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/deploy/image/internal/files"
	"github.com/callstream/enricher/deploy/image/internal/oci"
	"github.com/callstream/enricher/deploy/image/internal/release"
)

// mostCompressed bounds what is pulled for one platform, in bytes.
const mostCompressed = 30e6

// clones are two clones of the last commit, in two places: what is packed must not depend on where it lies, and nobody
// edits them meanwhile. With IMAGE_COLD set the second one compiles all anew, the standard library as well.
func clones(t *testing.T) [2]string {
	t.Helper()
	from, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	var dirs [2]string
	for n := range dirs {
		dirs[n] = filepath.Join(t.TempDir(), strings.Repeat("deep/", n), "clone")
		out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", from, dirs[n]).CombinedOutput()
		require.NoError(t, err, string(out))
		from = dirs[n] // so that both have the same commit
	}

	return dirs
}

func do(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args, "", &out, os.Stderr))

	return out.String()
}

// twice runs a verb in both clones and returns where the results are.
func twice(t *testing.T, verb string) (first, second string) {
	t.Helper()
	dirs := clones(t)
	first, second = filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	t.Log("\n" + do(t, verb, "-root", dirs[0], "-out", first))
	if os.Getenv("IMAGE_COLD") != "" {
		t.Setenv("GOCACHE", t.TempDir())
	}
	do(t, verb, "-root", dirs[1], "-out", second)

	return first, second
}

func TestImage(t *testing.T) {
	first, second := twice(t, "image")
	require.Equal(t, tree(t, first), tree(t, second), "two builds of one commit")

	layoutIndex, err := layout.ImageIndexFromPath(first)
	require.NoError(t, err)
	top, err := layoutIndex.IndexManifest()
	require.NoError(t, err)
	require.Len(t, top.Manifests, 1)
	index, err := layoutIndex.ImageIndex(top.Manifests[0].Digest)
	require.NoError(t, err)
	require.NoError(t, validate.Index(index))
	image := &oci.Image{Index: index}
	platforms, err := image.Platforms()
	require.NoError(t, err)
	require.Len(t, platforms, 2)

	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for n, p := range platforms {
		require.Less(t, p.Compressed, int64(mostCompressed), p.Name)
		one, err := index.Image(manifest.Manifests[n].Digest)
		require.NoError(t, err)
		t.Run(p.Name, func(t *testing.T) { look(t, p.Name, one) })
	}
}

// look holds one platform's image to what docs/image.md says of it.
func look(t *testing.T, platform string, image v1.Image) {
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, platform, config.OS+"/"+config.Architecture)
	require.Equal(t, []string{"/enricher"}, config.Config.Entrypoint)
	require.Equal(t, files.User, config.Config.User)

	rootfs := filepath.Join(t.TempDir(), "rootfs")
	unpack(t, image, rootfs)
	require.Equal(t, []string{
		"enricher", "etc/group", "etc/nsswitch.conf", "etc/passwd", "etc/ssl/certs/ca-certificates.crt",
		"usr/share/doc/enricher/LICENSES.txt",
	}, names(t, rootfs))

	program, err := elf.Open(filepath.Join(rootfs, "enricher"))
	require.NoError(t, err)
	defer func() { require.NoError(t, program.Close()) }()
	machines := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
	require.Equal(t, machines[platform], program.Machine)
	for _, p := range program.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type, "the program is static")
	}
	if platform == "linux/amd64" {
		start(t, config, rootfs)
	}
}

func TestDist(t *testing.T) {
	first, second := twice(t, "dist")
	sums := tree(t, first)
	require.Equal(t, sums, tree(t, second), "two builds of one commit")
	require.Len(t, sums, 11)

	text, err := os.ReadFile(filepath.Join(first, release.Sums))
	require.NoError(t, err)
	lines := 0
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		require.Equal(t, sums[name], sum, name)
		lines++
	}
	require.Equal(t, 10, lines)
}

// The Dockerfile's image has the same files and the same configuration.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	require.NoError(t, err)
	require.Contains(t, string(text), "\nUSER "+files.User+"\n")
	require.Contains(t, string(text), "\nENTRYPOINT [\"/"+oci.Program+"\"]\n")
	require.Contains(t, string(text), `RUN go -C deploy/image run . rootfs -arch "$TARGETARCH" -out /rootfs`)

	dirs := clones(t)
	rootfs, layoutDir := filepath.Join(t.TempDir(), "rootfs"), filepath.Join(t.TempDir(), "image")
	do(t, "rootfs", "-root", dirs[0], "-arch", "amd64", "-out", rootfs)
	do(t, "image", "-root", dirs[1], "-out", layoutDir)
	index, err := layout.ImageIndexFromPath(layoutDir)
	require.NoError(t, err)
	top, err := index.IndexManifest()
	require.NoError(t, err)
	both, err := index.ImageIndex(top.Manifests[0].Digest)
	require.NoError(t, err)
	manifest, err := both.IndexManifest()
	require.NoError(t, err)
	image, err := both.Image(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	unpacked := filepath.Join(t.TempDir(), "unpacked")
	unpack(t, image, unpacked)
	require.Equal(t, tree(t, unpacked), tree(t, rootfs))
	info, err := os.Stat(filepath.Join(rootfs, "tmp"))
	require.NoError(t, err)
	require.Equal(t, os.ModeDir|os.ModeSticky|0o777, info.Mode())
}

// tree is what is in a directory: checksums by name.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, name := range names(t, dir) {
		f, err := os.Open(filepath.Join(dir, name))
		require.NoError(t, err)
		h := sha256.New()
		_, err = io.Copy(h, f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		sums[name] = hex.EncodeToString(h.Sum(nil))
	}

	return sums
}

// names are the files in a directory, in order.
func names(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}

		return err
	}))

	return list
}

// unpack lays an image's layers over one another in a directory, as a runtime does.
func unpack(t *testing.T, image v1.Image, dir string) {
	t.Helper()
	require.NoError(t, os.Mkdir(dir, 0o755))
	archive := mutate.Extract(image)
	defer func() { require.NoError(t, archive.Close()) }()
	untar := exec.CommandContext(t.Context(), "tar", "-x", "-p", "-C", dir)
	untar.Stdin = archive
	out, err := untar.CombinedOutput()
	require.NoError(t, err, string(out))
}
