package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// follower reads the control topic, whose records cancel redials. Each process reads all of it: the
// group does not share it out.
type follower struct {
	p       *Pipeline
	buffers *broker.FetchBuffers
	unpack  *recordbatch.Decompressor
	id      [16]byte // of the topic
	next    map[broker.TopicPartition]int64
	ends    map[broker.TopicPartition]int64 // at the start
	quiet   *broker.Quiet
}

// followCancels reads the control topic to its end, and then goes on beside the caller until work
// ends. Only after that anything may come due.
func (p *Pipeline) followCancels(ctx, work context.Context) (*sync.WaitGroup, error) {
	var following sync.WaitGroup
	if p.cfg.Role != Delay || p.cfg.Retry.Cancels == "" {
		return &following, nil
	}
	f := &follower{
		p: p, buffers: broker.NewFetchBuffers(fetchBudget), unpack: recordbatch.NewDecompressor(0), quiet: broker.NewQuiet(p.log),
	}
	if err := f.begin(ctx); err != nil {
		return &following, fmt.Errorf("read %s: %w", p.cfg.Retry.Cancels, err)
	}
	for !f.caughtUp() {
		if err := f.round(ctx); err != nil {
			return &following, err
		}
	}
	p.cancelsRead.Store(time.Now().UnixMilli())
	p.log.Info("read the cancel records", zap.String("topic", p.cfg.Retry.Cancels), zap.Int("keys", p.cancels.Len()))
	following.Go(func() {
		for looked := time.Now(); work.Err() == nil; {
			_ = f.round(work) // ends with work alone
			if time.Since(looked) > lookEvery {
				looked = time.Now()
				p.cancels.Prune(looked.UnixMilli())
				f.remade(work)
			}
		}
	})
	return &following, nil
}

const (
	// lookEvery is how often old cancel records are forgotten, and the topic's id is looked at.
	lookEvery = time.Minute
	// cancelsWithin is how old the last look at the control topic may be before nothing comes due any
	// more: nobody is to be called because a broker did not tell that he said no.
	cancelsWithin = 30 * time.Second
)

// cancelsBehind is for how long the control topic could not be read, in milliseconds; 0 without one.
func (p *Pipeline) cancelsBehind(nowMS int64) int64 {
	if p.cfg.Retry.Cancels == "" {
		return 0
	}
	return max(nowMS-p.cancelsRead.Load(), 0)
}

func (f *follower) begin(ctx context.Context) error {
	topic := f.p.cfg.Retry.Cancels
	topics, err := f.p.client.Topics(ctx, []string{topic})
	if err != nil {
		return err
	}
	f.id = topics[topic].ID
	var parts []broker.TopicPartition
	for i := range topics[topic].Partitions {
		parts = append(parts, broker.TopicPartition{Topic: topic, Partition: i})
	}
	if f.next, err = f.p.client.ListOffsets(ctx, parts, broker.Earliest, true); err != nil {
		return err
	}
	f.ends, err = f.p.client.ListOffsets(ctx, parts, broker.Latest, true)
	return err
}

// remade begins anew where the topic was deleted and made again. What the old one said still holds.
func (f *follower) remade(ctx context.Context) {
	topic := f.p.cfg.Retry.Cancels
	topics, err := f.p.client.Topics(ctx, []string{topic})
	if err != nil || topics[topic].ID == f.id {
		return // a topic that is not there now is looked at again
	}
	f.p.log.Warn("the topic of cancel records was deleted and made anew; reading it from its start", zap.String("topic", topic))
	if err := f.begin(ctx); err != nil {
		f.id = [16]byte{} // and again
	}
}

