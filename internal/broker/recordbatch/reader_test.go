package recordbatch_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// raw puts a length in front of the parts of a record.
func raw(parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return append(v(int64(len(body))), body...)
}

// v is a zigzag varint.
func v(n ...int64) (b []byte) {
	for _, n := range n {
		b = binary.AppendVarint(b, n)
	}
	return b
}

var attributes = []byte{0}

func TestReaderRefuses(t *testing.T) {
	// attributes, time and offset delta 0, null key, value "v", no headers
	good := raw(attributes, v(0, 0, -1, 1), []byte("v"), v(0))
	tooLong := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for name, tt := range map[string]struct {
		payload []byte
		count   int32
		text    string
	}{
		"nothing":                       {nil, 1, "record 1 of 1: its length does not fit the 0 bytes left"},
		"one too few":                   {good, 2, "record 2 of 2: its length"},
		"one too many":                  {append(clone(good), good...), 1, "bytes follow the last record"},
		"records although none":         {good, 0, "8 bytes follow the last record"},
		"length negative":               {v(-1), 1, "its length does not fit"},
		"length beyond the payload":     {good[:len(good)-1], 1, "its length does not fit"},
		"length of 2 GiB":               {v(math.MaxInt32), 1, "its length does not fit"},
		"length of more than 32 bits":   {v(1 << 40), 1, "its length does not fit"},
		"length of more than 64 bits":   {tooLong, 1, "its length does not fit"},
		"empty record":                  {raw(), 1, "no timestamp"},
		"attributes only":               {raw(attributes), 1, "no timestamp"},
		"no offset":                     {raw(attributes, v(0)), 1, "no offset"},
		"timestamp does not end":        {raw(attributes, []byte{0x80}), 1, "no timestamp"},
		"timestamp of 71 bits":          {raw(attributes, tooLong, v(0, -1, -1, 0)), 1, "no timestamp"},
		"offset negative":               {raw(attributes, v(0, -1, -1, -1, 0)), 1, "offset delta -1 after -1"},
		"offset beyond the last":        {raw(attributes, v(0, 10, -1, -1, 0)), 1, "offset delta 10 after -1, last of the batch is 9"},
		"offset twice":                  {append(clone(good), good...), 2, "record 2 of 2: offset delta 0 after 0"},
		"no key":                        {raw(attributes, v(0, 0)), 1, "its key does not fit"},
		"key longer than the record":    {raw(attributes, v(0, 0, 9, -1, 0)), 1, "its key does not fit"},
		"key length negative":           {raw(attributes, v(0, 0, -2, -1, 0)), 1, "its key does not fit"},
		"no value":                      {raw(attributes, v(0, 0, -1)), 1, "its value does not fit"},
		"value longer than the record":  {append(raw(attributes, v(0, 0, -1, 2), []byte("v")), good...), 2, "its value does not fit"},
		"value length negative":         {raw(attributes, v(0, 0, -1, math.MinInt32, 0)), 1, "its value does not fit"},
		"no headers":                    {raw(attributes, v(0, 0, -1, -1)), 1, "header count does not fit 0 bytes"},
		"header count negative":         {raw(attributes, v(0, 0, -1, -1, -1)), 1, "header count"},
		"header count of 2 billion":     {raw(attributes, v(0, 0, -1, -1, math.MaxInt32)), 1, "header count"},
		"header without name":           {raw(attributes, v(0, 0, -1, -1, 1, -1, -1)), 1, "header name"},
		"header name beyond the record": {raw(attributes, v(0, 0, -1, -1, 1, 9, 0)), 1, "header name"},
		"header value beyond":           {raw(attributes, v(0, 0, -1, -1, 1, 0, 1)), 1, "header value"},
		"bytes after the headers":       {raw(attributes, v(0, 0, -1, -1, 0, 0)), 1, "1 bytes follow the last header"},
	} {
		t.Run(name, func(t *testing.T) {
			b := recordbatch.Batch{Count: tt.count, LastOffsetDelta: 9}
			_, err := readAll(&b, tt.payload)
			require.ErrorIs(t, err, recordbatch.ErrCorrupt)
			require.ErrorContains(t, err, tt.text)
		})
	}
}

