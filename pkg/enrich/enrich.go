package enrich

import "github.com/callstream/enricher/pkg/catalog"

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
	Attempt   int    // number of the call that just ended, from 1; 0 unless Enriched or UnknownCode
	CallID    []byte // nil if absent; text as it is after undoing escapes
	EventType []byte // the same
	Advice    Advice

	// Replaced is true if something stood under the object's key already.
	Replaced bool
	// Value is the new value as the concatenation of three parts. With NoCode
	// from JSON it is the input; with Malformed it is empty; with Tombstone
	// all three are nil.
	Value [3][]byte
	// Headers are to be added, after headers of the same names have been removed.
	Headers []Header

	scratch scratch
}

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
	opt  Options
	snap *catalog.Snapshot
}

type scratch struct{}

// New makes an Enricher. It reports every mistake in opt at once.
func New(snap *catalog.Snapshot, opt Options) (*Enricher, error) {
	return &Enricher{opt: opt, snap: snap}, nil
}

// Enrich reads one event and fills res. What is wrong with an event is an
// outcome, never an error.
func (e *Enricher) Enrich(rec *Record, res *Result) { panic("TODO") }
