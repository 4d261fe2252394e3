// Protections takes each protection out of a copy of its file, one at a time, and runs the test that is to notice: a test
// that passes without it protects nothing. The tree stays as it is (go build's -overlay).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// protection is a piece of code that keeps something out, and the test that fails without it.
type protection struct {
	against string
	file    string
	code    string // stands in the file once
	without string
	test    string // of the file's package, unless a package stands in front
}

const limit = 3 * time.Minute // for one test: without a protection it may hang

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "protections:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: protections ROOT [WORD...], the enricher's folder, and words of the protections to try instead of all")

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	root, err := filepath.Abs(args[0])
	if err != nil {
		return fmt.Errorf("find %s: %w", args[0], err)
	}
	dir, err := os.MkdirTemp("", "protections")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var unnoticed []string
	for i, p := range protections() {
		if len(args) > 1 && !slices.ContainsFunc(args[1:], func(word string) bool { return strings.Contains(p.against+" "+p.file, word) }) {
			continue
		}
		noticed, err := p.try(ctx, root, filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return fmt.Errorf("%s (%s): %w", p.against, p.file, err)
		}
		if _, err := fmt.Fprintf(out, "%-70s %s\n", p.against, noticed); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if noticed == "" {
			unnoticed = append(unnoticed, p.against+" ("+p.test+")")
		}
	}
	if len(unnoticed) > 0 {
		return fmt.Errorf("%w: %s", errUnnoticed, strings.Join(unnoticed, "; "))
	}
	return nil
}

var (
	errUnnoticed = errors.New("tests pass without what they are to hold")
	errMoved     = errors.New("the code stands in the file not once; the list in tools/protections has to follow it")
	errBroken    = errors.New("what is left does not compile")
)

// try runs the test without the protection and says what failed; "" if nothing did.
func (p *protection) try(ctx context.Context, root, scratch string) (noticed string, err error) {
	path := filepath.Join(root, filepath.FromSlash(p.file))
	text, err := os.ReadFile(path) //nolint:gosec // of the list below
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	if bytes.Count(text, []byte(p.code)) != 1 {
		return "", errMoved
	}
	if err := os.WriteFile(scratch+".go", bytes.Replace(text, []byte(p.code), []byte(p.without), 1), 0o600); err != nil { //nolint:gosec // a temporary folder
		return "", fmt.Errorf("write: %w", err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: scratch + ".go"}})
	if err != nil {
		return "", fmt.Errorf("write: %w", err)
	}
	if err := os.WriteFile(scratch+".json", overlay, 0o600); err != nil {
		return "", fmt.Errorf("write: %w", err)
	}
	pkg, test, other := strings.Cut(p.test, " ")
	if !other {
		pkg, test = "./"+filepath.ToSlash(filepath.Dir(p.file)), p.test
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-timeout", "60s", "-overlay", scratch+".json", "-run", "^"+test+"$", pkg) //nolint:gosec // of the list below
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOMEMLIMIT=4GiB")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil && bytes.Contains(out, []byte("no tests to run")):
		return "", fmt.Errorf("%w: there is no %s", errMoved, test)
	case err == nil:
		return "", nil
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return "", fmt.Errorf("%w: %s", errBroken, out)
	}
	if failed := failure.FindSubmatch(out); failed != nil {
		return string(failed[1]) + " fails", nil
	}
	return test + " ends the process", nil // by a panic, or the time-out
}

var failure = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
