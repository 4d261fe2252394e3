package pipeline_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatest"
)

// A broker fills its answer from the front, and may say nothing of partitions that have no room in it: those are
// asked for again, and none is starved.
func TestPartitionsLeftOutOfAnAnswer(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.NumBrokers(1), kfake.SeedTopics(6, "in", "out"), kfake.SeedTopics(1, "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	w.cfg.BatchBytes = 64 << 10
	const perPartition = 40 // of 64 KiB: more than an answer holds
	cl := w.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	pad := strings.Repeat("x", 64<<10)
	for p := range int32(6) {
		var records []*kgo.Record
		for range perPartition {
			records = append(records, &kgo.Record{Topic: "in", Partition: p, Value: []byte(`{"Event":"Ring","pad":"` + pad + `"}`)})
		}
		require.NoError(t, cl.ProduceSync(t.Context(), records...).FirstErr())
	}
	var all atomic.Bool
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if f, ok := req.(*kmsg.FetchRequest); ok && slices.ContainsFunc(f.Topics, func(t kmsg.FetchRequestTopic) bool { return t.Topic == "in" && len(t.Partitions) == 6 }) {
			all.Store(true)
		}
		return nil, nil, false
	})
	f := w.start(w.cfg)
	w.until("all partitions are read", func() bool { return f.Ledger.Totals().In == 6*perPartition })
	require.NoError(t, f.stop())
	require.True(t, f.Ledger.Totals().Conserved())
	require.True(t, all.Load(), "no request asked for all of them")
}
