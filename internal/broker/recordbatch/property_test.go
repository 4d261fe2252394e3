package recordbatch_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// blob is null, empty, or some bytes.
func blob() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.Just([]byte(nil)),
		rapid.Just([]byte{}),
		rapid.SliceOfN(rapid.Byte(), 1, 300),
	)
}

func header() *rapid.Generator[recordbatch.Header] {
	return rapid.Custom(func(t *rapid.T) recordbatch.Header {
		return recordbatch.Header{
			Name:  rapid.OneOf(rapid.SampledFrom([]string{"", "a", "b", "hangup-code"}), rapid.String()).Draw(t, "name"),
			Value: blob().Draw(t, "value"),
		}
	})
}

// Whatever is appended is read back: with any codec, any timestamps, and with the headers
// that a plain filter over a list would leave.
func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := recordbatch.NewBuilder()
		var want []record
		for i := range rapid.IntRange(1, 20).Draw(t, "records") {
			parts := [3][]byte{blob().Draw(t, "v0"), blob().Draw(t, "v1"), blob().Draw(t, "v2")}
			in := rapid.SliceOfN(header(), 0, 5).Draw(t, "in")
			add := rapid.SliceOfN(header(), 0, 3).Draw(t, "add")
			drop := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "hangup-code", "absent"}), 0, 3).Draw(t, "drop")
			r := record{
				Offset: int64(i), Timestamp: rapid.Int64().Draw(t, "timestamp"), Key: blob().Draw(t, "key"),
				Value: concat(parts), Headers: filtered(in, drop, add),
			}
			raw := rawHeaders(t, in)
			bound := recordbatch.MaxRecordOverhead + len(r.Key) + len(r.Value) + len(raw)
			for _, h := range add {
				bound += len(h.Name) + len(h.Value) + 2*5
			}
			before := b.Size()
			b.Append(r.Timestamp, r.Key, parts, raw, drop, add)
			require.LessOrEqual(t, b.Size()-before, bound, "what MaxRecordOverhead promises")
			want = append(want, r)
		}
		require.NoError(t, b.Seal(recordbatch.NewCompressor(), rapid.SampledFrom(codecs()).Draw(t, "codec")))
		b.Stamp(rapid.Bool().Draw(t, "transactional"), rapid.Int64().Draw(t, "producer"), rapid.Int16().Draw(t, "epoch"), rapid.Int32().Draw(t, "sequence"))
		_, got := decode(t, b.Bytes())
		require.Equal(t, want, got)
	})
}

func concat(parts [3][]byte) (out []byte) {
	for _, p := range parts {
		if p != nil && out == nil {
			out = []byte{}
		}
		out = append(out, p...)
	}
	return out
}

func filtered(in []recordbatch.Header, drop []string, add []recordbatch.Header) (out []recordbatch.Header) {
next:
	for _, h := range in {
		for _, d := range drop {
			if h.Name == d {
				continue next
			}
		}
		out = append(out, h)
	}
	return append(out, add...)
}
