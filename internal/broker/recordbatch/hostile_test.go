package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// read takes one batch from bytes to records, and gives the first error.
func read(raw []byte, d *recordbatch.Decompressor) ([]record, error) {
	var b recordbatch.Batch
	if _, err := recordbatch.Next(raw, &b); err != nil {
		return nil, err
	}
	payload, err := d.Decompress(b.Codec(), b.Payload, nil)
	if err != nil {
		return nil, err
	}
	return readAll(&b, payload)
}

// defined tells whether an error is one that readers know what to do about.
func defined(err error) bool {
	var (
		magic *recordbatch.UnsupportedMagicError
		large *recordbatch.TooLargeError
	)
	return err == nil || errors.Is(err, recordbatch.ErrPartial) || errors.Is(err, recordbatch.ErrCorrupt) ||
		errors.As(err, &magic) || errors.As(err, &large)
}

// Whatever one field of a batch says, with a checksum that agrees: a known kind of error or the records, and no
// more memory than records of that size take.
func TestEveryFieldLies(t *testing.T) {
	const limit = 1 << 20
	testCodecs(t, func(t *testing.T, c recordbatch.Codec) {
		honest := stamped(t, c, samples()[:3])
		d := recordbatch.NewDecompressor(limit)
		lies := 0
		for at := range honest {
			for _, lie := range [][]byte{
				{0},
				{1},
				{0x7f},
				{0x80},
				{0xff},
				{0xff, 0xff},
				{0x7f, 0xff, 0xff, 0xff},
				{0x80, 0, 0, 0},
				{0xff, 0xff, 0xff, 0xff},
				{0xff, 0xff, 0xff, 0xff, 0x0f},
				{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
				{0, 0, 0, 0, 0, 0, 0, 0},
			} {
				raw := clone(honest)
				copy(raw[at:], lie)
				if at < 17 || at >= 21 { // but for the checksum itself
					recalculated(raw)
				}
				var err error
				took := allocated(func() { _, err = read(raw, d) })
				require.True(t, defined(err), "%v", err)
				require.Less(t, took, uint64(2*limit), "%x at %d", lie, at)
				_, _, serr := recordbatch.Skim(raw)
				require.True(t, defined(serr), "%v", serr)
				if err != nil {
					lies++
				}
			}
		}
		require.Greater(t, lies, len(honest), "most lies are found out")
	})
}

// bomb is a payload that unpacks to n zeros, by as many streams behind each other.
func bomb(t *testing.T, c recordbatch.Codec, n, streams int) (packed []byte) {
	t.Helper()
	one := compress(t, c, make([]byte, n/streams))
	for range streams {
		packed = append(packed, one...)
	}
	return packed
}

// A payload that unpacks to thirty times the limit costs what the limit says and not what it would be.
func TestBombsCostNoMoreThanTheLimit(t *testing.T) {
	const limit, size = 4 << 20, 128 << 20
	for _, c := range codecs()[1:] {
		for name, streams := range map[string]int{"one stream": 1, "many streams, each within the limit": 128, "very many": 1 << 14} {
			t.Run(c.String()+", "+name, func(t *testing.T) {
				packed := bomb(t, c, size, streams)
				d := recordbatch.NewDecompressor(limit)
				var err error
				took := allocated(func() { _, err = d.Decompress(c, packed, nil) })
				var large *recordbatch.TooLargeError
				require.ErrorAs(t, err, &large)
				require.Less(t, took, uint64(8*limit), "8 MiB of it may be windows and blocks")

				out, err := d.Decompress(c, compress(t, c, []byte("the next one")), nil)
				require.NoError(t, err)
				require.Equal(t, "the next one", string(out))
			})
		}
	}
	t.Run("zstd, a wide window and no size", func(t *testing.T) {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<20))
		require.NoError(t, err)
		for range size >> 20 {
			_, err = w.Write(make([]byte, 1<<20))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		took := allocated(func() { _, err = recordbatch.NewDecompressor(limit).Decompress(recordbatch.Zstd, packed.Bytes(), nil) })
		var large *recordbatch.TooLargeError
		require.ErrorAs(t, err, &large)
		require.Less(t, took, uint64(8*limit))
	})
	t.Run("zstd, many frames without their size", func(t *testing.T) {
		var one bytes.Buffer
		w, err := zstd.NewWriter(&one, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 4<<10))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		require.NoError(t, w.Close())
		packed := bytes.Repeat(one.Bytes(), size/(4<<10))
		took := allocated(func() { _, err = recordbatch.NewDecompressor(limit).Decompress(recordbatch.Zstd, packed, nil) })
		var large *recordbatch.TooLargeError
		require.ErrorAs(t, err, &large)
		require.Less(t, took, uint64(8*limit))
	})
	t.Run("zstd, a second frame that claims", func(t *testing.T) {
		frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, binary.LittleEndian.AppendUint32(nil, limit-100)...)
		packed := append(compress(t, recordbatch.Zstd, []byte("first")), append(frame, 1, 0, 0)...)
		d := recordbatch.NewDecompressor(limit)
		_, err := d.Decompress(recordbatch.Zstd, compress(t, recordbatch.Zstd, []byte("make the decoder")), nil)
		require.NoError(t, err)
		took := allocated(func() { _, err = d.Decompress(recordbatch.Zstd, packed, nil) })
		require.ErrorIs(t, err, recordbatch.ErrCorrupt)
		require.ErrorContains(t, err, "claim")
		require.Less(t, took, uint64(1<<20))
	})
	t.Run("snappy without framing", func(t *testing.T) {
		packed := s2.EncodeSnappy(nil, make([]byte, size))
		var err error
		took := allocated(func() { _, err = recordbatch.NewDecompressor(limit).Decompress(recordbatch.Snappy, packed, nil) })
		var large *recordbatch.TooLargeError
		require.ErrorAs(t, err, &large)
		require.Less(t, took, uint64(1<<20))
	})
}

