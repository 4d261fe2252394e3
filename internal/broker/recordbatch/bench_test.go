package recordbatch_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
)

// event is about the size and shape of a callback.
func event(i int) []byte {
	return fmt.Appendf(nil, `{"ALegUUID":"%08x-1c2d-4e5f-8a9b-%012x","AnswerTime":"","BillDuration":"0","BillRate":"0.00310",`+
		`"CallStatus":"busy","CallUUID":"%08x-1c2d-4e5f-8a9b-%012x","Direction":"outbound","Duration":"%d","EndTime":"2024-05-01 10:%02d:%02d",`+
		`"Event":"Hangup","From":"+1555%07d","HangupCause":"USER_BUSY","HangupCauseCode":"3010","HangupCauseName":"Busy Line",`+
		`"HangupSource":"Callee","RequestUUID":"%08x-1c2d-4e5f-8a9b-%012x","SessionStart":"2024-05-01 10:00:00.123456","StartTime":"","To":"+1555%07d"}`,
		i, i*7, i, i*7, i%60, i/60%60, i%60, i*31%1e7, i, i*7, i*17%1e7)
}

// perBatch is how many records the batches of benchmarks have: half a megabyte of events,
// so that a batch is as large as the producer makes them and no cache holds several.
const perBatch = 1000

// input is one record to be written, of sizes and contents as life has them: what compresses
// well would flatter the codecs.
type input struct {
	key, value []byte
	timestamp  int64
}

func inputs() []input {
	g := eventgen.New(1, catalog.Default().Entries())
	out := make([]input, perBatch)

	for i := range out {
		ev := g.Next()
		out[i] = input{bytes.Clone(ev.Key), bytes.Clone(ev.Value), 1_700_000_000_000 + int64(i)}
	}
	return out
}

func meanSize(in []input) int64 {
	n := 0
	for i := range in {
		n += len(in[i].key) + len(in[i].value)
	}
	return int64(n / len(in))
}

// fill appends them all with the same headers.
func fill(b *recordbatch.Builder, in []input, headers []byte, drop []string, add []recordbatch.Header) {
	for i := range in {
		b.Append(in[i].timestamp, in[i].key, parts(in[i].value), headers, drop, add)
	}
}

// parts is a value in three, as an enriched one comes.
func parts(v []byte) [3][]byte {
	if len(v) == 0 {
		return [3][]byte{v}
	}
	return [3][]byte{v[:len(v)-1], v[len(v)-1:]}
}

// manyRecords is a batch of 1000 events with a header each, not compressed.
func manyRecords(t require.TestingT) (b recordbatch.Batch, payload []byte) {
	return batchOf(t, recordbatch.None, headersOf(t, 1))
}

// batchOf is a batch of 1000 events; payload is what is in it, unpacked.
func batchOf(t require.TestingT, codec recordbatch.Codec, headers []byte) (b recordbatch.Batch, payload []byte) {
	_, err := recordbatch.Next(rawBatch(t, codec, headers), &b)
	require.NoError(t, err)
	payload, err = recordbatch.NewDecompressor(0).Decompress(b.Codec(), b.Payload, nil)
	require.NoError(t, err)
	return b, payload
}

func rawBatch(t require.TestingT, codec recordbatch.Codec, headers []byte) []byte {
	build := recordbatch.NewBuilder()
	fill(build, inputs(), headers, nil, nil)
	require.NoError(t, build.Seal(recordbatch.NewCompressor(), codec))
	build.Stamp(false, -1, -1, -1)
	return build.Bytes()
}

// headersOf are n headers as a record has them.
func headersOf(t require.TestingT, n int) []byte {
	add := make([]recordbatch.Header, n)
	for i := range add {
		add[i] = recordbatch.Header{Name: fmt.Sprintf("trace-%d", i), Value: []byte("0123456789")}
	}
	return rawHeaders(t, add)
}

