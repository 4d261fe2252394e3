package pipeline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/pkg/enrich"
)

// filter enriches and routes the events of one partition.
type filter struct {
	*worker

	attempt recordbatch.HeaderNames
	raw     enrich.Record
	result  enrich.Result
	matched []int // routes that the event goes to
	add     []recordbatch.Header

	// Of an event that enters the retry loop.
	order  retry.Order
	way    retry.Decision
	redial broker.Record
	value  []byte
	marks  []retry.Header
	extra  []recordbatch.Header
	drop   []string
	dropOf *rules // that drop was made for
}

// record takes one raw event to the one place it belongs, and its copies to the routes and the retry loop.
func (f *filter) record(rec *recordbatch.Record) (until int64, err error) {
	f.raw = enrich.Record{Key: rec.Key, Value: rec.Value, TimestampMS: rec.Timestamp}
	if rec.Names&f.attempt != 0 {
		f.raw.HeaderAttempt = attemptHeader(rec.Headers)
	}
	if len(rec.Value) > usualEvent {
		if t := f.roomiest(); len(rec.Value) > t.maxRecord {
			return 0, f.unread(rec, t)
		}
	}
	f.rules.Enricher.Enrich(&f.raw, &f.result)
	f.outgoing(rec)
	if err := f.place(rec); err != nil {
		return 0, err // not counted: it went nowhere, and comes again
	}
	f.tally.event(&f.result)
	if f.result.Outcome == enrich.UnknownCode {
		f.p.samples.take(&f.result)
	}
	return 0, nil
}

// usualEvent is beyond what any event has, in bytes. A longer one that no topic takes is not read, for which it might take its
// size several times: a few kilobytes that unpack to sixty megabytes would end the process, and the next one too.
const usualEvent = 4 << 20

// roomiest is the topic that takes the largest records, of those that events go to.
func (f *filter) roomiest() *target {
	most := f.p.output
	for _, t := range f.rules.routes {
		if t.maxRecord > most.maxRecord {
			most = t
		}
	}
	return most
}

// unread puts an event aside that no topic takes.
func (f *filter) unread(rec *recordbatch.Record, most *target) error {
	f.result.Release()
	f.result.Outcome, f.result.Reason = enrich.Malformed, enrich.OutputTooLarge
	why := fmt.Sprintf("%d bytes; topic %q takes %d (max.message.bytes), and no topic takes more", len(rec.Value), most.topic, most.maxRecord)
	if err := f.deadLetter(rec, string(enrich.OutputTooLarge), why); err != nil {
		return err
	}
	f.tally.event(&f.result)
	return nil
}

// release implements handler.
func (f *filter) release() {
	f.result.Release()
	f.raw, f.order, f.redial = enrich.Record{}, retry.Order{}, broker.Record{}
	clear(f.add[:cap(f.add)])
	clear(f.extra[:cap(f.extra)])
	clear(f.marks[:cap(f.marks)])
	if cap(f.value) > usualValue {
		f.value = nil
	}
}

// usualValue is how long a value may be, in bytes, for its memory to be kept.
const usualValue = 64 << 10

// outgoing fills out from the record and what became of it.
func (f *filter) outgoing(rec *recordbatch.Record) {
	f.out = broker.Record{TimestampMS: rec.Timestamp, Key: rec.Key, Value: f.result.Value, Headers: rec.Headers}
	if f.result.Outcome == enrich.Malformed {
		f.out.Value = [3][]byte{rec.Value} // for routes of malformed events: as it came
	}
	f.add = f.add[:0]
	for _, h := range f.result.Headers {
		f.add = append(f.add, recordbatch.Header{Name: h.Name, Value: h.Value})
	}
	f.out.Add = f.add
	if rec.Names&f.rules.added != 0 {
		f.out.Drop = f.result.DropHeaders
	}
}

