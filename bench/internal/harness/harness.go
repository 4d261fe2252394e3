// Package harness puts the benchmark together: it builds the contestants, opens the lab, runs the parts and writes
// the report.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/plan"
	"github.com/callstream/enricher/bench/internal/progress"
	"github.com/callstream/enricher/bench/internal/report"
	"github.com/callstream/enricher/bench/internal/result"
)

// Options are the command's flags.
type Options struct {
	Smoke   bool
	Only    string
	Who     []string
	MustRun []string
	Rounds  int
	Root    string
	Dir     string
	Docs    string
	Render  string
	Log     string
}

// Errors that a caller tells apart.
var (
	ErrUsage  = errors.New("the command line is wrong")
	ErrFailed = errors.New("some contestants failed; their rows say why")
)

// Parts are the names that -only takes.
func Parts() []string { return plan.Parts() }

// Run does what o asks for. out is for the progress.
func Run(ctx context.Context, o *Options, out *os.File) error {
	if o.Render != "" {
		return render(o)
	}
	parts, err := plan.Choose(o.Only)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if o.Rounds < 1 {
		return fmt.Errorf("%w: -rounds %d", ErrUsage, o.Rounds)
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	o.Root = root
	dir, logs, err := workDir(o.Dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only litter would be left
	res, err := o.run(ctx, parts, dir, logs, out)
	if err != nil {
		return err
	}
	if docs := o.docs(); docs != "" {
		if err := write(res, docs, o.Root); err != nil {
			return err
		}
		say(out, "written: benchmarks.md, .svg and .json and scaling.md in %s\n", docs)
	}
	if res.Failed() {
		return ErrFailed
	}
	return nil
}

// say tells people what goes on.
func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format, args...) // there is nobody else to tell
}

// docs is where the report goes; "" if it is not complete and nobody asked for it.
func (o *Options) docs() string {
	if o.Docs == "" && !o.Smoke && o.Only == "" && len(o.Who) == 0 {
		return filepath.Join(o.Root, "docs")
	}
	return o.Docs
}

