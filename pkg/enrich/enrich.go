package enrich

import (
	"errors"
	"fmt"
	"slices"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// Record is one raw event. Key, Value and HeaderAttempt are only read.
type Record struct {
	Key         []byte
	Value       []byte // nil: a tombstone
	TimestampMS int64  // milliseconds since the epoch; -1: none
	// HeaderAttempt is the value of the header that carries the attempt number, nil if absent.
	HeaderAttempt []byte
}

// Header is one header to add to the produced record.
type Header struct {
	Name  string
	Value []byte
}

// Result is what Enrich found. It may be reused: one Result for each goroutine.
// Its slices are valid until the next Enrich with the same Result, and as long
// as the record's bytes stay as they are. The zero Result is ready for use; a
// Result must not be copied.
type Result struct {
	Outcome Outcome
	// Reason says why an event is malformed, or why its code is unknown; ""
	// otherwise.
	Reason Reason
	// Detail is one line for people about a malformed event, with the byte
	// offset where one is known. It never contains bytes of the event.
	Detail string

	// Entry is the catalog's entry, nil unless Outcome is Enriched.
	Entry    *catalog.Entry
	Code     int32    // 0 to 2147483647; valid if HasCode
	HasCode  bool     // a code was found, or follows from the name
	Evidence Evidence // what Entry was found by

	Direction catalog.Direction // "" if missing or neither outbound nor inbound
	Answered  bool
	BLeg      bool
	Attempt   int // number of the call that just ended, from 1; 0 if malformed or a tombstone
	// AttemptEvidence says where Attempt is from; "" if malformed or a tombstone.
	AttemptEvidence AttemptEvidence
	CallID          []byte // nil if absent; text as it is after undoing escapes
	EventType       []byte // the same
	Advice          Advice

	// RetryID names the redial that is advised: 32 lower-case hex digits, the same whenever
	// and wherever the event is enriched. nil unless Advice.Retryable, and if nobody
	// wants it (see Options.RetryID).
	RetryID []byte

	// Replaced is true if something stood under the object's key already.
	Replaced bool
	// Value is the new value as the concatenation of three parts. With NoCode
	// from JSON it is the input; with Malformed it is empty; with Tombstone
	// all three are nil.
	Value [3][]byte
	// Headers are to be added, after those of DropHeaders have been removed.
	Headers []Header
	// DropHeaders names the headers to remove: all that the Enricher is asked for
	// if there is an object, since what an earlier enrichment said may not hold
	// any more, such as a time for a redial that is now refused; else none.
	DropHeaders []string

	scratch scratch
}

// Release lets go of the last event: nothing of r lies in its bytes any more, and r keeps no more memory for the next one than
// usual events need. A Result that is used for one event after the other need not be released between them.
func (r *Result) Release() {
	r.reset()
	clear(r.Headers[:cap(r.Headers)])

	s := &r.scratch
	if s.doc.Size()+cap(s.text)+cap(s.form)+cap(s.object)+cap(s.rest)+cap(s.codeText)+cap(s.retryID.event) > keptScratch {
		*s = scratch{}
	}
}

// keptScratch is how much memory a released Result keeps, in bytes. Events have some hundred to some thousand.
const keptScratch = 64 << 10

// Len is the length of the new value in bytes.
func (r *Result) Len() int { return len(r.Value[0]) + len(r.Value[1]) + len(r.Value[2]) }

// AppendValue appends the new value to dst.
func (r *Result) AppendValue(dst []byte) []byte {
	dst = append(dst, r.Value[0]...)
	dst = append(dst, r.Value[1]...)

	return append(dst, r.Value[2]...)
}

// Advice says what to do with this call now.
type Advice struct {
	Retryable   bool
	Class       catalog.Class // "" without an entry
	DelayS      int64         // whole seconds; 0 unless Retryable
	NotBeforeMS int64         // milliseconds since the epoch; -1 if not Retryable or the record has no timestamp
	Attempt     int           // number of the call that just ended, from 1
	MaxAttempts int           // 1 + the policy's retries; 0 if the policy names none
	Reason      AdviceReason  // the rule that decided
}

// Enricher finds the hangup cause in raw events and writes what the catalog
// knows about it into them. It never changes once made and is safe for
// concurrent use.
type Enricher struct {
	opt     Options
	snap    snapshot
	find    *finder
	plain   *formBytes
	rules   []rule
	headers []string // names of those that are wanted
	causes  causeTable
	// What is said of events whose cause nobody knows.
	unknownCode, badCode, unknownName *cause
	// separator is the length of what a template begins with: comma and key.
	separator int
	retryID   bool // somebody wants Result.RetryID
	call      bool // somebody wants what a Result says about the call
}

// snapshot is what an Enricher asks of a *catalog.Snapshot. Tests of rules bring entries that no catalog would take.
type snapshot interface {
	ID() string
	Entries() []catalog.Entry
	LookupName(name string) (*catalog.Entry, bool)
}

// scratch is memory that a Result keeps from one event to the next.
type scratch struct {
	doc       jsonscan.Doc
	cause     *cause
	raw       string // bad code or unknown name, cut
	text      []byte // texts with escapes undone
	form      []byte // a form body as JSON
	object    []byte // what is spliced in
	rest      []byte // see withoutRepeats
	codeText  []byte // code that is not in the catalog
	notBefore stamp  // Advice.NotBeforeMS
	retryID   retryID
}

// New makes an Enricher. It reports every mistake in opt at once.
func New(snap *catalog.Snapshot, opt Options) (*Enricher, error) {
	return newFrom(snap, opt)
}

func newFrom(snap snapshot, opt Options) (*Enricher, error) {
	opt = opt.clone()
	if opt.Format == "" {
		opt.Format = Auto
	}

	fields, errs := opt.check(snap)
	find, pathErrs := newFinder(&opt, true)

	if errs = append(errs, pathErrs...); len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrOptions, errors.Join(errs...))
	}

	e := &Enricher{
		opt: opt, snap: snap, find: find,
		plain:     newFormBytes(),
		rules:     rules(),
		headers:   opt.Headers,
		separator: len(",:") + len(appendQuoted(nil, opt.Field)),
	}

	if e.headers == nil {
		e.headers = HeaderNames()
	}

	e.retryID = opt.RetryID || fields[memberRetryID] || slices.Contains(e.headers, headerRetryID)

	e.unknownCode = e.newCause(nil, CodeNotInCatalog, fields)
	e.badCode = e.newCause(nil, BadCode, fields)
	e.unknownName = e.newCause(nil, UnknownName, fields)

	entries := snap.Entries()
	e.causes = newCauseTable(len(entries))

	for i := range entries {
		e.causes.put(e.newCause(&entries[i], "", fields))
	}

	if e.call = !opt.WrittenOnly || opt.RetryID || e.writesCall(); !e.call {
		e.find, _ = newFinder(&opt, false) // its mistakes are known
	}

	return e, nil
}

