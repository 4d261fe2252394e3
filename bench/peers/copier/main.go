// Copier is the floor: what it costs to get every record out of Kafka and, a little longer, back in, if nobody looks into
// it. It fetches record batches, decodes them to records, puts a constant before the last brace of each
// value, builds batches of them and produces those. Nothing is done about JSON: broken events
// are copied like sound ones, and no header is added. The constant is as long as what the others add to an event
// on average (peer.Table.Constant).
//
// It is as lean as its author could make it, and no model for a program that has to last:
//
//   - Its own codec, over plain TCP connections: two for each partition, so that fetching, working and producing go on
//     side by side, with a fetch ahead and three batches to fill. Records are copied once, from the
//     buffer they were read into to the one that is written. Keys and headers are copied as they are on
//     the wire, with their lengths.
//   - No consumer group, no commits: it takes every partition from offset 0, each time it starts. No idempotence: the
//     numbers in the batches would cost nothing, and a lost connection ends it anyway. Checksums are
//     checked and made, all replicas acknowledge.
//   - Only what the benchmark has: batches of format 2, not transactional, with the producer's time, and none, lz4 or zstd.
//
// Another floor on kmsg over franz-go's connections would differ by the copies that its requests make, and
// one on the enricher's internal/broker would not be independent of what it is compared with: this
// is the only one.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/callstream/enricher/bench/internal/peer"
)

func main() { peer.Exec("copier", run) }

func run(ctx context.Context, f peer.Flags, t *peer.Table, first func()) error {
	if f.Delivery != peer.AtLeastOnce {
		return fmt.Errorf("start: -delivery %s: the copier has no transactions", f.Delivery)
	}
	in, err := leaders(ctx, f.Brokers, f.In)
	if err != nil {
		return err
	}
	out, err := leaders(ctx, f.Brokers, f.Out)
	if err != nil {
		return err
	}
	if len(in) != len(out) {
		return fmt.Errorf("start: %s has %d partitions and %s %d", f.In, len(in), f.Out, len(out))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var lanes sync.WaitGroup
	errs := make([]error, len(in))
	for p := range in {
		l := &lane{
			in: f.In, out: f.Out, partition: int32(p),
			fetchFrom: in[p], produceTo: out[p],
			bytes: laneBytes(len(in)), codec: codecOf(f.Compression), constant: t.Constant(), first: first,
		}
		lanes.Go(func() {
			defer stop() // one that fails ends all
			errs[p] = l.run(ctx)
		})
	}
	lanes.Wait()
	return errors.Join(errs...)
}

const (
	mostBytes  = 4 << 20
	leastBytes = 64 << 10
	allBytes   = 16 << 20
)

// laneBytes is how much a lane fetches at once, so that many partitions need no more memory than few.
func laneBytes(partitions int) int {
	return max(leastBytes, min(mostBytes, allBytes/partitions))
}
