package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/cli"
)

func TestPipeKeepsLineEnds(t *testing.T) {
	t.Parallel()

	for _, in := range []string{"", "\n", "\r\n", `{"a":1}`, "{\"a\":1}\n", "{\"a\":1}\r\n\r\n \t\n{}", " {\"a\":1} \n"} {
		out, errs, code := execute(t, in, "pipe", "-q")
		require.Equal(t, cli.ExitOK, code)
		require.Empty(t, errs)
		require.Equal(t, in, out)
	}

	out, _, _ := execute(t, "{\"HangupCauseCode\":3010 }\r\n{\"HangupCauseCode\":3010}", "pipe", "-q")
	lines := strings.Split(out, "\r\n")
	require.Len(t, lines, 2)
	require.True(t, strings.HasPrefix(lines[0], `{"HangupCauseCode":3010 ,"hangup":{"code":3010,`), lines[0])
	require.True(t, strings.HasSuffix(lines[1], "}}"), lines[1])

	// A form's last value does not get the carriage return.
	out, _, _ = execute(t, "Direction=outbound&HangupCauseCode=3010\r\n", "pipe", "-q")
	require.Contains(t, out, `"HangupCauseCode":"3010",`)
	require.True(t, strings.HasSuffix(out, "\r\n"))
}

// TestPipeConserves holds that each line comes out once: on stdout, or as a dead letter with its
// number and its bytes.
func TestPipeConserves(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(rt *rapid.T) {
		kinds := rapid.SliceOf(rapid.SampledFrom([]string{
			`{"a":1}`, `{"HangupCauseCode":3010}`, `{"HangupCauseCode":"x"}`, "a=b", "HangupCauseCode=4000&x", "{", "\xff", "[]", "", "  ", `{"a":"<>&` + "\u2028" + `"} x`,
		})).Draw(rt, "lines")

		var out, errs bytes.Buffer

		code := cli.Execute(context.Background(), []string{"pipe", "-q"}, strings.NewReader(strings.Join(kinds, "\n")+"\n"), &out, &errs)
		require.Equal(rt, cli.ExitOK, code)

		dead := map[int]string{}

		for d := json.NewDecoder(&errs); ; {
			var letter struct {
				Line   int    `json:"line"`
				Reason string `json:"reason"`
				Error  string `json:"error"`
				Value  string `json:"value"`
				Base64 []byte `json:"value_base64"`
			}

			err := d.Decode(&letter)
			if err == io.EOF {
				break
			}

			require.NoError(rt, err)
			require.NotEmpty(rt, letter.Reason)
			require.NotEmpty(rt, letter.Error)

			dead[letter.Line] = letter.Value + string(letter.Base64)
		}

		lines := strings.SplitAfter(out.String(), "\n")
		for i, in := range kinds {
			if value, broken := dead[i+1]; broken {
				require.Equal(rt, in, value)

				continue
			}

			require.NotEmpty(rt, lines)

			got := strings.TrimSuffix(lines[0], "\n")
			lines = lines[1:]

			if strings.HasPrefix(in, "{") {
				require.True(rt, strings.HasPrefix(got, strings.TrimSuffix(in, "}")), got)
			} else if strings.TrimSpace(in) == "" {
				require.Equal(rt, in, got)
			}
		}

		if len(kinds) > 0 {
			require.Equal(rt, []string{""}, lines)
		}
	})
}

func TestPipeShowsWhatIsDoneBeforeItWaits(t *testing.T) {
	t.Parallel()

	in, typed := io.Pipe()
	shown, out := io.Pipe()
	done := make(chan int)

	go func() {
		done <- cli.Execute(context.Background(), []string{"pipe", "-q"}, in, out, io.Discard)
		_ = out.Close()
	}()

	buf := make([]byte, 100)

	for range 3 {
		_, err := typed.Write([]byte("{\"a\":1}\n"))
		require.NoError(t, err)

		n, err := io.ReadFull(shown, buf[:8]) // for ever, if it kept the line
		require.NoError(t, err)
		require.Equal(t, "{\"a\":1}\n", string(buf[:n]))
	}

	require.NoError(t, typed.Close())
	require.Equal(t, cli.ExitOK, <-done)
}

func TestPipeIsInterrupted(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(context.Background())
	in, typed := io.Pipe()
	shown, out := io.Pipe()
	done := make(chan int)

	var errs bytes.Buffer

	go func() { done <- cli.Execute(ctx, []string{"pipe"}, in, out, &errs) }()

	_, err := typed.Write([]byte("{\"a\":1}\nhalf"))
	require.NoError(t, err)

	_, err = io.ReadFull(shown, make([]byte, 8))
	require.NoError(t, err)
	cancel()
	require.Equal(t, cli.ExitFailed, <-done)
	require.Contains(t, errs.String(), "enricher: 1 line: 0 enriched, 0 unknown_code, 1 no_code, 0 malformed, 0 blank\nenricher: read input: interrupted: ")
	require.NoError(t, typed.Close())
}

func TestPipeInputThatBreaks(t *testing.T) {
	t.Parallel()

	in, typed := io.Pipe()
	require.NoError(t, typed.CloseWithError(io.ErrNoProgress))

	var errs bytes.Buffer

	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"pipe", "-q"}, in, io.Discard, &errs))
	require.Equal(t, "enricher: read input: "+io.ErrNoProgress.Error()+"\n", errs.String())

	errs.Reset()
	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"explain", "-"}, in, io.Discard, &errs))
	require.Equal(t, "enricher: read event: "+io.ErrNoProgress.Error()+"\n", errs.String())
}

// full is a stream that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestPipeDeadLettersThatCannotBeWritten(t *testing.T) {
	t.Parallel()

	in := strings.NewReader(strings.Repeat("{broken\n", 1000))
	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"pipe"}, in, io.Discard, full{}))

	// A full disk is told once.
	var errs bytes.Buffer

	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"pipe", "-q"}, strings.NewReader("{}\n"), full{}, &errs))
	require.Equal(t, "enricher: write output: short write\n", errs.String())
}

// endless is a line of any length.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}

	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}

	e.left -= n

	return n, nil
}

func TestTooLong(t *testing.T) {
	t.Parallel()

	var out, errs bytes.Buffer

	in := io.MultiReader(&endless{100 << 20}, strings.NewReader("\n{\"a\":1}\n"))
	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"pipe", "--strict"}, in, &out, &errs))
	require.Equal(t, "{\"a\":1}\n", out.String())
	//nolint:testifylint // byte for byte
	require.Equal(t, `{"line":1,"reason":"too_long","error":"a line of 104857600 bytes; at most 67108864 are taken"}
enricher: 2 lines: 0 enriched, 0 unknown_code, 1 no_code, 1 malformed, 0 blank
`, errs.String())

	errs.Reset()
	require.Equal(t, cli.ExitFailed, cli.Execute(context.Background(), []string{"explain", "-"}, &endless{100 << 20}, &out, &errs))
	require.Equal(t, "enricher: read event: the event is too long: at most 67108864 bytes are taken\n", errs.String())
}