// added are the headers that the pipeline adds by default, more or less.
func added() []recordbatch.Header {
	return []recordbatch.Header{
		{Name: "hangup-code", Value: []byte("3010")},
		{Name: "hangup-fault", Value: []byte("destination")},
		{Name: "hangup-class", Value: []byte("long_delay")},
		{Name: "hangup-retryable", Value: []byte("true")},
		{Name: "hangup-not-before", Value: []byte("1795514400000")},
		{Name: "hangup-catalog", Value: []byte("embedded@1+0123abcd")},
	}
}

// BenchmarkNext is splitting a batch off, its checksum included.
func BenchmarkNext(b *testing.B) {
	raw := rawBatch(b, recordbatch.None, nil)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var batch recordbatch.Batch
	for b.Loop() {
		if _, err := recordbatch.Next(raw, &batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReader is the walk, for each record, by how many headers it has.
func BenchmarkReader(b *testing.B) {
	for _, headers := range []int{0, 1, 8} {
		b.Run(fmt.Sprintf("headers=%d", headers), func(b *testing.B) {
			batch, payload := batchOf(b, recordbatch.None, headersOf(b, headers))
			b.SetBytes(int64(len(payload) / perBatch))
			b.ReportAllocs()
			var (
				r   recordbatch.Reader
				rec recordbatch.Record
			)
			for b.Loop() {
				if r.Next(&rec) {
					continue
				}
				if r.Err() != nil {
					b.Fatal(r.Err())
				}
				r.Reset(&batch, payload)
				r.Next(&rec)
			}
		})
	}
}

// BenchmarkAppend is for each record, by what becomes of its headers.
func BenchmarkAppend(b *testing.B) {
	in := inputs()
	names := make([]string, 0, len(added()))
	for _, h := range added() {
		names = append(names, h.Name)
	}
	for _, bc := range []struct {
		name    string
		headers []byte
		drop    []string
		add     []recordbatch.Header
	}{
		{"plain", headersOf(b, 0), nil, nil},
		{"kept", headersOf(b, 3), nil, nil},
		{"added", headersOf(b, 0), names, added()},
		{"kept_added", headersOf(b, 3), names, added()},
		{"replaced", rawHeaders(b, added()), names, added()},
	} {
		b.Run(bc.name, func(b *testing.B) {
			build := recordbatch.NewBuilder()
			fill(build, in, bc.headers, bc.drop, bc.add)
			build.Reset()
			b.SetBytes(meanSize(in))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i == len(in) {
					i = 0
					build.Reset()
				}
				build.Append(in[i].timestamp, in[i].key, parts(in[i].value), bc.headers, bc.drop, bc.add)
			}
		})
	}
}

// BenchmarkSeal is what is left to do for a batch that is full: compress it and write its
// header, with the checksum.
func BenchmarkSeal(b *testing.B) {
	for _, codec := range codecs() {
		b.Run(codec.String(), func(b *testing.B) {
			build, c := recordbatch.NewBuilder(), recordbatch.NewCompressor()
			fill(build, inputs(), nil, nil, added())
			b.SetBytes(int64(build.RawSize()))
			b.ReportAllocs()
			for b.Loop() {
				if err := build.Seal(c, codec); err != nil {
					b.Fatal(err)
				}
				build.Stamp(false, 1, 1, 1)
			}
			b.ReportMetric(float64(build.RawSize())/float64(build.Size()), "ratio")
		})
	}
}

// BenchmarkCompress and BenchmarkDecompress count bytes of the unpacked side.
func BenchmarkCompress(b *testing.B) {
	_, payload := batchOf(b, recordbatch.None, nil)
	for _, codec := range codecs()[1:] {
		b.Run(codec.String(), func(b *testing.B) {
			c := recordbatch.NewCompressor()
			out := make([]byte, 0, len(payload))
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
	_, payload := batchOf(b, recordbatch.None, nil)
	for _, codec := range codecs()[1:] {
		b.Run(codec.String(), func(b *testing.B) {
			packed := compress(b, codec, payload)
			d := recordbatch.NewDecompressor(0)
			out := make([]byte, 0, 2*len(payload))
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
