package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

const (
	fetchWait      = 500 * time.Millisecond // an idle request
	fetchWaitShort = 10 * time.Millisecond  // while partitions are left out because their workers are behind
	fetchMaxBytes  = 2 << 20                // of one answer
	fetchBudget    = 4 * fetchMaxBytes      // of answers that workers are not done with
	leaderCheck    = 250 * time.Millisecond
	retryPause     = 100 * time.Millisecond
	doubtTimeout   = 3 * time.Second
	// replicaFor is how long a partition is read from its preferred replica before the
	// leader is asked again.
	replicaFor = 5 * time.Minute
)

// chunk is what one answer held of one partition; or, without an answer, a jump to another
// offset, which the worker makes in its turn.
type chunk struct {
	from     int64 // records below were asked for before: skipped
	turn     int   // the partition's turn at the time of asking; see refetch
	records  []byte
	aborted  []broker.AbortedTransaction
	response *broker.FetchResponse
}

// supervise keeps one fetcher running for each broker that there is something to read from.
func (s *session) supervise() {
	tick := time.NewTicker(retryPause)
	defer tick.Stop()
	for looked := time.Now(); ; {
		s.settleDoubts()
		if s.p.cfg.Role == Delay && time.Since(looked) > endsEvery {
			looked = time.Now()
			s.lookAtEnds()
		}
		layout, err := s.p.client.Layout(s.fetch)
		if err == nil {
			s.watchCounts(layout)
			s.mu.Lock()
			s.watchLeaders(layout)
			for node := range layout.Brokers {
				if _, ok := s.fetchers[node]; !ok {
					kick := make(chan struct{}, 1)
					s.fetchers[node] = kick
					s.fetching.Go(func() { s.fetchFrom(node, kick) })
				}
			}
			s.mu.Unlock()
		}
		select {
		case <-s.fetch.Done():
			return
		case <-tick.C:
		}
	}
}

// endsEvery is how often the delay role looks where its partitions end. Answers tell it too, but what is
// held is not fetched, and more may come to wait behind it.
const endsEvery = 5 * time.Second

