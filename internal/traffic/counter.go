// Package traffic counts what went through a topic: codes, faults, advice, outcomes, over time. It makes the report, and
// the page that shows it.
//
// It reads no topic, which is internal/topic, and prints no tables, which is internal/cli. What it keeps is bounded, however
// many events it is given. Of the events' own text it keeps samples, masked unless told otherwise.
package traffic

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

const (
	codeLimit    = 1000 // distinct codes
	unknownLimit = 100  // distinct unknown codes, each with a sample
)

// Counter counts events. It is for one goroutine.
type Counter struct {
	enricher *enrich.Enricher
	snap     *catalog.Snapshot
	show     privacy.Policy
	field    string // the object's key
	path     string // the same as a path

	rep         Report
	first, last int64
	outcomes    [enrich.NumOutcomes]int64
	retryable   [2]int64 // no, yes
	malformed   tally
	faults      tally
	classes     tally
	directions  tally
	catalogs    tally
	codes       map[int32]*Code
	unknown     map[unknownKey]*Unknown
	series      *series

	res enrich.Result
}

type unknownKey struct{ text, reason string }

// NewCounter makes a counter. Events without an object under field are enriched by e, from snap. The object that e
// writes should have all its members, so that it says what stood in the place of a code.
func NewCounter(e *enrich.Enricher, snap *catalog.Snapshot, field string, show privacy.Policy) *Counter {
	return &Counter{
		enricher: e, snap: snap, show: show, field: field, path: gjson.Escape(field),
		malformed: tally{}, faults: tally{}, classes: tally{}, directions: tally{}, catalogs: tally{},
		codes: map[int32]*Code{}, unknown: map[unknownKey]*Unknown{}, series: newSeries(),
	}
}

// finding is what an event says of its cause, or is said of it here.
type finding struct {
	outcome   enrich.Outcome
	reason    string // of an unknown code
	code      int32
	hasCode   bool
	raw       string // what stood where a code or a name should be
	name      string
	fault     string
	class     string
	retryable bool
}

// Add counts one event. Its bytes are not kept.
func (c *Counter) Add(rec *enrich.Record) {
	c.rep.Events++
	c.span(rec.TimestampMS)

	// This is done to enriched events as well: the object does not say the call's direction.
	c.enricher.Enrich(rec, &c.res)

	f := c.found()

	switch object := c.object(rec.Value); {
	case object.Exists():
		c.rep.WithObject++
		c.catalogs.add(object.Get("catalog").Str)
		f = c.said(&object)
	case c.res.Outcome == enrich.Enriched || c.res.Outcome == enrich.UnknownCode:
		c.rep.EnrichedHere++
	default:
		c.rep.WithoutCause++
	}

	c.count(&f, rec)
}

// object finds what was written into an event.
func (c *Counter) object(value []byte) gjson.Result {
	if c.res.Outcome == enrich.Malformed || c.res.Outcome == enrich.Tombstone {
		return gjson.Result{}
	}

	object := gjson.GetBytes(value, c.path)
	if !object.IsObject() || object.Get("catalog").Type != gjson.String {
		return gjson.Result{}
	}

	return object
}

// found is what the enricher found.
func (c *Counter) found() finding {
	r := &c.res
	f := finding{outcome: r.Outcome, reason: string(r.Reason), code: r.Code, hasCode: r.HasCode, retryable: r.Advice.Retryable}

	switch {
	case r.Entry != nil:
		f.name, f.fault, f.class = r.Entry.Name, string(r.Entry.Fault), string(r.Entry.Retry.Class)
	case r.Outcome == enrich.UnknownCode && !r.HasCode:
		object := gjson.GetBytes(r.AppendValue(nil), c.path)
		f.raw = rawText(&object)
	}

	return f
}

// said is what the object says. What it was told to leave out is looked up.
func (c *Counter) said(object *gjson.Result) finding {
	f := finding{
		outcome: enrich.Enriched, reason: object.Get("reason").Str, name: object.Get("name").Str, fault: object.Get("fault").Str,
		class: object.Get("retry.class").Str, retryable: object.Get("retry.retryable").Bool(), raw: rawText(object),
	}

	if code := object.Get("code"); code.Type == gjson.Number {
		if n := code.Int(); n >= 0 && n <= math.MaxInt32 {
			f.code, f.hasCode = int32(n), true
		} else {
			f.raw = code.Raw
		}
	}

	entry, known := c.snap.Lookup(f.code)
	known = known && f.hasCode

	if said := object.Get("known"); said.Exists() && !said.Bool() || !said.Exists() && !known || !f.hasCode {
		f.outcome = enrich.UnknownCode
		f.reason = cmp.Or(f.reason, string(enrich.CodeNotInCatalog))

		return f
	}

	if known {
		f.name, f.fault, f.class = cmp.Or(f.name, entry.Name), cmp.Or(f.fault, string(entry.Fault)), cmp.Or(f.class, string(entry.Retry.Class))
	}

	return f
}

