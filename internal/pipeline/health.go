package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/protocol"

	"github.com/callstream/enricher/internal/broker"
)

// State is where the pipeline is in its life.
type State int32

// The states.
const (
	Starting State = iota
	Joining
	Running
	Draining
	Stopped
)

// String is the state's name, in logs and health answers.
func (s State) String() string {
	return [...]string{"starting", "joining", "running", "draining", "stopped"}[s]
}

// Reason says why a state is not one of working.
func (s State) Reason() string {
	switch s {
	case Starting:
		return "checking topics and rights"
	case Joining:
		return "waiting for the group to assign partitions"
	case Draining:
		return "finishing what is in flight"
	case Stopped:
		return "stopped"
	case Running:
	}
	return ""
}

// State tells where the pipeline is in its life.
func (p *Pipeline) State() State { return State(p.state.Load()) }

// Unready says why the pipeline does not do its work now; "" if it does. Idle is ready, and so is a member of the group
// that has no partitions. What is not committed, or cannot be read, counts once it has lasted for as long as the group
// waits for a silent member (SessionTimeout): a broker that is replaced is no news.
func (p *Pipeline) Unready(now time.Time) string {
	s := p.current.Load()
	if state := p.State(); state != Running || s == nil {
		return state.Reason()
	}
	limit := p.cfg.SessionTimeout
	if age := now.Sub(time.UnixMilli(p.settled.Load())); p.settled.Load() > 0 && age > limit+p.cfg.CommitInterval {
		why := "the commit does not come through"
		if topics := p.producer.Unacknowledged(); len(topics) > 0 {
			why = "not acknowledged on " + strings.Join(topics, ", ")
		}
		return fmt.Sprintf("what was processed has not been committed for %v: %s", age.Round(time.Second), why)
	}
	return s.unreadable(now, limit)
}

// unreadable says which partitions have not been answered for longer than the limit.
func (s *session) unreadable(now time.Time, limit time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, first, longest := 0, "", time.Duration(0)
	for _, part := range s.order {
		for _, since := range []time.Time{part.failing, part.leaderless} {
			if age := now.Sub(since); !since.IsZero() && age > limit {
				if n++; first == "" {
					first = fmt.Sprintf("%s/%d", part.Topic, part.Partition)
				}
				longest = max(longest, age)
				break
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d partitions cannot be read for %v, among them %s", n, len(s.order), longest.Round(time.Second), first)
}

// fails notes since when a partition cannot be read.
func (part *partition) fails(since time.Time) {
	if part.failing.IsZero() {
		part.failing = since
	}
}

// watchLeaders notes which partitions nobody can be asked for. With session.mu.
func (s *session) watchLeaders(layout protocol.Cluster) {
	for _, part := range s.order {
		switch {
		case broker.Leader(layout, part.Topic, part.Partition) >= 0:
			part.leaderless = time.Time{}
		case part.leaderless.IsZero():
			part.leaderless = time.Now()
		}
	}
}

// transaction is nil without transactions, and before they have begun.
func (p *Pipeline) transaction() *broker.Transaction {
	select {
	case <-p.prepared:
		return p.txn
	default:
		return nil
	}
}

// wedgedAfter is how long a worker may be at one batch without waiting for a broker. A batch takes milliseconds.
const wedgedAfter = time.Minute

// stuck is which workers were at which batch when somebody looked.
type stuck struct {
	mu   sync.Mutex
	seen map[*partition]glance
}

type glance struct {
	step int64
	at   time.Time
}

// Wedged says why only a restart can help; "" if nothing is known to be wrong. It compares with what it saw when it was
// called before, so it has to be called again and again, as probes do. What brokers do or fail to do is no reason.
func (p *Pipeline) Wedged(now time.Time) string {
	s := p.current.Load()
	if s == nil {
		return ""
	}
	p.stuck.mu.Lock()
	defer p.stuck.mu.Unlock()
	before := p.stuck.seen
	p.stuck.seen = map[*partition]glance{}
	if p.producer.Waiting() > 0 {
		return "" // for room that a broker makes; others may wait behind a cut for those
	}
	for _, part := range s.order {
		step := part.steps.Load()
		if step%2 == 0 {
			continue
		}
		g, ok := before[part]
		if !ok || g.step != step {
			g = glance{step, now}
		}
		p.stuck.seen[part] = g
		if age := now.Sub(g.at); age > wedgedAfter {
			return fmt.Sprintf("a worker has been at one batch of %s/%d for %v: send SIGQUIT for its stack, and report it", part.Topic, part.Partition, age.Round(time.Second))
		}
	}
	return ""
}
