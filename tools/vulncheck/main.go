// Command vulncheck runs govulncheck over modules of this repository, if its database can be reached; if not, it says so and
// succeeds, or fails with -required. It finds nothing by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// patience is how long the database may take to say what it has.
const patience = 20 * time.Second

func main() {
	c := check{out: os.Stdout, scan: scan}
	flag.StringVar(&c.db, "db", "https://vuln.go.dev", "the `URL` of the vulnerability database")
	flag.BoolVar(&c.required, "required", false, "fail if the database cannot be reached")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := c.run(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to be stopped
	}
}

type check struct {
	db       string
	required bool
	out      io.Writer
	scan     func(ctx context.Context, db, dir string) error
}

// run scans each directory. All that is found comes at once.
func (c check) run(ctx context.Context, dirs []string) error {
	if err := reach(ctx, c.db); err != nil {
		if c.required {
			return err
		}
		_, _ = fmt.Fprintf(c.out, "vulncheck: SKIPPED, nothing was looked at: %v\n", err)

		return nil
	}
	var errs []error
	for _, dir := range dirs {
		_, _ = fmt.Fprintln(c.out, "vulncheck:", dir)
		if err := c.scan(ctx, c.db, dir); err != nil {
			errs = append(errs, fmt.Errorf("scan %s: %w", dir, err))
		}
	}

	return errors.Join(errs...)
}

// reach asks the database when it was last changed, the first thing that govulncheck does as well.
func reach(ctx context.Context, db string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(db, "/")+"/index/db.json", nil)
	if err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reach database: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reach database: GET %s: %s", req.URL, resp.Status)
	}

	return nil
}

// scan fails if govulncheck does: by what it found, or because it could not look.
func scan(ctx context.Context, db, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "govulncheck", "-db", db, "-C", dir, "-test", "./...") //nolint:gosec // our own arguments
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run govulncheck: %w", err)
	}

	return nil
}
