package recordbatch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// codecs are those of Kafka.
func codecs() []recordbatch.Codec {
	return []recordbatch.Codec{recordbatch.None, recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4, recordbatch.Zstd}
}

// record is a record with its own memory, to be compared.
type record struct {
	Offset, Timestamp int64
	Key, Value        []byte
	Headers           []recordbatch.Header
}

// one value in the form that Append takes.
func one(v []byte) [3][]byte { return [3][]byte{v} }

// build appends records to a new builder and seals it.
func build(t require.TestingT, codec recordbatch.Codec, records []record) *recordbatch.Builder {
	b := recordbatch.NewBuilder()
	for _, r := range records {
		b.Append(r.Timestamp, r.Key, one(r.Value), nil, nil, r.Headers)
	}
	require.NoError(t, b.Seal(recordbatch.NewCompressor(), codec))
	return b
}

// stamped is build for a producer that is not idempotent.
func stamped(t require.TestingT, codec recordbatch.Codec, records []record) []byte {
	b := build(t, codec, records)
	b.Stamp(false, -1, -1, -1)
	return b.Bytes()
}

// decode reads what must be exactly one batch.
func decode(t require.TestingT, raw []byte) (recordbatch.Batch, []record) {
	var b recordbatch.Batch
	rest, err := recordbatch.Next(raw, &b)
	require.NoError(t, err)
	require.Empty(t, rest)
	payload, err := recordbatch.NewDecompressor(0).Decompress(b.Codec(), b.Payload, nil)
	require.NoError(t, err)
	records, err := readAll(&b, payload)
	require.NoError(t, err)
	return b, records
}

func readAll(b *recordbatch.Batch, payload []byte) (records []record, err error) {
	var (
		r   recordbatch.Reader
		rec recordbatch.Record
	)
	r.Reset(b, payload)
	for r.Next(&rec) {
		out := record{Offset: rec.Offset, Timestamp: rec.Timestamp, Key: clone(rec.Key), Value: clone(rec.Value)}
		err := recordbatch.EachHeader(rec.Headers, func(k, v []byte) bool {
			out.Headers = append(out.Headers, recordbatch.Header{Name: string(k), Value: clone(v)})
			return true
		})
		if err != nil {
			return nil, err
		}
		records = append(records, out)
	}
	return records, r.Err()
}

// clone keeps the difference of nil and empty, unlike append(nil, b...).
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// samples have every shape of key, value, header and timestamp; offsets as a builder gives them.
func samples() []record {
	big := make([]byte, 200<<10) // several blocks of each codec
	for i := range big {
		big[i] = byte(i * i >> 9)
	}
	return []record{
		{Offset: 0, Timestamp: 1_700_000_000_000, Key: []byte("call-1"), Value: []byte(`{"Event":"Hangup"}`)},
		{Offset: 1, Timestamp: 1_699_999_999_000, Key: nil, Value: []byte{}},
		{Offset: 2, Timestamp: 1_700_000_000_500, Key: []byte{}, Value: nil, Headers: []recordbatch.Header{{Name: "a", Value: []byte("1")}}},
		{Offset: 3, Timestamp: -1, Key: []byte("k"), Value: big, Headers: []recordbatch.Header{
			{Name: "a", Value: []byte{}}, {Name: "", Value: nil}, {Name: "a", Value: []byte("again")},
		}},
		{Offset: 4, Timestamp: 1_700_000_000_001, Key: big[:300], Value: []byte("x")},
	}
}

func testCodecs(t *testing.T, f func(t *testing.T, c recordbatch.Codec)) {
	t.Helper()
	for _, c := range codecs() {
		t.Run(c.String(), func(t *testing.T) { f(t, c) })
	}
}
