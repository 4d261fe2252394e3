// Package contest is who takes part in the benchmark: how each program is built, configured and
// started. All do the same work, which doc comments of bench/internal/peer describe.
package contest

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// Deliveries, by the names that flags and configuration have for them.
const (
	AtLeastOnce = "at_least_once"
	ExactlyOnce = "exactly_once"
)

// Work is what a contestant does to an event.
type Work int

// The kinds of work.
const (
	Same  Work = iota // what all are compared by: static members of the object, and one header
	Full              // the enricher's default object and headers, with advice for this very call
	Copy              // a constant is added without a look at the event
	Tree              // Same, but the value is written anew: the same JSON, not the same bytes
	Works             // how many there are
)

// Contestant is one that takes part: a program with its settings.
type Contestant struct {
	ID       string // short, for flags and raw results
	Title    string // for tables
	Delivery string
	Work     Work
	// Settings say what is not at its default, for the report.
	Settings string
	// Slow ones run in fewer rounds, so that all is done in time.
	Slow bool
	// WarmsUp says that it compiles what is hot while it runs. Such ones get more events, of which the first do not count.
	WarmsUp bool
	// Program is made by Build.
	Program Program
	build   func(ctx context.Context, k *Kit) (Program, error)
}

// Program is what has been built and can be started.
type Program interface {
	// Spec says how to start it.
	Spec(r *Run) (*Spec, error)
	// Version is of the program or of the library that it stands for.
	Version() string
}

// Run is one run of a contestant.
type Run struct {
	Brokers       []string
	In, Out, Dead string // topics
	Group         string
	Compression   string // none, lz4 or zstd
	Delivery      string
	Work          Work
	Table         string // file, see peer.Load
	Dir           string // for files that it needs
	Instance      int    // number among processes of the same group
	// CommitInterval is the time between commits; 0 is the contestant's own choice. Only those that have such a
	// setting obey.
	CommitInterval time.Duration
	// Ops turns the enricher's metrics on, on this address; "" leaves them off.
	Ops string
}

// SkippedError says why a contestant cannot take part on this machine. It is no failure.
type SkippedError struct{ Reason string }

func (e *SkippedError) Error() string { return "skipped: " + e.Reason }

// Kit is where things are built.
type Kit struct {
	Root  string // of the enricher's module
	Bin   string // directory for programs
	Cache string // directory that is kept from one benchmark to the next
	// Install lets tools be compiled into Cache that take minutes.
	Install bool
	built   map[string]result
}

type result struct {
	path string
	err  error
}

// NewKit makes a Kit. The directories must be there.
func NewKit(root, bin, cache string) *Kit {
	return &Kit{Root: root, Bin: bin, Cache: cache, built: map[string]result{}}
}

// Build builds what c needs, once for all contestants that need the same.
func (k *Kit) Build(ctx context.Context, c *Contestant) error {
	p, err := c.build(ctx, k)
	if err != nil {
		return fmt.Errorf("build %s: %w", c.ID, err)
	}
	c.Program = p
	return nil
}

// goProgram builds a Go program of a module.
func (k *Kit) goProgram(ctx context.Context, module, pkg string) (string, error) {
	return k.once(pkg, func() (string, error) {
		path := filepath.Join(k.Bin, filepath.Base(pkg))
		return path, command(ctx, module, "go", "build", "-trimpath", "-o", path, pkg)
	})
}

func (k *Kit) once(name string, build func() (string, error)) (string, error) {
	if r, ok := k.built[name]; ok {
		return r.path, r.err
	}
	path, err := build()
	k.built[name] = result{path, err}
	return path, err
}
