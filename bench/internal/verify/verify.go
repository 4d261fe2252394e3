// Package verify tells whether a contestant's output is what it should be: each record once, in
// its partition and place, byte for byte. What it should be is found by pkg/enrich while the
// input is made, and kept as two hashes for each record, so that a million records fit
// into a few megabytes and all of them can be compared, not a sample.
//
// It is for runs without a crash, where at_least_once must not repeat anything either.
package verify

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is what is compared of a record.
type Record struct {
	Key, Value  []byte // Value nil: a tombstone
	Headers     []Header
	TimestampMS int64
}

// mark stands for a record.
type mark struct{ key, all uint64 }

// hasher makes marks, all with one seed.
type hasher struct {
	seed maphash.Seed
	buf  []byte
}

func (h *hasher) mark(r *Record) mark {
	b := binary.AppendVarint(h.buf[:0], r.TimestampMS)
	b = field(b, r.Key, r.Key == nil)
	b = field(b, r.Value, r.Value == nil)
	for i := range r.Headers {
		b = field(b, []byte(r.Headers[i].Key), false)
		b = field(b, r.Headers[i].Value, r.Headers[i].Value == nil)
	}
	h.buf = b
	return mark{key: maphash.Bytes(h.seed, r.Key), all: maphash.Bytes(h.seed, b)}
}

// field appends b and its length, so that no two records read alike; what is missing has none.
func field(dst, b []byte, missing bool) []byte {
	if missing {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// Place is one of the two topics that a contestant writes.
type Place int

// The places.
const (
	Output Place = iota
	DeadLetter
	numPlaces
)

func (p Place) String() string { return [...]string{"output", "dead letter"}[p] }

// Expectation is what a contestant should write for one input topic.
type Expectation struct {
	hash hasher
	want [numPlaces][][]mark // by partition
	// normal takes out of a record what a contestant may add as it likes.
	normal func(Place, *Record)
	n      int64
}

// New makes an Expectation without records for a topic of so many partitions. normal may be nil; else it
// changes each record that was read before it is compared.
func New(partitions int, normal func(Place, *Record)) *Expectation {
	e := &Expectation{hash: hasher{seed: maphash.MakeSeed()}, normal: normal}
	for p := range e.want {
		e.want[p] = make([][]mark, partitions)
	}
	return e
}

// Add says that r comes next in a partition.
func (e *Expectation) Add(place Place, partition int32, r *Record) {
	e.want[place][partition] = append(e.want[place][partition], e.hash.mark(r))
	e.n++
}

// Len is the number of records in both places.
func (e *Expectation) Len() int64 { return e.n }

// Count is the number of records in one partition of a place.
func (e *Expectation) Count(place Place, partition int32) int { return len(e.want[place][partition]) }

// IsLast tells whether a record with this key is the last of its partition.
func (e *Expectation) IsLast(place Place, partition int32, key []byte) bool {
	want := e.want[place][partition]
	return len(want) > 0 && want[len(want)-1].key == maphash.Bytes(e.hash.seed, key)
}

// Check compares what was written with what should have been. It is not safe for concurrent use, nor may
// two Checks of an Expectation be in use at once.
type Check struct {
	e        *Expectation
	at       [numPlaces][]int // how many of each partition have come
	failures []error
	failed   int
}

// Begin begins a comparison.
func (e *Expectation) Begin() *Check {
	c := &Check{e: e}
	for p := range c.at {
		c.at[p] = make([]int, len(e.want[p]))
	}
	return c
}

// maxFailures is how many are described; the rest are only counted.
const maxFailures = 5

// hopeless is from how many failures on the others are not looked into any more: searching a million records for each
// of a million would take hours.
const hopeless = 1000

// Saw takes the next record of a partition. The record may be changed.
func (c *Check) Saw(place Place, partition int32, r *Record) {
	if partition < 0 || int(partition) >= len(c.at[place]) {
		c.fail("%s partition %d should not be there", place, partition)
		return
	}
	if c.e.normal != nil {
		c.e.normal(place, r)
	}
	got, at := c.e.hash.mark(r), c.at[place][partition]
	want := c.e.want[place][partition]
	if at < len(want) && want[at] == got {
		c.at[place][partition]++
		return
	}
	c.explain(place, partition, r, got, at)
}

// explain says in what way a record is not the one that was due, and goes on behind it.
func (c *Check) explain(place Place, partition int32, r *Record, got mark, at int) {
	want := c.e.want[place][partition]
	if c.failed >= hopeless {
		c.failed++
		c.at[place][partition] = min(at+1, len(want))
		return
	}
	switch found := index(want, at, got.key); {
	case found < 0:
		c.fail("%s partition %d: record %d, key %q, does not belong there", place, partition, at, r.Key)
	case found < at:
		c.fail("%s partition %d: record %d, key %q, is a duplicate of %d, or out of order", place, partition, at, r.Key, found)
	case found > at:
		c.fail("%s partition %d: record %d, key %q, comes in place of %d: %d are missing or out of order", place, partition, found, r.Key, at, found-at)
		c.at[place][partition] = found + 1
	default:
		c.fail("%s partition %d: record %d is not what it should be: key %q, time %d, headers %q, value %.2000q", place, partition, at, r.Key, r.TimestampMS, headers(r), r.Value)
		c.at[place][partition] = at + 1
	}
}

func headers(r *Record) []string {
	var all []string
	for _, h := range r.Headers {
		all = append(all, h.Key+": "+string(h.Value))
	}
	return all
}

// index finds a key, first where it is due.
func index(marks []mark, due int, key uint64) int {
	if due < len(marks) && marks[due].key == key {
		return due
	}
	for i := range marks {
		if marks[i].key == key {
			return i
		}
	}
	return -1
}

func (c *Check) fail(format string, args ...any) {
	if c.failed++; c.failed <= maxFailures {
		c.failures = append(c.failures, fmt.Errorf(format, args...))
	}
}

// End ends the comparison. It tells all that was wrong, that records are missing at the end too;
// nil: the output is what it should be.
func (c *Check) End() error {
	for place := range numPlaces {
		for partition, at := range c.at[place] {
			if missing := len(c.e.want[place][partition]) - at; missing > 0 {
				c.fail("%s partition %d: %d records are missing at the end", place, partition, missing)
			}
		}
	}
	if c.failed == 0 {
		return nil
	}
	return &Error{Failures: c.failures, Count: c.failed}
}

// Error is an output that is wrong.
type Error struct {
	Failures []error // the first few
	Count    int     // of all
}

func (e *Error) Error() string {
	return fmt.Sprintf("output is wrong in %d ways; the first: %v", e.Count, e.Failures[0])
}

// Unwrap returns the failures that are described.
func (e *Error) Unwrap() []error { return e.Failures }
