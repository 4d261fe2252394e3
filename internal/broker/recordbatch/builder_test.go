package recordbatch_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

func TestBuilderRoundTrip(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		b := build(t, codec, samples())
		b.Stamp(true, 12, 3, 77)
		require.Equal(t, len(b.Bytes()), b.Size())
		header, records := decode(t, b.Bytes())
		require.Equal(t, samples(), records)
		require.Equal(t, codec, header.Codec())
		require.True(t, header.Transactional())
		require.Equal(t, []int64{12, 3, 77, -1}, []int64{
			header.ProducerID, int64(header.ProducerEpoch), int64(header.BaseSequence), int64(header.LeaderEpoch),
		})
	})
}

func TestValueIsTheConcatenation(t *testing.T) {
	b := recordbatch.NewBuilder()
	values := [][3][]byte{
		{nil, nil, nil},
		{[]byte(`{"a":1`), []byte(`,"hangup":{}`), []byte("}")},
		{nil, nil, []byte("c")},
		{{}, nil, nil},
		{nil, {}, nil},
	}
	for _, value := range values {
		b.Append(5, nil, value, nil, nil, nil)
	}
	b.Stamp(false, -1, -1, -1)
	_, records := decode(t, b.Bytes())
	got := make([][]byte, len(records))
	for i := range records {
		got[i] = records[i].Value
	}
	require.Equal(t, [][]byte{nil, []byte(`{"a":1,"hangup":{}}`), []byte("c"), {}, {}}, got)
}

func TestAppendHeaders(t *testing.T) {
	h := func(pairs ...string) (hs []recordbatch.Header) {
		for _, p := range pairs {
			name, value, ok := strings.Cut(p, "=")
			one := recordbatch.Header{Name: name}
			if ok {
				one.Value = []byte(value)
			}
			hs = append(hs, one)
		}
		return hs
	}
	many := make([]string, 70) // a count of two bytes
	for i := range many {
		many[i] = fmt.Sprintf("h%d=%d", i, i)
	}
	for name, tt := range map[string]struct {
		in   []recordbatch.Header
		drop []string
		add  []recordbatch.Header
		want []recordbatch.Header
	}{
		"none":                       {},
		"copied":                     {in: h("a=1", "b", "a=2"), want: h("a=1", "b", "a=2")},
		"added":                      {add: h("x=1", "y"), want: h("x=1", "y")},
		"added after":                {in: h("a=1"), add: h("x="), want: h("a=1", "x=")},
		"nothing to drop in none":    {drop: []string{"a"}},
		"nothing to drop in these":   {in: h("a=1", "b"), drop: []string{"c", "aa", ""}, want: h("a=1", "b")},
		"all of a name are dropped":  {in: h("a=1", "b", "a=2", "c"), drop: []string{"a"}, want: h("b", "c")},
		"the last dropped":           {in: h("b=1", "a=1"), drop: []string{"a"}, want: h("b=1")},
		"everything dropped":         {in: h("a=1", "b"), drop: []string{"a", "b"}},
		"replaced":                   {in: h("a=1", "b=2", "c=3"), drop: []string{"b"}, add: h("b=4"), want: h("a=1", "c=3", "b=4")},
		"the count grows by a byte":  {in: h(many[:63]...), add: h("x=1"), want: append(h(many[:63]...), h("x=1")...)},
		"the count shrinks by a one": {in: h(many[:64]...), drop: []string{"h0"}, want: h(many[1:64]...)},
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawHeaders(t, tt.in)
			b := recordbatch.NewBuilder()
			before := b.Size()
			b.Append(1, []byte("key"), one([]byte("value")), raw, tt.drop, tt.add)
			b.Append(2, nil, one(nil), nil, nil, nil) // what follows must not be shifted
			require.LessOrEqual(t, b.Size()-before, 3+5+2*recordbatch.MaxRecordOverhead+len(raw)+20*len(tt.add))
			b.Stamp(false, -1, -1, -1)
			_, records := decode(t, b.Bytes())
			require.Len(t, records, 2)
			require.Equal(t, tt.want, records[0].Headers)
			require.Equal(t, "value", string(records[0].Value))
		})
	}
}