func (o *Options) run(ctx context.Context, parts []string, dir, logs string, out *os.File) (*result.Result, error) {
	began := time.Now()
	size := plan.Whole(o.Rounds)
	if o.Smoke {
		size = plan.Smoke()
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	kit := contest.NewKit(o.Root, filepath.Join(dir, "bin"), cache)
	kit.Install = !o.Smoke
	b := &plan.Bench{Size: size, Kit: kit, Result: &result.Result{}, Bar: func(steps []progress.Step) *progress.Bar {
		return progress.New(out, term.IsTerminal(int(out.Fd())), steps, time.Now)
	}}
	if err := o.build(ctx, b, out); err != nil {
		return nil, err
	}
	say(out, "start Apache Kafka %s, logs on %s\n", kafka.Version(), logs)
	l, err := lab.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	l.Settle = size.SettleTime
	if o.Log != "" {
		if l.Log, err = os.Create(o.Log); err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		defer l.Log.Close() //nolint:errcheck // for people to look at
	}
	b.Lab, b.Alive = l, l.Alive
	b.Result.Began, b.Result.Rounds = began.UTC().Truncate(time.Second), size.Rounds
	o.describe(ctx, b, logs)
	b.Save = func() {
		b.Result.Took = time.Since(began).Round(time.Second).Seconds()
		if err := o.keep(b.Result); err != nil {
			say(out, "%v\n", err) // it can still be written in the end
		}
	}
	if err := b.Run(ctx, parts); err != nil {
		return nil, fmt.Errorf("%w (what was measured until then is in %s; -render with -docs makes a report of it)", err, o.last())
	}
	return b.Result, nil
}

// last is the file with what the last run has measured, be it complete or not.
func (o *Options) last() string { return filepath.Join(o.Root, "bin", "bench-last.json") }

// keep saves what has been measured: an hour's figures are not to be lost by whatever ends this process.
func (o *Options) keep(res *result.Result) error {
	if err := os.MkdirAll(filepath.Dir(o.last()), 0o755); err != nil {
		return fmt.Errorf("keep what was measured: %w", err)
	}
	return res.Write(o.last())
}

// build builds all contestants that are wanted. One that cannot be built is noted, and the others go on.
func (o *Options) build(ctx context.Context, b *plan.Bench, out io.Writer) error {
	for _, c := range contest.All() {
		who := result.Contestant{ID: c.ID, Title: c.Title, Settings: c.Settings}
		built, err := o.one(ctx, b, &who, out, func() (string, error) {
			if err := b.Kit.Build(ctx, c); err != nil {
				return "", err
			}
			return c.Program.Version(), nil
		})
		if err != nil {
			return err
		}
		if built {
			b.Contestants = append(b.Contestants, c)
		}
	}
	for _, p := range contest.Pipes() {
		who := result.Contestant{ID: p.ID, Title: p.Title, Settings: p.Settings}
		built, err := o.one(ctx, b, &who, out, func() (string, error) {
			err := b.Kit.BuildPipe(ctx, p)
			return p.Version, err
		})
		if err != nil {
			return err
		}
		if built {
			b.Pipes = append(b.Pipes, p)
		}
	}
	return nil
}

// one builds one contestant, if it is wanted. An error means that all is to end.
func (o *Options) one(ctx context.Context, b *plan.Bench, who *result.Contestant, out io.Writer, build func() (string, error)) (bool, error) {
	if !matches(who.ID, o.Who) {
		return false, nil
	}
	say(out, "build %s\n", who.ID)
	version, err := build()
	if ctx.Err() != nil {
		return false, fmt.Errorf("build %s: %w", who.ID, ctx.Err())
	}
	if who.Version = version; err != nil {
		o.without(who, err, out)
	}
	b.Result.Who = append(b.Result.Who, *who)
	return err == nil, nil
}

// without notes that a contestant cannot run.
func (o *Options) without(who *result.Contestant, err error, out io.Writer) {
	var skipped *contest.SkippedError
	if errors.As(err, &skipped) && (len(o.MustRun) == 0 || !matches(who.ID, o.MustRun)) {
		who.Skipped = skipped.Reason
		say(out, "SKIPPED %s: %s\n", who.ID, skipped.Reason)
		return
	}
	who.Failed = err.Error()
	say(out, "FAILED %s: %v\n", who.ID, err)
}

// matches tells whether an id is in a list, in which one may end with *. An empty list has all.
func matches(id string, list []string) bool {
	if len(list) == 0 {
		return true
	}
	for _, l := range list {
		if prefix, ok := strings.CutSuffix(l, "*"); ok && strings.HasPrefix(id, prefix) || l == id {
			return true
		}
	}
	return false
}

// cacheDir is where the module's other tools are kept as well.
func cacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	cache = filepath.Join(cache, "callstream-enricher")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make cache directory: %w", err)
	}
	return cache, nil
}

// roomWanted is how much memory has to be free for the broker's logs to be kept there, in bytes.
const roomWanted = 14 << 30

// workDir makes a directory for everything, and says what it is on.
func workDir(dir string) (path, logs string, err error) {
	if dir == "" {
		const memory = "/dev/shm"
		var fs unix.Statfs_t
		if unix.Statfs(memory, &fs) == nil && fs.Bavail*uint64(fs.Bsize) >= roomWanted && available() >= roomWanted {
			dir = memory
		}
	}
	if path, err = os.MkdirTemp(dir, "enricher-bench-"); err != nil {
		return "", "", fmt.Errorf("make directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(path, "bin"), 0o755); err != nil {
		return "", "", fmt.Errorf("make directory: %w", err)
	}
	return path, fileSystem(path), nil
}

// write writes results and report.
func write(res *result.Result, docs, root string) error {
	if err := res.Write(filepath.Join(docs, "benchmarks.json")); err != nil {
		return err
	}
	return rendered(res, docs, root)
}

// rendered writes the report alone.
func rendered(res *result.Result, docs, root string) error {
	notes, err := os.ReadFile(filepath.Join(root, "bench", "notes.md"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read notes: %w", err)
	}
	for name, text := range map[string]string{
		"benchmarks.md": report.Markdown(res, string(notes)), "benchmarks.svg": report.Chart(res), "scaling.md": report.Scaling(res),
	} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// render makes the report anew: beside the results, or in -docs, with a copy of them.
func render(o *Options) error {
	res, err := result.Read(o.Render)
	if err != nil {
		return err
	}
	if o.Docs != "" {
		return write(res, o.Docs, o.Root)
	}
	return rendered(res, filepath.Dir(o.Render), o.Root)
}
