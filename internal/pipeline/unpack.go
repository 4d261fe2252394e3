package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

const (
	// usualUnpacked is the most that a batch unpacks to, in bytes, unless it is out of the ordinary.
	usualUnpacked = 8 << 20
	// leastUnpackers is how many workers may at least be in the midst of usual batches.
	leastUnpackers = 4
	// idleUnpackers is how much memory is kept for the next batches.
	idleUnpackers = 4
)

// unpacker unpacks the workers' batches, and bounds what all of them hold unpacked while they wait for room in the output:
// usualUnpacked for each processor, or a single batch of up to recordbatch.DefaultMaxDecompressed. With one bound for each
// partition, a thousand small batches that unpack to very much would be gigabytes.
type unpacker struct {
	all           int64
	room          *semaphore.Weighted // of all bytes, first come first served
	decompressors chan *recordbatch.Decompressor
	buffers       chan []byte
}

func newUnpacker() *unpacker {
	all := int64(usualUnpacked * max(leastUnpackers, runtime.GOMAXPROCS(0)))
	return &unpacker{
		all: all, room: semaphore.NewWeighted(all),
		decompressors: make(chan *recordbatch.Decompressor, idleUnpackers), buffers: make(chan []byte, idleUnpackers),
	}
}

// unpacked are the records of one batch, and the room that they take until release.
type unpacked struct {
	records []byte
	weight  int64
}

// unpack waits for room. The errors are ctx's, and *unreadableError.
func (u *unpacker) unpack(ctx context.Context, b *recordbatch.Batch) (unpacked, error) {
	if b.Codec() == recordbatch.None {
		return unpacked{records: b.Payload}, nil
	}
	if err := u.room.Acquire(ctx, usualUnpacked); err != nil {
		return unpacked{}, fmt.Errorf("wait for room to unpack a batch: %w", err)
	}
	d := take(u.decompressors)
	if d == nil {
		d = recordbatch.NewDecompressor(usualUnpacked)
	}
	records, err := d.Decompress(b.Codec(), b.Payload, take(u.buffers))
	put(u.decompressors, d)
	if err == nil {
		weight := min(int64(cap(records)), usualUnpacked)
		u.room.Release(usualUnpacked - weight)
		return unpacked{records, weight}, nil
	}
	u.room.Release(usualUnpacked)
	if _, large := errors.AsType[*recordbatch.TooLargeError](err); !large {
		return unpacked{}, &unreadableError{err}
	}
	if err := u.room.Acquire(ctx, u.all); err != nil {
		return unpacked{}, fmt.Errorf("wait for room to unpack a large batch: %w", err)
	}
	if records, err = recordbatch.NewDecompressor(0).Decompress(b.Codec(), b.Payload, nil); err != nil {
		u.room.Release(u.all)
		return unpacked{}, &unreadableError{err}
	}
	return unpacked{records, u.all}, nil
}

// release gives the room back; the records are not valid any more.
func (u *unpacker) release(of unpacked) {
	if of.weight == 0 {
		return
	}
	if of.weight < u.all { // what was made for a large batch is not kept
		put(u.buffers, of.records)
	}
	u.room.Release(of.weight)
}

// take gives something kept; the zero value if there is nothing.
func take[T any](kept chan T) (v T) {
	select {
	case v = <-kept:
	default:
	}
	return v
}

// put keeps something, if there is room.
func put[T any](kept chan T, v T) {
	select {
	case kept <- v:
	default:
	}
}
