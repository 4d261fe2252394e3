package traffic

import (
	"slices"
	"time"
)

// Kind is what the chart over time tells apart.
type Kind int

// The kinds, as they are stacked from below.
const (
	KindOK        Kind = iota // ended as it should: fault success or neutral
	KindRetryable             // to be dialled again
	KindFailed                // failed, and is not dialled again
	KindUnknown               // a code that the catalog does not have
	KindOther                 // no code, malformed, tombstone
	numKinds
)

// Bucket is the events of a span of time, by their record's timestamp.
type Bucket struct {
	From      time.Time `json:"from"`
	Events    int64     `json:"events"`
	OK        int64     `json:"ok"`        // fault success or neutral
	Retryable int64     `json:"retryable"` // to be dialled again
	Failed    int64     `json:"failed"`    // failed, and is not dialled again
	Unknown   int64     `json:"unknown"`   // a code that the catalog does not have
	Other     int64     `json:"other"`     // no code, malformed, tombstone
}

// Of lists the counts by kind.
func (b *Bucket) Of() [numKinds]int64 {
	return [numKinds]int64{b.OK, b.Retryable, b.Failed, b.Unknown, b.Other}
}

// maxBuckets bounds how many spans of time there are, whatever the time between first and last.
const maxBuckets = 120

// widths are those of a bucket, in milliseconds. Each is a multiple of the one before, so that buckets can be put together.
func widths() []int64 {
	const second, minute, hour, day = 1000, 60_000, 3_600_000, 86_400_000

	return []int64{
		second, 5 * second, 15 * second, minute, 5 * minute, 15 * minute, hour, 3 * hour, 6 * hour, day, 7 * day, 28 * day, 364 * day,
	}
}

// series counts over time without knowing before how long that is: when it is too long for the buckets, they get wider.
type series struct {
	widths  []int64
	width   int64
	buckets map[int64]*[numKinds]int64 // by number, which is the time divided by the width
	min     int64
	max     int64
}

func newSeries() *series {
	w := widths()

	return &series{widths: w[1:], width: w[0], buckets: map[int64]*[numKinds]int64{}}
}

// lastMS is the last millisecond that has a date of four digits. Timestamps beyond are usually microseconds.
const lastMS = 253_402_300_799_999

// timed says whether a timestamp is one.
func timed(ms int64) bool { return ms > 0 && ms <= lastMS }

// add counts an event; ms is its timestamp. Those without one are left out.
func (s *series) add(ms int64, kind Kind) {
	if !timed(ms) {
		return
	}

	n := ms / s.width
	if len(s.buckets) == 0 {
		s.min, s.max = n, n
	}

	s.min, s.max = min(s.min, n), max(s.max, n)
	s.put(n)[kind]++

	for s.max-s.min >= maxBuckets {
		s.widen()
	}
}

func (s *series) put(n int64) *[numKinds]int64 {
	b := s.buckets[n]
	if b == nil {
		b = new([numKinds]int64)
		s.buckets[n] = b
	}

	return b
}

func (s *series) widen() {
	factor := int64(10)
	if len(s.widths) > 0 {
		factor = s.widths[0] / s.width
		s.widths = s.widths[1:]
	}

	old := s.buckets
	s.width, s.min, s.max = s.width*factor, s.min/factor, s.max/factor
	s.buckets = make(map[int64]*[numKinds]int64, len(old))

	for n, counts := range old {
		to := s.put(n / factor)
		for kind, c := range counts {
			to[kind] += c
		}
	}
}

// list gives all buckets from first to last, empty ones too.
func (s *series) list() []Bucket {
	list := []Bucket{}
	if len(s.buckets) == 0 {
		return list
	}

	for n := s.min; n <= s.max; n++ {
		b := Bucket{From: time.UnixMilli(n * s.width).UTC()}

		if c := s.buckets[n]; c != nil {
			b.OK, b.Retryable, b.Failed, b.Unknown, b.Other = c[KindOK], c[KindRetryable], c[KindFailed], c[KindUnknown], c[KindOther]
			b.Events = b.OK + b.Retryable + b.Failed + b.Unknown + b.Other
		}

		list = append(list, b)
	}

	return slices.Clip(list)
}
