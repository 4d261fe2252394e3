package contest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/callstream/enricher/bench/peers/pipe"
)

// Pipe is a program that filters lines from standard input to standard output.
type Pipe struct {
	ID       string
	Title    string
	Settings string
	// Exact says that all but the object stays byte for byte; else it is the same JSON.
	Exact   bool
	Path    string // of the program, made by BuildPipe
	Version string
	tool    string // name in bench/peers/pipe; "" is the enricher
	build   func(ctx context.Context, k *Kit) (path, version string, err error)
}

// VRLVersion is the version of the crate whose vrl is measured.
const VRLVersion = "0.38.0"

// Pipes are all of them.
func Pipes() []*Pipe {
	return []*Pipe{
		{
			ID: "pipe-enricher", Title: "enricher pipe", Exact: true, build: buildEnricherPipe,
			Settings: "`enrich.fields` as above, `-q`; checks UTF-8 as well, keeps all else byte for byte",
		},
		{ID: "pipe-jq", Title: "jq", tool: "jq", build: findJQ, Settings: "bench/peers/pipe/enrich.jq"},
		{
			ID: "pipe-mlr", Title: "Miller", tool: "mlr", build: buildPipeTool("mlr", "github.com/johnkerl/miller/v6/cmd/mlr", "github.com/johnkerl/miller/v6"),
			Settings: "bench/peers/pipe/enrich.mlr; works on several cores at once",
		},
		{
			ID: "pipe-benthos", Title: "benthos (Redpanda Connect's core)", tool: "benthos", build: buildPipeTool("benthos", "./benthos", "github.com/redpanda-data/benthos/v4"),
			Settings: "one mutation, batches of 500; see bench/peers/pipe/tools/benthos",
		},
		{ID: "pipe-vrl", Title: "vrl", tool: "vrl", build: findVRL, Settings: "the crate's command, which reads all of its input first; the table is a search written out in VRL"},
	}
}

// BuildPipe builds or finds what p needs.
func (k *Kit) BuildPipe(ctx context.Context, p *Pipe) (err error) {
	if p.Path, p.Version, err = p.build(ctx, k); err != nil {
		return fmt.Errorf("build %s: %w", p.ID, err)
	}
	return nil
}

// Args are the arguments with which p adds what is in a table. Files that it needs go into dir.
func (p *Pipe) Args(dir, table string) ([]string, error) {
	if p.tool == "" {
		config, err := writeFile(dir, "pipe.yaml", Config(&Run{Brokers: []string{"127.0.0.1:9092"}, In: "i", Out: "o", Dead: "d", Group: "g", Compression: "none", Delivery: AtLeastOnce}))
		return []string{"pipe", "-q", "--strict", "-c", config}, err
	}
	tools, err := pipe.Tools(dir, table)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.ID, err)
	}
	for _, t := range tools {
		if t.Name == p.tool {
			return t.Args, nil
		}
	}
	return nil, fmt.Errorf("prepare %s: there is no tool %q", p.ID, p.tool)
}

func buildEnricherPipe(ctx context.Context, k *Kit) (path, version string, err error) {
	path, err = k.goProgram(ctx, k.Root, "./cmd/enricher")
	return path, Revision(ctx, k.Root), err
}

// buildPipeTool builds a Go program of the pipes' own module.
func buildPipeTool(name, pkg, module string) func(context.Context, *Kit) (string, string, error) {
	return func(ctx context.Context, k *Kit) (string, string, error) {
		path, err := k.once(name, func() (string, error) {
			bin := filepath.Join(k.Bin, name)
			return bin, command(ctx, filepath.Join(k.Root, "bench", "peers", "pipe", "tools"), "go", "build", "-trimpath", "-o", bin, pkg)
		})
		if err != nil {
			return "", "", err
		}
		return path, moduleVersion(path, module), nil
	}
}

func findJQ(ctx context.Context, _ *Kit) (path, version string, err error) {
	if path, err = exec.LookPath("jq"); err != nil {
		return "", "", &SkippedError{"jq is not installed (Debian's package jq)"}
	}
	version, err = output(ctx, ".", path, "--version")
	return path, strings.TrimPrefix(strings.TrimSpace(version), "jq-"), err
}

// findVRL finds the command of the crate in the cache, where it is installed if that is wanted: it takes minutes
// to compile.
func findVRL(ctx context.Context, k *Kit) (path, version string, err error) {
	dir := filepath.Join(k.Cache, "vrl-"+VRLVersion)
	path = filepath.Join(dir, "bin", "vrl")
	if _, err := os.Stat(path); err == nil {
		return path, VRLVersion, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("find vrl: %w", err)
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		return "", "", &SkippedError{"vrl is not installed, and neither is cargo"}
	}
	if !k.Install {
		return "", "", &SkippedError{"vrl is not installed (make bench does so by cargo, which takes minutes)"}
	}
	if err := command(ctx, k.Cache, "cargo", "install", "vrl", "--version", "="+VRLVersion, "--locked", "--root", dir); err != nil {
		return "", "", err
	}
	return path, VRLVersion, nil
}