// rawHeaders are headers as a Reader gives them.
func rawHeaders(t require.TestingT, hs []recordbatch.Header) []byte {
	var (
		b   recordbatch.Batch
		r   recordbatch.Reader
		rec recordbatch.Record
	)
	_, err := recordbatch.Next(stamped(t, recordbatch.None, []record{{Headers: hs}}), &b)
	require.NoError(t, err)
	r.Reset(&b, b.Payload)
	require.True(t, r.Next(&rec))
	return rec.Headers
}

// Headers that did not come from a Reader are the caller's mistake; it must not panic, or
// pass unnoticed where they are read again.
func TestAppendOfBrokenHeaders(t *testing.T) {
	for name, headers := range map[string][]byte{
		"count too large": {100, 2, 'a'},
		"name too long":   {4, 20, 'a', 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := recordbatch.NewBuilder()
			b.Append(0, nil, one(nil), headers, []string{"a"}, nil)
			b.Append(0, nil, one(nil), headers, []string{"\x02a"}, nil)
			require.Equal(t, 2, b.Len())
		})
	}
	b := recordbatch.NewBuilder()
	for range 2 {
		b.Append(0, nil, one(nil), []byte{2, 20, 'a'}, nil, nil)
	}
	_, _, err := b.Split()
	require.ErrorIs(t, err, recordbatch.ErrCorrupt)
	require.ErrorContains(t, err, "split batch: ")
}

func TestExtremeTimestamps(t *testing.T) {
	times := []int64{math.MinInt64, math.MaxInt64, 0, -1, math.MinInt64 + 1}
	for first := range times {
		in := []record{{Timestamp: times[first]}}
		for i, ts := range times {
			in = append(in, record{Offset: int64(i + 1), Timestamp: ts})
		}
		header, out := decode(t, stamped(t, recordbatch.None, in))
		require.Equal(t, in, out)
		require.Equal(t, int64(math.MaxInt64), header.MaxTimestamp)
		require.Equal(t, times[first], header.BaseTimestamp)
	}
}

func TestStampAgain(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		b := build(t, codec, samples())
		b.Stamp(false, 1, 2, 3)
		first := clone(b.Bytes())
		b.Stamp(true, 9, 8, 7)
		header, records := decode(t, b.Bytes())
		require.Equal(t, samples(), records)
		require.Equal(t, int64(9), header.ProducerID)
		require.True(t, header.Transactional())
		b.Stamp(false, 1, 2, 3)
		require.Equal(t, first, b.Bytes())
	})
}

func TestFramed(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		b := build(t, codec, samples())
		b.Stamp(false, 1, 2, 3)
		want := clone(b.Bytes())
		for _, prefix := range []string{"", "12345678", strings.Repeat("p", recordbatch.Room)} {
			framed := b.Framed([]byte(prefix))
			require.Equal(t, prefix, string(framed[:len(prefix)]))
			require.Equal(t, want, framed[len(prefix):])
			require.Same(t, &b.Bytes()[0], &framed[len(prefix)], "without a copy")
		}
	})
	require.Panics(t, func() { recordbatch.NewBuilder().Framed(make([]byte, recordbatch.Room+1)) })
}

func TestResetAndReuse(t *testing.T) {
	c := recordbatch.NewCompressor()
	b := recordbatch.NewBuilder()
	empty := b.Size()
	require.Equal(t, recordbatch.HeaderSize, empty)
	for range 3 {
		for _, codec := range codecs() {
			for _, records := range [][]record{samples(), samples()[:1]} {
				for _, r := range records {
					b.Append(r.Timestamp, r.Key, one(r.Value), nil, nil, r.Headers)
				}
				require.Equal(t, len(records), b.Len())
				require.False(t, b.Empty())
				require.NoError(t, b.Seal(c, codec))
				b.Stamp(false, -1, -1, -1)
				_, got := decode(t, b.Bytes())
				require.Equal(t, records, got)
				b.Reset()
				require.True(t, b.Empty())
				require.Equal(t, empty, b.Size())
			}
		}
	}
}

