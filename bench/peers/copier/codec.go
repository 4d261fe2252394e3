package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec is as in a batch's attributes.
type codec int16

const (
	codecNone codec = 0
	codecLZ4  codec = 3
	codecZstd codec = 4
)

func codecOf(name string) codec {
	switch name {
	case "lz4":
		return codecLZ4
	case "zstd":
		return codecZstd
	default:
		return codecNone
	}
}

// packer compresses and decompresses, with the same libraries and settings as the enricher and the franz-go peer.
type packer struct {
	lz4Reader  *lz4.Reader
	lz4Writer  *lz4.Writer
	zstdReader *zstd.Decoder
	zstdWriter *zstd.Encoder
}

const zstdWindow = 512 << 10

func newPacker() (*packer, error) {
	p := &packer{lz4Reader: lz4.NewReader(nil), lz4Writer: lz4.NewWriter(nil)}
	err := p.lz4Writer.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1))
	if err != nil {
		return nil, fmt.Errorf("set up lz4: %w", err)
	}
	if p.zstdReader, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err != nil {
		return nil, fmt.Errorf("set up zstd: %w", err)
	}
	p.zstdWriter, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("set up zstd: %w", err)
	}
	return p, nil
}

// unpack returns the records of a payload. They are valid until the next call.
func (p *packer) unpack(c codec, payload, dst []byte) ([]byte, error) {
	switch c {
	case codecNone:
		return payload, nil
	case codecLZ4:
		p.lz4Reader.Reset(bytes.NewReader(payload))
		out := bytes.NewBuffer(dst[:0])
		if _, err := io.Copy(out, p.lz4Reader); err != nil {
			return nil, fmt.Errorf("unpack lz4: %w", err)
		}
		return out.Bytes(), nil
	case codecZstd:
		out, err := p.zstdReader.DecodeAll(payload, dst[:0])
		if err != nil {
			return nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return out, nil
	default:
		return nil, fmt.Errorf("unpack batch: codec %d is none that the copier knows", c)
	}
}

// pack appends the compressed form of src to dst.
func (p *packer) pack(c codec, src, dst []byte) ([]byte, error) {
	if c == codecZstd {
		return p.zstdWriter.EncodeAll(src, dst), nil
	}
	out := bytes.NewBuffer(dst)
	p.lz4Writer.Reset(out)
	if _, err := p.lz4Writer.Write(src); err != nil {
		return nil, fmt.Errorf("pack lz4: %w", err)
	}
	if err := p.lz4Writer.Close(); err != nil {
		return nil, fmt.Errorf("pack lz4: %w", err)
	}
	return out.Bytes(), nil
}
