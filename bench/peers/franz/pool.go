package main

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// pool lends the client what it would otherwise allocate for each fetched batch.
type pool struct{ records, buffers sync.Pool }

var (
	_ kgo.PoolRecords         = (*pool)(nil)
	_ kgo.PoolDecompressBytes = (*pool)(nil)
)

// GetRecords lends a slice of n records.
func (p *pool) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:n]
	}
	return make([]kgo.Record, n)
}

// PutRecords takes it back.
func (p *pool) PutRecords(s []kgo.Record) { p.records.Put(&s) }

// expansion is a guess at how much larger records are than their compressed form; a buffer
// that is too small is grown by the client, and stays grown.
const expansion = 8

// GetDecompressBytes lends a buffer.
func (p *pool) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, expansion*len(compressed))
}

// PutDecompressBytes takes it back.
func (p *pool) PutDecompressBytes(b []byte) { p.buffers.Put(&b) }
