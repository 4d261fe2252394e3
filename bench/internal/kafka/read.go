package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadAll gives each record of topics, as a reader with read_committed sees them, in order by partition, until all
// that is there now has been read. The record is the callback's to change, and not to keep.
func (c *Client) ReadAll(ctx context.Context, each func(*kgo.Record), topics ...Topic) error {
	ends, err := c.Ends(ctx, topics...)
	if err != nil {
		return err
	}
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]map[int32]int64{} // ends of the partitions that are not through
	for i := range topics {
		name := topics[i].Name
		from[name], left[name] = map[int32]kgo.Offset{}, map[int32]int64{}
		for p, end := range ends[i] {
			if end > 0 {
				from[name][int32(p)], left[name][int32(p)] = kgo.NewOffset().At(0), end
			}
		}
		if len(from[name]) == 0 {
			delete(from, name)
			delete(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxPartitionBytes(4<<20), kgo.KeepControlRecords(), kgo.DisableFetchSessions()) // markers tell that the end is reached
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer client.Close()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read %s partition %d: %w", e.Topic, e.Partition, e.Err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { through(p, left, each) })
	}
	return nil
}

// through passes on what has come of a partition, and strikes it off when its end is reached.
func through(p kgo.FetchTopicPartition, left map[string]map[int32]int64, each func(*kgo.Record)) {
	end, waited := left[p.Topic][p.Partition]
	if !waited || len(p.Records) == 0 {
		return
	}
	last := p.Records[len(p.Records)-1].Offset
	for _, r := range p.Records {
		if !r.Attrs.IsControl() && r.Offset < end {
			each(r)
		}
	}
	if last+1 < end {
		return
	}
	if delete(left[p.Topic], p.Partition); len(left[p.Topic]) == 0 {
		delete(left, p.Topic)
	}
}
