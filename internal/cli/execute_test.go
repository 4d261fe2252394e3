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
	"testing/synctest"

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
		"stdout, with broken lines":          {in: strings.NewReader("{broken\n" + events), out: unread(t), args: []string{"pipe", "-q", "--strict"}, code: cli.ExitFailed},
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

// A command that is asked to stop and cannot, since nobody takes what it writes, is left behind.
func TestStuckCommandIsLeft(t *testing.T) {
	t.Parallel()

	for name, stuck := range map[string]bool{"stdout": false, "stdout and stderr": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				reader, out := io.Pipe()
				errReader, errs := io.Pipe()
				said := make(chan string, 1)

				if !stuck {
					go func() {
						text, _ := io.ReadAll(errReader)
						said <- string(text)
					}()
				}

				ended := make(chan int, 1)

				go func() { ended <- cli.Execute(ctx, []string{"catalog", "list"}, nil, out, errs) }()

				synctest.Wait() // it waits for its reader
				cancel()
				require.Equal(t, cli.ExitFailed, <-ended)

				if !stuck {
					require.NoError(t, errs.Close())
					require.Equal(t, "enricher: interrupted: not over within 2s: it is busy, or what it reads or writes blocks\n", <-said)
				}

				// In life the process is over by now.
				require.NoError(t, reader.Close())
				require.NoError(t, errReader.Close())
			})
		})
	}
}

// A command that can still end does: what it has done is written, and it says how much that was.
func TestAskedCommandEndsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in, typed := io.Pipe()
		reader, out := io.Pipe()

		var errs bytes.Buffer

		ended := make(chan int, 1)

		go func() {
			ended <- cli.Execute(ctx, []string{"pipe"}, in, out, &errs)
			_ = out.Close()
		}()

		_, err := typed.Write([]byte("{\"a\":1}\n{broken\n"))
		require.NoError(t, err)
		synctest.Wait() // it waits for its reader
		cancel()
		synctest.Wait()

		text, err := io.ReadAll(reader) // who was only slow
		require.NoError(t, err)
		require.Equal(t, "{\"a\":1}\n", string(text))
		require.Equal(t, cli.ExitFailed, <-ended)
		require.Contains(t, errs.String(), `{"line":2,"reason":"not_json"`)
		require.Contains(t, errs.String(), "enricher: 2 lines: 0 enriched, 0 unknown_code, 1 no_code, 1 malformed, 0 blank\nenricher: read input: interrupted: ")
		require.NoError(t, typed.Close())
	})
}
