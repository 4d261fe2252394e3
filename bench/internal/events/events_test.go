package events_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/bench/internal/events"
	"github.com/callstream/enricher/pkg/catalog"
)

func entries(tb testing.TB) []catalog.Entry {
	tb.Helper()
	snap, err := catalog.Load()
	require.NoError(tb, err)
	return snap.Entries()
}

func TestMixAndSize(t *testing.T) {
	const n = 20_000
	all := entries(t)
	known := map[string]bool{}
	for i := range all {
		known[strconv.Itoa(int(all[i].Code))] = true
	}
	for _, mean := range []int{300, 581, 2000, 10_000} {
		t.Run(strconv.Itoa(mean), func(t *testing.T) {
			g := events.New(1, all, mean, time.Unix(0, 0))
			kinds, codes, keys, size, values := map[events.Kind]int{}, map[string]bool{}, map[string]bool{}, 0, 0
			for range n {
				e := g.Next()
				kinds[e.Kind]++
				keys[string(e.Key)] = true
				if e.Kind == events.Tombstone {
					require.Nil(t, e.Value)
					continue
				}
				size += len(e.Value)
				values++
				require.Equal(t, e.Kind != events.Broken, json.Valid(e.Value), "%s", e.Value)
				code := gjson.GetBytes(e.Value, "HangupCauseCode")
				switch e.Kind {
				case events.Callback:
					require.Equal(t, gjson.String, code.Type)
					require.Contains(t, known, code.Str)
					codes[code.Str] = true
				case events.Record:
					require.Equal(t, gjson.Number, code.Type)
					require.Contains(t, known, code.Raw)
				case events.Progress:
					require.False(t, code.Exists())
				default:
				}
			}
			require.Len(t, keys, n)
			require.Greater(t, len(codes), len(all)*3/4)
			require.InDelta(t, 0.60*n, kinds[events.Callback]+kinds[events.Record], 0.01*n)
			require.InDelta(t, 0.003*n, kinds[events.Broken], 0.0015*n)
			require.InDelta(t, 0.002*n, kinds[events.Tombstone], 0.0015*n)
			require.InEpsilon(t, mean, size/values, 0.015)
		})
	}
}

func TestSeed(t *testing.T) {
	all := entries(t)
	make100 := func(seed uint64) (text []byte) {
		g := events.New(seed, all, 581, time.UnixMilli(1000))
		for i := range 100 {
			e := g.Next()
			require.Equal(t, time.UnixMilli(1000+int64(i)), e.Time)
			text = append(append(text, e.Key...), e.Value...)
		}
		return bytes.Clone(text)
	}
	one, again := make100(1), make100(1)
	require.Equal(t, one, again)
	require.NotEqual(t, one, make100(2))
}

func BenchmarkNext(b *testing.B) {
	g := events.New(1, entries(b), 581, time.Unix(0, 0))
	for b.Loop() {
		g.Next()
	}
}
