package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// byFranz reads a batch by franz-go's reader; ok is false if it finds something wrong.
func byFranz(raw []byte) (out []record, ok bool) {
	part := kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches, part.HighWatermark = raw, 1<<62
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "t"}, &part, kgo.DefaultDecompressor(), nil)
	for _, r := range fetched.Records {
		one := record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, recordbatch.Header{Name: h.Key, Value: h.Value})
		}
		out = append(out, one)
	}
	return out, fetched.Err == nil
}

// byKafkaGo reads a batch by kafka-go's reader.
func byKafkaGo(raw []byte) (out []record, ok bool) {
	var set protocol.RecordSet
	sized := append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...)
	if _, err := set.ReadFrom(bytes.NewReader(sized)); err != nil || set.Records == nil {
		return nil, false
	}
	for {
		r, err := set.Records.ReadRecord()
		if err != nil {
			return out, true // it has no error of its own for a batch that breaks off
		}
		one := record{Offset: r.Offset, Timestamp: r.Time.UnixMilli()}
		one.Key, _ = protocol.ReadAll(r.Key)
		one.Value, _ = protocol.ReadAll(r.Value)
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, recordbatch.Header{Name: h.Key, Value: h.Value})
		}
		out = append(out, one)
	}
}

// alike takes off what the three cannot agree about: the others have nil or empty for both, and times
// before 1970 and far from it are not the same in nanoseconds.
func alike(in []record) (out []record) {
	const year3000 = 32_503_680_000_000
	for _, r := range in {
		if r.Timestamp <= 0 || r.Timestamp > year3000 {
			r.Timestamp = 0
		}
		r.Key, r.Value = clone(append([]byte{}, r.Key...)), append([]byte{}, r.Value...)
		headers := []recordbatch.Header{}
		for _, h := range r.Headers {
			headers = append(headers, recordbatch.Header{Name: h.Name, Value: append([]byte{}, h.Value...)})
		}
		r.Headers = headers
		out = append(out, r)
	}
	return out
}

// FuzzReaders: what this reader takes, franz-go's and kafka-go's take as well and read the same, but for two things that
// Java's reader passes over too: the content's checksum within LZ4 frames, since the batch has one, and a header of xerial's
// before no chunk, or before another stream's chunks. The reverse does not hold: the others pass over bytes behind the
// last record or header, and offsets that go back.
func FuzzReaders(f *testing.F) {
	for n := range samples() {
		for _, c := range codecs() {
			if raw := stamped(f, c, plain()[:n+1]); len(raw) < 1<<10 {
				f.Add(clone(raw[recordbatch.HeaderSize:]), uint16(c), int32(n+1), int32(n), int64(1_700_000_000_000))
			}
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, attributes uint16, count, lastDelta int32, base int64) {
		const (
			codecAndTime = 0x0f // not control batches: they have no records for readers
			xerialHeader = 16
			xerialMagic  = "\x82SNAPPY\x00"
		)
		raw := clone(stamped(t, recordbatch.None, samples()[:1])[:recordbatch.HeaderSize])
		be := binary.BigEndian
		be.PutUint32(raw[8:], uint32(recordbatch.HeaderSize-12+len(payload)))
		be.PutUint16(raw[21:], attributes&codecAndTime)
		be.PutUint32(raw[23:], uint32(lastDelta))
		be.PutUint64(raw[27:], uint64(base))
		be.PutUint64(raw[35:], uint64(base))
		be.PutUint32(raw[57:], uint32(count))
		raw = recalculated(append(raw, payload...))

		ours, err := read(raw, recordbatch.NewDecompressor(1<<20))
		require.True(t, defined(err), "%v", err)
		if err != nil {
			return
		}
		franz, ok := byFranz(raw)
		if _, frame := libraryReads(payload); recordbatch.Codec(attributes&0x07) == recordbatch.LZ4 && checksumOnly(frame) {
			return
		}
		if recordbatch.Codec(attributes&0x07) == recordbatch.Snappy && (len(payload) == xerialHeader || bytes.Count(payload, []byte(xerialMagic)) > 1) {
			return
		}
		require.True(t, ok, "franz-go refuses what is taken here")
		require.Equal(t, alike(franz), alike(ours))
		if kafkaGo, ok := byKafkaGo(raw); ok && attributes&0x08 == 0 { // it has no time of the append
			require.Equal(t, alike(kafkaGo), alike(ours))
		}
	})
}
