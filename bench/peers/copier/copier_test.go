package main

import (
	"context"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/peer/peertest"
	"github.com/callstream/enricher/internal/kafkatest"
)

// contestant copies all, with the constant in what has a brace.
func contestant(t *testing.T) peertest.Contestant {
	t.Helper()
	table, err := peer.Load(peertest.NewOracle(t).WriteTable(t))
	require.NoError(t, err)
	constant := peer.Splice{Tail: table.Constant()}
	return peertest.Contestant{
		Forgets: true,
		Run: func(ctx context.Context, args []string, stdout io.Writer) error {
			return peer.Run(ctx, "copier", args, stdout, run)
		},
		Expect: func(r *kgo.Record, out, _ string) *kgo.Record {
			w := *r
			w.Topic = out
			if slices.Contains(w.Value, '}') {
				w.Value = constant.Append(nil, w.Value)
			}
			return &w
		},
	}
}

func TestContract(t *testing.T) {
	addrs := kafkatest.StartFake(t, kfake.NumBrokers(2)).ListenAddrs()
	for _, compression := range []string{"none", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			peertest.Check(t, addrs, contestant(t), peer.AtLeastOnce, compression)
		})
	}
}

func TestStartErrors(t *testing.T) {
	addrs := kafkatest.StartFake(t, kfake.SeedTopics(2, "two"), kfake.SeedTopics(3, "three")).ListenAddrs()
	for name, tc := range map[string]struct {
		flags peer.Flags
		want  string
	}{
		"exactly once":    {peer.Flags{Delivery: peer.ExactlyOnce}, "no transactions"},
		"no topic":        {peer.Flags{Delivery: peer.AtLeastOnce, Brokers: addrs, In: "none", Out: "two"}, "find topic none"},
		"other partition": {peer.Flags{Delivery: peer.AtLeastOnce, Brokers: addrs, In: "two", Out: "three"}, "two has 2 partitions and three 3"},
		"no broker":       {peer.Flags{Delivery: peer.AtLeastOnce, Brokers: []string{"127.0.0.1:1"}}, "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, run(t.Context(), tc.flags, nil, nil), tc.want)
		})
	}
}

// built is a batch of records that takes several of each number of bytes in varints.
func built(t *testing.T, c codec) []byte {
	t.Helper()
	p, err := newPacker()
	require.NoError(t, err)
	b := &builder{}
	b.reset(produceRequest("topic", 1))
	for i := range 300 {
		r := record{key: []byte{1}, null: i%7 == 0, headers: []byte{0}} // no key, no headers
		value := make([]byte, 10*i)
		if r.null {
			value = nil
		}
		b.append(int64(1000+i*i), &r, value, nil, nil)
	}
	require.NoError(t, b.finish(p, c, crc32.MakeTable(crc32.Castagnoli)))
	return b.buf[b.prefix:]
}

func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"none", "lz4", "zstd"} {
		t.Run(name, func(t *testing.T) {
			buf := built(t, codecOf(name))
			var in batch
			require.NoError(t, in.parse(buf, crc32.MakeTable(crc32.Castagnoli)))
			require.Equal(t, len(buf), in.complete)
			require.Equal(t, int64(300), in.next)
			p, err := newPacker()
			require.NoError(t, err)
			records, err := p.unpack(in.codec, in.payload, nil)
			require.NoError(t, err)
			var r record
			n := 0
			for i := 0; i < len(records); n++ {
				i = r.parse(records, i)
				require.Positive(t, i)
				require.Equal(t, int64(n), r.offset)
				require.Equal(t, int64(1000+n*n), in.time+r.time)
				require.Equal(t, n%7 == 0, r.null)
				if !r.null {
					require.Len(t, r.value, 10*n)
				}
				require.Equal(t, []byte{1}, r.key)
				require.Equal(t, []byte{0}, r.headers)
			}
			require.Equal(t, 300, n)
		})
	}
}

func TestParseErrors(t *testing.T) {
	good := built(t, codecNone)
	table := crc32.MakeTable(crc32.Castagnoli)
	change := func(at int, to byte) []byte {
		b := slices.Clone(good)
		b[at] = to
		return b
	}
	var in batch
	require.ErrorIs(t, in.parse(good[:batchHead-1], table), errCut)
	require.ErrorIs(t, in.parse(good[:len(good)-1], table), errCut)
	require.ErrorIs(t, in.parse(change(atMagic, 1), table), errCorrupt)
	require.ErrorIs(t, in.parse(change(atLength, 0xff), table), errCorrupt)
	require.ErrorIs(t, in.parse(change(len(good)-1, 9), table), errCorrupt)

	_, err := after(change(atLength, 0xff), 0)
	require.ErrorIs(t, err, errCorrupt)
	next, err := after(append(slices.Clone(good), good[:100]...), 0)
	require.NoError(t, err)
	require.Equal(t, int64(300), next)
}

// Whatever is cut off a record, it is not read beyond its end.
func TestRecordsCutOff(t *testing.T) {
	var in batch
	require.NoError(t, in.parse(built(t, codecNone), crc32.MakeTable(crc32.Castagnoli)))
	var r record
	end := r.parse(in.payload, 0)
	require.Positive(t, end)
	second := r.parse(in.payload, end)
	require.Positive(t, second)
	for n := range second - end {
		require.Equal(t, -1, r.parse(in.payload[end:end+n], 0), "%d bytes", n)
	}
	require.Equal(t, -1, r.parse([]byte{6, 0, 0, 0}, 0))              // lengths that reach beyond the end
	require.Equal(t, -1, r.parse([]byte{10, 0, 0, 0, 20, 0}, 0))      // key
	require.Equal(t, -1, r.parse([]byte{12, 0, 0, 0, 1, 20, 0}, 0))   // value
	require.Equal(t, -1, r.parse([]byte{0}, 0))                       // nothing in it
	require.Equal(t, -1, r.parse(slices.Repeat([]byte{0xff}, 20), 0)) // no number
}

func TestUnknownCodec(t *testing.T) {
	p, err := newPacker()
	require.NoError(t, err)
	_, err = p.unpack(2, nil, nil)
	require.ErrorContains(t, err, "codec 2")
	_, err = p.unpack(codecLZ4, []byte("no"), nil)
	require.Error(t, err)
	_, err = p.unpack(codecZstd, []byte("no"), nil)
	require.Error(t, err)
}

func TestLaneBytes(t *testing.T) {
	require.Equal(t, 4<<20, laneBytes(1))
	require.Equal(t, 4<<20, laneBytes(4))
	require.Equal(t, 64<<10, laneBytes(256))
}
