package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
)

const (
	commitInterval = time.Second
	batchesWaiting = 8
	closeTime      = 30 * time.Second
)

// flow is the state of a run at least once: batches that wait for acknowledgement, oldest first.
type flow struct {
	client  *kgo.Client
	work    *work
	batches chan *batch
	failed  chan error

	mu      sync.Mutex
	idle    *sync.Cond
	waiting int // batches not marked yet
}

func atLeastOnce(ctx context.Context, f peer.Flags, w *work, first func()) error {
	fl := &flow{work: w, batches: make(chan *batch, batchesWaiting), failed: make(chan error, 1)}
	fl.idle = sync.NewCond(&fl.mu)
	opts, err := options(f)
	if err != nil {
		return err
	}
	fl.client, err = kgo.NewClient(append(opts,
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitInterval),
		kgo.OnPartitionsRevoked(fl.revoked),
	)...)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer fl.client.CloseAllowingRebalance()

	var marker sync.WaitGroup
	marker.Go(fl.mark)
	err = fl.poll(ctx, first)
	close(fl.batches)
	marker.Wait()
	select {
	case failure := <-fl.failed:
		err = errors.Join(err, failure)
	default:
	}
	if err != nil {
		return err
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := fl.client.CommitMarkedOffsets(end); err != nil {
		return fmt.Errorf("commit at the end: %w", err)
	}
	return nil
}

// poll fetches and sends until ctx ends or something fails.
func (fl *flow) poll(ctx context.Context, first func()) error {
	for {
		fetches := fl.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what may have come with the end is not marked, and comes again
		}
		if err := fetchError(fetches); err != nil {
			return err
		}
		if !fetches.Empty() {
			first()
			fl.add(1)
			b := fl.work.send(context.WithoutCancel(ctx), fl.client, fetches)
			select {
			case fl.batches <- b:
			case err := <-fl.failed:
				return err
			}
		}
		fl.client.AllowRebalance()
	}
}

// mark marks batches in order, each when it is acknowledged.
func (fl *flow) mark() {
	healthy := true
	for b := range fl.batches {
		err := fl.work.finish(b)
		if healthy = healthy && err == nil; healthy {
			fl.client.MarkCommitOffsets(b.offsets)
		}
		if err != nil {
			select {
			case fl.failed <- fmt.Errorf("produce: %w", err):
			default: // the first one is enough
			}
		}
		fl.add(-1)
	}
}

// revoked keeps a rebalance waiting until what was taken from the partitions is acknowledged and committed.
func (fl *flow) revoked(ctx context.Context, client *kgo.Client, _ map[string][]int32) {
	fl.mu.Lock()
	for fl.waiting > 0 {
		fl.idle.Wait()
	}
	fl.mu.Unlock()
	_ = client.CommitMarkedOffsets(ctx) // else the next owner does some of it again
}

func (fl *flow) add(n int) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.waiting += n; fl.waiting == 0 {
		fl.idle.Broadcast()
	}
}

// fetchError is the first error in fetches.
func fetchError(fetches kgo.Fetches) error {
	var first error
	fetches.EachError(func(topic string, partition int32, err error) {
		if first == nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			first = fmt.Errorf("fetch %s/%d: %w", topic, partition, err)
		}
	})
	return first
}
