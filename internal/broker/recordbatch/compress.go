package recordbatch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// xerialMagic begins snappy as Java's producer writes it: snappy-java's stream, not the
// framing format of Snappy itself. Sixteen bytes of header (these eight, then version and
// oldest compatible version, each 1) are followed by chunks, each a big-endian
// length and a raw Snappy block.
const (
	xerialMagic    = "\x82SNAPPY\x00"
	xerialVersions = "\x00\x00\x00\x01\x00\x00\x00\x01"
	xerialChunk    = 32 << 10 // what snappy-java writes
	chunkLength    = 4        // bytes
)

// zstdWindow is how far back a match may lie. Events resemble those just before them: four times as much makes batches a hundredth
// smaller, and takes a twentieth more time, since it is more than stays in a processor's cache.
const zstdWindow = 128 << 10

// Compressor packs records. It keeps each codec's working memory for the next batch, made
// when first needed. It has one user at a time.
//
// The output is what Java's producer writes, since that is what every consumer is
// tested against: gzip; snappy in xerial's framing; LZ4 frames of independent 64 KiB
// blocks without checksums; zstd, at its fastest level.
type Compressor struct {
	gzip *gzip.Writer
	lz4  *lz4.Writer
	zstd *zstd.Encoder
}

// NewCompressor makes one that has no working memory yet.
func NewCompressor() *Compressor { return &Compressor{} }

// Compress appends the compressed form of src to dst. The error is for a codec that
// does not exist.
func (c *Compressor) Compress(codec Codec, src, dst []byte) ([]byte, error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return c.compressGzip(src, dst)
	case Snappy:
		return compressXerial(src, dst), nil
	case LZ4:
		return c.compressLZ4(src, dst)
	case Zstd:
		return c.compressZstd(src, dst)
	default:
		return nil, unknownCodec(codec)
	}
}

func (c *Compressor) compressGzip(src, dst []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if c.gzip == nil {
		c.gzip = gzip.NewWriter(out)
	} else {
		c.gzip.Reset(out)
	}
	if err := writeAll(c.gzip, src); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return out.Bytes(), nil
}

func compressXerial(src, dst []byte) []byte {
	dst = append(dst, xerialMagic...)
	dst = append(dst, xerialVersions...)
	for chunk := range slices.Chunk(src, xerialChunk) {
		most := s2.MaxEncodedLen(len(chunk))
		dst = slices.Grow(dst, chunkLength+most)
		at := len(dst)
		block := s2.EncodeSnappy(dst[at+chunkLength:at+chunkLength+most], chunk) // in place: the room is there
		dst = dst[:at+chunkLength+len(block)]
		binary.BigEndian.PutUint32(dst[at:], uint32(len(block))) //nolint:gosec // below 64 KiB
	}
	return dst
}

func (c *Compressor) compressLZ4(src, dst []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if c.lz4 == nil {
		w := lz4.NewWriter(out)
		if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1)); err != nil {
			return nil, fmt.Errorf("lz4: %w", err)
		}
		c.lz4 = w
	} else {
		c.lz4.Reset(out)
	}
	if err := writeAll(c.lz4, src); err != nil {
		return nil, fmt.Errorf("lz4: %w", err)
	}
	return out.Bytes(), nil
}

func (c *Compressor) compressZstd(src, dst []byte) ([]byte, error) {
	if c.zstd == nil {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		c.zstd = e
	}
	return c.zstd.EncodeAll(src, dst), nil
}

func writeAll(w interface {
	Write(p []byte) (int, error)
	Close() error
}, src []byte,
) error {
	if _, err := w.Write(src); err != nil {
		return err
	}
	return w.Close()
}
