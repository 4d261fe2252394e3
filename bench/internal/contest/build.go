package contest

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// command runs a command in a directory. What it printed goes into the error.
func command(ctx context.Context, dir, name string, args ...string) error {
	_, err := output(ctx, dir, name, args...)
	return err
}

// output runs a command and returns what it printed on standard output.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), errors.Join(err, ctx.Err()), tail(stdout.Bytes()), tail(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// tail is the end of what a command printed.
func tail(b []byte) []byte {
	const most = 4 << 10
	return b[max(0, len(b)-most):]
}

// moduleVersion is the version of a module that a Go program was built with; "" if there is none
// of that name in it.
func moduleVersion(binary, module string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return ""
}

// Revision is the version control's name for what the repository has checked out, with a plus if files
// have been changed.
func Revision(ctx context.Context, root string) string {
	rev, err := output(ctx, root, "git", "rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "unknown"
	}
	changed, err := output(ctx, root, "git", "status", "--porcelain", "--untracked-files=no")
	if err != nil || strings.TrimSpace(changed) != "" {
		return strings.TrimSpace(rev) + "+"
	}
	return strings.TrimSpace(rev)
}

// writeFile writes a file of a run and returns its path.
func writeFile(dir, name, text string) (string, error) {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}