func TestReaderStaysStopped(t *testing.T) {
	var (
		r   recordbatch.Reader
		rec recordbatch.Record
	)
	r.Reset(&recordbatch.Batch{Count: 1}, v(-1))
	require.False(t, r.Next(&rec))
	first := r.Err()
	require.Error(t, first)
	require.False(t, r.Next(&rec))
	require.Equal(t, first, r.Err())

	r.Reset(&recordbatch.Batch{}, nil)
	require.False(t, r.Next(&rec))
	require.NoError(t, r.Err(), "Reset forgets the error")
}

func TestReaderTimestampsAndOffsets(t *testing.T) {
	payload := append(raw(attributes, v(-5, 2, -1, -1, 0)), raw(attributes, v(7, 40, -1, -1, 0))...)
	b := recordbatch.Batch{BaseOffset: 100, LastOffsetDelta: 50, BaseTimestamp: 1000, MaxTimestamp: 9999, Count: 2}

	records, err := readAll(&b, payload)
	require.NoError(t, err)
	require.Equal(t, []record{{Offset: 102, Timestamp: 995}, {Offset: 140, Timestamp: 1007}}, records, "compaction leaves gaps")

	b.Attributes = 0x08
	records, err = readAll(&b, payload)
	require.NoError(t, err)
	require.Equal(t, []record{{Offset: 102, Timestamp: 9999}, {Offset: 140, Timestamp: 9999}}, records, "log append time")
}

func TestReaderDoesNotAllocate(t *testing.T) {
	b, payload := manyRecords(t)
	var (
		r    recordbatch.Reader
		rec  recordbatch.Record
		seen int
	)
	allocs := testing.AllocsPerRun(10, func() {
		r.Reset(&b, payload)
		for r.Next(&rec) {
			_ = recordbatch.EachHeader(rec.Headers, func(k, _ []byte) bool { seen += len(k); return true })
		}
	})
	require.NoError(t, r.Err())
	require.Positive(t, seen)
	require.Zero(t, allocs)
}

func TestEachHeaderStops(t *testing.T) {
	headers := append(v(3), "\x02a\x02b\x02c\x01"...) // a=b, c=null, and one that is missing
	var seen []string
	until := func(n int) func(k, v []byte) bool {
		seen = nil
		return func(k, v []byte) bool {
			seen = append(seen, string(k)+"="+string(v))
			return len(seen) < n
		}
	}
	require.ErrorIs(t, recordbatch.EachHeader(headers, until(9)), recordbatch.ErrCorrupt)
	require.Equal(t, []string{"a=b", "c="}, seen)
	require.NoError(t, recordbatch.EachHeader(headers, until(2)), "stopped before the one that is missing")
	require.NoError(t, recordbatch.EachHeader(headers, until(1)))
	require.Equal(t, []string{"a=b"}, seen)

	headers[0] = 4 // two
	validate := func(raw []byte) error {
		_, err := recordbatch.ValidateHeaders(raw)
		return err
	}
	require.NoError(t, validate(headers))
	require.ErrorIs(t, validate(append(headers, 0)), recordbatch.ErrCorrupt)
	require.ErrorIs(t, validate(nil), recordbatch.ErrCorrupt)
	require.NoError(t, validate([]byte{0}))
}

// TestHeaderNames: a set never leaves out a name that is among the headers, and tells most others from them.
func TestHeaderNames(t *testing.T) {
	names := []string{"", "a", "source", "trace-id", "traceparent", "hangup-code", "hangup-attempt", strings.Repeat("n", 63), strings.Repeat("n", 64), strings.Repeat("n", 200), "é"}
	for i, one := range names {
		for _, other := range names {
			raw := v(2)
			for _, name := range []string{one, other} {
				raw = append(append(raw, v(int64(len(name)))...), name...)
				raw = append(append(raw, v(int64(len(name)))...), name...)
			}
			got, err := recordbatch.ValidateHeaders(raw)
			require.NoError(t, err)
			require.Equal(t, recordbatch.NamesOf(one, other), got)
			require.NotZero(t, got&recordbatch.NamesOf(one))
			require.NotZero(t, got&recordbatch.NamesOf(other))
		}
		none, err := recordbatch.ValidateHeaders([]byte{0})
		require.NoError(t, err)
		require.Zero(t, none&recordbatch.NamesOf(names[i]))
	}
	require.Zero(t, recordbatch.NamesOf("source", "trace-id", "traceparent")&recordbatch.NamesOf("hangup-code", "hangup-attempt"))
}
