package enrich

import "github.com/callstream/enricher/pkg/catalog"

// Outcome says what became of one event. The set is closed.
type Outcome uint8

// The outcomes.
const (
	Enriched Outcome = iota
	UnknownCode
	NoCode
	Malformed
	Tombstone
	NumOutcomes = iota
)

// Record is one raw event. Key, Value and the headers are only read.
type Record struct {
	Key         []byte
	Value       []byte // nil: a tombstone
	TimestampMS int64  // milliseconds since the epoch; -1: none
	// HeaderAttempt is the value of the header that carries the attempt number, nil if absent.
	HeaderAttempt []byte
}

// Result is what Enrich found. It may be reused: one Result for each goroutine.
// Its slices are valid until the next Enrich with the same Result, and as long
// as the record's bytes stay.
type Result struct {
	Outcome  Outcome
	Reason   Reason         // why malformed, or why unknown; "" otherwise
	Entry    *catalog.Entry // nil unless Outcome is Enriched
	Code     int32          // valid if HasCode
	HasCode  bool
	Advice   Advice
	Replaced bool // an object stood under the key already
	// Value is the new value as the concatenation of three parts; with NoCode from
	// JSON it is the input. With Malformed it is empty, with Tombstone all nil.
	Value [3][]byte
	// Headers are to be added, after headers of the same names have been removed.
	Headers []Header
}
