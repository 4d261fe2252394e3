package recordbatch

import "hash/crc32"

// castagnoli is the polynomial of the format's checksum. MakeTable keeps it: this is no work.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Of the memory that is touched ahead of the checksum.
const (
	cacheLine = 64
	touched   = 4 << 10 // fits the smallest cache; hash/crc32 takes as much in one stride
)

// checksum is the CRC-32C of p. What a fetch brought, and what a batch has collected, comes from
// memory and not from a cache, and hash/crc32 walks through it in three strands at once, which
// processors do not foresee. So each few kilobytes are touched in order before, which they do:
// BenchmarkChecksum has what it saves.
func checksum(p []byte) uint32 {
	var crc uint32
	for len(p) > touched {
		touch(p[:touched])
		crc = crc32.Update(crc, castagnoli(), p[:touched])
		p = p[touched:]
	}
	return crc32.Update(crc, castagnoli(), p)
}

// touch reads one byte of each cache line. The compiler must not see that nobody wants what it gives.
//
//go:noinline
func touch(p []byte) (all byte) {
	for i := 0; i < len(p); i += cacheLine {
		all |= p[i]
	}
	return all
}