func (s *session) lookAtEnds() {
	ctx, cancel := context.WithTimeout(s.fetch, doubtTimeout)
	defer cancel()
	ends, err := s.p.client.ListOffsets(ctx, s.a.Partitions, broker.Latest, s.p.cfg.ReadCommitted)
	if err != nil {
		return // the next look may tell
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for tp, end := range ends {
		s.parts[tp].highWater = max(s.parts[tp].highWater, end)
	}
}

// watchCounts notices partitions that are added while the filter runs.
func (s *session) watchCounts(layout protocol.Cluster) {
	for i, topic := range s.p.cfg.Topics {
		if n := len(layout.Topics[topic].Partitions); n > int(s.p.inputs[i]) {
			s.fail(s.grown(topic, i))
		}
	}
	for _, t := range s.p.allTargets() {
		if n := len(layout.Topics[t.topic].Partitions); n > len(t.queues) && !t.grown {
			t.grown = true
			s.p.log.Warn("topic has more partitions than at the start; they get nothing until all instances are restarted", zap.String("topic", t.topic), zap.Int("partitions", n), zap.Int("at_start", len(t.queues)))
		}
	}
}

// fetchFrom asks one broker for the partitions it leads, over and over.
func (s *session) fetchFrom(node int32, kick chan struct{}) {
	quiet := broker.NewQuiet(s.p.log)
	idle := time.NewTimer(leaderCheck)
	defer idle.Stop()
	for turn := 0; s.buffers.Wait(s.fetch); turn++ {
		req, pause := s.plan(node, turn)
		if len(req.Partitions) == 0 {
			idle.Reset(min(leaderCheck, pause))
			select {
			case <-s.fetch.Done():
			case <-kick:
			case <-idle.C:
			}
			continue
		}
		begun := time.Now()
		resp, err := s.p.client.Fetch(s.fetch, req, s.buffers)
		if err != nil {
			s.giveUp(req, begun)
			if s.fetch.Err() == nil {
				quiet.Warn("fetch failed, trying again", zap.Int32("broker", node), zap.Error(err))
				s.p.client.Refresh(s.fetch)
			}
			continue
		}
		s.p.Metrics.fetches.Observe(time.Since(begun).Seconds())
		stale := false
		for i := range resp.Results {
			stale = s.deliver(resp, &resp.Results[i], node, quiet) || stale
		}
		if len(resp.Results) < len(req.Partitions) {
			s.leftOut(req, resp, begun)
		}
		resp.Release()
		if stale {
			s.p.client.Refresh(s.fetch)
		}
	}
}

// plan makes the next request to a broker: its partitions whose workers have room and that need not wait;
// the first of those that do may be asked for after pause. The order rotates, because a broker fills
// its answer from the front.
func (s *session) plan(node int32, turn int) (req *broker.FetchRequest, pause time.Duration) {
	pause = fetchWait
	req = &broker.FetchRequest{
		Node: node, Rack: s.p.cfg.Rack, MaxWait: pause, MaxBytes: fetchMaxBytes, ReadCommitted: s.p.cfg.ReadCommitted,
	}
	layout, err := s.p.client.Layout(s.fetch)
	if err != nil {
		return req, pause
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.order {
		part := s.order[(i+turn)%len(s.order)]
		if part.asked || part.doubt || s.source(part, layout) != node {
			continue
		}
		if part.outstanding >= s.p.prefetch() {
			req.MaxWait = fetchWaitShort
			continue
		}
		if rest := part.retryAt.Sub(now); rest > 0 {
			pause = min(pause, rest)
			req.MaxWait = min(req.MaxWait, max(rest, fetchWaitShort))
			continue
		}
		part.asked, part.askedTurn, part.waiting = true, part.turn, 0
		req.Partitions = append(req.Partitions, broker.FetchPartition{TopicPartition: part.TopicPartition, Offset: part.next, MaxBytes: s.p.fetchBytes()})
	}
	return req, pause
}

// prefetch is how many chunks of a partition may wait or be worked on at once: for the filter one being
// worked on and one behind it, so that the worker need not wait. The delay role asks for no more before
// it knows how long the partition has to wait: the request would be out in vain, and the next late.
func (p *Pipeline) prefetch() int {
	if p.cfg.Role == Delay {
		return 1
	}
	return prefetch
}

// heldFetchBytes is asked of a partition by the delay role: it fetches what is held more than once.
const heldFetchBytes = 128 << 10

func (p *Pipeline) fetchBytes() int32 {
	if p.cfg.Role == Delay {
		return min(p.cfg.FetchBytes, heldFetchBytes)
	}
	return p.cfg.FetchBytes
}

// source is the broker to read a partition from: the preferred replica while there is
// one, else the leader.
func (s *session) source(part *partition, layout protocol.Cluster) int32 {
	if part.replica >= 0 {
		if _, ok := layout.Brokers[part.replica]; ok {
			return part.replica
		}
		part.replica = -1
	}
	return broker.Leader(layout, part.Topic, part.Partition)
}

// giveUp takes a failed request back.
func (s *session) giveUp(req *broker.FetchRequest, begun time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range req.Partitions {
		part := s.parts[p.TopicPartition]
		part.asked, part.replica, part.retryAt = false, -1, time.Now().Add(retryPause)
		part.fails(begun)
	}
}

// leftOut lets partitions be asked for again of which an answer says nothing. Apache Kafka tells something of each; others
// leave those out that come behind MaxBytes, and the next request begins with another.
func (s *session) leftOut(req *broker.FetchRequest, resp *broker.FetchResponse, begun time.Time) {
	answered := make(map[broker.TopicPartition]struct{}, len(resp.Results))
	for i := range resp.Results {
		answered[resp.Results[i].TopicPartition] = struct{}{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range req.Partitions {
		if _, ok := answered[p.TopicPartition]; ok {
			continue
		}
		part := s.parts[p.TopicPartition]
		part.asked = false
		part.fails(begun)
		if len(answered) == 0 {
			part.retryAt = time.Now().Add(retryPause)
		}
	}
}

// deliver hands one partition's part of an answer to its worker. It reports whether the
// metadata is out of date.
func (s *session) deliver(resp *broker.FetchResponse, r *broker.FetchResult, node int32, quiet *broker.Quiet) (stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part, ok := s.parts[r.TopicPartition]
	if !ok {
		return false
	}
	part.asked = false
	if part.askedTurn != part.turn {
		return false // asked for before the partition was set back
	}
	if r.Err != nil {
		part.replica, part.retryAt, part.doubt = -1, time.Now().Add(retryPause), true
		part.fails(time.Now())
		return s.fetchError(part, r, quiet)
	}
	part.failing = time.Time{}
	part.highWater = r.HighWatermark
	if s.p.cfg.ReadCommitted {
		part.highWater = r.LastStableOffset
	}
	if r.PreferredReplica >= 0 && r.PreferredReplica != node {
		part.replica = r.PreferredReplica
		time.AfterFunc(replicaFor, func() {
			s.mu.Lock()
			part.replica = -1
			s.mu.Unlock()
		})
		return false
	}
	next, whole, err := recordbatch.Skim(r.Records)
	if err != nil {
		s.fail(fmt.Errorf("read %s/%d at offset %d: %w", part.Topic, part.Partition, part.next, err))
		return false
	}
	if len(r.Records) > 0 && next <= part.next {
		s.getsNowhere(part, r, quiet)
		return false
	}
	part.nowhere = 0
	if whole == 0 {
		return false
	}
	s.p.Metrics.fetchedBytes.Add(float64(whole))
	resp.Retain()
	part.inbox <- &chunk{from: part.next, turn: part.turn, records: r.Records[:whole], aborted: r.Aborted, response: resp} // has room: see Pipeline.prefetch
	part.outstanding++
	part.next = next
	return false
}

// nowhereTries is how often in a row a partition may be answered with nothing that leads on, each after a pause:
// no broker does so, but one of another make might cut a batch off because others come before it.
const nowhereTries = 50

// getsNowhere decides about an answer that has bytes, and neither the offset that was asked for nor any behind it: a
// batch whose length says more than there is, or batches that lie before it. What follows them cannot be known, so
// there is nothing to skip to.
func (s *session) getsNowhere(part *partition, r *broker.FetchResult, quiet *broker.Quiet) {
	part.retryAt = time.Now().Add(retryPause)
	where := fmt.Sprintf("%s/%d", part.Topic, part.Partition)
	quiet.Warn("the broker's answer does not lead on, trying again", zap.String("partition", where), zap.Int64("offset", part.next), zap.Int("bytes", len(r.Records)))
	if part.nowhere++; part.nowhere >= nowhereTries {
		s.fail(fmt.Errorf("read %s: asked %d times for offset %d, the broker sends %d bytes that do not hold it: the log is damaged there (a batch's length is wrong), or what answers is no Kafka; set the group's offset behind it", where, nowhereTries, part.next, len(r.Records)))
	}
}

func (s *session) fetchError(part *partition, r *broker.FetchResult, quiet *broker.Quiet) (stale bool) {
	where := fmt.Sprintf("%s/%d", part.Topic, part.Partition)
	switch {
	case broker.IsOutOfRange(r.Err):
		s.fetching.Go(func() { s.reset(part, r.LogStartOffset) })
		part.asked = true // until reset has found where to go on
		return false
	case broker.IsTopicAuthorization(r.Err):
		s.fail(fmt.Errorf("read %s: %w (allow READ on topic %q for this user)", where, r.Err, part.Topic))
		return false
	case broker.IsLeadership(r.Err):
		quiet.Warn("partition cannot be read now, trying again", zap.String("partition", where), zap.Error(r.Err))
		return true
	default:
		quiet.Warn("fetch failed for a partition, trying again", zap.String("partition", where), zap.Error(r.Err))
		return true
	}
}

// settleDoubts looks, some time after an error, whether the topic is still the one that positions are
// of, and only then lets its partitions be fetched again. In one that was deleted and made anew
// a position would pass over records without a word, if the log happens to have it.
func (s *session) settleDoubts() {
	s.mu.Lock()
	var doubtful []*partition
	for _, part := range s.order {
		if part.doubt && !part.asked && time.Now().After(part.retryAt) {
			doubtful = append(doubtful, part)
		}
	}
	s.mu.Unlock()
	if len(doubtful) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(s.fetch, doubtTimeout)
	defer cancel()
	topics, _ := s.p.client.Topics(ctx, s.p.cfg.Topics) // those that it does not tell stay in doubt
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range doubtful {
		t, ok := topics[part.Topic]
		switch {
		case !ok:
		case t.ID != s.p.ids[part.Topic]:
			s.p.log.Warn("input topic was deleted and made anew; beginning at its start", zap.String("topic", part.Topic))
			s.fail(errRestart)
			return
		default:
			part.doubt = false
		}
	}
}

// reset goes on at the start or the end of a log that does not hold the next offset. It runs
// beside the fetchers, which wait for it.
func (s *session) reset(part *partition, logStart int64) {
	where := fmt.Sprintf("%s/%d", part.Topic, part.Partition)
	at := broker.Earliest
	switch s.p.cfg.OutOfRange {
	case Stop:
		s.fail(fmt.Errorf("read %s: offset %d is not in the log any more, which starts at %d: records were deleted before they were read, or the topic was made anew; choose with input.on_out_of_range: earliest or latest, or set the group's offset", where, part.next, logStart))
		return
	case ToLatest:
		at = broker.Latest
	case ToEarliest:
	}
	found, err := s.p.client.ListOffsets(s.fetch, []broker.TopicPartition{part.TopicPartition}, at, s.p.cfg.ReadCommitted)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.fail(fmt.Errorf("read %s: find where to go on: %w", where, err))
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p.log.Error("offset is not in the log any more: records may have been missed", zap.String("partition", where),
		zap.Int64("offset", part.next), zap.Int64("log_start", logStart), zap.Int64("going_on_at", found[part.TopicPartition]))
	s.p.Metrics.outOfRange.Inc()
	part.next, part.asked = found[part.TopicPartition], false
	part.outstanding++
	part.inbox <- &chunk{from: part.next, turn: part.turn} // has room: the request that failed was made because there was
}

// refetch sets a partition back to an offset, from some time on: what was fetched or asked for
// from there on is of an earlier turn and not used.
func (s *session) refetch(part *partition, offset int64, at time.Time) (turn int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part.turn++
	part.next, part.retryAt = offset, at
	return part.turn
}

// hold is refetch for a partition whose next record has to wait.
func (s *session) hold(part *partition, h hold, at time.Time) (turn int) {
	turn = s.refetch(part, h.offset, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	part.waiting = h.since
	s.kick() // a fetcher may be idle for longer than the partition has to wait
	return turn
}

// lookAgain has held partitions fetched now: other rules may let their heads go earlier.
func (s *session) lookAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range s.order {
		if part.waiting > 0 {
			part.retryAt = time.Now()
		}
	}
	s.kick()
}

func (s *session) kick() {
	for _, kick := range s.fetchers {
		select {
		case kick <- struct{}{}:
		default:
		}
	}
}

// finished tells the fetcher that a worker has room again.
func (s *session) finished(part *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part.outstanding--
	if part.outstanding == s.p.prefetch()-1 { // it may have been left out of a request
		s.kick()
	}
}
