package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/strictyaml"
)

// The exit codes. They are part of the program's interface.
const (
	ExitOK     = 0
	ExitFailed = 1 // what was asked could not be done
	ExitUsage  = 2 // the command line, the configuration or a catalog overlay is wrong
)

// world is what a command may touch.
type world struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string

	finishing atomic.Bool // the command has something to finish when it is asked to stop
}

// grace is how long a command that has nothing to finish may take to end once it has been asked to.
const grace = 2 * time.Second

// Execute runs one command line (without the program's name) and gives the exit code.
// Errors go to stderr, one line for each mistake. That whoever reads stdout
// has gone away is not one.
//
// The end of ctx asks the command to stop. One that is blocked outside of it, by a file or by whoever reads stdout, is left
// behind, so that Execute returns all the same; the process should end then.
func Execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	w := &world{in: stdin, out: &output{stdout}, err: stderr, getenv: os.Getenv}
	ended := make(chan int, 1)

	go func() { ended <- w.command(ctx, args) }()

	return w.await(ctx, ended)
}

// await gives the exit code of a command that ends, or that is left behind.
func (w *world) await(ctx context.Context, ended <-chan int) int {
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
	}

	select {
	case code := <-ended:
		return code
	case <-time.After(grace):
	}

	if w.finishing.Load() {
		return <-ended
	}

	return w.leave()
}

// command runs a command line and says what went wrong.
func (w *world) command(ctx context.Context, args []string) int {
	root := newRoot(w)
	root.SetArgs(args)

	err := runRoot(ctx, root)
	if err == nil || onlyUnread(err) {
		return ExitOK
	}

	w.complain(err)

	return exitCode(err)
}

// leave says that a command is left behind, and does not wait for a stderr that takes nothing either.
func (w *world) leave() int {
	said := make(chan struct{})

	go func() {
		w.complain(fmt.Errorf("interrupted: not over within %s: it is busy, or what it reads or writes blocks", grace))
		close(said)
	}()

	select {
	case <-said:
	case <-time.After(grace):
	}

	return ExitFailed
}

// finishes is what a command says that must not be left behind from here on when it is asked to stop: it ends by itself.
func (w *world) finishes() { w.finishing.Store(true) }

// output is stdout. That nobody reads it any more is an error of its own, for a connection to a broker, stderr and files end
// with the same EPIPE.
type output struct{ to io.Writer }

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		err = &unreadError{err}
	}

	return n, err
}

// unreadError is that whoever read stdout has gone away.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return e.err.Error() }

// onlyUnread tells whether that is all that went wrong.
func onlyUnread(err error) bool {
	for _, err := range joined(err) {
		if _, unread := err.(*unreadError); unread { //nolint:errorlint // beside what it wraps there may be others
			continue
		}

		if inner := errors.Unwrap(err); inner == nil || !onlyUnread(inner) {
			return false
		}
	}

	return true
}

// fileOf gives the file that a stream is, if it is one.
func fileOf(stream any) (*os.File, bool) {
	if o, ok := stream.(*output); ok {
		stream = o.to
	}

	f, ok := stream.(*os.File)

	return f, ok
}

// complain writes an error, each line with the program's name before it.
func (w *world) complain(err error) {
	if _, quiet := errors.AsType[*silentError](err); quiet {
		return
	}

	for line := range strings.Lines(strings.TrimSpace(errorText(err))) {
		w.tell(strings.TrimRight(line, "\n"))
	}
}

// tell writes a line to whoever looks at stderr.
func (w *world) tell(line string) {
	fmt.Fprintf(w.err, "enricher: %s\n", visibleLine(line)) //nolint:errcheck // there is nowhere else to say it
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// silentError is a failure that has been reported already.
type silentError struct{}

func (*silentError) Error() string { return "reported already" }

func exitCode(err error) int {
	var (
		usage    *usageError
		mistakes strictyaml.Mistakes
		conf     *app.ConfigError
	)

	if errors.As(err, &usage) || errors.As(err, &mistakes) || errors.As(err, &conf) {
		return ExitUsage
	}

	return ExitFailed
}

// flagError says what is wrong with a flag, and which was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError

	hint := fmt.Sprintf("see `%s --help`", cmd.CommandPath())

	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var known []string

		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })

		if near, ok := strictyaml.Nearest(unknown.GetSpecifiedName(), known); ok {
			hint = fmt.Sprintf("did you mean --%s?", near)
		}
	}

	if value, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = badValue(value)
	}

	return usagef("%v; %s", err, hint)
}

// group makes a command that only holds others: it refuses what is no subcommand, with the nearest one. Without arguments a group
// of commands shows its help.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}

		var known []string

		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				known = append(known, c.Name())
			}
		}

		hint := "known are " + strings.Join(known, ", ")
		if near, ok := strictyaml.Nearest(args[0], known); ok {
			hint = fmt.Sprintf("did you mean %q?", near)
		}

		return usagef("unknown command %q for %q; %s", args[0], cmd.CommandPath(), hint)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }

	return cmd
}

// arguments checks how many arguments there are; what names them for the message.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s wants %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		case most == 0 && len(args) > 0:
			return usagef("%s wants %s, not also %q%s", cmd.CommandPath(), what, args[0], meantAsConfig(cmd, args[0]))
		case most >= 0 && len(args) > most:
			return usagef("%s wants %s, not also %q", cmd.CommandPath(), what, args[most])
		default:
			return nil
		}
	}
}
