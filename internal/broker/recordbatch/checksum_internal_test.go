package recordbatch

import (
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

func numbered(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 167 >> 3)
	}
	return p
}

func TestChecksum(t *testing.T) {
	t.Parallel()
	p := numbered(3*touched + 100)
	for _, block := range []int{0, touched, 2 * touched, 3 * touched} {
		for n := max(block-70, 0); n <= block+70; n++ {
			for _, at := range []int{0, 1, 29} {
				require.Equal(t, crc32.Checksum(p[at:at+n], crc32.MakeTable(crc32.Castagnoli)), checksum(p[at:at+n]), "%d bytes from %d", n, at)
			}
		}
	}
}

// BenchmarkChecksum is what Next and Stamp do once each with every byte, of batches that no cache holds and of one
// that is in the cache.
func BenchmarkChecksum(b *testing.B) {
	const batch = 128 << 10
	table := crc32.MakeTable(crc32.Castagnoli)
	for _, from := range []struct {
		name string
		size int
	}{{"memory", 256 << 20}, {"cache", batch}} {
		p := numbered(from.size)
		for _, of := range []struct {
			name string
			f    func([]byte) uint32
		}{{"crc32", func(p []byte) uint32 { return crc32.Checksum(p, table) }}, {"checksum", checksum}} {
			b.Run(from.name+"/"+of.name, func(b *testing.B) {
				b.SetBytes(batch)
				for at := 0; b.Loop(); at = (at + batch) % len(p) {
					of.f(p[at : at+batch])
				}
			})
		}
	}
}
