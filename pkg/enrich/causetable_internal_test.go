package enrich

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// TestCauseTable: what was put in is found, and nothing else, also where hashes meet.
func TestCauseTable(t *testing.T) {
	t.Parallel()

	const seed = 11

	t.Log("seed", seed)

	r := rand.New(rand.NewPCG(seed, seed))

	for _, n := range []int{0, 1, 2, 57, 1000} {
		table, want := newCauseTable(n), map[int32]*cause{}

		for len(want) < n {
			code := r.Int32N(int32(4*n + 1))
			if want[code] == nil {
				want[code] = &cause{entry: &catalog.Entry{Code: code}}
				table.put(want[code])
			}
		}

		for code := range int32(4*n + 2) {
			require.Same(t, want[code], table.find(code), "%d of %d entries", code, n)
		}

		require.Nil(t, table.find(1<<31-1))
		require.Nil(t, table.find(-1))
	}
}

// BenchmarkCauseTable: the catalog's codes, one after the other, against a map.
func BenchmarkCauseTable(b *testing.B) {
	entries := catalog.Default().Entries()
	table, byCode := newCauseTable(len(entries)), map[int32]*cause{}

	for i := range entries {
		c := &cause{entry: &entries[i]}
		table.put(c)
		byCode[entries[i].Code] = c
	}

	for name, find := range map[string]func(code int32) *cause{"table": table.find, "map": func(code int32) *cause { return byCode[code] }} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if find(entries[i*7%len(entries)].Code) == nil {
					b.Fatal("missing")
				}
			}
		})
	}
}
