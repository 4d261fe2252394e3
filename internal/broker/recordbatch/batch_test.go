package recordbatch_test

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// recalculated sets the checksum of a batch that was changed on purpose.
func recalculated(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func TestNextReadsEveryField(t *testing.T) {
	raw := clone(stamped(t, recordbatch.Zstd, samples()))
	binary.BigEndian.PutUint64(raw[0:], 1_000_000)
	binary.BigEndian.PutUint32(raw[12:], 7)
	payload := len(raw) - recordbatch.HeaderSize
	var b recordbatch.Batch
	rest, err := recordbatch.Next(append(clone(raw), "rest"...), &b)
	require.NoError(t, err)
	require.Equal(t, "rest", string(rest))
	require.Len(t, b.Payload, payload)
	b.Payload = nil
	require.Equal(t, recordbatch.Batch{
		BaseOffset: 1_000_000, LeaderEpoch: 7, Attributes: 4, LastOffsetDelta: 4,
		BaseTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_000_500,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Count: 5,
	}, b)
	require.Equal(t, int64(1_000_005), b.NextOffset())
	require.Equal(t, recordbatch.Zstd, b.Codec())
	require.False(t, b.Control() || b.Transactional() || b.LogAppendTime())
}

func TestAttributes(t *testing.T) {
	for name, tt := range map[string]struct {
		bits                   int16
		control, txn, appended bool
		codec                  recordbatch.Codec
	}{
		"none":            {0, false, false, false, recordbatch.None},
		"codec":           {3, false, false, false, recordbatch.LZ4},
		"log append time": {0x08 | 1, false, false, true, recordbatch.Gzip},
		"transactional":   {0x10 | 2, false, true, false, recordbatch.Snappy},
		"marker":          {0x30, true, true, false, recordbatch.None},
		"unknown codec":   {7, false, false, false, 7},
	} {
		t.Run(name, func(t *testing.T) {
			b := recordbatch.Batch{Attributes: tt.bits}
			require.Equal(t, tt.control, b.Control())
			require.Equal(t, tt.txn, b.Transactional())
			require.Equal(t, tt.appended, b.LogAppendTime())
			require.Equal(t, tt.codec, b.Codec())
		})
	}
}

func TestNextRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(raw []byte) []byte
		err    error
		text   string
	}{
		"nothing":                 {func([]byte) []byte { return nil }, recordbatch.ErrPartial, ""},
		"cut before the magic":    {func(raw []byte) []byte { return raw[:16] }, recordbatch.ErrPartial, ""},
		"cut in the header":       {func(raw []byte) []byte { return raw[:60] }, recordbatch.ErrPartial, ""},
		"cut by one byte":         {func(raw []byte) []byte { return raw[:len(raw)-1] }, recordbatch.ErrPartial, ""},
		"length too large":        {put32(8, math.MaxInt32), recordbatch.ErrPartial, ""},
		"length below the header": {put32(8, 48), recordbatch.ErrCorrupt, "a length of 48 bytes is below"},
		"length negative":         {put32(8, -1), recordbatch.ErrCorrupt, "a length of -1 bytes"},
		"length short by one":     {func(raw []byte) []byte { raw[11]--; return raw }, recordbatch.ErrCorrupt, "CRC is"},
		"a bit of the records":    {func(raw []byte) []byte { raw[len(raw)-3] ^= 4; return raw }, recordbatch.ErrCorrupt, "CRC is"},
		"a bit of the header":     {func(raw []byte) []byte { raw[22] ^= 1; return raw }, recordbatch.ErrCorrupt, "CRC is"},
		"base offset negative":    {put32(0, -1), recordbatch.ErrCorrupt, "base offset -"},
		"offsets overflow":        {put32(0, math.MaxInt32, -1), recordbatch.ErrCorrupt, "base offset 9223372036854775807"},
		"offset delta negative":   {put32(23, -1), recordbatch.ErrCorrupt, "last offset delta -1"},
		"count negative":          {put32(57, -2), recordbatch.ErrCorrupt, "-2 records"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := tt.change(clone(stamped(t, recordbatch.None, samples()[:3])))
			var b recordbatch.Batch
			_, err := recordbatch.Next(raw, &b)
			require.ErrorIs(t, err, tt.err)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

// put32 writes integers one after the other and makes the checksum right again.
func put32(at int, values ...int32) func([]byte) []byte {
	return func(raw []byte) []byte {
		for i, v := range values {
			binary.BigEndian.PutUint32(raw[at+4*i:], uint32(v))
		}
		return recalculated(raw)
	}
}

func TestOldMessageFormatsAreNamed(t *testing.T) {
	// A v1 message set of one message: offset, size, crc, magic 1, attributes, time, key, value.
	v1 := append(make([]byte, 16), 1, 0)
	binary.BigEndian.PutUint32(v1[8:], 22)
	v1 = append(v1, make([]byte, 8+4+4)...)
	for name, tt := range map[string]struct {
		magic byte
		text  string
	}{
		"v0":      {0, "message format 0 (before Kafka 0.11) is not supported"},
		"v1":      {1, "message.format.version (topic)"},
		"unknown": {3, "message format 3 is unknown"},
		"text":    {0xff, "message format -1 is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			raw := clone(v1)
			raw[16] = tt.magic
			var (
				b     recordbatch.Batch
				magic *recordbatch.UnsupportedMagicError
			)
			_, err := recordbatch.Next(raw, &b)
			require.ErrorAs(t, err, &magic)
			require.ErrorContains(t, err, tt.text)
			require.Equal(t, int8(tt.magic), magic.Magic)
			next, complete, err := recordbatch.Skim(raw)
			require.ErrorAs(t, err, &magic)
			require.Equal(t, int64(-1), next)
			require.Zero(t, complete)
		})
	}
}

func TestSkim(t *testing.T) {
	first := clone(stamped(t, recordbatch.None, samples()[:3]))
	second := clone(stamped(t, recordbatch.LZ4, samples()))
	binary.BigEndian.PutUint64(second, 100)
	both := append(clone(first), second...)
	old := append(clone(both), make([]byte, 17)...) // magic 0

	for name, tt := range map[string]struct {
		buf      []byte
		next     int64
		complete int
		fails    bool
	}{
		"empty":                {nil, -1, 0, false},
		"partial only":         {first[:70], -1, 0, false},
		"one":                  {first, 3, len(first), false},
		"two":                  {both, 105, len(both), false},
		"one and a part":       {both[:len(both)-1], 3, len(first), false},
		"two and the old kind": {old, 105, len(both), true},
	} {
		t.Run(name, func(t *testing.T) {
			next, complete, err := recordbatch.Skim(tt.buf)
			require.Equal(t, tt.fails, err != nil, "%v", err)
			require.Equal(t, tt.next, next)
			require.Equal(t, tt.complete, complete)
		})
	}
}

func TestSkimLooksAtNoChecksum(t *testing.T) {
	raw := clone(stamped(t, recordbatch.None, samples()))
	raw[len(raw)-1] ^= 1
	next, complete, err := recordbatch.Skim(raw)
	require.NoError(t, err)
	require.Equal(t, int64(5), next)
	require.Equal(t, len(raw), complete)
}

func TestParseCodec(t *testing.T) {
	for _, c := range codecs() {
		got, err := recordbatch.ParseCodec(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	_, err := recordbatch.ParseCodec("lzma")
	require.EqualError(t, err, `compression "lzma" is not one of none, gzip, snappy, lz4, zstd`)
	require.Equal(t, "codec 6", recordbatch.Codec(6).String())
}
