package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// agesWithin leaves time for a partition that is slow to answer, and not all of the run's.
	agesWithin = 3 * time.Second
	// agesChunk is asked of each partition: one record is wanted, and it comes in a batch.
	agesChunk = 64 << 10
	agesFetch = 8 << 20
	// agesUnpacked bounds a batch: the age of a record in a larger one stays unknown.
	agesUnpacked = 16 << 20
)

// ages reads the next record of each partition that has one. Reading so joins no group and commits nothing.
func (d *doctor) ages(ctx context.Context, lags []Lag) {
	at, want := map[string]map[int32]kgo.Offset{}, 0

	for i := range lags {
		l := &lags[i]
		if l.Committed < l.Start || l.Committed >= l.End {
			continue // none committed, lost, or all read
		}

		if at[l.Topic] == nil {
			at[l.Topic] = map[int32]kgo.Offset{}
		}

		at[l.Topic][l.Partition] = kgo.NewOffset().At(l.Committed)
		want++
	}

	if want == 0 {
		return
	}

	client, err := kgo.NewClient(d.options(kgo.ConsumePartitions(at), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(agesChunk), kgo.FetchMaxBytes(agesFetch), kgo.MaxDecompressBatchBytes(agesUnpacked), kgo.FetchMaxWait(retryTimeout/10))...) //nolint:mnd // short
	if err != nil {
		return // the options were good a moment ago; ages stay unknown
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, agesWithin)
	defer cancel()

	for want > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			i := slices.IndexFunc(lags, func(l Lag) bool { return l.Topic == p.Topic && l.Partition == p.Partition })
			if i < 0 || len(p.Records) == 0 || lags[i].Oldest != nil {
				return
			}

			lags[i].Oldest = &p.Records[0].Timestamp
			want--

			client.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
		})

		if fetches.Err() != nil {
			return // the rights say why
		}
	}
}
