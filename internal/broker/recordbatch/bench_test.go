package recordbatch_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// event is about the size and shape of a callback.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"ALegUUID":"%08x-1c2d-4e5f-8a9b-%012x","AnswerTime":"","BillDuration":"0","BillRate":"0.00310",`+
		`"CallStatus":"busy","CallUUID":"%08x-1c2d-4e5f-8a9b-%012x","Direction":"outbound","Duration":"%d","EndTime":"2024-05-01 10:%02d:%02d",`+
		`"Event":"Hangup","From":"+1555%07d","HangupCause":"USER_BUSY","HangupCauseCode":"3010","HangupCauseName":"Busy Line",`+
		`"HangupSource":"Callee","RequestUUID":"%08x-1c2d-4e5f-8a9b-%012x","SessionStart":"2024-05-01 10:00:00.123456","StartTime":"","To":"+1555%07d"}`,
		i, i*7, i, i*7, i%60, i/60%60, i%60, i*31%1e7, i, i*7, i*17%1e7)
}

// fill appends 1000 events with a header.
func fill(b *recordbatch.Builder, events [][]byte, add []recordbatch.Header) {
	for i, e := range events {
		b.Append(1_700_000_000_000+int64(i), e[13:49], [3][]byte{e[:len(e)-1], e[len(e)-1:]}, nil, nil, add)
	}
}

func events() [][]byte {
	out := make([][]byte, 1000)
	for i := range out {
		out[i] = event(i)
	}
	return out
}

// manyRecords is a batch of 1000 events with a header each, not compressed.
func manyRecords(t require.TestingT) (b recordbatch.Batch, payload []byte) {
	build := recordbatch.NewBuilder()
	fill(build, events(), []recordbatch.Header{{Name: "trace", Value: []byte("0123456789")}})
	build.Stamp(false, -1, -1, -1)
	_, err := recordbatch.Next(build.Bytes(), &b)
	require.NoError(t, err)
	return b, b.Payload
}

// BenchmarkRead is the checksum and the walk over 1000 events, without decompression.
func BenchmarkRead(b *testing.B) {
	es, build := events(), recordbatch.NewBuilder()
	fill(build, es, nil)
	build.Stamp(false, -1, -1, -1)
	raw := build.Bytes()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var (
		batch recordbatch.Batch
		r     recordbatch.Reader
		rec   recordbatch.Record
	)
	for b.Loop() {
		if _, err := recordbatch.Next(raw, &batch); err != nil {
			b.Fatal(err)
		}
		r.Reset(&batch, batch.Payload)
		n := 0
		for r.Next(&rec) {
			n++
		}
		if n != len(es) || r.Err() != nil {
			b.Fatal(n, r.Err())
		}
	}
}

// BenchmarkBuild is appending 1000 events and stamping, without compression.
func BenchmarkBuild(b *testing.B) {
	es, build := events(), recordbatch.NewBuilder()
	fill(build, es, nil)
	b.SetBytes(int64(build.Size()))
	b.ReportAllocs()
	for b.Loop() {
		build.Reset()
		fill(build, es, nil)
		build.Stamp(false, 1, 1, 1)
	}
}

// BenchmarkCompress and BenchmarkDecompress count bytes of the unpacked side.
func BenchmarkCompress(b *testing.B) {
	_, payload := manyRecords(b)
	for _, codec := range codecs()[1:] {
		b.Run(codec.String(), func(b *testing.B) {
			c := recordbatch.NewCompressor()
			var out []byte
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, err = c.Compress(codec, payload, out[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(payload))/float64(len(out)), "ratio")
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	_, payload := manyRecords(b)
	for _, codec := range codecs()[1:] {
		b.Run(codec.String(), func(b *testing.B) {
			packed := compress(b, codec, payload)
			d := recordbatch.NewDecompressor(0)
			var out []byte
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, err = d.Decompress(codec, packed, out[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
