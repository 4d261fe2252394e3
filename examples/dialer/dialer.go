package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a due record.
const (
	headerRetryID = "hangup-retry-id" // names the order, the same if it comes again
	headerAttempt = "hangup-attempt"  // number of the call to be made, the first call being 1
)

// order says to dial a number now.
type order struct {
	retryID string
	attempt int // from 2
	number  string
	key     []byte
	ended   time.Time // when the call that failed ended: the due record has its event's time
}

// dialFunc makes a call and returns when it is under way or over. The event is what is known of its end, nil if
// the provider will tell. After an error the order comes again.
type dialFunc func(ctx context.Context, o *order) (event []byte, err error)

type dialer struct {
	client *kgo.Client
	dial   dialFunc
	events string // topic for events of calls made; "": none
	seen   *recent
	budget *budget
	maxAge time.Duration // of the call that failed; 0: any
	late   int           // orders older than that so far
	now    func() time.Time
	out    io.Writer
}

// run dials until ctx ends.
func (d *dialer) run(ctx context.Context) error {
	for {
		const few = 10 // what is polled has to be dialled before a partition can be given away
		fetches := d.client.PollRecords(ctx, few)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop
		}
		if err := errors.Join(fetchErrors(fetches)...); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			if err := d.record(ctx, r); err != nil {
				return err
			}
		}
		d.client.AllowRebalance()
	}
}

func fetchErrors(fetches kgo.Fetches) (errs []error) {
	for _, e := range fetches.Errors() {
		errs = append(errs, fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err))
	}
	return errs
}

// record dials and then commits. If the process ends between the two the order comes again, and seen knows it,
// if it outlives the process: see recent.
func (d *dialer) record(ctx context.Context, r *kgo.Record) error {
	if err := d.order(ctx, r); err != nil {
		return fmt.Errorf("%s/%d, offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if err := d.client.CommitRecords(ctx, r); err != nil {
		return fmt.Errorf("commit %s/%d: %w", r.Topic, r.Partition, err)
	}
	return nil
}

func (d *dialer) order(ctx context.Context, r *kgo.Record) error {
	o, err := parse(r)
	switch {
	case err != nil: // nobody can be called, today or tomorrow
		return d.passOver(fmt.Sprintf("%s/%d, offset %d: %v", r.Topic, r.Partition, r.Offset, err))
	case d.seen.has(o.retryID):
		return d.passOver(o.retryID + ": dialled already")
	case d.tooLate(o):
		d.late++
		return d.passOver(fmt.Sprintf("%s: its call ended at %s, more than %s ago (%d such so far)", o.retryID, o.ended.UTC().Format(time.RFC3339), d.maxAge, d.late))
	case !d.budget.take(o.number, d.now()):
		return d.passOver(o.retryID + ": enough calls to " + o.number + " today")
	}
	event, err := d.dial(ctx, o)
	if err != nil {
		return fmt.Errorf("dial %s: %w", o.number, err)
	}
	d.seen.add(o.retryID)
	return d.handBack(ctx, o, event)
}

// tooLate looks at the age once more, which the loop has done for the last time when the order came due: if nobody
// dialled for days, nobody is to be called about what was days ago, and not about everything at once. Calling hours
// belong here as well. With message.timestamp.type=LogAppendTime on the due topic it would be the order's age.
func (d *dialer) tooLate(o *order) bool {
	return d.maxAge > 0 && d.now().Sub(o.ended) > d.maxAge
}

// passOver says why an order is not dialled. It is committed all the same.
func (d *dialer) passOver(why string) error {
	if _, err := fmt.Fprintln(d.out, "pass over "+why); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// handBack gives the filter the event of the call that was made. It has to say which attempt that was, or the
// filter could not count, and gives the call up if it fails: here by the header, as the due record had it.
// Where events are a provider's callbacks, the number travels with the call instead (in the callback's
// address, say) and whoever writes them to Kafka puts it into the event: "hangup_attempt": 2.
func (d *dialer) handBack(ctx context.Context, o *order, event []byte) error {
	if d.events == "" || event == nil {
		return nil
	}
	r := &kgo.Record{
		Topic: d.events, Key: o.key, Value: event, Timestamp: d.now(), // delays count from it
		Headers: []kgo.RecordHeader{{Key: headerAttempt, Value: []byte(strconv.Itoa(o.attempt))}},
	}
	if err := d.client.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("write to %s: %w", d.events, err)
	}
	return nil
}

func parse(r *kgo.Record) (*order, error) {
	o := &order{key: r.Key, ended: r.Timestamp}
	for _, h := range r.Headers {
		switch h.Key {
		case headerRetryID:
			o.retryID = string(h.Value)
		case headerAttempt:
			o.attempt, _ = strconv.Atoi(string(h.Value)) // 0 is refused below
		}
	}
	for _, path := range []string{"To", "to_number"} {
		if o.number == "" {
			o.number = gjson.GetBytes(r.Value, path).String()
		}
	}
	switch {
	case o.retryID == "":
		return nil, errors.New("no " + headerRetryID + ": not a record of the retry loop")
	case o.attempt < 2: //nolint:mnd // the first call is nobody's retry
		return nil, errors.New("no number from 2 in " + headerAttempt)
	case o.number == "":
		return nil, errors.New("no To or to_number in the event")
	}
	return o, nil
}
