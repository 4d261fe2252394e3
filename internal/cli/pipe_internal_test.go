package cli

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A text is quoted in pieces as it would be in one, wherever a piece ends within a rune.
func TestJSONStringInPieces(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"short":          "a\"\\\n\x01<&>é\u2028",
		"one piece":      strings.Repeat("x", readSize),
		"and a bit more": strings.Repeat("x", readSize) + "\n",
		"two bytes":      strings.Repeat("é", readSize),
		"off by one":     "x" + strings.Repeat("é", readSize),
		"three bytes":    strings.Repeat("中", readSize),
		"four bytes":     "x" + strings.Repeat("😀", readSize),
		"escaped":        strings.Repeat("\x00", 2*readSize+1),
	} {
		t.Run(name, func(t *testing.T) {
			var got, want bytes.Buffer

			w := bufio.NewWriter(&got)
			writeJSONString(w, []byte(text))
			require.NoError(t, w.Flush())

			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			require.NoError(t, enc.Encode(text))
			require.Equal(t, sha256.Sum256(want.Bytes()), sha256.Sum256(append(got.Bytes(), '\n')))
		})
	}
}

// A dead letter takes no more memory for being long.
func TestLongLineIsBuriedInPieces(t *testing.T) {
	for name, text := range map[string][]byte{"escaped": make([]byte, 16<<20), "not UTF-8": bytes.Repeat([]byte{0xff}, 16<<20)} {
		t.Run(name, func(t *testing.T) {
			runtime.GC()

			var out watchedWriter

			before := heapNow()
			p := &pipe{dead: bufio.NewWriterSize(&out, readSize)}
			require.NoError(t, p.bury(line{number: 1, text: text}, "truncated", "cut off"))
			require.NoError(t, p.dead.Flush())
			require.Greater(t, out.n, len(text))
			require.Less(t, out.heap, before+uint64(6*len(text)), "garbage included; all of it escaped has that alone")
		})
	}
}

// watchedWriter looks at the heap at each write.
type watchedWriter struct {
	n    int
	heap uint64
}

func (w *watchedWriter) Write(b []byte) (int, error) {
	w.n += len(b)
	w.heap = max(w.heap, heapNow())

	return len(b), nil
}

func heapNow() uint64 {
	var m runtime.MemStats

	runtime.ReadMemStats(&m)

	return m.HeapAlloc
}
