package enrich_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocsExample holds the example in docs/event.md to what comes out. It is not
// parallel, as with -update it writes the file that other tests read.
func TestDocsExample(t *testing.T) {
	const file = "../../docs/event.md"

	text, err := os.ReadFile(file)
	require.NoError(t, err)

	head, rest, found := strings.Cut(string(text), "<!-- example:begin")
	require.True(t, found)
	note, rest, found := strings.Cut(rest, "-->\n")
	require.True(t, found)
	_, tail, found := strings.Cut(rest, "<!-- example:end -->")
	require.True(t, found)

	want := head + "<!-- example:begin" + note + "-->\n" + docsExample(t) + "<!-- example:end -->" + tail

	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))

		return
	}

	require.Equal(t, want, string(text))
}

// docsExample is a callback with its object laid out, and a call-detail record
// just as it is.
func docsExample(t *testing.T) string {
	t.Helper()

	var (
		e     = newRealEnricher(t)
		event = strings.TrimSpace(string(readEvent(t, "callbacks/04_hangup_3010_busy_unanswered.json")))
		cdr   = strings.TrimSpace(string(readEvent(t, "records/voice_outbound_answered_6020.json")))
		lines bytes.Buffer
	)

	r := run(e, event)
	key, object, _ := bytes.Cut(r.Value[1], []byte(":"))
	require.NoError(t, json.Indent(&lines, object, "", "  "))

	return fmt.Sprintf(`
This callback tells of a call to a line that was engaged; its record's timestamp is 2026-11-24T10:00:00Z:

`+"```json\n%s\n```"+`

It comes out with the same bytes up to the last brace, then this on one line (laid out here), then the brace:

`+"```\n%s:%s\n```"+`

A call-detail record of a call that was answered and then lost its audio, as it comes and as it goes:

`+"```json\n%s\n\n%s\n```\n\n", event, key, &lines, cdr, valueOf(run(e, cdr)))
}
