//go:build !amd64 || purego

package jsonscan

// markBlocks exists for amd64.
func markBlocks(*byte, int, *uint64) (high uint32) { panic("jsonscan: no markBlocks here") }

func haveMarkBlocks() bool { return false }
