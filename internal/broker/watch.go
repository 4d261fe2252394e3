package broker

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// retireAfter is how long a replaced transport keeps its connections: requests that have begun with it shall find
// them.
const retireAfter = requestTimeout + dialTimeout

// Watch adds topics to those whose metadata is kept, and returns when the brokers have told it. kafka-go's Transport
// takes its topics once, so another one takes its place; requests that are out end on the old one. One caller at a
// time.
func (c *Client) Watch(ctx context.Context, topics []string) error {
	old := c.transport.Load()
	all := slices.Concat(old.MetadataTopics, topics)
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == len(old.MetadataTopics) {
		return nil
	}
	next := c.newTransport(all)
	if _, err := c.layoutOf(ctx, next); err != nil {
		next.CloseIdleConnections()
		return fmt.Errorf("read the metadata of more topics: %w", err)
	}
	c.transport.Store(next)
	retired := time.AfterFunc(retireAfter, old.CloseIdleConnections)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = append(c.retired, func() {
		retired.Stop()
		old.CloseIdleConnections()
	})
	return nil
}
