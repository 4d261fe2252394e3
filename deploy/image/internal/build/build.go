// Package build compiles the enricher so that the same commit gives the same bytes, wherever and whenever it is
// compiled with the same version of Go. It packs nothing.
package build

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Source is a clone of the repository with a commit checked out.
type Source struct {
	Root   string    // the directory with the product's go.mod
	Commit string    // 40 hexadecimal digits
	Time   time.Time // of the commit, UTC, whole seconds; all files that are made from it bear it
}

// Target is what a binary is for, in Go's words.
type Target struct {
	OS, Arch string
}

// Binary is a compiled enricher. It knows its own version: what `enricher version` prints.
type Binary struct {
	Target

	Data    []byte
	Version string // such as v1.2.3, or v0.0.0-20261126090634-9056271d90aa+dirty between releases
	Info    *debug.BuildInfo
}

// Find reads what is checked out in root. An epoch that is not empty, in seconds, stands in for the commit's
// time; it is what reproducible builds pass in SOURCE_DATE_EPOCH.
func Find(ctx context.Context, root, epoch string) (*Source, error) {
	text, err := output(ctx, root, nil, "git", "show", "--no-patch", "--no-show-signature", "--format=%H %ct", "HEAD")
	if err != nil {
		return nil, fmt.Errorf("read commit: %w (version and dates come from it: build in a clone of the repository)", err)
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(text), " ")
	if epoch != "" {
		seconds = epoch
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || unix < 0 {
		return nil, fmt.Errorf("read date %q: want seconds since 1970, as SOURCE_DATE_EPOCH has them", seconds)
	}

	return &Source{Root: root, Commit: commit, Time: time.Unix(unix, 0).UTC()}, nil
}

// Compile builds the enricher for a target. The binary is static, and has neither symbols nor paths of this machine.
func (s *Source) Compile(ctx context.Context, t Target) (*Binary, error) {
	dir, err := os.MkdirTemp("", "enricher-build-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system clears it

	path := filepath.Join(dir, "enricher")
	if _, err := output(ctx, s.Root, environment(t),
		"go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w", "-o", path, "./cmd/enricher"); err != nil {
		return nil, fmt.Errorf("compile for %s: %w", t, err)
	}
	data, err := os.ReadFile(path) //nolint:gosec // written above
	if err != nil {
		return nil, fmt.Errorf("read binary: %w", err)
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read build information: %w", err)
	}

	return &Binary{Target: t, Data: data, Version: info.Main.Version, Info: info}, nil
}

// environment is what go build is told besides its arguments. Whatever the caller's environment says of things
// that change the binary is said anew, so that it cannot.
func environment(t Target) []string {
	return []string{
		"GOOS=" + t.OS, "GOARCH=" + t.Arch, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off",
	}
}

// ModuleDirs says where the source of each module in a binary is, by the module's path. The product's own is not among them.
func (s *Source) ModuleDirs(ctx context.Context, info *debug.BuildInfo) (map[string]string, error) {
	if len(info.Deps) == 0 {
		return map[string]string{}, nil // the command below would list the main module
	}
	args := make([]string, 0, 4+len(info.Deps))
	args = append(args, "list", "-m", "-f", "{{.Path}}\t{{.Dir}}")
	for _, d := range info.Deps {
		args = append(args, d.Path)
	}
	text, err := output(ctx, s.Root, []string{"GOFLAGS=", "GOWORK=off"}, "go", args...)
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	dirs := make(map[string]string, len(info.Deps))
	for line := range strings.Lines(text) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		dirs[path] = dir
	}

	return dirs, nil
}

// GoRoot is where Go itself is.
func GoRoot(ctx context.Context) (string, error) {
	text, err := output(ctx, "", nil, "go", "env", "GOROOT")
	if err != nil {
		return "", fmt.Errorf("find Go: %w", err)
	}

	return strings.TrimSpace(text), nil
}

// String is the target as images and `enricher version` write it.
func (t Target) String() string { return t.OS + "/" + t.Arch }

// output runs a command in a directory, with variables beside those of this process, and returns what it prints.
// What it says on standard error is in the error.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // git and go, by the callers above
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], errors.Join(err, ctx.Err()), bytes.TrimSpace(stderr.Bytes()))
	}

	return stdout.String(), nil
}
