//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/cli"
)

func makeFIFO(t *testing.T) string {
	t.Helper()

	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))

	return fifo
}

// Whoever reads the dead letters from a named pipe may go away: what is not read is told, not waited for.
func TestPipeDeadLettersThatNobodyReads(t *testing.T) {
	t.Parallel()

	fifo := makeFIFO(t)
	in, typed := io.Pipe()
	ended := make(chan int, 1)

	ctx, cancel := context.WithTimeout(t.Context(), waiting)
	defer cancel()

	var out, errs bytes.Buffer

	go func() {
		ended <- cli.Execute(ctx, []string{"pipe", "-q", "--dead-letter", fifo}, in, &out, &errs)
		_ = in.Close() // so that the writer below sees it
	}()

	reader, err := os.Open(fifo)
	require.NoError(t, err)

	_, err = typed.Write([]byte("{\"a\":1}\n{broken\n"))
	require.NoError(t, err)

	letter := make([]byte, 100)
	n, err := reader.Read(letter)
	require.NoError(t, err)
	require.Contains(t, string(letter[:n]), `{"line":2,"reason":"not_json"`)
	require.NoError(t, reader.Close())

	for err == nil { // until it has noticed
		_, err = typed.Write([]byte("{broken\n"))
	}

	require.Equal(t, cli.ExitFailed, <-ended)
	require.Equal(t, fmt.Sprintf("enricher: write dead letters: write %s: broken pipe\n", fifo), errs.String())
	require.Equal(t, "{\"a\":1}\n", out.String())
}

// The file for broken lines is emptied: it must not be what is read, nor lie under what is written.
func TestPipeDeadLettersHaveTheirOwnFile(t *testing.T) {
	t.Parallel()

	const events = "{\"a\":1}\n{broken\n"

	file := filepath.Join(t.TempDir(), "events")
	link := filepath.Join(t.TempDir(), "link")

	require.NoError(t, os.WriteFile(file, []byte(events), 0o600))
	require.NoError(t, os.Symlink(file, link))

	same, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = same.Close() })

	for name, tc := range map[string]struct {
		in  io.Reader
		out io.Writer
	}{
		"standard input":  {same, io.Discard},
		"standard output": {strings.NewReader(events), same},
	} {
		var errs bytes.Buffer

		require.Equal(t, cli.ExitUsage, cli.Execute(context.Background(), []string{"pipe", "--dead-letter", link}, tc.in, tc.out, &errs))
		require.Equal(t, fmt.Sprintf("enricher: --dead-letter %s is %s, too: name a file that broken lines have for themselves\n", link, name), errs.String())

		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, events, string(text))
	}

	require.Equal(t, cli.ExitUsage, cli.Execute(context.Background(), []string{"pipe", "--dead-letter", link}, strings.NewReader(events), io.Discard, same), "standard error")
}
