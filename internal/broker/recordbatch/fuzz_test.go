package recordbatch_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// FuzzNext: no input panics; Skim and Next agree on where batches end.
func FuzzNext(f *testing.F) {
	for _, c := range codecs() {
		raw := clone(stamped(f, c, samples()[:3]))
		f.Add(raw)
		f.Add(append(clone(raw), raw[:len(raw)-1]...))
		f.Add(put32(8, 49)(clone(raw)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		next, complete, _ := recordbatch.Skim(data)
		require.LessOrEqual(t, complete, len(data))
		var b recordbatch.Batch
		rest := data
		for at := 0; at < complete; at = len(data) - len(rest) {
			var err error
			if rest, err = recordbatch.Next(rest, &b); err != nil {
				require.ErrorIs(t, err, recordbatch.ErrCorrupt, "complete batches are whole or corrupt")
				return
			}
			require.GreaterOrEqual(t, b.Count, int32(0))
		}
		if complete > 0 {
			require.Equal(t, next, b.NextOffset())
			require.Len(t, rest, len(data)-complete)
		}
	})
}

// FuzzReader: no payload panics, and what is accepted can be built again to the same records.
func FuzzReader(f *testing.F) {
	var b recordbatch.Batch
	for n := range samples() {
		_, err := recordbatch.Next(stamped(f, recordbatch.None, samples()[:n+1]), &b)
		require.NoError(f, err)
		if len(b.Payload) < 1<<10 {
			f.Add(clone(b.Payload), b.Count, b.LastOffsetDelta)
		}
	}
	f.Add([]byte(nil), int32(0), int32(0))
	f.Fuzz(func(t *testing.T, payload []byte, count, lastDelta int32) {
		if count < 0 || lastDelta < 0 {
			return // Next refuses these
		}
		b := recordbatch.Batch{Count: count, LastOffsetDelta: lastDelta}
		records, err := readAll(&b, payload)
		if err != nil {
			require.ErrorIs(t, err, recordbatch.ErrCorrupt)
			return
		}
		require.Len(t, records, int(count))
		if count == 0 {
			return
		}
		_, again := decode(t, stamped(t, recordbatch.None, records))
		for i := range records {
			records[i].Offset = int64(i) // a new batch numbers them anew
		}
		require.Equal(t, records, again)
	})
}

// FuzzDecompress: no source panics or unpacks beyond the limit, and a decompressor that has
// failed still works.
func FuzzDecompress(f *testing.F) {
	const limit = 1 << 20
	good := []byte("ring, answer, hangup; ring, no answer, hangup")
	for _, c := range codecs() {
		f.Add(int8(c), compress(f, c, good))
		f.Add(int8(c), compress(f, c, make([]byte, limit+1)))
	}
	f.Add(int8(9), good)
	d := recordbatch.NewDecompressor(limit)
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		c := recordbatch.Codec(codec)
		out, err := d.Decompress(c, src, nil)
		var large *recordbatch.TooLargeError
		switch {
		case err == nil:
			require.True(t, c == recordbatch.None || len(out) <= limit)
		case !errors.As(err, &large):
			require.ErrorIs(t, err, recordbatch.ErrCorrupt)
		}
		for _, c := range codecs()[1:] {
			if c == recordbatch.Codec(codec) {
				out, err := d.Decompress(c, compress(t, c, good), nil)
				require.NoError(t, err)
				require.Equal(t, good, out)
			}
		}
	})
}
