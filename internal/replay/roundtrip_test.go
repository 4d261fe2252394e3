package replay_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/replay"
)

// Through the real filter: an event that nothing mends dies, is replayed and dies again, with its own
// headers and the number of replays, until it has been replayed as often as it may be.
func TestRoundTrip(t *testing.T) {
	w := newWorld(t, kfake.SeedTopics(4, "out"))
	w.cfg.Input.Topics, w.cfg.Output.Topic, w.cfg.DeadLetter.Topic, w.cfg.Ops.Listen = []string{"in"}, "out", "dead", "127.0.0.1:0"
	w.cfg.Limits.CommitInterval = 10 * time.Millisecond
	broken := &kgo.Record{Topic: "in", Partition: 3, Key: []byte("k"), Value: []byte(`{"HangupCauseCode":`), Timestamp: time.UnixMilli(1_790_000_000_000), Headers: []kgo.RecordHeader{{Key: "id", Value: []byte("7")}}}
	w.produce(broken)

	a, err := app.New(w.cfg, zap.NewNop())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	deaths := func(n int) {
		require.Eventually(t, func() bool { return len(w.read("dead")) == n }, testTimeout, 20*time.Millisecond)
	}
	deaths(1)
	for n, number := range []string{"1", "2", "3"} {
		require.EqualValues(t, 1, w.run(replay.Options{}).Replayed)
		in := w.read("in")
		require.Len(t, in, n+2)
		last := in[n+1]
		require.Equal(t, map[string]string{"id": "7", "dlq-replays": number}, headersOf(last))
		require.Equal(t, broken.Value, last.Value)
		require.Equal(t, broken.Key, last.Key)
		require.EqualValues(t, 3, last.Partition)
		require.Equal(t, broken.Timestamp.UnixMilli(), last.Timestamp.UnixMilli())
		deaths(n + 2)
	}
	rep := w.run(replay.Options{})
	require.Equal(t, map[replay.Why]int64{replay.MaxReplays: 1}, rep.Left)
	require.EqualValues(t, 3, rep.Already)
	stop()
	require.NoError(t, <-ended)
	letter := w.read("dead")[3]
	require.Equal(t, "not_json", headersOf(letter)["dlq-reason"])
	require.Equal(t, "3", headersOf(letter)["dlq-replays"])
	require.Len(t, letter.Headers, 8, "id, six of the death and the number: nothing was left over from earlier deaths")
	require.Empty(t, w.read("out"))
}
