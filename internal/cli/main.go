package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Main runs this process's command line and gives the exit code. A first SIGINT or SIGTERM asks the command to stop, and
// ends it if it has nothing to finish; a second one ends the process at once.
func Main() int {
	// With the signal ignored, writing to a pipe that nobody reads is an error, which
	// Execute takes for a clean end if it is stdout.
	signal.Ignore(syscall.SIGPIPE)

	ctx, end := context.WithCancelCause(context.Background())
	defer end(nil)

	asked, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(asked, func() {
		restore()                 // before the command knows of the first signal, so that who hears from it may count on the second
		end(context.Cause(asked)) // which signal it was
	})

	return Execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