// place hands the event to where it belongs.
func (f *filter) place(rec *recordbatch.Record) error {
	res := &f.result
	limit, limiting := math.MaxInt, ""
	toOutput := res.Outcome != enrich.Malformed && !f.rules.Drop[res.Outcome]
	if toOutput {
		limit, limiting = f.p.output.maxRecord, f.p.output.topic
	}
	f.matched = f.matched[:0]
	for i, t := range f.rules.routes {
		if f.rules.Routes[i].Match.Matches(res) {
			f.matched = append(f.matched, i)
			if t.maxRecord < limit {
				limit, limiting = t.maxRecord, t.topic
			}
		}
	}
	if size := broker.BatchSize(&f.out); size > limit {
		return f.deadLetter(rec, string(enrich.OutputTooLarge), tooLarge(size, limiting, limit))
	}
	if t := f.loop(rec); t != nil {
		if size := broker.BatchSize(&f.redial); size > t.maxRecord {
			return f.deadLetter(rec, string(enrich.OutputTooLarge), tooLarge(size, t.topic, t.maxRecord))
		}
		if err := f.enter(t, rec); err != nil {
			return err
		}
	}
	for _, i := range f.matched {
		if err := f.append(f.rules.routes[i], rec, &f.out); err != nil {
			return err
		}
		f.tally.routes[i]++
	}
	switch {
	case toOutput:
		if err := f.append(f.p.output, rec, &f.out); err != nil {
			return err
		}
		f.tally.account.Output++
		return nil
	case res.Outcome == enrich.Malformed:
		return f.deadLetter(rec, string(res.Reason), res.Detail)
	default:
		f.tally.account.Filtered++
		return nil
	}
}

func tooLarge(size int, topic string, limit int) string {
	return fmt.Sprintf("%d bytes with what was added; topic %q takes %d (max.message.bytes)", size, topic, limit)
}

// loop decides whether the event begins a wait for a redial, or is given up, and prepares the copy
// that says so. It returns where that goes, or nil.
func (f *filter) loop(rec *recordbatch.Record) *target {
	cfg, advice := f.rules.Retry, &f.result.Advice
	if cfg == nil || !advice.Retryable && advice.Reason != enrich.AdviseAttemptsExhausted {
		return nil
	}
	now := time.Now().UnixMilli()
	o := &f.order
	*o = retry.Order{
		FailedMS: rec.Timestamp, NotBeforeMS: advice.NotBeforeMS, Attempt: advice.Attempt,
		Assumed: f.result.AttemptEvidence == enrich.AttemptAssumed, ID: f.result.RetryID,
	}
	if o.NotBeforeMS < 0 {
		o.NotBeforeMS = now + 1000*advice.DelayS
	}
	f.way = retry.Decision{Place: retry.GaveUp, Reason: retry.AttemptsExhausted}
	if advice.Retryable {
		f.value = f.result.AppendValue(f.value[:0])
		cfg.Fields.Fill(o, f.value)
		f.way = cfg.Loop.Enter(now, o)
	}
	f.redial = f.out
	f.redial.Drop = f.loopDrops()
	if f.way.Place == retry.GaveUp {
		f.extra = append(append(f.extra[:0], f.add...), recordbatch.Header{Name: headerGaveUp, Value: []byte(f.way.Reason)})
		if o.ID != nil && !slices.ContainsFunc(f.add, func(h recordbatch.Header) bool { return h.Name == headerRetryID }) {
			f.extra = append(f.extra, recordbatch.Header{Name: headerRetryID, Value: o.ID})
		}
		f.redial.Add = f.extra
		return f.p.gaveUp
	}
	f.redial.Add = f.loopHeaders()
	f.redial.TimestampMS = now // a tier's wait counts from its record's own timestamp
	return f.p.tiers[f.way.Tier]
}

// loopHeaders are those of the event and those of the order. The id is among both.
func (f *filter) loopHeaders() []recordbatch.Header {
	f.extra = f.extra[:0]
	for _, h := range f.add {
		if h.Name != headerRetryID {
			f.extra = append(f.extra, h)
		}
	}
	f.marks = f.order.AppendHeaders(f.marks[:0])
	for _, h := range f.marks {
		f.extra = append(f.extra, recordbatch.Header(h))
	}
	return f.extra
}

// loopDrops are the headers that a copy for the loop must not have from before.
func (f *filter) loopDrops() []string {
	if f.dropOf != f.rules {
		f.dropOf, f.drop = f.rules, append(append([]string{headerGaveUp}, retry.HeaderNames()...), f.result.DropHeaders...)
	}
	return f.drop
}

// enter hands over what loop has prepared.
func (f *filter) enter(t *target, rec *recordbatch.Record) error {
	if err := f.append(t, rec, &f.redial); err != nil {
		return err
	}
	f.tally.looped(f.way)
	return nil
}
