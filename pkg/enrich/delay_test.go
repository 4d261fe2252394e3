package enrich

import (
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const timeLayout = "2006-01-02T15:04:05.000Z"

func TestStampAgreesWithTime(t *testing.T) {
	t.Parallel()

	var kept stamp // what is left from one time must not show in the next

	check := func(ms int64) {
		for _, near := range []int64{ms, max(0, ms-3_600_123), min(lastTimestampMS, ms+61_001)} {
			kept.set(near)
			require.Equal(t, time.UnixMilli(near).UTC().Format(timeLayout), string(kept.text[:]))
		}
	}

	for day := int64(0); day <= lastTimestampMS/86_400_000; day += 13 { // all residues of the calendar's cycles
		check(day*86_400_000 + day%86_400_000)
	}

	check(0)
	check(lastTimestampMS)
	rapid.Check(t, func(t *rapid.T) { check(rapid.Int64Range(0, lastTimestampMS).Draw(t, "ms")) })
}

func BenchmarkStamp(b *testing.B) {
	const ms = 1_795_514_449_123

	var (
		s   stamp
		buf [32]byte
	)

	b.Run("same day", func(b *testing.B) {
		for b.Loop() {
			s.set(ms)
		}
	})
	b.Run("another day", func(b *testing.B) {
		for b.Loop() {
			s.day = 0
			s.set(ms)
		}
	})
	b.Run("time.AppendFormat", func(b *testing.B) {
		for b.Loop() {
			time.UnixMilli(ms).UTC().AppendFormat(buf[:0], timeLayout)
		}
	})
}

// TestSpreadIsEven: no part of the range is left out or preferred.
func TestSpreadIsEven(t *testing.T) {
	t.Parallel()

	const (
		draws  = 20_000
		bins   = 20
		within = 150 // of draws/bins; five standard deviations are 154
	)

	for name, draw := range map[string]func(i int) float64{
		"call ids that count up": func(i int) float64 {
			return spread(&Record{}, []byte("672b0b3f-e4b9-46e7-8fa9-"+time.UnixMilli(int64(i)).UTC().Format("150405.000")), 1)
		},
		"attempts":   func(i int) float64 { return spread(&Record{}, []byte("x"), i) },
		"timestamps": func(i int) float64 { return spread(&Record{TimestampMS: int64(i)}, nil, 1) },
		"keys":       func(i int) float64 { return spread(&Record{Key: []byte{byte(i), byte(i >> 8)}}, nil, 1) },
	} {
		var count [bins]int

		for i := range draws {
			u := draw(i)
			require.GreaterOrEqual(t, u, 0.0)
			require.Less(t, u, 1.0)
			count[int(u*bins)]++
		}

		for _, n := range count {
			require.InDelta(t, draws/bins, n, within, "%s: %v", name, count)
		}
	}
}

// TestSpreadTellsTextsApart that differ only in length or by zero bytes.
func TestSpreadTellsTextsApart(t *testing.T) {
	t.Parallel()

	seen := map[float64]string{}

	for _, id := range []string{"a", "a\x00", "a\x00\x00", "aaaaaaaa", "aaaaaaaa\x00", "\x00aaaaaaaa", "b", "aaaaaaaab", "baaaaaaaa"} {
		u := spread(&Record{}, []byte(id), 1)
		require.NotContains(t, seen, u, "%q and %q", id, seen[u])
		seen[u] = id
	}
}

func BenchmarkSpread(b *testing.B) {
	rec, id := &Record{}, []byte("672b0b3f-e4b9-46e7-8fa9-3b48c7da8683")

	b.Run("own", func(b *testing.B) {
		for b.Loop() {
			spread(rec, id, 1)
		}
	})
	b.Run("fnv", func(b *testing.B) { // without the attempt and the final mixing
		for b.Loop() {
			h := fnv.New64a()
			_, _ = h.Write(id)
			h.Sum64()
		}
	})
}

func BenchmarkIntegerIn(b *testing.B) {
	b.Run("few digits", func(b *testing.B) {
		for b.Loop() {
			integerIn("3010")
		}
	})
	b.Run("the general way", func(b *testing.B) {
		for b.Loop() {
			integerSlow("3010")
		}
	})
}
