package demo

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/eventgen"
)

// generator makes events one after the other.
type generator interface{ Next() eventgen.Event }

// source produces made events to the input topic.
type source struct {
	client *kgo.Client
	gen    generator
	opt    Options
	made   atomic.Int64
}

func newSource(brokers []string, topic string, gen generator, opt Options) (*source, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("make the source: %w", err)
	}
	return &source{client: cl, gen: gen, opt: opt}, nil
}

func (s *source) close() { s.client.Close() }

// pace is how often a source with a rate makes its share.
const pace = 5 * time.Millisecond

// run makes events until there are enough, the time is over, or stop ends. hard ends it
// when something else has failed.
func (s *source) run(stop, hard context.Context) error {
	begun := time.Now()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	failed := make(chan error, 1)
	for stop.Err() == nil && hard.Err() == nil && !s.over(begun) {
		if s.opt.Rate > 0 && s.made.Load() >= int64(time.Since(begun).Seconds()*float64(s.opt.Rate)) {
			select {
			case <-tick.C:
			case <-stop.Done():
			case <-hard.Done():
			}
			continue
		}
		e := s.gen.Next()
		rec := &kgo.Record{Key: bytes.Clone(e.Key), Value: bytes.Clone(e.Value), Timestamp: time.Now()}
		s.client.Produce(hard, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
		s.made.Add(1)
	}
	if err := s.client.Flush(hard); err != nil {
		return fmt.Errorf("produce events: %w", err)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("produce events: %w", err)
	default:
		return nil
	}
}

func (s *source) over(begun time.Time) bool {
	if s.opt.Events > 0 && s.made.Load() >= int64(s.opt.Events) {
		return true
	}
	return s.opt.For > 0 && time.Since(begun) >= s.opt.For
}
