package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ScanConfig says what to read.
type ScanConfig struct {
	Topic string
	// From are offsets to begin at, by partition. Where there is none, where the log begins behind it or Since
	// is later, it does not count. What lies before it is not fetched.
	From map[int32]int64
	// Since is the earliest timestamp of records wanted; zero: from the start of the topic.
	Since time.Time
	// Until is the first timestamp not wanted; zero: to the end of the topic when the scan
	// begins. A partition is read up to its first record of that time or later, so that one which
	// was written behind that record with an earlier timestamp is missed.
	Until time.Time
	// Progress is told after each fetch how far the scan is, in offsets: those passed, and
	// all that lie between start and end. Offsets of what transactions and compaction left behind count as
	// well, so done may be larger than the number of records. It may be nil.
	Progress func(done, total int64)
}

// Record is a record as kgo has it, for those who do not talk to brokers themselves.
type Record = kgo.Record

// ErrStop is what the function of a scan returns to end it without an error.
var ErrStop = errors.New("stop the scan")

// Scan gives each committed record of a topic's partitions to fn, those of one partition in order, in one
// goroutine. It ends where the topic ended when it began (before the first transaction that was open then), so
// that it does end while others write. An error of fn ends it and is returned; ErrStop ends it with nil.
//
// The client must not consume by itself. It may be used for other things meanwhile. A record and its bytes are
// fn's to keep.
//
// A missing topic is a *MissingTopicError, and a batch that would take too much memory a *BatchError. Brokers
// that do not answer are asked again until nothing has come for half a minute.
func Scan(ctx context.Context, client *kgo.Client, cfg ScanConfig, fn func(*Record) error) error {
	s := &scan{client: client, cfg: cfg, fn: fn, unpack: newUnpacker()}

	err := s.run(ctx)
	if err == nil || errors.Is(err, ErrStop) {
		return nil
	}

	return fmt.Errorf("read topic %q: %w", cfg.Topic, err)
}

// scan is one reading of a topic.
type scan struct {
	client *kgo.Client
	cfg    ScanConfig
	fn     func(*Record) error
	unpack *unpacker

	first       bool // as First does
	uncommitted bool

	id         [16]byte
	partitions []*partition // those that are not at their end
	done       int64        // offsets passed
	total      int64
}

// partition is where a scan is in one partition.
type partition struct {
	number int32
	leader int32
	next   int64 // the next offset to read
	end    int64 // the first offset not to read
	empty  int   // fetches in a row that had nothing although there should be something
}

func (s *scan) run(ctx context.Context) error {
	if err := s.bounds(ctx); err != nil {
		return err
	}

	s.report()

	patience := newPatience()

	for len(s.partitions) > 0 {
		moved, err := s.round(ctx)

		switch {
		case moved && err == nil:
			patience.reset()
		case ctx.Err() != nil:
			return ctx.Err() //nolint:wrapcheck // the caller names the topic
		case err != nil && !retriable(err):
			return err
		default:
			if err := patience.wait(ctx, err); err != nil {
				return err
			}

			if err := s.leaders(ctx); err != nil { // one that has moved is the usual reason
				return err
			}
		}

		s.report()
	}

	return nil
}

func (s *scan) report() {
	if s.cfg.Progress != nil {
		s.cfg.Progress(s.done, s.total)
	}
}

// advance moves a partition and counts what was passed.
func (s *scan) advance(p *partition, to int64) {
	to = min(to, p.end)
	if to > p.next {
		s.done += to - p.next
		p.next = to
	}
}

// wanted says whether a record is within the time asked for: behind the first record of a time
// earlier ones may follow.
func (s *scan) wanted(r *Record) bool {
	return (s.cfg.Since.IsZero() || !r.Timestamp.Before(s.cfg.Since.Truncate(time.Millisecond))) &&
		(s.cfg.Until.IsZero() || r.Timestamp.Before(s.cfg.Until))
}
