package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/internal/replay"
)

func TestReplayQuestion(t *testing.T) {
	t.Parallel()

	one := &replay.Report{From: "dead", Replayed: 1234, Moves: []replay.Move{{Reason: "a", To: "in", Count: 1000}, {Reason: "b", To: "in", Count: 234}}}
	require.Equal(t, "Replay 1,234 records of dead to in?", question(one))

	two := &replay.Report{From: "dead", Replayed: 15, Moves: []replay.Move{{Reason: "a", To: "few", Count: 5}, {Reason: "a", To: "many", Count: 10}}}
	require.Equal(t, "Replay 15 records of dead to many (10), few (5)?", question(two))
}

func TestReplayAsks(t *testing.T) {
	t.Parallel()

	for answer, want := range map[string]bool{"y\n": true, "YES\r\n": true, "y": true, "n\n": false, "": false, "yeah\n": false, "\ny\n": false} {
		var errs bytes.Buffer

		got, err := (&world{in: bytes.NewBufferString(answer), err: &errs}).ask(t.Context(), "Sure?")
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", answer)
		require.Equal(t, "Sure? [y/N] ", errs.String())
	}
}

// An interrupt is not kept waiting by somebody who does not answer.
func TestReplayQuestionIsInterrupted(t *testing.T) {
	t.Parallel()

	in, typing := io.Pipe()
	defer typing.Close() //nolint:errcheck // a pipe in memory

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := (&world{in: in, err: io.Discard}).ask(ctx, "Sure?")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "nothing was written")
}

func TestReplayBar(t *testing.T) {
	t.Parallel()

	var errs bytes.Buffer

	bar := (&world{err: &errs}).replayBar("replaying")
	bar.show(replay.Progress{Done: 1, Total: 2})
	bar.clear()
	require.Empty(t, errs.String(), "no terminal, no bar")

	bar.on = true
	bar.show(replay.Progress{})
	require.Empty(t, errs.String(), "nothing to do")
	bar.show(replay.Progress{Done: 50, Total: 200, Replayed: 1234})
	require.Contains(t, errs.String(), "██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ replaying, 25%, 1,234 records")
	bar.show(replay.Progress{Done: 200, Total: 200, Replayed: 2000})
	require.Contains(t, errs.String(), "replaying, 100%, 2,000 records", "the end is shown at once")
	bar.clear()
	require.Regexp(t, `\r\x1b\[K$`, errs.String())
}

// Reasons stand in headers that anybody may have written.
func TestReplayMasksReasons(t *testing.T) {
	for _, reveal := range []bool{false, true} {
		for _, out := range []string{asText, asJSON} {
			var text bytes.Buffer

			rep := &replay.Report{
				Moves:        []replay.Move{{Reason: "from 15555550100", To: "calls.raw", Count: 1}},
				OtherReasons: map[string]int64{"15555550100": 1, "15555550200": 2},
			}
			w := &world{out: &text}
			require.NoError(t, w.reportReplay(rep, &replayFlags{out: &format{value: out}, show: privacy.Policy{Reveal: reveal}}))
			require.Equal(t, reveal, strings.Contains(text.String(), "15555550100"), text.String())

			if !reveal {
				require.Equal(t, map[string]int64{"15*******00": 3}, rep.OtherReasons)
			}
		}
	}
}