// added takes up partitions that the topic has got since.
func (f *follower) added(ctx context.Context, layout protocol.Cluster) error {
	topic := f.p.cfg.Retry.Cancels
	for i := range layout.Topics[topic].Partitions {
		tp := broker.TopicPartition{Topic: topic, Partition: i}
		if _, ok := f.next[tp]; !ok {
			if err := f.earliest(ctx, tp); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *follower) earliest(ctx context.Context, tp broker.TopicPartition) error {
	found, err := f.p.client.ListOffsets(ctx, []broker.TopicPartition{tp}, broker.Earliest, true)
	if err != nil {
		return err
	}
	f.next[tp] = found[tp]
	return nil
}

func (f *follower) caughtUp() bool {
	for tp, end := range f.ends {
		if f.next[tp] < end {
			return false
		}
	}
	return true
}

// round asks each leader once. What fails is asked again in the next one, after a pause.
func (f *follower) round(ctx context.Context) error {
	layout, err := f.p.client.Layout(ctx)
	if err != nil {
		return f.pause(ctx, err)
	}
	if err := f.added(ctx, layout); err != nil {
		return f.pause(ctx, err)
	}
	requests := map[int32]*broker.FetchRequest{}
	for tp, offset := range f.next {
		node := broker.Leader(layout, tp.Topic, tp.Partition)
		req, ok := requests[node]
		if !ok {
			req = &broker.FetchRequest{Node: node, MaxWait: fetchWait, MaxBytes: fetchMaxBytes, ReadCommitted: true}
			requests[node] = req
		}
		req.Partitions = append(req.Partitions, broker.FetchPartition{TopicPartition: tp, Offset: offset, MaxBytes: fetchMaxBytes})
	}
	var errs []error
	for _, req := range requests {
		req.MaxWait /= time.Duration(len(requests)) // they are asked one after the other
		errs = append(errs, f.ask(ctx, req))
	}
	if err := errors.Join(errs...); err != nil {
		return f.pause(ctx, err)
	}
	f.p.cancelsRead.Store(time.Now().UnixMilli())
	return nil
}

func (f *follower) pause(ctx context.Context, cause error) error {
	if ctx.Err() == nil {
		f.quiet.Warn("cannot read the cancel records, trying again", zap.String("topic", f.p.cfg.Retry.Cancels), zap.Error(cause))
		f.p.client.Refresh(ctx)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("read %s: %w", f.p.cfg.Retry.Cancels, ctx.Err())
	case <-time.After(retryPause):
		return nil
	}
}

func (f *follower) ask(ctx context.Context, req *broker.FetchRequest) error {
	resp, err := f.p.client.Fetch(ctx, req, f.buffers)
	if err != nil {
		return err
	}
	defer resp.Release()
	var errs []error
	for i := range resp.Results {
		r := &resp.Results[i]
		switch {
		case broker.IsOutOfRange(r.Err): // what is gone cancels nothing
			errs = append(errs, r.Err, f.earliest(ctx, r.TopicPartition))
		case r.Err != nil:
			errs = append(errs, r.Err)
		default:
			errs = append(errs, f.take(r))
		}
	}
	return errors.Join(errs...)
}

// take puts the records of one partition's answer into the map.
func (f *follower) take(r *broker.FetchResult) error {
	filter := newAbortFilter(map[int64]struct{}{}, r.Aborted)
	_, whole, err := recordbatch.Skim(r.Records)
	if err != nil {
		return fmt.Errorf("read %s/%d: %w", r.Topic, r.Partition, err)
	}
	var b recordbatch.Batch
	for rest := r.Records[:whole]; len(rest) > 0; {
		if rest, err = recordbatch.Next(rest, &b); err != nil {
			return fmt.Errorf("read %s/%d at offset %d: %w", r.Topic, r.Partition, f.next[r.TopicPartition], err)
		}
		if b.NextOffset() <= f.next[r.TopicPartition] {
			continue
		}
		if !filter.skip(&b) {
			if err := f.batch(&b, f.next[r.TopicPartition]); err != nil {
				return fmt.Errorf("read %s/%d at offset %d: %w", r.Topic, r.Partition, f.next[r.TopicPartition], err)
			}
		}
		f.next[r.TopicPartition] = b.NextOffset()
	}
	return nil
}

func (f *follower) batch(b *recordbatch.Batch, from int64) error {
	records := b.Payload
	if b.Codec() != recordbatch.None {
		var err error
		if records, err = f.unpack.Decompress(b.Codec(), b.Payload, nil); err != nil {
			return err
		}
	}
	var (
		reader recordbatch.Reader
		rec    recordbatch.Record
	)
	reader.Reset(b, records)
	for reader.Next(&rec) {
		switch {
		case rec.Offset < from || len(rec.Key) == 0:
		case rec.Value == nil:
			f.p.cancels.Remove(rec.Key)
		default:
			f.p.cancels.Put(rec.Key, rec.Timestamp)
		}
	}
	return reader.Err()
}
