package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func idle() error { return nil }

// readAll gives every line's text, end and size.
func readAll(t interface {
	require.TestingT
	Helper()
}, r *lineReader,
) (texts, ends []string, sizes []int64) {
	t.Helper()

	for {
		l, err := r.next()
		if errors.Is(err, io.EOF) {
			return texts, ends, sizes
		}

		require.NoError(t, err)
		require.Equal(t, int64(len(texts)+1), l.number)

		if l.text == nil && l.size > 0 {
			texts = append(texts, "<dropped>")
		} else {
			texts = append(texts, string(l.text))
		}

		ends = append(ends, string(l.end))
		sizes = append(sizes, l.size)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		in          string
		texts, ends []string
	}{
		"nothing":            {"", nil, nil},
		"no last line end":   {"a\nb", []string{"a", "b"}, []string{"\n", ""}},
		"CR LF":              {"a\r\n\r\nb\r\n", []string{"a", "", "b"}, []string{"\r\n", "\r\n", "\r\n"}},
		"CR alone":           {"a\rb\n", []string{"a\rb"}, []string{"\n"}},
		"CR at the end":      {"a\r", []string{"a\r"}, []string{""}},
		"blank":              {"\n \n", []string{"", " "}, []string{"\n", "\n"}},
		"longest taken":      {"12345678\nx\n", []string{"12345678", "x"}, []string{"\n", "\n"}},
		"longest, CR LF":     {"12345678\r\nx", []string{"12345678", "x"}, []string{"\r\n", ""}},
		"too long":           {"123456789\nx\n", []string{"<dropped>", "x"}, []string{"\n", "\n"}},
		"too long at end":    {"x\n123456789", []string{"x", "<dropped>"}, []string{"\n", ""}},
		"far too long":       {strings.Repeat("y", 1000) + "\r\nx\n", []string{"<dropped>", "x"}, []string{"\r\n", "\n"}},
		"far too long twice": {strings.Repeat("y", 1000) + "\n" + strings.Repeat("z", 500), []string{"<dropped>", "<dropped>"}, []string{"\n", ""}},
	} {
		for reader, in := range map[string]io.Reader{
			"at once":   strings.NewReader(tc.in),
			"by bytes":  iotest.OneByteReader(strings.NewReader(tc.in)),
			"with data": iotest.DataErrReader(strings.NewReader(tc.in)),
		} {
			texts, ends, _ := readAll(t, newLineReader(in, 8, idle))
			require.Equal(t, tc.texts, texts, "%s, %s", name, reader)

			for i := range ends {
				if texts[i] != "<dropped>" { // its carriage return may have been dropped with it
					require.Equal(t, tc.ends[i], ends[i], "%s, %s", name, reader)
				}
			}
		}
	}
}

func TestLinesGrow(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", 3*readSize)
	texts, _, sizes := readAll(t, newLineReader(strings.NewReader("a\n"+long+"\nb\n"), longestLine, idle))
	require.Equal(t, []string{"a", long, "b"}, texts)
	require.Equal(t, []int64{1, 3 * readSize, 1}, sizes)
}

// TestLinesRapid holds that however the input arrives nothing of it is lost or changed.
func TestLinesRapid(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "bb", "\n", "\r\n", "\r", "cccccccc", "dddddddddddd"})).Draw(t, "in"), "")
		cuts := rapid.SliceOf(rapid.IntRange(0, 5)).Draw(t, "reads")

		texts, ends, sizes := readAll(t, newLineReader(&choppy{in, cuts}, 8, idle))

		var back strings.Builder

		rest := in

		for i, text := range texts {
			line := rest[:int(sizes[i])+len(ends[i])]
			rest = rest[len(line):]

			if text == "<dropped>" {
				require.Greater(t, sizes[i], int64(8))

				text = line[:sizes[i]]
			}

			back.WriteString(text + ends[i])
		}

		require.Equal(t, in, back.String())
	})
}

// choppy gives its text in pieces of given lengths.
type choppy struct {
	rest string
	cuts []int
}

func (c *choppy) Read(p []byte) (int, error) {
	if c.rest == "" {
		return 0, io.EOF
	}

	n := len(c.rest)
	if len(c.cuts) > 0 {
		n = min(n, c.cuts[0])
		c.cuts = c.cuts[1:]
	}

	n = copy(p, c.rest[:n])
	c.rest = c.rest[n:]

	return n, nil
}

func TestLinesPassErrorsOn(t *testing.T) {
	t.Parallel()

	broken := io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrClosedPipe))
	r := newLineReader(broken, 8, idle)
	l, err := r.next()
	require.NoError(t, err)
	require.Equal(t, "a", string(l.text))

	_, err = r.next()
	require.ErrorIs(t, err, io.ErrClosedPipe, "half a line is none")

	_, err = newLineReader(strings.NewReader("a"), 8, func() error { return io.ErrShortWrite }).next()
	require.ErrorIs(t, err, io.ErrShortWrite)
}

// Not parallel: it looks for goroutines left over.
func TestInterruptible(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	r := newInterruptible(ctx, in)

	go func() { _, _ = out.Write([]byte("hello")) }()

	buf := make([]byte, 3)
	n, err := r.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "hel", string(buf[:n]))

	n, err = r.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "lo", string(buf[:n]))

	cancel()

	_, err = r.Read(buf) // blocks otherwise
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, out.Close()) // what lets the abandoned read go
	goleak.VerifyNone(t, ignore)
}

func TestInterruptibleEnds(t *testing.T) {
	t.Parallel()

	ctx := t.Context()

	text, err := io.ReadAll(newInterruptible(ctx, iotest.DataErrReader(strings.NewReader(strings.Repeat("abc", readSize)))))
	require.NoError(t, err)
	require.Len(t, text, 3*readSize)

	_, err = io.ReadAll(newInterruptible(ctx, iotest.ErrReader(io.ErrNoProgress)))
	require.ErrorIs(t, err, io.ErrNoProgress)
}
