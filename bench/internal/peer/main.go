package peer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Peer is the work of one program. It runs until ctx ends, which is no error, and calls first as its first fetched records
// are in hand.
type Peer func(ctx context.Context, f Flags, t *Table, first func()) error

// Main is the main of a peer but for os.Exit: it returns the exit code.
func Main(name string, args []string, stdout, stderr io.Writer, run Peer) int {
	ctx, stop := Context()
	defer stop()
	switch err := Run(ctx, name, args, stdout, run); {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return usageCode
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err) //nolint:errcheck // nowhere else to say it
		return 1
	}
}

// usageCode is the exit code after -help.
const usageCode = 2

// Run is Main without the process around it, for tests.
func Run(ctx context.Context, name string, args []string, stdout io.Writer, run Peer) error {
	f, err := Parse(name, args)
	if err != nil {
		return err
	}
	t, err := Load(f.Table)
	if err != nil {
		return err
	}
	return run(ctx, f, t, First(stdout))
}

// Exec is Main with the process's own arguments and outputs; it does not return.
func Exec(name string, run Peer) {
	os.Exit(Main(name, os.Args[1:], os.Stdout, os.Stderr, run))
}