// Several zstd frames, and ones to be passed over, are one payload.
func TestZstdFramesBehindEachOther(t *testing.T) {
	var sum bytes.Buffer
	w, err := zstd.NewWriter(&sum, zstd.WithEncoderCRC(true))
	require.NoError(t, err)
	_, err = w.Write([]byte("summed;"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	plain := compress(t, recordbatch.Zstd, []byte("plain;"))
	zeros := compress(t, recordbatch.Zstd, make([]byte, 300<<10)) // of repeated bytes
	skip := []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}
	d := recordbatch.NewDecompressor(0)
	out, err := d.Decompress(recordbatch.Zstd, bytes.Join([][]byte{skip, plain, sum.Bytes(), skip, zeros, plain, skip}, nil), nil)
	require.NoError(t, err)
	require.Equal(t, "plain;summed;"+string(make([]byte, 300<<10))+"plain;", string(out))

	for name, src := range map[string][]byte{
		"cut in a block":      append(clone(plain), plain[:len(plain)-2]...),
		"cut in a header":     append(clone(plain), plain[:5]...),
		"cut in a checksum":   append(clone(plain), sum.Bytes()[:sum.Len()-1]...),
		"wrong checksum":      append(append(clone(sum.Bytes()[:sum.Len()-1]), sum.Bytes()[sum.Len()-1]^1), plain...),
		"cut while passed":    append(clone(plain), skip[:9]...),
		"something else next": append(clone(plain), "something else"...),
	} {
		_, err := d.Decompress(recordbatch.Zstd, src, nil)
		require.ErrorIs(t, err, recordbatch.ErrCorrupt, name)
	}
}

// What has been unpacked into is kept for the next batch: it must not be twice what the limit allows.
func TestUnpackedRoomStaysWithinTheLimit(t *testing.T) {
	const limit = 5<<20 + 1
	for _, c := range codecs()[1:] {
		t.Run(c.String(), func(t *testing.T) {
			out, err := recordbatch.NewDecompressor(limit).Decompress(c, compress(t, c, make([]byte, limit)), nil)
			require.NoError(t, err)
			require.Len(t, out, limit)
			require.LessOrEqual(t, cap(out), limit+limit/4)
		})
	}
}

// A record of 100 MB is read where it lies; compressed it is over the limit for a batch.
func TestRecordOf100MB(t *testing.T) {
	const size = 100 << 20
	big := []record{{Timestamp: 1, Key: []byte("k"), Value: make([]byte, size)}}
	raw := stamped(t, recordbatch.None, big)
	var (
		b   recordbatch.Batch
		r   recordbatch.Reader
		rec recordbatch.Record
	)
	require.Less(t, allocated(func() {
		_, err := recordbatch.Next(raw, &b)
		require.NoError(t, err)
		r.Reset(&b, b.Payload)
		require.True(t, r.Next(&rec))
	}), uint64(1<<20))
	require.Len(t, rec.Value, size)
	require.False(t, r.Next(&rec))
	require.NoError(t, r.Err())

	for _, c := range codecs()[1:] {
		packed := stamped(t, c, big)
		var err error
		took := allocated(func() { _, err = read(packed, recordbatch.NewDecompressor(0)) })
		var large *recordbatch.TooLargeError
		require.ErrorAs(t, err, &large, c)
		require.Less(t, took, uint64(4*recordbatch.DefaultMaxDecompressed), c)
	}
}

// Headers by the thousand are read without allocating, and copied in memory as large as they are.
func TestHeadersByTheThousand(t *testing.T) {
	const n = 100_000
	one := record{Timestamp: 1, Value: []byte("v")}
	for range n {
		one.Headers = append(one.Headers, recordbatch.Header{Name: "a", Value: []byte("1")})
	}
	raw := stamped(t, recordbatch.None, []record{one})
	var (
		b    recordbatch.Batch
		r    recordbatch.Reader
		rec  recordbatch.Record
		seen int
	)
	require.Less(t, allocated(func() {
		_, err := recordbatch.Next(raw, &b)
		require.NoError(t, err)
		r.Reset(&b, b.Payload)
		require.True(t, r.Next(&rec))
		require.NoError(t, recordbatch.EachHeader(rec.Headers, func(_, _ []byte) bool { seen++; return true }))
	}), uint64(1<<16))
	require.Equal(t, n, seen)

	out := recordbatch.NewBuilder()
	require.Less(t, allocated(func() {
		out.Append(1, nil, [3][]byte{rec.Value}, rec.Headers, []string{"b", "c"}, []recordbatch.Header{{Name: "d"}})
	}), uint64(4*len(raw)))
	require.InDelta(t, len(raw), out.Size(), 100)
}

// Counts and lengths that the payload has no room for, nested in each other: refused at once.
func TestNestedSizesThatLie(t *testing.T) {
	const huge = math.MaxInt32
	payload := func(headers ...[]byte) []byte {
		return raw(append([][]byte{attributes, v(0, 0, -1, 1), []byte("v")}, headers...)...)
	}
	for name, tt := range map[string]struct {
		payload []byte
		count   int32
	}{
		"two billion records":                   {payload(v(0)), huge},
		"a header count of all bytes":           {payload(v(40), make([]byte, 40)), 1},
		"a header count of half the bytes":      {payload(v(20), bytes.Repeat([]byte{1}, 40)), 1},
		"a name over the record's end":          {append(payload(v(1, 50, 0)), make([]byte, 100)...), 1},
		"a value over the record's end":         {append(payload(v(1, 0, 50)), make([]byte, 100)...), 1},
		"a name of two billion":                 {payload(v(1, huge)), 1},
		"a value of two billion":                {payload(v(1, 0, huge)), 1},
		"a value length of minus two":           {payload(v(1, 0, -2)), 1},
		"a varint of five bytes over 32 bits":   {payload([]byte{0xff, 0xff, 0xff, 0xff, 0x1f}), 1},
		"a varint that says zero in six bytes":  {payload([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, v(0)), 1},
		"a record within a record's length":     {append(v(4), payload(v(0))...), 1},
		"the second record in the first's tail": {append(v(int64(len(payload(v(0)))*2)), payload(v(0))...), 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := recordbatch.Batch{Count: tt.count, LastOffsetDelta: huge}
			var err error
			took := allocated(func() { _, err = readAll(&b, tt.payload) })
			require.ErrorIs(t, err, recordbatch.ErrCorrupt)
			require.Less(t, took, uint64(1<<16))
		})
	}
}

// A buffer of many small batches and a tail that lies: what is whole is found, in one pass.
func TestSkimOfManyBatches(t *testing.T) {
	one := stamped(t, recordbatch.None, samples()[:1])
	var all []byte
	for i := range 10_000 {
		at := len(all)
		all = append(all, one...)
		binary.BigEndian.PutUint64(all[at:], uint64(i))
	}
	whole := len(all)
	tail := clone(one)
	binary.BigEndian.PutUint32(tail[8:], math.MaxInt32)
	all = append(all, tail...)
	require.Zero(t, testing.AllocsPerRun(1, func() {
		next, complete, err := recordbatch.Skim(all)
		if next != 10_000 || complete != whole || err != nil {
			panic("skim")
		}
	}))
}
