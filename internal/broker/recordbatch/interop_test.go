package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// plain are samples that the other libraries can hold: kafka-go takes time 0 for now,
// and neither takes a timestamp before 1970 as it is.
func plain() []record {
	out := samples()
	out[3].Timestamp = 1_700_000_000_002
	return out
}

func TestFranzReadsOurs(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		raw := stamped(t, codec, plain())
		part := kmsg.NewFetchResponseTopicPartition()
		part.RecordBatches = raw
		part.HighWatermark = int64(len(plain()))
		fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "t"}, &part, kgo.DefaultDecompressor(), nil)
		require.NoError(t, fetched.Err)
		var got []record
		for _, r := range fetched.Records {
			out := record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				out.Headers = append(out.Headers, recordbatch.Header{Name: h.Key, Value: h.Value})
			}
			got = append(got, out)
		}
		require.Equal(t, plain(), got)
	})
}

func TestWeReadFranz(t *testing.T) {
	kinds := map[recordbatch.Codec]kgo.CompressionCodec{
		recordbatch.None: kgo.NoCompression(), recordbatch.Gzip: kgo.GzipCompression(), recordbatch.Snappy: kgo.SnappyCompression(),
		recordbatch.LZ4: kgo.Lz4Compression(), recordbatch.Zstd: kgo.ZstdCompression(),
	}
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		var payload []byte
		for i, r := range plain() {
			k := kmsg.Record{TimestampDelta64: r.Timestamp - plain()[0].Timestamp, OffsetDelta: int32(i), Key: r.Key, Value: r.Value}
			k.TimestampDelta = int32(k.TimestampDelta64)
			for _, h := range r.Headers {
				k.Headers = append(k.Headers, kmsg.Header{Key: h.Name, Value: h.Value})
			}
			k.Length = int32(len(k.AppendTo(nil)) - 1) // the length 0 takes a byte
			payload = k.AppendTo(payload)
		}
		attributes := int16(0)
		if codec != recordbatch.None {
			c, err := kgo.DefaultCompressor(kinds[codec])
			require.NoError(t, err)
			packed, used := c.Compress(new(bytes.Buffer), payload)
			payload, attributes = clone(packed), int16(used)
		}
		require.Equal(t, codec, recordbatch.Codec(attributes))
		b := kmsg.RecordBatch{
			PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes, LastOffsetDelta: int32(len(plain()) - 1),
			FirstTimestamp: plain()[0].Timestamp, MaxTimestamp: plain()[2].Timestamp,
			ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(plain())), Records: payload,
		}
		raw := b.AppendTo(nil)
		binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
		binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
		_, got := decode(t, raw)
		require.Equal(t, plain(), got)
	})
}

func TestKafkaGoReadsOurs(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		raw := stamped(t, codec, plain())
		sized := append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)
		var set protocol.RecordSet
		_, err := set.ReadFrom(bytes.NewReader(sized))
		require.NoError(t, err)
		var got []record
		for range plain() {
			r, err := set.Records.ReadRecord()
			require.NoError(t, err)
			out := record{Offset: r.Offset, Timestamp: r.Time.UnixMilli()}
			out.Key, err = protocol.ReadAll(r.Key)
			require.NoError(t, err)
			out.Value, err = protocol.ReadAll(r.Value)
			require.NoError(t, err)
			for _, h := range r.Headers {
				out.Headers = append(out.Headers, recordbatch.Header{Name: h.Key, Value: h.Value})
			}
			got = append(got, out)
		}
		require.Len(t, got, len(plain()))
		for i, want := range plain() {
			require.Equal(t, want, got[i], "record %d", i)
		}
	})
}

func TestWeReadKafkaGo(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		var in []protocol.Record
		for _, r := range plain() {
			k := protocol.Record{Offset: r.Offset, Time: time.UnixMilli(r.Timestamp), Key: protocol.NewBytes(r.Key), Value: protocol.NewBytes(r.Value)}
			for _, h := range r.Headers {
				k.Headers = append(k.Headers, protocol.Header{Key: h.Name, Value: h.Value})
			}
			in = append(in, k)
		}
		set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(codec), Records: protocol.NewRecordReader(in...)}
		var buf bytes.Buffer
		_, err := set.WriteTo(&buf)
		require.NoError(t, err)
		_, got := decode(t, buf.Bytes()[4:]) // a size stands in front
		require.Equal(t, plain(), got)
	})
}