func rawText(object *gjson.Result) string {
	return cmp.Or(object.Get("code_raw").Str, object.Get("name_raw").Str)
}

func (c *Counter) count(f *finding, rec *enrich.Record) {
	c.outcomes[f.outcome]++

	kind := KindOther

	switch f.outcome {
	case enrich.Enriched:
		kind = c.countCode(f)
	case enrich.UnknownCode:
		kind = KindUnknown
		c.countUnknown(f)
	case enrich.Malformed:
		c.malformed.add(f.reason)
	default:
	}

	if f.outcome != enrich.Malformed && f.outcome != enrich.Tombstone {
		c.directions.add(cmp.Or(string(c.res.Direction), "unknown"))
	}

	if f.outcome == enrich.Enriched || f.outcome == enrich.UnknownCode {
		if f.retryable {
			c.retryable[1]++
		} else {
			c.retryable[0]++
		}
	}

	c.series.add(rec.TimestampMS, kind)
}

func (c *Counter) countCode(f *finding) Kind {
	c.faults.add(cmp.Or(f.fault, "unknown"))
	c.classes.add(cmp.Or(f.class, "unknown"))

	code := c.codes[f.code]
	if code == nil && len(c.codes) < codeLimit {
		code = &Code{Code: f.code, Name: c.word(f.name), Fault: c.word(f.fault), Class: c.word(f.class)}
		c.codes[f.code] = code
	}

	if code == nil {
		c.rep.MoreCodes++
	} else {
		code.Events++

		if f.retryable {
			code.Retryable++
		}
	}

	switch {
	case f.retryable:
		return KindRetryable
	case f.fault == string(catalog.FaultSuccess) || f.fault == string(catalog.FaultNeutral):
		return KindOK
	default:
		return KindFailed
	}
}

// word is a text as it is shown, to be kept: one that is part of an event would keep all of it.
func (c *Counter) word(text string) string { return strings.Clone(c.show.Word(text)) }

func (c *Counter) countUnknown(f *finding) {
	c.faults.add("unknown")
	c.classes.add("unknown")

	text := f.raw
	if f.hasCode {
		text = strconv.Itoa(int(f.code))
	}

	key := unknownKey{c.show.Word(text), c.show.Word(f.reason)} // masked codes may fall together; a number in a code's place is no code
	u := c.unknown[key]

	if u == nil && len(c.unknown) < unknownLimit {
		key = unknownKey{strings.Clone(key.text), strings.Clone(key.reason)}
		u = &Unknown{Text: key.text, Reason: key.reason, Sample: c.show.Sample(c.res.AppendValue(nil), c.field)}
		c.unknown[key] = u
	}

	if u == nil {
		c.rep.MoreUnknown++

		return
	}

	u.Events++
}

func (c *Counter) span(ms int64) {
	if !timed(ms) {
		return
	}

	if c.first == 0 || ms < c.first {
		c.first = ms
	}

	c.last = max(c.last, ms)
}

// Report is what has been counted until now.
func (c *Counter) Report() *Report {
	rep := c.rep
	rep.Revealed = c.show.Reveal
	n := rep.Events

	if c.first > 0 {
		rep.First, rep.Last = new(time.UnixMilli(c.first).UTC()), new(time.UnixMilli(c.last).UTC())
	}

	rep.Outcomes = []Count{}
	for o, events := range c.outcomes {
		rep.Outcomes = append(rep.Outcomes, Count{enrich.Outcome(o).String(), events, share(events, n)})
	}

	rep.Retryable = []Count{{"yes", c.retryable[1], share(c.retryable[1], n)}, {"no", c.retryable[0], share(c.retryable[0], n)}}
	rep.Malformed, rep.Faults, rep.Classes = c.malformed.counts(n, c.show), c.faults.counts(n, c.show), c.classes.counts(n, c.show)
	rep.Directions, rep.Catalogs = c.directions.counts(n, c.show), c.catalogs.counts(n, c.show)
	rep.Codes, rep.Unknown = []Code{}, []Unknown{}

	for _, code := range c.codes {
		code.Share = share(code.Events, n)
		rep.Codes = append(rep.Codes, *code)
	}

	slices.SortFunc(rep.Codes, func(a, b Code) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Code, b.Code))
	})

	for _, u := range c.unknown {
		u.Share = share(u.Events, n)
		rep.Unknown = append(rep.Unknown, *u)
	}

	slices.SortFunc(rep.Unknown, func(a, b Unknown) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Text, b.Text), cmp.Compare(a.Reason, b.Reason))
	})

	rep.BucketS, rep.Buckets = c.series.width/1000, c.series.list()

	return &rep
}
