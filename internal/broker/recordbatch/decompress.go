package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// DefaultMaxDecompressed bounds one batch after decompression, in bytes.
const DefaultMaxDecompressed = 64 << 20

// Decompressor unpacks payloads. It keeps each codec's working memory for the next batch,
// made when first needed. It has one user at a time.
type Decompressor struct {
	limit    int
	src      bytes.Reader
	gzip     *gzip.Reader
	lz4      *lz4.Reader
	zstd     *zstd.Decoder
	zstdWide *zstd.Decoder // for windows over the limit; rarely made
}

// NewDecompressor makes one that refuses batches of more than limit bytes after
// decompression; 0 or less stands for DefaultMaxDecompressed.
func NewDecompressor(limit int) *Decompressor {
	if limit <= 0 {
		limit = DefaultMaxDecompressed
	}
	return &Decompressor{limit: limit}
}

// Decompress unpacks src. The result is src itself for None, else it is in dst's array, or
// in a larger one; dst's content is overwritten. Memory follows what is
// really unpacked, not what src claims. The errors are *TooLargeError, and
// ErrCorrupt, wrapped.
func (d *Decompressor) Decompress(codec Codec, src, dst []byte) ([]byte, error) {
	var (
		out []byte
		err error
	)
	dst = dst[:0]
	switch codec {
	case None:
		return src, nil
	case Gzip:
		out, err = d.decompressGzip(src, dst)
	case Snappy:
		out, err = d.decompressSnappy(src, dst)
	case LZ4:
		out, err = d.decompressLZ4(src, dst)
	case Zstd:
		out, err = d.decompressZstd(src, dst)
	default:
		return nil, unknownCodec(codec)
	}
	switch {
	case errors.Is(err, errOverLimit):
		return nil, &TooLargeError{codec, d.limit}
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, codec, err)
	default:
		return out, nil
	}
}

// errOverLimit becomes a TooLargeError.
var errOverLimit = errors.New("over the limit")

func (d *Decompressor) decompressGzip(src, dst []byte) ([]byte, error) {
	d.src.Reset(src)
	if d.gzip == nil {
		z, err := gzip.NewReader(&d.src)
		if err != nil {
			return nil, err //nolint:wrapcheck // Decompress wraps
		}
		d.gzip = z
	} else if err := d.gzip.Reset(&d.src); err != nil {
		return nil, err //nolint:wrapcheck // Decompress wraps
	}
	return d.readAll(d.gzip, dst)
}

func (d *Decompressor) decompressLZ4(src, dst []byte) ([]byte, error) {
	d.src.Reset(src)
	if d.lz4 == nil {
		d.lz4 = lz4.NewReader(&d.src) // without concurrency, which is its default
	} else {
		d.lz4.Reset(&d.src)
	}
	return d.readAll(d.lz4, dst)
}

// readChunk is the least room for a read: an LZ4 block that fits is unpacked in place.
const readChunk = 64 << 10

// readAll reads r to its end into dst, which grows by doubling up to the limit.
func (d *Decompressor) readAll(r io.Reader, dst []byte) ([]byte, error) {
	for {
		if cap(dst)-len(dst) < readChunk {
			dst = slices.Grow(dst, max(readChunk, cap(dst)))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > d.limit:
			return nil, errOverLimit
		case errors.Is(err, io.EOF):
			return dst, nil
		case err != nil:
			return nil, err //nolint:wrapcheck // Decompress wraps
		}
	}
}

// decompressSnappy reads both forms in use: xerial's framing, from Java and most
// others, and a raw Snappy block, from librdkafka and franz-go.
func (d *Decompressor) decompressSnappy(src, dst []byte) ([]byte, error) {
	if !isXerial(src) {
		return d.appendSnappy(dst, src)
	}
	for len(src) > 0 {
		if isXerial(src) { // streams may be concatenated
			src = src[xerialHeader:]
			continue
		}
		if len(src) < chunkLength {
			return nil, errors.New("chunk length is cut off")
		}
		n := binary.BigEndian.Uint32(src)
		src = src[chunkLength:]
		if uint64(n) > uint64(len(src)) {
			return nil, fmt.Errorf("chunk of %d bytes, %d are left", n, len(src))
		}
		var err error
		if dst, err = d.appendSnappy(dst, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return dst, nil
}

const xerialHeader = len(xerialMagic) + len(xerialVersions)

func isXerial(b []byte) bool {
	return len(b) >= xerialHeader && string(b[:len(xerialMagic)]) == xerialMagic
}

// maxSnappyRatio is above the best that Snappy can do: three bytes that copy 64.
const maxSnappyRatio = 24

// appendSnappy unpacks a raw block behind what dst holds.
func (d *Decompressor) appendSnappy(dst, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err //nolint:wrapcheck // Decompress wraps
	}
	if n > maxSnappyRatio*len(block) {
		return nil, fmt.Errorf("%d bytes cannot hold the %d that they claim", len(block), n)
	}
	if n > d.limit-len(dst) {
		return nil, errOverLimit
	}
	dst = slices.Grow(dst, n)
	if _, err := s2.Decode(dst[len(dst):len(dst)+n], block); err != nil {
		return nil, err //nolint:wrapcheck // Decompress wraps
	}
	return dst[:len(dst)+n], nil
}

// zstdBlock is the most that a block of zstd unpacks to, and zstdMinBlock the least it
// takes (RFC 8878, 3.1.1.2: three bytes of header, one of content to be repeated).
const (
	zstdBlock    = 128 << 10
	zstdMinBlock = 4
)

// zstdMaxWindow is the window of zstd's highest level, 22, in bytes. Producers that compress
// as they go declare it whatever a batch holds.
const zstdMaxWindow = 128 << 20

func (d *Decompressor) decompressZstd(src, dst []byte) ([]byte, error) {
	wide, err := d.zstdHeader(src)
	if err != nil {
		return nil, err
	}
	decoder, err := d.zstdDecoder(wide)
	if err != nil {
		return nil, err
	}
	out, err := decoder.DecodeAll(src, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > d.limit {
		return nil, errOverLimit
	}
	return out, err //nolint:wrapcheck // Decompress wraps
}

// zstdHeader refuses a frame whose declared size is impossible or over the limit, since
// the decoder allocates what is declared. It reports whether the frame's window,
// which is not allocated, is over the limit.
func (d *Decompressor) zstdHeader(src []byte) (wide bool, err error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return false, nil //nolint:nilerr // the decoder will say what is wrong
	}
	if h.HasFCS {
		if most := uint64(len(src)/zstdMinBlock+1) * zstdBlock; h.FrameContentSize > most {
			return false, fmt.Errorf("%d bytes cannot hold the %d that they claim", len(src), h.FrameContentSize)
		}
		if h.FrameContentSize > uint64(d.limit) { //nolint:gosec // positive
			return false, errOverLimit
		}
	}
	return h.WindowSize > uint64(d.limit), nil //nolint:gosec // positive
}

// zstdDecoder is the usual decoder, or one for wide windows. A decoder has one bound for its
// output and the window, so that the second unpacks up to zstdMaxWindow before
// the result is refused.
func (d *Decompressor) zstdDecoder(wide bool) (*zstd.Decoder, error) {
	decoder, limit := &d.zstd, d.limit
	if wide {
		decoder, limit = &d.zstdWide, zstdMaxWindow
	}
	if *decoder == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(limit)))
		if err != nil {
			return nil, err //nolint:wrapcheck // Decompress wraps
		}
		*decoder = z
	}
	return *decoder, nil
}
