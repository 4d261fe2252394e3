package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/callstream/enricher/internal/topic"
)

// agesWithin leaves time for a partition that is slow to answer, and not all of the run's.
const agesWithin = 3 * time.Second

// ages reads the next record of each partition that has one. Reading so joins no group and commits nothing.
func (d *doctor) ages(ctx context.Context, r *reader, lags []Lag) {
	type at struct {
		topic     string
		partition int32
	}

	from, where := map[string]map[int32]int64{}, map[at]*Lag{}

	for i := range lags {
		l := &lags[i]
		if l.Committed < l.Start || l.Committed >= l.End {
			continue // none committed, lost, or all read
		}

		if from[l.Topic] == nil {
			from[l.Topic] = map[int32]int64{}
		}

		from[l.Topic][l.Partition] = l.Committed
		where[at{l.Topic, l.Partition}] = l
	}

	ctx, cancel := context.WithTimeout(ctx, agesWithin)
	defer cancel()

	var wg sync.WaitGroup
	defer wg.Wait()

	for name, offsets := range from {
		wg.Go(func() {
			cfg := topic.FirstConfig{Topic: name, From: offsets, Uncommitted: !r.committedOnly}
			_ = topic.First(ctx, d.client, cfg, func(rec *topic.Record) { // what is not found stays unknown; the rights say why
				where[at{rec.Topic, rec.Partition}].Oldest = new(rec.Timestamp)
			})
		})
	}
}
