package replay

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/config"
)

// Of any record, what the death added goes and the rest stays in its order; what is replayed fits what size
// says.
func TestRestoreAnything(t *testing.T) {
	names := rapid.SampledFrom([]string{
		headerReason, headerError, headerTopic, headerPartition, headerOffset, headerTimestamp, headerOmitted, headerReplays, "", "a", "hangup-code", "dlq-", "DLQ-reason",
	})
	rapid.Check(t, func(t *rapid.T) {
		rec := &kgo.Record{
			Key: rapid.SliceOf(rapid.Byte()).Draw(t, "key"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"), Timestamp: time.UnixMilli(1),
		}
		var kept []kgo.RecordHeader
		replays := 0
		for range rapid.IntRange(0, 12).Draw(t, "headers") {
			h := kgo.RecordHeader{Key: names.Draw(t, "name"), Value: rapid.OneOf(
				rapid.SliceOf(rapid.Byte()), rapid.Custom(func(t *rapid.T) []byte { return strconv.AppendInt(nil, rapid.Int64Range(-9, 99).Draw(t, "number"), 10) }),
			).Draw(t, "header")}
			rec.Headers = append(rec.Headers, h)
			if !deathHeader(h.Key) {
				kept = append(kept, h)
			}
			if n, err := strconv.Atoi(string(h.Value)); h.Key == headerReplays && err == nil {
				replays = max(replays, n)
			}
		}
		l := open(rec)
		require.GreaterOrEqual(t, l.partition, int32(-1))
		for partitions := 1; partitions < 4; partitions++ {
			require.Less(t, l.partitionOf(partitions), int32(partitions))
			require.GreaterOrEqual(t, l.partitionOf(partitions), int32(0))
		}
		out := l.restore("to")
		require.Equal(t, append(kept, kgo.RecordHeader{Key: headerReplays, Value: []byte(strconv.Itoa(replays + 1))}), out.Headers)
		require.Equal(t, rec.Key, out.Key)
		require.Equal(t, rec.Value, out.Value)
		again := open(out)
		require.Equal(t, replays+1, again.replays, "the next time it counts on")

		wire := kmsg.Record{Length: 1 << 30, TimestampDelta64: 1 << 62, OffsetDelta: 1 << 30, Key: out.Key, Value: out.Value}
		for _, h := range out.Headers {
			wire.Headers = append(wire.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		const batchHead = 61
		require.GreaterOrEqual(t, size(out), batchHead+len(wire.AppendTo(nil)))
	})
}

func TestCounts(t *testing.T) {
	for text, want := range map[string]int64{"replayed=0": 0, "replayed=17": 17, "": 0, "17": 0, "replayed=": 0, "replayed=-1": 0, "replayed=x": 0} {
		require.Equal(t, want, parseCount(text), text)
	}
}

func TestCodecs(t *testing.T) {
	for c, want := range map[config.Compression]kgo.CompressionCodec{
		config.CompressionNone: kgo.NoCompression(), config.CompressionGzip: kgo.GzipCompression(), config.CompressionSnappy: kgo.SnappyCompression(),
		config.CompressionLZ4: kgo.Lz4Compression(), config.CompressionZstd: kgo.ZstdCompression(),
	} {
		require.Equal(t, want, codec(c), c)
	}
}
