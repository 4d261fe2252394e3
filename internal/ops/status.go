package ops

import "time"

// Source knows what the page shows. Its methods are called from several goroutines.
type Source interface {
	// Status is how the process is at this moment. What the page works out itself is left zero.
	Status() *Status
	// Search finds entries of the catalog; the empty query finds all.
	Search(query string) []Entry
	// Explain says how an event comes by its advice. The event is not kept.
	Explain(event []byte) Explanation
	// Config is the configuration as YAML, secrets masked.
	Config() ([]byte, error)
}

// Status is how a process is at one moment. All figures count from its start, but for rates and
// latencies, which are those of the last WindowS seconds.
type Status struct {
	At         time.Time `json:"at"`
	Started    time.Time `json:"started"`
	Version    string    `json:"version"`
	Go         string    `json:"go"`
	Catalog    string    `json:"catalog"` // its id
	Ready      Health    `json:"ready"`
	Reload     *Reload   `json:"reload,omitempty"` // nil: the configuration is as it was at the start
	Roles      []Role    `json:"roles"`            // the same ones in the same order as long as the process runs
	Faults     []Count   `json:"faults"`
	Codes      []Code    `json:"codes"`       // by falling count
	OtherCodes int64     `json:"other_codes"` // events whose codes are too many to be counted apart, or may be phone numbers
	Routes     []Count   `json:"routes"`
	Retry      *Retry    `json:"retry,omitempty"` // nil: no retry loop
	WindowS    float64   `json:"window_s"`        // worked out by the page
}

// Count is how many of something there were, and how many came each second lately.
type Count struct {
	Name string  `json:"name"`
	N    int64   `json:"count"`
	PerS float64 `json:"per_s"` // worked out by the page
}

// Role is one pipeline of the process.
type Role struct {
	Name        string      `json:"role"`
	State       string      `json:"state"`
	Reason      string      `json:"reason,omitempty"` // why it does not work
	Group       string      `json:"group"`
	Ledger      string      `json:"ledger"` // where what came in went, as one line
	Events      Count       `json:"events"`
	Became      []Count     `json:"became"`       // what became of them; always the same names in the same order
	Places      []Count     `json:"places"`       // where they went
	DeadLetters []Count     `json:"dead_letters"` // by reason
	Abandoned   int64       `json:"abandoned"`    // given up unacknowledged; their input is processed again
	Partitions  []Partition `json:"partitions"`
	Commits     Latency     `json:"commits"`
}

// Partition is one owned input partition.
type Partition struct {
	Topic  string  `json:"topic"`
	Number int32   `json:"partition"`
	Lag    *int64  `json:"lag"` // records; nil: not known yet
	Events int64   `json:"events"`
	PerS   float64 `json:"per_s"` // worked out by the page
}

// Latency is how long something took.
type Latency struct {
	Count uint64   `json:"count"` // since the start
	P50   *float64 `json:"p50_s"` // seconds; this and P99 are worked out by the page, nil: there was none
	P99   *float64 `json:"p99_s"`

	Times Histogram `json:"-"`
}

// Code is one hangup-cause code that was seen.
type Code struct {
	Code      int32      `json:"code"`
	Name      string     `json:"name,omitempty"` // "": not in the catalog
	Fault     string     `json:"fault,omitempty"`
	Class     string     `json:"class,omitempty"` // retry class
	Auto      string     `json:"auto,omitempty"`  // whether a machine may redial; "": as opt_in where that decides
	Retryable bool       `json:"retryable"`       // by the catalog's policy; single calls may not be
	N         int64      `json:"count"`
	LastSeen  *time.Time `json:"last_seen,omitempty"` // of codes without an entry; worked out by the page, to ten seconds if nobody looked
	Sample    string     `json:"sample,omitempty"`    // of those, the first event as it may be shown
}

// Retry is the retry loop, as far as this process sees it.
type Retry struct {
	Tiers     []Tier  `json:"tiers"`
	GaveUp    []Count `json:"gave_up"` // by reason
	Due       *int64  `json:"due"`     // nil: known to the delay role alone, which is another process
	Cancelled *int64  `json:"cancelled"`
}

// Tier is one delay topic. What is nil is known to the delay role alone.
type Tier struct {
	Topic   string     `json:"topic"`
	WaitS   float64    `json:"wait_s"`
	Entered int64      `json:"entered"`
	Waiting *int64     `json:"waiting"`  // records, markers of transactions among them
	OldestS *int64     `json:"oldest_s"` // how long the oldest has waited; nil also if none waits
	Due     *int64     `json:"due"`      // came due from this tier
	LateP99 *float64   `json:"late_p99_s"`
	Late    *Histogram `json:"-"`
}

// Entry is one entry of the catalog.
type Entry struct {
	Code      int32
	Name      string
	Summary   string
	Fault     string
	Class     string
	Auto      string // as in Code
	Retryable bool   // by its policy
	Exact     bool   // the query is its code or name
	Fields    []Field
	Data      any // what /api/catalog shows
}

// Field is one thing that an entry says.
type Field struct{ Name, Text string }

// Explanation says how an event came by its advice.
type Explanation struct {
	Event string // as it may be shown
	Text  string // of several lines
	Data  any    // what /api/explain shows
}

// Histogram counts durations.
type Histogram struct {
	Bounds []float64 // seconds, ascending
	Counts []uint64  // those of at most the bound, one for each
	Count  uint64    // all
}

// Since is what was counted after an earlier state of the same histogram.
func (h Histogram) Since(old Histogram) Histogram {
	if len(old.Counts) != len(h.Counts) || old.Count > h.Count {
		return h // there was none yet
	}
	d := Histogram{Bounds: h.Bounds, Count: h.Count - old.Count, Counts: make([]uint64, len(h.Counts))}
	for i, n := range h.Counts {
		d.Counts[i] = n - old.Counts[i]
	}
	return d
}

// Quantile is the duration in seconds that a share q of all did not exceed, as if they lay evenly
// between two bounds; beyond the last bound, that one. nil without any.
func (h Histogram) Quantile(q float64) *float64 {
	if h.Count == 0 || len(h.Bounds) == 0 {
		return nil
	}
	rank, below, lower := q*float64(h.Count), 0.0, 0.0
	for i, bound := range h.Bounds {
		n := float64(h.Counts[i])
		if n >= rank {
			if n > below {
				lower += (bound - lower) * (rank - below) / (n - below)
			}
			return &lower
		}
		below, lower = n, bound
	}
	return &lower
}
