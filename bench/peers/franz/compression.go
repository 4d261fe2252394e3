package main

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compression sets the codecs as the enricher has them. zstd goes at its fastest level. LZ4 is
// written in 64 KiB blocks without a checksum over the content, as Java's producer does it, while
// franz-go's writer has blocks of 4 MiB, which a batch never fills, and the checksum, which
// the batch has already.
func compression(name string) ([]kgo.Opt, error) {
	switch name {
	case "lz4":
		c, err := newLZ4()
		return []kgo.Opt{kgo.WithCompressor(c)}, err
	case "zstd":
		return []kgo.Opt{kgo.ProducerBatchCompression(kgo.ZstdCompression().WithLevel(int(zstd.SpeedFastest)))}, nil
	default:
		return []kgo.Opt{kgo.ProducerBatchCompression(kgo.NoCompression())}, nil
	}
}

// lz4Compressor is a kgo.Compressor.
type lz4Compressor struct{ writers sync.Pool }

func newLZ4() (*lz4Compressor, error) {
	c := &lz4Compressor{}
	w, err := newLZ4Writer()
	if err != nil {
		return nil, fmt.Errorf("set up lz4: %w", err)
	}
	c.writers.Put(w)
	return c, nil
}

func newLZ4Writer() (*lz4.Writer, error) {
	w := lz4.NewWriter(nil)
	err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1))
	return w, err //nolint:wrapcheck // the caller says what it was about
}

// Compress compresses a batch.
func (c *lz4Compressor) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	w, ok := c.writers.Get().(*lz4.Writer)
	if !ok {
		var err error
		if w, err = newLZ4Writer(); err != nil {
			return nil, kgo.CodecError
		}
	}
	defer c.writers.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}
