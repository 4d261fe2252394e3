// Command licences lists the licences of everything that this repository's modules link, in docs/licences.md, and fails when one
// is not on the allow-list or cannot be told. It reads the licence files of the module cache: what a file says, word for word,
// counts, and what a registry says does not. It is not legal advice.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	root := flag.String("root", "..", "the repository")
	tags := flag.String("tags", "", "build tags of tests, with commas")
	update := flag.Bool("update", false, "write docs/licences.md anew instead of comparing with it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *tags, *update); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

// run compares, or writes. Licences that are not allowed are an error either way.
func run(ctx context.Context, root, tags string, update bool) error {
	shipped, beside, err := collect(ctx, root, tags)
	if err != nil {
		return err
	}
	rows, err := judge(shipped, allowedShipped())
	more, errBeside := judge(beside, allowedBeside())
	if err := errors.Join(err, errBeside); err != nil {
		return err
	}
	if err := compare(filepath.Join(root, "docs", "licences.md"), page(rows, more), update); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stdout, "%d modules shipped, %d beside them: all licences allowed\n", len(rows), len(more))

	return nil
}

func compare(file string, text []byte, update bool) error {
	if update {
		if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // a page of documentation
			return fmt.Errorf("write licences: %w", err)
		}

		return nil
	}
	there, err := os.ReadFile(file) //nolint:gosec // the flag says where
	if err != nil {
		return fmt.Errorf("read licences: %w", err)
	}
	if !bytes.Equal(there, text) {
		return errors.New("docs/licences.md is out of date: run `make licences UPDATE=1` and look at what changed")
	}

	return nil
}
