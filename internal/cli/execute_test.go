package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/cli"
)

// unread is a stream whose reader has gone away.
func unread(t *testing.T) *os.File {
	t.Helper()

	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	t.Cleanup(func() { _ = w.Close() })

	return w
}

// Only the reader of stdout may have had enough.
func TestBrokenPipes(t *testing.T) {
	t.Parallel()

	events := strings.Repeat("{\"a\":1}\n{broken\n", 50_000)
	longerOnceEnriched := strings.Repeat("{\"HangupCauseCode\":3010}\n", 5_000)

	for name, tc := range map[string]struct {
		in       io.Reader
		out, err io.Writer
		args     []string
		code     int
		message  string
	}{
		"stdout":                             {in: strings.NewReader(events), out: unread(t), args: []string{"pipe", "-q"}, code: cli.ExitOK},
		"stdout, of a verb that writes once": {out: unread(t), args: []string{"catalog", "list"}, code: cli.ExitOK},
		"dead letters on stderr":             {in: strings.NewReader(events), err: unread(t), args: []string{"pipe"}, code: cli.ExitFailed},
		"both":                               {in: strings.NewReader(events), out: unread(t), err: unread(t), args: []string{"pipe"}, code: cli.ExitFailed},
		"stdout, and dead letters that cannot be written": {
			in: strings.NewReader("{broken\n" + longerOnceEnriched), out: unread(t), err: full{}, args: []string{"pipe"}, code: cli.ExitFailed,
		},
		"a connection": {
			in:   iotest.ErrReader(&net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)}),
			args: []string{"pipe", "-q"}, code: cli.ExitFailed, message: "enricher: read input: write tcp: write: broken pipe\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var errs bytes.Buffer

			if tc.out == nil {
				tc.out = io.Discard
			}

			if tc.err == nil {
				tc.err = &errs
			}

			require.Equal(t, tc.code, cli.Execute(context.Background(), tc.args, tc.in, tc.out, tc.err))

			for line := range strings.Lines(errs.String()) {
				if !strings.HasPrefix(line, `{"line":`) { // a dead letter
					require.Equal(t, tc.message, line)
					tc.message = ""
				}
			}

			require.Empty(t, tc.message)
		})
	}
}
