//go:build k8s

package k8s_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
)

// outputs are the topics that each event comes out on, one or the other.
func outputs() []string { return []string{"calls.enriched", "calls.dead"} }

// produce puts events into the input topic.
func (s *session) produce(n int) {
	s.t.Helper()
	require.NoError(s.t, s.put(n))
}

// trickle puts a hundred events a second into the input topic until it is stopped.
func (s *session) trickle() (stop func()) {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-s.t.Context().Done(): // the test has failed
				return
			case <-done:
				ended <- nil
				return
			case <-tick.C:
			}
			if err := s.put(50); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() {
		s.t.Helper()
		close(done)
		require.NoError(s.t, <-ended)
	}
}

// put produces events, each with a header that numbers it.
func (s *session) put(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addrs()...), kgo.DefaultProduceTopic("calls.raw"))
	if err != nil {
		return fmt.Errorf("open producer: %w", err)
	}
	defer client.Close()
	events := eventgen.New(uint64(s.produced), catalog.Default().Entries())
	ctx, cancel := context.WithTimeout(s.t.Context(), startTime)
	defer cancel()
	var records []*kgo.Record
	for range n {
		e := events.Next()
		r := &kgo.Record{Key: append([]byte(nil), e.Key...), Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(strconv.Itoa(s.produced))}}}
		if e.Value != nil {
			r.Value = append([]byte{}, e.Value...)
		}
		records = append(records, r)
		s.produced++
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// await waits until each event has come out.
func (s *session) await() {
	s.t.Helper()
	s.read(func(seen map[string]int, _ int) bool { return len(seen) == s.produced })
}

// everythingOnce reads what came out to its end, over all upgrades, rollbacks and scalings: each event once, enriched or dead.
// Nobody writes any more by then, so that a mark at the end of each partition is the end.
func (s *session) everythingOnce() {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(s.t, err)
	defer client.Close()
	for _, topic := range outputs() {
		for p := range int32(partitions) {
			require.NoError(s.t, client.ProduceSync(s.t.Context(), &kgo.Record{Topic: topic, Partition: p}).FirstErr())
		}
	}
	seen := s.read(func(_ map[string]int, marks int) bool { return marks == len(outputs())*partitions })
	for id, times := range seen {
		require.Equal(s.t, 1, times, "event %s", id)
	}
	require.Len(s.t, seen, s.produced, "what went in")
	s.say("%d events went in meanwhile, a hundred a second while releases changed. Each came out once.", s.produced)
}

// read counts the events of the outputs by their number, and the records without one, until enough says so.
func (s *session) read(enough func(seen map[string]int, others int) bool) map[string]int {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addrs()...), kgo.ConsumeTopics(outputs()...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(s.t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), startTime)
	defer cancel()
	seen, others := map[string]int{}, 0
	for !enough(seen, others) {
		fetches := client.PollFetches(ctx)
		require.NoError(s.t, ctx.Err(), "%d of %d events came out", len(seen), s.produced)
		fetches.EachRecord(func(r *kgo.Record) {
			i := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "id" })
			if i < 0 {
				others++
				return
			}
			seen[string(r.Headers[i].Value)]++
		})
	}
	return seen
}
