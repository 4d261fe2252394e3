package topic

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// kgo's consumer does not say that it has passed offsets without records. Behind a transactional producer or in
// a compacted topic the last ones are such, and a scan would wait for ever. So it sends its own fetches, and has kgo
// take the answers apart, which says where the next one begins.

const (
	partitionBytes = 1 << 20
	requestBytes   = 8 << 20
	// maxWaitMillis is how long a broker waits if it has nothing. It should have: a scan does not go beyond the end.
	maxWaitMillis = 500
	// emptyAtEnd is how often a broker has to say that there is nothing before the end. Once is not enough:
	// what is fetched from remote storage may come late.
	emptyAtEnd = 2
)

// answer is what one broker sent.
type answer struct {
	partitions []*partition // those asked for
	resp       *kmsg.FetchResponse
	err        error
}

// round asks every leader once and handles what they answer. It says whether any partition moved.
// Errors of one broker do not keep the others' records back.
func (s *scan) round(ctx context.Context) (bool, error) {
	byLeader := map[int32][]*partition{}
	for _, p := range s.partitions {
		byLeader[p.leader] = append(byLeader[p.leader], p)
	}

	answers := make(chan answer, len(byLeader))

	var group errgroup.Group

	for leader, partitions := range byLeader {
		group.Go(func() error {
			resp, err := s.ask(ctx, leader, partitions)
			answers <- answer{partitions, resp, err}

			return nil
		})
	}

	_ = group.Wait()

	close(answers)

	before := s.done

	var errs []error

	for a := range answers {
		err := a.err
		if err == nil {
			err = s.handle(ctx, &a)
		}

		errs = append(errs, err)
	}

	left := len(s.partitions)
	s.partitions = slices.DeleteFunc(s.partitions, func(p *partition) bool { return p.next >= p.end })

	// What a broker answers is filled from the front, so that the order has to change.
	if n := len(s.partitions); n > 1 {
		s.partitions = append(s.partitions[1:], s.partitions[0])
	}

	return s.done > before || len(s.partitions) < left, worst(errs)
}

// worst picks the error that ends the scan if there is one.
func worst(errs []error) error {
	for _, err := range errs {
		if err != nil && !retriable(err) {
			return err
		}
	}

	return errors.Join(errs...)
}

func (s *scan) ask(ctx context.Context, leader int32, partitions []*partition) (*kmsg.FetchResponse, error) {
	if leader < 0 {
		return nil, fmt.Errorf("partition %d: %w", partitions[0].number, kerr.LeaderNotAvailable)
	}

	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = maxWaitMillis, 1, requestBytes, s.isolationLevel()
	req.SessionEpoch = -1 // no session

	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = s.cfg.Topic, s.id

	for _, p := range partitions {
		fp := kmsg.NewFetchRequestTopicPartition()
		fp.Partition, fp.FetchOffset, fp.PartitionMaxBytes = p.number, p.next, s.chunk()
		t.Partitions = append(t.Partitions, fp)
	}

	req.Topics = append(req.Topics, t)

	resp, err := req.RequestWith(ctx, s.client.Broker(int(leader)))
	if err != nil {
		return nil, &brokerError{leader, err}
	}

	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, &brokerError{leader, err}
	}

	return resp, nil
}

// handle gives the records of an answer to the function.
func (s *scan) handle(ctx context.Context, a *answer) error {
	bytes := 0

	for t := range a.resp.Topics {
		for p := range a.resp.Topics[t].Partitions {
			bytes += len(a.resp.Topics[t].Partitions[p].RecordBatches)
		}
	}

	var errs []error

	for t := range a.resp.Topics {
		for i := range a.resp.Topics[t].Partitions {
			got := &a.resp.Topics[t].Partitions[i]

			at := slices.IndexFunc(a.partitions, func(p *partition) bool { return p.number == got.Partition })
			if at < 0 {
				continue
			}

			errs = append(errs, s.take(ctx, a.partitions[at], got, bytes == 0))
		}
	}

	return worst(errs)
}

// take handles one partition's part. That the whole answer is empty says that this partition's is not for
// want of room.
func (s *scan) take(ctx context.Context, p *partition, got *kmsg.FetchResponseTopicPartition, allEmpty bool) error {
	switch err := kerr.ErrorForCode(got.ErrorCode); {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return s.outOfRange(ctx, p)
	case errors.Is(err, kerr.TopicAuthorizationFailed): // Describe is enough to come this far
		return fmt.Errorf("this user may see it and not read it: allow READ on it: %w", err)
	case err != nil:
		return fmt.Errorf("partition %d, offset %d: %w", p.number, p.next, err)
	}

	if s.first {
		cutBehindFirst(got, p.next)
	}

	if e := cutCrowded(got, p.next); e != nil {
		return s.tooMuch(p, e)
	}

	parsed, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: p.next, IsolationLevel: s.isolation(), Topic: s.cfg.Topic, Partition: p.number,
	}, got, s.unpack, nil)

	for _, r := range parsed.Records {
		if r.Offset >= p.end || !s.wanted(r) {
			continue
		}

		if err := s.fn(r); err != nil {
			return &fnError{err}
		}

		if s.first {
			s.advance(p, p.end)

			return nil
		}
	}

	if e, ok := tooLarge(p.number, parsed.Err); ok {
		return s.tooMuch(p, e)
	}

	if parsed.Err != nil {
		return fmt.Errorf("partition %d, offset %d: %w", p.number, next, parsed.Err)
	}

	s.moveTo(p, next, got, allEmpty)

	return nil
}

// outOfRange goes on where the log begins now, if retention was faster than the scan: what is gone is gone. The
// answer to the fetch does not say where that is: Kafka puts -1 into it.
func (s *scan) outOfRange(ctx context.Context, p *partition) error {
	starts, err := offsetsOf(p.number)(kadm.NewClient(s.client).ListStartOffsets(ctx, s.cfg.Topic))
	if err != nil {
		return &brokerError{p.leader, fmt.Errorf("find the start of partition %d: %w", p.number, err)}
	}

	if starts[p.number] <= p.next {
		return fmt.Errorf("partition %d, offset %d: %w", p.number, p.next, kerr.OffsetOutOfRange)
	}

	s.advance(p, starts[p.number])

	return nil
}

// moveTo puts a partition behind what was parsed, or at its end if the broker has said often enough that there is
// nothing before it.
func (s *scan) moveTo(p *partition, next int64, got *kmsg.FetchResponseTopicPartition, allEmpty bool) {
	switch {
	case next > p.next:
		p.empty = 0
		s.advance(p, next)
	case allEmpty && readable(got) >= p.end:
		if p.empty++; p.empty >= emptyAtEnd {
			s.advance(p, p.end)
		}
	}
}

// readable is the offset that readers of what is committed may not reach. A new leader may have a lower one
// for a moment.
func readable(got *kmsg.FetchResponseTopicPartition) int64 {
	if got.LastStableOffset >= 0 {
		return got.LastStableOffset
	}

	return got.HighWatermark
}
