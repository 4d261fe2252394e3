package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

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
	zstd     *zstd.Decoder
	zstdWide *zstd.Decoder // for windows over the limit; rarely made
}

// NewDecompressor makes one that refuses batches of more than limit bytes after
// decompression; 0 or less stands for DefaultMaxDecompressed. With less than that it may also refuse zstd
// frames that declare a window beyond the limit, no size, and twice as many blocks as would fit.
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
	if out, err := d.lz4Blocks(src, dst); err == nil || errors.Is(err, errOverLimit) {
		return out, err
	}
	d.src.Reset(src)
	// A reader is not used again: its Reset (v4.1.33) keeps what blocks that depend on each other have unpacked to,
	// and a frame made for it could take that for its own content.
	return d.readAll(lz4.NewReader(&d.src), dst) // without concurrency, which is its default
}

// A frame begins with magic number, flags, block size, and a checksum of these two (see
// https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), which is written down for the few that there are.
const (
	lz4Magic    = "\x04\x22\x4d\x18"
	lz4Head     = len(lz4Magic) + 3
	lz4Plain    = 0x60 // flags: version 1, blocks that do not depend on each other
	lz4Summed   = 0x64 // a checksum of the content stands at the end too, in four bytes
	lz4Smallest = 4    // block size in the upper half of its byte: 4 to 7 for 64 KiB to 4 MiB
	lz4Sizes    = 4
	lz4PlainHC  = "\x82\xfb\x51\x73" // checksum of the head, by block size
	lz4SummedHC = "\xa7\x08\x85\xb9"
	lz4Raw      = 1 << 31
	lz4MaxRatio = 255 // bytes that one can stand for
)

var errOtherLZ4 = errors.New("a frame for the library's reader")

// lz4Blocks unpacks a single frame of the kind that Kafka's clients write, each block into its place. It leaves all
// other frames to the library, broken ones among them, whose errors it words. A checksum of the
// content is passed over, as Java's consumer does it: that of the batch covers the same bytes.
func (d *Decompressor) lz4Blocks(src, dst []byte) ([]byte, error) {
	if len(src) < lz4Head || string(src[:len(lz4Magic)]) != lz4Magic {
		return nil, errOtherLZ4
	}
	heads, end := lz4PlainHC, 0
	switch src[4] {
	case lz4Plain:
	case lz4Summed:
		heads, end = lz4SummedHC, 4
	default:
		return nil, errOtherLZ4
	}
	kind := int(src[5]>>4) - lz4Smallest
	if kind < 0 || kind >= lz4Sizes || src[5]&0x0f != 0 || src[6] != heads[kind] {
		return nil, errOtherLZ4
	}
	largest, at := (64<<10)<<(2*kind), lz4Head
	for len(src)-at >= chunkLength {
		n := binary.LittleEndian.Uint32(src[at:])
		at += chunkLength
		if n == 0 {
			if len(src)-at != end {
				return nil, errOtherLZ4
			}
			return dst, nil
		}
		raw := n&lz4Raw != 0
		size := int(n &^ lz4Raw)
		if size > len(src)-at || size > largest {
			return nil, errOtherLZ4
		}
		block := src[at : at+size]
		at += size
		if raw {
			dst = append(d.room(dst, size), block...)
		} else {
			var err error
			if dst, err = d.lz4Block(dst, block, largest); err != nil {
				return nil, err
			}
		}
		if len(dst) > d.limit {
			return nil, errOverLimit
		}
	}
	return nil, errOtherLZ4
}

// lz4Block unpacks a block behind what dst holds. Events seldom shrink to less than an eighth, so there is room for that first,
// and then for as much as the block can hold.
func (d *Decompressor) lz4Block(dst, block []byte, largest int) ([]byte, error) {
	const usual = 8
	for _, ratio := range []int{usual, lz4MaxRatio} {
		dst = d.room(dst, min(largest, ratio*len(block)))
		n, err := lz4.UncompressBlock(block, dst[len(dst):min(cap(dst), len(dst)+largest)])
		if err == nil {
			return dst[:len(dst)+n], nil
		}
	}
	return nil, errOtherLZ4
}

