package recordbatch_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// libraryReads is what the library's reader, for streams, makes of a frame.
func libraryReads(frame []byte) ([]byte, error) {
	return io.ReadAll(lz4.NewReader(bytes.NewReader(frame)))
}

func lz4Frame(t testing.TB, src []byte, options ...lz4.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	require.NoError(t, w.Apply(options...))
	_, err := w.Write(src)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// lz4Frames are frames of all kinds that the library writes, and what they hold.
func lz4Frames(t testing.TB) map[string][2][]byte {
	t.Helper()
	_, text := batchOf(t, recordbatch.None, nil)
	noise := make([]byte, 200<<10)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	all := map[string][2][]byte{}
	for what, src := range map[string][]byte{
		"text": text[:300<<10], "noise": noise, "both": append(append(bytes.Clone(text[:70<<10]), noise[:70<<10]...), text[:70<<10]...),
		"zeroes": make([]byte, 300<<10), "one byte": {7}, "nothing": nil,
	} {
		for kind, options := range map[string][]lz4.Option{
			"as Java's":     {lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)},
			"as franz-go's": {},
			"with a size":   {lz4.BlockSizeOption(lz4.Block256Kb), lz4.SizeOption(uint64(len(src)))},
			"block sums":    {lz4.BlockSizeOption(lz4.Block1Mb), lz4.BlockChecksumOption(true)},
			"legacy":        {lz4.LegacyOption(true)},
		} {
			all[what+", "+kind] = [2][]byte{lz4Frame(t, src, options...), src}
		}
	}
	return all
}

// TestLZ4Frames: frames of every kind, also two behind each other, and cut off anywhere.
func TestLZ4Frames(t *testing.T) {
	d := recordbatch.NewDecompressor(0)
	for name, f := range lz4Frames(t) {
		frame, src := f[0], f[1]
		out, err := d.Decompress(recordbatch.LZ4, frame, nil)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(src, out), name)

		twice := append(bytes.Clone(frame), frame...)
		want, wantErr := libraryReads(twice)
		out, err = d.Decompress(recordbatch.LZ4, twice, out)
		require.Equal(t, wantErr == nil, err == nil, name)
		if err == nil {
			require.True(t, bytes.Equal(want, out), name)
		}
		for n := 0; n < len(frame); n += 1 + n/4 {
			want, wantErr := libraryReads(frame[:n])
			out, err = d.Decompress(recordbatch.LZ4, frame[:n], out)
			require.Equal(t, wantErr == nil, err == nil, "%s, %d of %d bytes: %v, %v", name, n, len(frame), wantErr, err)
			if err == nil {
				require.True(t, bytes.Equal(want, out), "%s, %d of %d bytes", name, n, len(frame))
			}
		}
	}
}

// TestLZ4Heads: whatever else the checksum of a frame's head is, the frame is refused.
func TestLZ4Heads(t *testing.T) {
	src, d := event(1), recordbatch.NewDecompressor(0)
	for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
		for _, sum := range []bool{false, true} {
			frame := lz4Frame(t, src, lz4.BlockSizeOption(size), lz4.ChecksumOption(sum))
			out, err := d.Decompress(recordbatch.LZ4, frame, nil)
			require.NoError(t, err)
			require.Equal(t, src, out)
			for range 255 {
				frame[6]++
				_, err = d.Decompress(recordbatch.LZ4, frame, nil)
				require.ErrorIs(t, err, recordbatch.ErrCorrupt)
			}
		}
	}
}

// TestLZ4FramesKnowNothingOfEachOther: a frame whose blocks depend on each other is unpacked, and then one that copies from
// before its own start, as if what the first held stood there.
func TestLZ4FramesKnowNothingOfEachOther(t *testing.T) {
	first := bytes.Repeat([]byte("what another producer sent, "), 40)
	linked := lz4Frame(t, first, lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
	linked[4], linked[6] = 0x40, 0xc0 // flags and their checksum: version 1, blocks that depend on each other
	d := recordbatch.NewDecompressor(0)
	out, err := d.Decompress(recordbatch.LZ4, linked, nil)
	require.NoError(t, err)
	require.Equal(t, first, out)

	const before = 500
	block := []byte{0x0f, before & 0xff, before >> 8, 255, 100, 0x50, 'a', 'b', 'c', 'd', 'e'} // 374 bytes from there, and five literals
	thief := append([]byte("\x04\x22\x4d\x18\x60\x40\x82"), byte(len(block)), 0, 0, 0)
	thief = append(append(thief, block...), 0, 0, 0, 0)
	out, err = d.Decompress(recordbatch.LZ4, thief, nil)
	require.ErrorIs(t, err, recordbatch.ErrCorrupt, "%q", out)
}

// checksumOnly tells whether the library refuses a frame for nothing but the checksum of its content.
func checksumOnly(err error) bool {
	return err != nil && strings.Contains(err.Error(), "invalid frame checksum")
}

// FuzzLZ4Frames: what the library reads is read, to the same bytes; and nothing else, but for what only a checksum tells.
func FuzzLZ4Frames(f *testing.F) {
	for _, frame := range lz4Frames(f) {
		if len(frame[0]) < 4<<10 {
			f.Add(frame[0])
		}
	}
	for n := range 5 {
		f.Add(lz4Frame(f, bytes.Repeat(event(n), n), lz4.ChecksumOption(n&1 == 0), lz4.BlockSizeOption(lz4.Block64Kb)))
	}
	d := recordbatch.NewDecompressor(1 << 20)
	f.Fuzz(func(t *testing.T, frame []byte) {
		out, err := d.Decompress(recordbatch.LZ4, frame, nil)
		want, wantErr := libraryReads(frame)
		switch {
		case len(want) > 1<<20:
			require.Error(t, err)
		case wantErr == nil:
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, out))
		case !checksumOnly(wantErr):
			require.Error(t, err, fmt.Sprint(wantErr))
		}
	})
}

// BenchmarkLZ4Frames is a batch unpacked as Decompressor does it, and by the library's reader.
func BenchmarkLZ4Frames(b *testing.B) {
	_, payload := batchOf(b, recordbatch.None, nil)
	for _, sum := range []bool{false, true} {
		frame := lz4Frame(b, payload, lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(sum))
		b.Run(fmt.Sprintf("own/checksum=%t", sum), func(b *testing.B) {
			d, out := recordbatch.NewDecompressor(0), []byte{}
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				out, _ = d.Decompress(recordbatch.LZ4, frame, out)
			}
		})
		b.Run(fmt.Sprintf("library/checksum=%t", sum), func(b *testing.B) {
			r, out := lz4.NewReader(nil), make([]byte, len(payload))
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				r.Reset(bytes.NewReader(frame))
				_, err := io.ReadFull(r, out)
				require.NoError(b, err)
			}
		})
	}
}
