// Franz is the enricher's work done with franz-go, tuned as well as its options allow.
//
// What was tuned, and why:
//
//   - Fetched records are produced as they are, with another value: no new record is made. Records and
//     decompression buffers come from pools (kgo.WithPools) and go back when
//     they are acknowledged; new values and header lists are cut from one arena for each polled batch.
//     Without that, allocation and garbage collection are the largest items of the profile.
//   - The partitions of a poll are worked on by as many goroutines as there are cores. A partition
//     is with one of them at a time, so order holds.
//   - Eight polls may wait for their acknowledgements: the client has something to send and to decode all the time.
//   - Fetches are left at 1 MiB for each partition: with 4 MiB they no longer fit the processor's caches, which
//     costs a tenth. Batches are as large as a topic takes. The linger is the enricher's, 2 ms, so that latencies compare.
//   - LZ4 and zstd are set like the enricher's, cheaper than franz-go's defaults: see compression.go.
//   - The garbage collector lets the heap grow to five times what is in use, which the pools keep small: at
//     the default it costs some percent more, at nine times no less.
//
// At least once, offsets are marked when everything up to them has been acknowledged, and marks
// are committed each second. Exactly once is kgo.GroupTransactSession with a commit after 100 ms or 50,000 records.
package main

import (
	"context"
	"runtime/debug"

	"github.com/callstream/enricher/bench/internal/peer"
)

// gcPercent is the heap's growth between collections.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	peer.Exec("franz", run)
}

func run(ctx context.Context, f peer.Flags, t *peer.Table, first func()) error {
	w := &work{table: t, out: f.Out, dead: f.Dead}
	if f.Delivery == peer.ExactlyOnce {
		return exactlyOnce(ctx, f, w, first)
	}
	return atLeastOnce(ctx, f, w, first)
}