// readChunk is the least room for a read: an LZ4 block that fits is unpacked in place.
const readChunk = 64 << 10

// room gives dst capacity for n bytes more. It grows by doubling, since a payload can be made of very many small
// pieces, but not beyond the limit and one read: what has been unpacked into is kept.
func (d *Decompressor) room(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	need := len(dst) + n
	grown := make([]byte, len(dst), max(need, min(2*cap(dst), d.limit+readChunk)))
	copy(grown, dst)
	return grown
}

// readAll reads r to its end into dst.
func (d *Decompressor) readAll(r io.Reader, dst []byte) ([]byte, error) {
	for {
		dst = d.room(dst, readChunk)
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
	dst = d.room(dst, n)
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

// decompressZstd unpacks frame by frame. Producers write one, but readers have to take several, and the decoder
// makes exactly the room that each declares: a batch of many small frames would be copied once for each.
func (d *Decompressor) decompressZstd(src, dst []byte) ([]byte, error) {
	for {
		var h zstd.Header
		frame, rest := src, []byte(nil)
		if h.Decode(src) == nil { // else the decoder will say what is wrong
			var blocks int
			frame, rest, blocks = cutFrame(&h, src)
			if err := d.zstdHeader(&h, len(frame), len(dst)); err != nil {
				return nil, err
			}
			if h.WindowSize > uint64(d.limit) && !h.HasFCS && d.limit < DefaultMaxDecompressed && blocks*zstdBlock > 2*d.limit { //nolint:gosec,mnd // positive; they are seldom full
				return nil, errOverLimit // it may not be, but the wide decoder could unpack far more before that is known
			}
			if h.HasFCS && len(dst) > 0 {
				dst = d.room(dst, int(h.FrameContentSize)) //nolint:gosec // below the limit
			}
		}
		var err error
		if dst, err = d.zstdFrame(h.WindowSize > uint64(d.limit), frame, dst); err != nil || len(rest) == 0 { //nolint:gosec // positive
			return dst, err
		}
		src = rest
	}
}

func (d *Decompressor) zstdFrame(wide bool, frame, dst []byte) ([]byte, error) {
	decoder, err := d.zstdDecoder(wide)
	if err != nil {
		return nil, err
	}
	out, err := decoder.DecodeAll(frame, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > d.limit {
		return nil, errOverLimit
	}
	return out, err //nolint:wrapcheck // Decompress wraps
}

// cutFrame finds the end of the frame at the start of src by the sizes of its blocks (RFC 8878, 3.1.1), and counts them. If it is
// cut off or broken it is all of src: the decoder will say so.
func cutFrame(h *zstd.Header, src []byte) (frame, rest []byte, blocks int) {
	const (
		blockHeader = 3
		repeated    = 1 // the type of a block that has one byte, to be repeated
		checksum    = 4
	)
	at := h.HeaderSize
	if h.Skippable {
		at += int(h.SkippableSize)
	} else {
		for last := false; !last; {
			if len(src) < at+blockHeader {
				return src, nil, blocks
			}
			blocks++
			head := uint32(src[at]) | uint32(src[at+1])<<8 | uint32(src[at+2])<<16
			size := int(head >> 3) //nolint:mnd // below the bits for last and type
			if head>>1&3 == repeated {
				size = 1
			}
			last = head&1 != 0
			at += blockHeader + size
		}
		if h.HasCheckSum {
			at += checksum
		}
	}
	if at > len(src) {
		return src, nil, blocks
	}
	return src[:at], src[at:], blocks
}

// zstdHeader refuses a frame whose declared size is impossible or, behind what has been unpacked, over the limit,
// since the decoder allocates what is declared. The frame's window is not allocated.
func (d *Decompressor) zstdHeader(h *zstd.Header, size, unpacked int) error {
	if !h.HasFCS {
		return nil
	}
	if most := uint64(size/zstdMinBlock+1) * zstdBlock; h.FrameContentSize > most { //nolint:gosec // positive
		return fmt.Errorf("%d bytes cannot hold the %d that they claim", size, h.FrameContentSize)
	}
	if h.FrameContentSize > uint64(d.limit-unpacked) { //nolint:gosec // never below zero
		return errOverLimit
	}
	return nil
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
