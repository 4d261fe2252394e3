// Bench measures the enricher beside other programs that do the same work, on a real Apache
// Kafka that it starts. See docs/benchmarks.md, which it writes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/callstream/enricher/bench/internal/harness"
)

// Exit codes.
const (
	exitFailed = 1 // a contestant failed, or the benchmark itself
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var o harness.Options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.BoolVar(&o.Smoke, "smoke", false, "do everything once, with few events: to see that it works, not how fast")
	fs.StringVar(&o.Only, "only", "", "`parts` to run, separated by commas; writes no report but in -docs\n"+strings.Join(harness.Parts(), ", "))
	who := fs.String("who", "", "`contestants` to run, separated by commas; an id may end with *. Writes no report but in -docs")
	mustRun := fs.String("no-skip", "", "`contestants` for which it is a failure that they cannot run on this machine, as with -who")
	fs.IntVar(&o.Rounds, "rounds", 5, "`number` of rounds")
	fs.StringVar(&o.Root, "root", "..", "`directory` of the enricher's module")
	fs.StringVar(&o.Dir, "dir", "", "`directory` for the broker's logs and all other files (default: in memory if there is room, else the system's for temporary files)")
	fs.StringVar(&o.Docs, "docs", "", "`directory` for benchmarks.md, .svg and .json and scaling.md (default: docs in -root, if all was run)")
	fs.StringVar(&o.Render, "render", "", "run nothing, and make both documents anew from this `file` of results, beside it or in -docs")
	fs.StringVar(&o.Log, "log", "", "`file` for all that contestants print")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	o.Who, o.MustRun = list(*who), list(*mustRun)
	if err := harness.Run(ctx, &o, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		if errors.Is(err, harness.ErrUsage) {
			return exitUsage
		}
		return exitFailed
	}
	return 0
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
