//go:build !purego

package jsonscan

import "golang.org/x/sys/cpu"

// markBlocks fills one word of marks for each of blocks, at least one, times 64 bytes from p on,
// as block does but without marking bytes that a borrow reached. high is not 0 if any
// byte is not ASCII. It needs AVX2. BenchmarkMarks has what it saves.
//
//go:noescape
func markBlocks(p *byte, blocks int, marks *uint64) (high uint32)

// haveMarkBlocks tells whether this processor can.
func haveMarkBlocks() bool { return cpu.X86.HasAVX2 }