func TestAppendOpensASealedBatch(t *testing.T) {
	b := build(t, recordbatch.Gzip, samples()[:2])
	r := samples()[2]
	b.Append(r.Timestamp, r.Key, one(r.Value), nil, nil, r.Headers)
	require.Equal(t, build(t, recordbatch.None, samples()[:3]).Size(), b.Size(), "uncompressed again")
	b.Stamp(false, -1, -1, -1)
	header, records := decode(t, b.Bytes())
	require.Equal(t, recordbatch.None, header.Codec())
	require.Equal(t, samples()[:3], records)

	require.NoError(t, b.Seal(recordbatch.NewCompressor(), recordbatch.Snappy))
	b.Stamp(false, -1, -1, -1)
	header, records = decode(t, b.Bytes())
	require.Equal(t, recordbatch.Snappy, header.Codec())
	require.Equal(t, samples()[:3], records)
}

func TestCloneSharesNothing(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		b := build(t, codec, samples())
		b.Stamp(false, 1, 2, 3)
		old := b.Bytes()
		c := b.Clone()
		want := clone(old)
		for i := range old {
			old[i] = 0xee
		}
		require.Equal(t, want, c.Bytes())
		c.Stamp(false, 4, 5, 6)
		_, records := decode(t, c.Bytes())
		require.Equal(t, samples(), records)
	})
}

func TestSplit(t *testing.T) {
	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		b := build(t, codec, samples())
		b.Stamp(false, 1, 2, 3)
		before := clone(b.Bytes())
		first, second, err := b.Split()
		require.NoError(t, err)
		require.Equal(t, before, b.Bytes(), "left as it is")
		var got []record
		for _, half := range []*recordbatch.Builder{first, second} {
			require.NoError(t, half.Seal(recordbatch.NewCompressor(), codec))
			half.Stamp(false, 1, 2, 3)
			_, records := decode(t, half.Bytes())
			require.Len(t, records, half.Len())
			for _, r := range records {
				r.Offset = int64(len(got))
				got = append(got, r)
			}
		}
		require.Equal(t, []int{2, 3}, []int{first.Len(), second.Len()})
		require.Equal(t, samples(), got)
	})
	_, _, err := build(t, recordbatch.None, samples()[:1]).Split()
	require.ErrorIs(t, err, recordbatch.ErrNotDivisible)
	_, _, err = recordbatch.NewBuilder().Split()
	require.ErrorIs(t, err, recordbatch.ErrNotDivisible)
}

func TestAppendDoesNotAllocate(t *testing.T) {
	raw := rawHeaders(t, []recordbatch.Header{{Name: "trace", Value: []byte("1")}, {Name: "hangup-code", Value: []byte("4000")}})
	key, value := []byte("key"), [3][]byte{[]byte(`{"a":1`), []byte(`,"hangup":{}`), []byte("}")}
	drop := []string{"hangup-code", "hangup-fault"}
	add := []recordbatch.Header{{Name: "hangup-code", Value: []byte("3010")}}
	b := recordbatch.NewBuilder()
	fill := func() {
		b.Reset()
		for range 100 {
			b.Append(1, key, value, raw, drop, add)
		}
		b.Stamp(false, 1, 1, 1)
	}
	fill() // grows the buffer
	require.Zero(t, testing.AllocsPerRun(10, fill))
}

// TestExpect: a batch's buffer doubles up to the size at which it is closed, and one that grows on is right.
func TestExpect(t *testing.T) {
	const limit = 10_000
	b := recordbatch.NewBuilder()
	b.Expect(limit)
	value := one(make([]byte, 100))
	for b.Size()+100+recordbatch.MaxRecordOverhead <= limit {
		b.Append(1, nil, value, nil, nil, nil)
	}
	require.LessOrEqual(t, cap(b.Bytes()), limit+recordbatch.MaxRecordOverhead)
	for b.Size() < 3*limit {
		b.Append(1, nil, value, nil, nil, nil)
	}
	n := b.Len()
	b.Stamp(false, -1, -1, -1)
	_, records := decode(t, b.Bytes())
	require.Len(t, records, n)
}
