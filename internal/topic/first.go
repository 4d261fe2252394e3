package topic

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

const (
	// firstBytes is asked of each partition: one record is wanted, and it comes in a batch.
	firstBytes = 64 << 10
	// firstUnpacked bounds that batch.
	firstUnpacked = 16 << 20
)

// FirstConfig says where to look for first records.
type FirstConfig struct {
	Topic string
	// From are the partitions to look at, and the offset to begin at in each.
	From map[int32]int64
	// Uncommitted records count as well.
	Uncommitted bool
}

// First gives the first record of each partition to fn, in one goroutine, in the order in which they come. There is none of
// a partition that ended before when First began, or whose first batch would take too much memory. Errors are those of Scan, but for
// *BatchError.
func First(ctx context.Context, client *kgo.Client, cfg FirstConfig, fn func(*Record)) error {
	s := &scan{client: client, cfg: ScanConfig{Topic: cfg.Topic, From: cfg.From}, first: true, uncommitted: cfg.Uncommitted}
	s.unpack = &unpacker{decompressor: recordbatch.NewDecompressor(firstUnpacked)}
	s.fn = func(r *Record) error {
		fn(r)

		return nil
	}

	if err := s.run(ctx); err != nil {
		return fmt.Errorf("read topic %q: %w", cfg.Topic, err)
	}

	return nil
}

// tooMuch ends a scan at a batch that is not read. Who wants first records goes without that partition's.
func (s *scan) tooMuch(p *partition, e *BatchError) error {
	if !s.first {
		return e
	}

	s.advance(p, p.end)

	return nil
}

func (s *scan) isolation() kgo.IsolationLevel {
	if s.uncommitted {
		return kgo.ReadUncommitted()
	}

	return kgo.ReadCommitted()
}

// isolationLevel is that of isolation as requests have it.
func (s *scan) isolationLevel() int8 {
	if s.uncommitted {
		return 0
	}

	return 1
}

// chunk is how many bytes are asked of each partition.
func (s *scan) chunk() int32 {
	if s.first {
		return firstBytes
	}

	return partitionBytes
}

// cutBehindFirst leaves the first batch that is not passed over and nothing behind it, so that no more is unpacked.
func cutBehindFirst(got *kmsg.FetchResponseTopicPartition, from int64) {
	for at := 0; ; {
		h, ok := headOf(got.RecordBatches[at:])
		if !ok {
			return // cut off or broken, and kgo says so
		}

		if at += h.size; h.next > from {
			got.RecordBatches = got.RecordBatches[:at]

			return
		}
	}
}
