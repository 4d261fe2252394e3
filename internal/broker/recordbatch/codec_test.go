package recordbatch_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

func compress(t require.TestingT, c recordbatch.Codec, src []byte) []byte {
	out, err := recordbatch.NewCompressor().Compress(c, src, nil)
	require.NoError(t, err)
	return out
}

func TestCodecsRoundTrip(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		c, d := recordbatch.NewCompressor(), recordbatch.NewDecompressor(0)
		var packed, unpacked []byte // reused, so that leftovers would show
		for _, size := range []int{0, 1, 100, 32 << 10, 32<<10 + 1, 64 << 10, 300_000, 5, 1 << 20} {
			src := make([]byte, size)
			for i := range src {
				src[i] = byte(i*i>>7 ^ size)
			}
			var err error
			packed, err = c.Compress(codec, src, append(packed[:0], "before"...))
			require.NoError(t, err)
			require.Equal(t, "before", string(packed[:6]))
			unpacked, err = d.Decompress(codec, packed[6:], unpacked)
			require.NoError(t, err)
			require.True(t, bytes.Equal(src, unpacked), "%d bytes", size)
		}
	})
}

func TestDecompressIntoDst(t *testing.T) {
	src := bytes.Repeat([]byte("hangup "), 1000)
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		packed := compress(t, codec, src)
		dst := make([]byte, 10, 1<<20)
		out, err := recordbatch.NewDecompressor(0).Decompress(codec, packed, dst)
		require.NoError(t, err)
		require.Equal(t, src, out)
		want := &dst[0]
		if codec == recordbatch.None {
			want = &packed[0]
		}
		require.Same(t, want, &out[0])
	})
}

func TestDecompressorGoesOnAfterAnError(t *testing.T) {
	src := bytes.Repeat([]byte("hangup "), 1000)
	for _, codec := range codecs()[1:] {
		t.Run(codec.String(), func(t *testing.T) {
			d := recordbatch.NewDecompressor(0)
			packed := compress(t, codec, src)
			for range 2 {
				_, err := d.Decompress(codec, []byte("this is no such stream, whatever the codec"), nil)
				require.ErrorIs(t, err, recordbatch.ErrCorrupt)
				require.ErrorContains(t, err, codec.String())
				_, err = d.Decompress(codec, packed[:len(packed)/2], nil)
				require.ErrorIs(t, err, recordbatch.ErrCorrupt)
				out, err := d.Decompress(codec, packed, nil)
				require.NoError(t, err)
				require.Equal(t, src, out)
			}
		})
	}
}

func TestBombsAreRefused(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, limit+1)
	for _, codec := range codecs()[1:] {
		t.Run(codec.String(), func(t *testing.T) {
			d := recordbatch.NewDecompressor(limit)
			out, err := d.Decompress(codec, compress(t, codec, zeros[:limit]), nil)
			require.NoError(t, err, "the limit itself is allowed")
			require.Len(t, out, limit)

			_, err = d.Decompress(codec, compress(t, codec, zeros), nil)
			var large *recordbatch.TooLargeError
			require.ErrorAs(t, err, &large)
			require.Equal(t, recordbatch.TooLargeError{Codec: codec, Limit: limit}, *large)
			require.EqualError(t, err, codec.String()+" payload unpacks to more than the limit of 1048576 bytes for one batch")
		})
	}
	t.Run("zstd that says so", func(t *testing.T) {
		_, err := recordbatch.NewDecompressor(1000).Decompress(recordbatch.Zstd, compress(t, recordbatch.Zstd, zeros), nil)
		var large *recordbatch.TooLargeError
		require.ErrorAs(t, err, &large)
	})
}

// Java's producer compresses as it goes: a frame without its size, a window that has
// nothing to do with it (128 MiB at level 22), and a dst of any capacity to unpack into.
func TestZstdWithoutAContentSize(t *testing.T) {
	var src []byte
	for i := range 3000 {
		src = append(src, event(i)...)
	}
	for _, window := range []int{1 << 10, 4 << 20, 64 << 20, 128 << 20} {
		t.Run(strconv.Itoa(window), func(t *testing.T) {
			var buf bytes.Buffer
			w, err := zstd.NewWriter(&buf, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
			require.NoError(t, err)
			for part := range slices.Chunk(src, 150_000) {
				_, err = w.Write(part)
				require.NoError(t, err)
				require.NoError(t, w.Flush())
			}
			require.NoError(t, w.Close())
			var h zstd.Header
			require.NoError(t, h.Decode(buf.Bytes()))
			require.Equal(t, uint64(window), h.WindowSize)
			require.False(t, h.HasFCS)
			for _, limit := range []int{0, len(src)} {
				d := recordbatch.NewDecompressor(limit)
				for _, room := range []int{0, 100, 65_537, 400_000, len(src) - 1, len(src), 2 * len(src)} {
					out, err := d.Decompress(recordbatch.Zstd, buf.Bytes(), make([]byte, 0, room))
					require.NoError(t, err, "room %d", room)
					require.True(t, bytes.Equal(src, out))
				}
			}
			_, err = recordbatch.NewDecompressor(len(src)-1).Decompress(recordbatch.Zstd, buf.Bytes(), nil)
			var large *recordbatch.TooLargeError
			require.ErrorAs(t, err, &large)
		})
	}
	t.Run("a window beyond all levels", func(t *testing.T) {
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (28 - 10) << 3, 1, 0, 0} // 256 MiB, then an empty last block
		_, err := recordbatch.NewDecompressor(0).Decompress(recordbatch.Zstd, frame, nil)
		require.ErrorIs(t, err, recordbatch.ErrCorrupt)
		require.ErrorContains(t, err, "window size exceeded")
	})
}

