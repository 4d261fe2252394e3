package topic_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

func TestScanReadsEveryCompression(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
			client := producer(t, c.ListenAddrs(), kgo.ProducerBatchCompression(codec))

			var want []string

			for i := range 5 {
				want = append(want, strconv.Itoa(i)+strings.Repeat("x", 10_000))
				require.NoError(t, client.ProduceSync(t.Context(), record(0, want[i]), record(0, "between")).FirstErr())
			}

			var all []*kgo.Record // kept: a batch must not be unpacked into the one before

			require.NoError(t, topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t"}, func(r *kgo.Record) error {
				all = append(all, r)

				return nil
			}))
			require.Len(t, all, 10)

			for i := range want {
				require.Equal(t, want[i], string(all[2*i].Value))
				require.Equal(t, "between", string(all[2*i+1].Value))
			}
		})
	}
}

// A batch that would take too much memory ends the scan, which says where it is. What stands before it is read.
func TestScanReportsABatchThatIsTooLarge(t *testing.T) {
	tests := map[string]struct {
		codec  recordbatch.Codec
		values [][]byte
		says   string
	}{
		"gzip":    {recordbatch.Gzip, [][]byte{make([]byte, recordbatch.DefaultMaxDecompressed)}, "unpacks to more than 67108864 bytes"},
		"zstd":    {recordbatch.Zstd, [][]byte{make([]byte, recordbatch.DefaultMaxDecompressed)}, "unpacks to more than 67108864 bytes"},
		"crowded": {recordbatch.Gzip, make([][]byte, 1<<20+1), "has more than 1048576 records"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			front := batch(t, 0, recordbatch.Gzip, []byte("1"), []byte("2"))
			large := batch(t, 2, test.codec, test.values...)
			next := int64(2 + len(test.values))

			for _, tt := range []struct {
				name string
				from int64
				want []string
			}{
				{"behind another", 0, []string{"1", "2"}},
				{"behind one that is not wanted", 2, nil},
			} {
				t.Run(tt.name, func(t *testing.T) {
					seen, err := scanOf(t, tt.from, next, front, large)
					require.Equal(t, tt.want, seen)

					var e *topic.BatchError

					require.ErrorAs(t, err, &e)
					require.Equal(t, &topic.BatchError{Partition: 0, Offset: 2, Next: next, Why: test.says}, e)
					require.EqualError(t, err, fmt.Sprintf(
						`read topic "t": partition 0, offset 2: the batch from there to offset %d %s, and is not read; begin behind it, at offset %d or at a later time`, next-1, test.says, next))
				})
			}
		})
	}
}

// As much as a batch may have is read.
func TestScanReadsLargeBatches(t *testing.T) {
	seen, err := scanOf(t, 0, 1<<20, batch(t, 0, recordbatch.Gzip, make([][]byte, 1<<20)...))
	require.NoError(t, err)
	require.Len(t, seen, 1<<20)

	seen, err = scanOf(t, 0, 1, batch(t, 0, recordbatch.Gzip, make([]byte, 60<<20)))
	require.NoError(t, err)
	require.Equal(t, []string{"62914560 bytes"}, seen)

	// Kafka sends it whole, although a scan asks for far less.
	seen, err = scanOf(t, 0, 1, batch(t, 0, recordbatch.None, make([]byte, 64<<20-recordbatch.HeaderSize-100)))
	require.NoError(t, err)
	require.Equal(t, []string{"67108703 bytes"}, seen)
}

func TestScanReportsABatchThatDoesNotUnpack(t *testing.T) {
	b := batch(t, 0, recordbatch.Gzip, []byte("1"))
	b[len(b)-9] ^= 1 // in what is compressed

	_, err := scanOf(t, 0, 1, sign(b))
	require.ErrorContains(t, err, `read topic "t": partition 0, offset 0: unable to decompress batch: `)
}

// batch is one with such values, its first at an offset.
func batch(t *testing.T, first int64, codec recordbatch.Codec, values ...[]byte) []byte {
	t.Helper()

	b := recordbatch.NewBuilder()
	for _, v := range values {
		b.Append(1, nil, [3][]byte{v}, nil, nil, nil)
	}

	require.NoError(t, b.Seal(recordbatch.NewCompressor(), codec))
	b.Stamp(false, -1, -1, -1)

	raw := slices.Clone(b.Bytes())
	binary.BigEndian.PutUint64(raw, uint64(first))

	return raw
}

// sign makes a batch's checksum right again.
func sign(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))

	return batch
}

// scanOf reads a topic of one partition, which ends at an offset and in which are these batches. It gives values, and the size of
// large ones.
func scanOf(t *testing.T, from, end int64, batches ...[]byte) ([]string, error) {
	t.Helper()

	c := serving(t, end, batches...)

	var seen []string

	err := topic.Scan(t.Context(), dial(t, c.ListenAddrs()), topic.ScanConfig{Topic: "t", From: map[int32]int64{0: from}}, func(r *kgo.Record) error {
		value := string(r.Value)
		if len(value) > 9 {
			value = fmt.Sprintf("%d bytes", len(value))
		}

		seen = append(seen, value)

		return nil
	})

	return seen, err
}

// serving is a cluster with such a topic.
func serving(t *testing.T, end int64, batches ...[]byte) *kfake.Cluster {
	t.Helper()

	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		l, ok := req.(*kmsg.ListOffsetsRequest)
		require.True(t, ok)

		return listed(l, func(p *kmsg.ListOffsetsResponseTopicPartition, timestamp int64) bool {
			if p.Offset = 0; timestamp == -1 {
				p.Offset = end
			}

			return true
		}), nil, true
	})
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		f, ok := req.(*kmsg.FetchRequest)
		require.True(t, ok)

		return fetched(f, func(p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset, p.RecordBatches = end, end, slices.Concat(batches...)
		}), nil, true
	})

	return c
}
