package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/traffic"
)

func TestProgressLine(t *testing.T) {
	var out bytes.Buffer

	l := &progressLine{w: &world{err: &out}, what: "offsets of t"}
	l.clear()
	l.show(0, 0)
	require.Empty(t, out.String(), "nothing to show yet, nothing to take away")

	l.show(1_000, 4_000)
	l.show(2_000, 4_000)
	require.Equal(t, "\r\x1b[K"+strings.Repeat("█", 10)+strings.Repeat("░", 30)+" 1,000 of 4,000 offsets of t", out.String(), "the second came too soon")

	l.painted = time.Time{}

	out.Reset()
	l.show(4_000, 4_000)
	require.Equal(t, "\r\x1b[K"+strings.Repeat("█", 40)+" 4,000 of 4,000 offsets of t", out.String())

	out.Reset()
	l.clear()
	require.Equal(t, "\r\x1b[K", out.String())
}

func TestTheLastHeaderWithTheAttemptCounts(t *testing.T) {
	require.Nil(t, headerAttempt(&kgo.Record{}))
	require.Equal(t, "3", string(headerAttempt(&kgo.Record{Headers: []kgo.RecordHeader{
		{Key: "hangup-attempt", Value: []byte("2")}, {Key: "hangup-attempt", Value: []byte("3")}, {Key: "other", Value: []byte("4")},
	}})))
}

func TestReportTablesSayThatTheyAreCut(t *testing.T) {
	rep := &traffic.Report{
		Topic: "t", Events: 10, Codes: []traffic.Code{{Code: 3010, Events: 1}}, MoreCodes: 2,
		Unknown: []traffic.Unknown{{Events: 1, Reason: "bad_code"}}, MoreUnknown: 3,
	}
	text := reportTables(rep, false)
	require.Contains(t, text, "…     2       20.0 %              further codes\n")
	require.Contains(t, text, "(not said)  1, 10.0 % (bad_code)\n")
	require.Contains(t, text, "and 3 events with further unknown codes\n")
}