// Headers names the headers that are added, and removed where they stood before. Do not change it.
func (e *Enricher) Headers() []string { return e.headers }

// Enrich reads one event and fills res. What is wrong with an event is an
// outcome, never an error.
func (e *Enricher) Enrich(rec *Record, res *Result) {
	res.reset()

	if rec.Value == nil {
		res.Outcome = Tombstone

		return
	}

	v, ok := e.read(rec.Value, res)
	if !ok {
		return
	}

	ev := event{text: textOf(v.value[v.base:]), doc: &res.scratch.doc}
	if e.call {
		e.describe(&ev, rec, res)
	}

	if !e.identify(&ev, res) {
		res.Outcome = NoCode
		res.Value[0] = v.value

		return
	}

	if e.call {
		e.advise(rec, res)
	}

	if e.retryID && res.Advice.Retryable {
		res.identifyRetry(v)
	}

	out := res.scratch.cause.output(res)
	res.scratch.object = out.object.render(res.scratch.object[:0], res)
	splice(v, res.scratch.object, e.separator, res)
	out.headers.fill(res)
	res.DropHeaders = e.headers
}

// reset forgets the last event, and keeps the memory.
func (r *Result) reset() {
	r.Outcome, r.Reason, r.Detail = NoCode, "", ""
	r.Entry, r.Code, r.HasCode, r.Evidence = nil, 0, false, ""
	r.Direction, r.Answered, r.BLeg, r.Attempt = "", false, false, 0
	r.AttemptEvidence = ""
	r.CallID, r.EventType = nil, nil
	r.Advice, r.RetryID = Advice{NotBeforeMS: -1}, nil
	r.Replaced = false
	r.Value = [3][]byte{}
	r.Headers, r.DropHeaders = r.Headers[:0], nil
	r.scratch.cause, r.scratch.raw, r.scratch.text = nil, "", r.scratch.text[:0]
}
