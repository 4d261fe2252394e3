package pipeline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/pkg/enrich"
)

// headerGaveUp says why a call is not dialled again, on the gave_up topic.
const headerGaveUp = "hangup-gave-up"

// reasonNotRetry is the reason of a dead letter that stood on a tier without being a retry.
const reasonNotRetry = "not_a_retry"

// delay holds the records of one partition of a tier until the tier's wait is over, and moves them
// on: to the next tier, to the due topic, or to where calls go that are given up.
type delay struct {
	*worker

	waitMS int64
	grant  retry.Grant // of the session's rail
	late   prometheus.Observer
	parser retry.Parser
	marks  []retry.Header
	add    []recordbatch.Header
	number []byte
	drops  []string // headers of a waiting record that another does not have, or has anew

	dueDrops []string // the same of a due one
}

// release implements handler.
func (d *delay) release() {
	d.parser = retry.Parser{}
	clear(d.add[:cap(d.add)])
	clear(d.marks[:cap(d.marks)])
}

func newDelay(w *worker) *delay {
	d := &delay{
		worker: w, late: w.p.Metrics.late.WithLabelValues(w.part.Topic),
		drops: append(retry.HeaderNames(), headerGaveUp), dueDrops: append(retry.HeaderNames(), headerGaveUp, headerAttempt),
	}
	for _, tier := range w.p.cfg.Retry.Loop.Tiers() {
		if tier.Topic == w.part.Topic {
			d.waitMS = tier.Wait.Milliseconds()
		}
	}
	return d
}

func (d *delay) record(rec *recordbatch.Record) (until int64, err error) {
	now := time.Now().UnixMilli()
	order, err := d.order(rec)
	if err != nil {
		if err := d.deadLetter(rec, reasonNotRetry, err.Error()); err != nil {
			return 0, err
		}
		d.tally.account.Retries++
		return 0, nil
	}
	// A time that is still to come is no time at which the record can have been written: its wait cannot be
	// told, and it must not hold up those behind it. The order says when it may be dialled.
	if over := rec.Timestamp + d.waitMS; rec.Timestamp <= now && over > now {
		return over, nil
	}
	if d.p.cancels.Cancelled(&order) {
		d.tally.account.Retries++
		d.tally.account.Cancelled++
		return 0, nil
	}
	way := d.rules.Retry.Loop.Release(now, &order)
	if way.Place == retry.ToDue {
		if wait := d.notYet(now); wait > 0 {
			return now + wait, nil
		}
	}
	if err := d.move(rec, &order, way, now); err != nil {
		return 0, err
	}
	d.tally.account.Retries++
	return 0, nil
}

// notYet is how long what is due has to wait all the same, in milliseconds: for cancel records that cannot be
// read, or for the rail.
func (d *delay) notYet(now int64) int64 {
	if d.p.cancelsBehind(now) > cancelsWithin.Milliseconds() {
		return time.Second.Milliseconds()
	}
	return d.s.railOf(d.rules).Take(&d.grant, now)
}

// order reads the headers that the filter wrote.
func (d *delay) order(rec *recordbatch.Record) (retry.Order, error) {
	d.parser = retry.Parser{}
	if err := recordbatch.EachHeader(rec.Headers, d.parser.Header); err != nil {
		return retry.Order{}, fmt.Errorf("read headers: %w", err)
	}
	return d.parser.Order()
}

// move writes the record to where it goes next.
func (d *delay) move(rec *recordbatch.Record, o *retry.Order, way retry.Decision, now int64) error {
	d.out = broker.Record{TimestampMS: o.FailedMS, Key: rec.Key, Value: [3][]byte{rec.Value}, Headers: rec.Headers, Drop: d.drops}
	d.add = d.add[:0]
	var t *target
	switch way.Place {
	case retry.ToTier:
		t = d.p.tiers[way.Tier]
		d.out.TimestampMS = now
		d.marks = o.AppendHeaders(d.marks[:0])
		for _, h := range d.marks {
			d.add = append(d.add, recordbatch.Header(h))
		}
	case retry.ToDue:
		t = d.p.output
		d.out.Drop = d.dueDrops
		d.number = strconv.AppendInt(d.number[:0], int64(o.Attempt)+1, 10)
		d.add = append(d.add, recordbatch.Header{Name: headerAttempt, Value: d.number}, recordbatch.Header{Name: headerRetryID, Value: o.ID})
	case retry.GaveUp:
		t = d.p.gaveUp
		d.add = append(d.add, recordbatch.Header{Name: headerGaveUp, Value: []byte(way.Reason)}, recordbatch.Header{Name: headerRetryID, Value: o.ID})
	}
	d.out.Add = d.add
	if size := broker.BatchSize(&d.out); size > t.maxRecord {
		return d.deadLetter(rec, string(enrich.OutputTooLarge), tooLarge(size, t.topic, t.maxRecord))
	}
	if err := d.append(t, rec, &d.out); err != nil {
		return err
	}
	switch way.Place {
	case retry.ToTier:
		d.tally.account.Moved++
	case retry.ToDue:
		d.tally.account.Output++
		d.late.Observe(float64(now-o.NotBeforeMS) / 1000)
		return nil
	case retry.GaveUp:
		d.tally.account.GaveUp++
	}
	d.tally.looped(way)
	return nil
}
