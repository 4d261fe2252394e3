package traffic

import "time"

// Report is what went through a topic. Its JSON form is what `enricher catalog report -o json` prints. Lists are sorted, most
// frequent first.
type Report struct {
	Topic string     `json:"topic"`
	Since *time.Time `json:"since"` // as asked; null: from the start
	Until *time.Time `json:"until"` // as asked; null: to the end
	First *time.Time `json:"first"` // the earliest and the latest timestamp of an event; null without events
	Last  *time.Time `json:"last"`

	Revealed bool `json:"revealed,omitempty"` // numbers and addresses are not masked

	Events int64 `json:"events"`
	// WithObject, EnrichedHere and WithoutCause add up to Events.
	WithObject   int64 `json:"with_object"`   // enriched when they were written: what their object says is counted
	EnrichedHere int64 `json:"enriched_here"` // raw: what this configuration says of them is counted
	WithoutCause int64 `json:"without_cause"` // nothing to say: no code, malformed, tombstone

	Outcomes   []Count `json:"outcomes"`
	Malformed  []Count `json:"malformed"` // by reason
	Faults     []Count `json:"faults"`    // of events with a cause, as are the next two
	Retryable  []Count `json:"retryable"` // "yes", "no"
	Classes    []Count `json:"classes"`
	Directions []Count `json:"directions"` // of the event: outbound, inbound, unknown
	Catalogs   []Count `json:"catalogs"`   // that the objects name

	Codes   []Code    `json:"codes"`
	Unknown []Unknown `json:"unknown"`
	// MoreCodes and MoreUnknown are events whose code is in no list, since it is too long already.
	MoreCodes   int64 `json:"more_codes"`
	MoreUnknown int64 `json:"more_unknown"`

	BucketS int64    `json:"bucket_s"` // seconds
	Buckets []Bucket `json:"buckets"`
}

// Code is a code that the catalog has.
type Code struct {
	Code      int32   `json:"code"`
	Name      string  `json:"name"`
	Fault     string  `json:"fault"`
	Class     string  `json:"class"`
	Events    int64   `json:"events"`
	Share     float64 `json:"share"`     // of all events, 0 to 1
	Retryable int64   `json:"retryable"` // how many of them are to be dialled again
}

// Unknown is a code, or a name without one, that the catalog does not have.
type Unknown struct {
	Text   string  `json:"text"`   // the code or the name, masked
	Reason string  `json:"reason"` // unknown_code, bad_code, unknown_name
	Events int64   `json:"events"`
	Share  float64 `json:"share"`
	Sample string  `json:"sample"` // the first of them, masked and cut
}
