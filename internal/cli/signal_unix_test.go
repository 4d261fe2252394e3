//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/cli"
)

// The first signal ends what has nothing to finish, also while it waits for a file.
func TestFirstSignalEndsWhatIsBlocked(t *testing.T) {
	t.Parallel()

	for name, args := range map[string][]string{
		"pipe":            {"pipe", "-c"},
		"config validate": {"config", "validate"},
		"run":             {"run", "-c"}, // it has nothing to finish yet
		"replay":          {"replay", "--yes", "-c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fifo := makeFIFO(t)

			ctx, cancel := context.WithTimeout(t.Context(), waiting)
			defer cancel()

			var errs bytes.Buffer

			cmd := exec.CommandContext(ctx, "enricher", append(args, fifo)...)
			cmd.Stderr = &errs
			require.NoError(t, cmd.Start())

			in, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits until the command reads
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))

			var exit *exec.ExitError

			require.ErrorAs(t, cmd.Wait(), &exit)
			require.Equal(t, cli.ExitFailed, exit.ExitCode(), "%v", exit)
			require.Equal(t, "enricher: interrupted: not over within 2s: it is busy, or what it reads or writes blocks\n", errs.String())
			require.NoError(t, in.Close())
		})
	}
}