// A few bytes that claim tens of megabytes must not make us allocate them.
func TestClaimsAllocateNothing(t *testing.T) {
	const claim = 60 << 20
	snappy := binary.AppendUvarint(nil, claim)
	chunk := append(slices.Clone(snappy), "some literal"...)
	xerial := append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), 0, 0, 0, byte(len(chunk)))
	xerial = append(xerial, chunk...)
	// A zstd frame (RFC 8878): magic, descriptor "single segment, content size in 4
	// bytes", the size, then an empty last block.
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0}, binary.LittleEndian.AppendUint32(nil, claim)...)
	frame = append(frame, 1, 0, 0)

	for name, tt := range map[string]struct {
		codec recordbatch.Codec
		src   []byte
	}{
		"snappy": {recordbatch.Snappy, snappy},
		"xerial": {recordbatch.Snappy, xerial},
		"zstd":   {recordbatch.Zstd, frame},
	} {
		t.Run(name, func(t *testing.T) {
			d := recordbatch.NewDecompressor(0)
			_, err := d.Decompress(tt.codec, compress(t, tt.codec, []byte("make the decoder")), nil)
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = d.Decompress(tt.codec, tt.src, nil)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, recordbatch.ErrCorrupt)
			require.ErrorContains(t, err, "claim")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(claim/10))
		})
	}
}

func TestSnappyForms(t *testing.T) {
	src := bytes.Repeat([]byte("outbound call, busy; "), 5000)
	framed := compress(t, recordbatch.Snappy, src)
	require.Equal(t, "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01", string(framed[:16]), "every client reads what Java writes")

	for name, tt := range map[string]struct {
		src  []byte
		want []byte
		text string
	}{
		"xerial":                {src: framed, want: src},
		"raw":                   {src: s2.EncodeSnappy(nil, src), want: src},
		"xerial twice":          {src: append(clone(framed), framed...), want: append(clone(src), src...)},
		"xerial without chunks": {src: framed[:16], want: []byte{}},
		"length cut off":        {src: framed[:18], text: "chunk length is cut off"},
		"chunk cut off":         {src: framed[:30], text: "bytes, 10 are left"},
		"chunk of nonsense":     {src: append(clone(framed[:16]), 0, 0, 0, 3, 200, 1, 1), text: "corrupt"},
		"chunk without length":  {src: append(clone(framed[:16]), 0, 0, 0, 0), text: "corrupt"},
		"raw nonsense":          {src: []byte{4, 0xff, 0xff, 0xff}, text: "corrupt"},
		"empty":                 {src: nil, text: "corrupt"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := recordbatch.NewDecompressor(0).Decompress(recordbatch.Snappy, tt.src, nil)
			if tt.text != "" {
				require.ErrorIs(t, err, recordbatch.ErrCorrupt)
				require.ErrorContains(t, err, tt.text)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.Equal(tt.want, out))
		})
	}
}

func TestLZ4FrameIsWhatJavaReads(t *testing.T) {
	// KafkaLZ4BlockInputStream: version 1, independent blocks, no dictionary.
	frame := compress(t, recordbatch.LZ4, []byte("x"))
	require.Equal(t, []byte{0x04, 0x22, 0x4d, 0x18}, frame[:4], "magic")
	require.Equal(t, byte(0x60), frame[4], "version 1, independent blocks, no checksums, no content size")
	require.Equal(t, byte(0x40), frame[5], "blocks of 64 KiB")

	t.Run("other frames are read too", func(t *testing.T) {
		src := bytes.Repeat([]byte("ring, answer, hangup; "), 50_000)
		var buf bytes.Buffer
		w := lz4.NewWriter(&buf)
		require.NoError(t, w.Apply(lz4.BlockSizeOption(lz4.Block4Mb), lz4.ChecksumOption(true), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(src)))))
		_, err := w.Write(src)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		out, err := recordbatch.NewDecompressor(0).Decompress(recordbatch.LZ4, buf.Bytes(), nil)
		require.NoError(t, err)
		require.True(t, bytes.Equal(src, out))
	})
}

func TestUnknownCodec(t *testing.T) {
	_, err := recordbatch.NewDecompressor(0).Decompress(5, nil, nil)
	require.ErrorIs(t, err, recordbatch.ErrCorrupt)
	require.ErrorContains(t, err, "codec 5 is not one that Kafka has")
	_, err = recordbatch.NewCompressor().Compress(5, nil, nil)
	require.ErrorContains(t, err, "codec 5")
	b := recordbatch.NewBuilder()
	b.Append(0, nil, one(nil), nil, nil, nil)
	err = b.Seal(recordbatch.NewCompressor(), 5)
	require.ErrorContains(t, err, "seal batch of 1 records: ")
	require.NotErrorIs(t, err, recordbatch.ErrPartial)
	b.Stamp(false, -1, -1, -1)
	_, records := decode(t, b.Bytes())
	require.Len(t, records, 1, "a failed Seal leaves the batch as it was")
}
