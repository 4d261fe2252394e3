package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
)

// work is what is done to each record.
type work struct {
	table     *peer.Table
	out, dead string
	arenas    sync.Pool
}

// batch is what one poll has brought, on its way through.
type batch struct {
	offsets map[string]map[int32]kgo.EpochOffset // to commit once all of it is acknowledged
	records int
	waiting sync.WaitGroup // for acknowledgements
	err     atomic.Pointer[error]
	arenas  []*arena
}

// arena holds what the records of one partition's part of a batch need beyond what was fetched.
type arena struct {
	values  []byte
	headers []kgo.RecordHeader
}

// producer is the part of a client or a transaction session that a batch is given to.
type producer interface {
	Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
}

// send works on everything that a poll has brought and gives it to the producer. It returns before the
// acknowledgements are there.
func (w *work) send(ctx context.Context, p producer, fetches kgo.Fetches) *batch {
	b := &batch{offsets: map[string]map[int32]kgo.EpochOffset{}}
	var parts [][]*kgo.Record
	fetches.EachPartition(func(ftp kgo.FetchTopicPartition) {
		if len(ftp.Records) == 0 {
			return
		}
		last := ftp.Records[len(ftp.Records)-1]
		if b.offsets[ftp.Topic] == nil {
			b.offsets[ftp.Topic] = map[int32]kgo.EpochOffset{}
		}
		b.offsets[ftp.Topic][ftp.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
		b.records += len(ftp.Records)
		parts = append(parts, ftp.Records)
	})
	b.waiting.Add(b.records)
	for range parts {
		b.arenas = append(b.arenas, w.arena())
	}

	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(parts), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
				w.sendPart(ctx, p, parts[i], b, b.arenas[i])
			}
		})
	}
	workers.Wait() // before the next poll: a partition must not be with two of them
	return b
}

func (w *work) sendPart(ctx context.Context, p producer, records []*kgo.Record, b *batch, a *arena) {
	a.reserve(records)
	acknowledged := b.acknowledged
	for _, r := range records {
		w.transform(r, a)
		p.Produce(ctx, r, acknowledged)
	}
}

// transform makes of a consumed record the one to produce.
func (w *work) transform(r *kgo.Record, a *arena) {
	r.Topic = w.out
	if r.Value == nil {
		return
	}
	splice, sound := w.table.Find(r.Value)
	switch {
	case !sound:
		r.Topic = w.dead
	case splice != nil:
		at := len(a.values)
		a.values = splice.Append(a.values, r.Value)
		r.Value = a.values[at:len(a.values):len(a.values)]
		first := len(a.headers)
		a.headers = append(a.headers, r.Headers...)
		a.headers = append(a.headers, kgo.RecordHeader{Key: w.table.Header, Value: splice.Code})
		r.Headers = a.headers[first:len(a.headers):len(a.headers)]
	}
}

func (b *batch) acknowledged(r *kgo.Record, err error) {
	if err != nil {
		b.err.CompareAndSwap(nil, &err)
	}
	r.Recycle()
	b.waiting.Done()
}

// finish waits for the acknowledgements.
func (w *work) finish(b *batch) error {
	b.waiting.Wait()
	for _, a := range b.arenas {
		clear(a.headers)
		w.arenas.Put(a)
	}
	b.arenas = nil
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *work) arena() *arena {
	if a, ok := w.arenas.Get().(*arena); ok {
		return a
	}
	return &arena{}
}

// objectBytes is about what is added to an event.
const objectBytes = 256

// reserve makes room for what records will need, as far as it can be foreseen. Growing later is right as
// well, for what was cut off before stays where it is.
func (a *arena) reserve(records []*kgo.Record) {
	size, headers := 0, 0
	for _, r := range records {
		size += len(r.Value) + objectBytes
		headers += len(r.Headers) + 1
	}
	a.values, a.headers = a.values[:0], a.headers[:0]
	if cap(a.values) < size {
		a.values = make([]byte, 0, size+size/4)
	}
	if cap(a.headers) < headers {
		a.headers = make([]kgo.RecordHeader, 0, headers+headers/4)
	}
}
