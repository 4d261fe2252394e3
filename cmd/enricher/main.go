// Command enricher adds what hangup-cause codes mean to call events in Kafka. Everything it
// does is in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/callstream/enricher/internal/cli"
)

func main() {
	// With the signal ignored, writing to a pipe that nobody reads is an error, which
	// the command line takes for a clean end.
	signal.Ignore(syscall.SIGPIPE)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	os.Exit(cli.Execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
