package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/callstream/enricher/deploy/image/internal/build"
	"github.com/callstream/enricher/deploy/image/internal/files"
	"github.com/callstream/enricher/deploy/image/internal/oci"
	"github.com/callstream/enricher/deploy/image/internal/release"
)

func imageTargets() []build.Target {
	return []build.Target{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}
}

func distTargets() []build.Target {
	return append(imageTargets(),
		build.Target{OS: "darwin", Arch: "amd64"}, build.Target{OS: "darwin", Arch: "arm64"}, build.Target{OS: "windows", Arch: "amd64"})
}

func makeImage(ctx context.Context, o *options, src *build.Source, stdout io.Writer) error {
	targets := imageTargets()
	contents := make([]oci.Content, 0, len(targets))
	for _, t := range targets {
		b, licenses, err := compile(ctx, src, t)
		if err != nil {
			return err
		}
		contents = append(contents, oci.Content{Binary: b, Licenses: licenses})
	}
	image, err := oci.New(src, contents)
	if err != nil {
		return err
	}
	if err := replace(o.out, "oci-layout", image.Write); err != nil {
		return err
	}
	if err := describe(stdout, image, o.out); err != nil {
		return err
	}
	if o.push == "" {
		return nil
	}
	at, err := image.Push(ctx, o.push)
	if err != nil {
		return err
	}

	return line(stdout, "pushed %s", at)
}

func describe(stdout io.Writer, image *oci.Image, dir string) error {
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	platforms, err := image.Platforms()
	if err != nil {
		return err
	}
	if err := line(stdout, "%s %s", image.Tag, digest); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := line(stdout, "%-12s %s  %s compressed, %s unpacked", p.Name, p.Digest, megabytes(p.Compressed), megabytes(p.Unpacked)); err != nil {
			return err
		}
	}

	return line(stdout, "written to %s", dir)
}

func makeDist(ctx context.Context, o *options, src *build.Source, stdout io.Writer) error {
	beside, err := files.Read(o.root, "LICENSE", "README.md", "CHANGELOG.md", "config/*.yaml")
	if err != nil {
		return err
	}
	var list []files.File
	for _, t := range distTargets() {
		b, licenses, err := compile(ctx, src, t)
		if err != nil {
			return err
		}
		made, err := release.Files(src, release.Content{Binary: b, Licenses: licenses, Beside: beside})
		if err != nil {
			return err
		}
		list = append(list, made...)
	}
	list = append(list, release.Checksums(list))
	if err := replace(o.out, release.Sums, func(dir string) error { return files.Write(dir, list) }); err != nil {
		return err
	}
	for _, f := range list {
		if err := line(stdout, "%9s  %s", megabytes(int64(len(f.Data))), f.Name); err != nil {
			return err
		}
	}

	return line(stdout, "written to %s", o.out)
}

func makeRootfs(ctx context.Context, o *options, src *build.Source, stdout io.Writer) error {
	b, licenses, err := compile(ctx, src, build.Target{OS: "linux", Arch: o.arch})
	if err != nil {
		return err
	}
	list, err := files.Base()
	if err != nil {
		return err
	}
	list = append(list, oci.Files(oci.Content{Binary: b, Licenses: licenses})...)
	if err := replace(o.out, oci.Program, func(dir string) error { return files.Write(dir, list) }); err != nil {
		return err
	}

	return line(stdout, "%s for linux/%s written to %s", b.Version, o.arch, o.out)
}

// replace makes a directory anew beside the old one and then puts it in its place, so that there is never half of
// one. What stands there must be empty or have a file that only an earlier run can have written.
func replace(dir, mark string, fill func(dir string) error) error {
	old, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, mark)); err != nil && len(old) > 0 {
		return fmt.Errorf("replace %s: it has other files and no %s; choose another directory by -out", dir, mark)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(fresh) //nolint:errcheck // moved away, or of no use
	if err := fill(fresh); err != nil {
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil { //nolint:gosec // an image's files are not secret
		return fmt.Errorf("open directory: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fmt.Errorf("move into place: %w", err)
	}

	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func line(w io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(w, format+"\n", args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}

	return nil
}
