// Package config is the configuration file: its shape, its defaults, its rules, and
// the JSON Schema that editors use. It is strict, and reports all mistakes at
// once with their places.
//
// It knows no other package's inside: what it holds are plain values, which
// internal/app turns into what the parts want. What others know better (closed lists
// of words, the grammar of paths, the catalog) is checked by what Load's caller
// brings, and reported with all the rest.
package config

import (
	"time"

	"github.com/callstream/enricher/internal/strictyaml"
)

// Config is one configuration file. Load makes it; Default is what a file that says
// nothing would give.
type Config struct {
	Kafka      Kafka      `yaml:"kafka"`
	Input      Input      `yaml:"input"`
	Output     Output     `yaml:"output"`
	DeadLetter DeadLetter `yaml:"dead_letter"`
	Delivery   Delivery   `yaml:"delivery"`
	Roles      []Role     `yaml:"roles"`
	Routes     []Route    `yaml:"routes"`
	Retry      Retry      `yaml:"retry"`
	Catalog    Catalog    `yaml:"catalog"`
	Enrich     Enrich     `yaml:"enrich"`
	Limits     Limits     `yaml:"limits"`
	Ops        Ops        `yaml:"ops"`
	Privacy    Privacy    `yaml:"privacy"`
	Log        Log        `yaml:"log"`

	doc     *strictyaml.Document // nil unless loaded from a file
	secrets map[string]bool      // paths whose values are hidden: they came from ${file:…} or ${VAR}, or are secrets
	wrong   strictyaml.Mistakes  // found so far, for the checks of Load
}

// Kafka says which cluster, and how to speak to it.
type Kafka struct {
	// Brokers are bootstrap addresses, host:port. Required.
	Brokers []string `yaml:"brokers"`
	// ClientID names the program in the brokers' logs and quotas.
	ClientID string `yaml:"client_id"`
	// Rack is where the program runs; "" fetches from leaders only.
	Rack string `yaml:"rack"`
	// Instance names this process among those of its group, the same after a restart; "" with exactly_once
	// stands for the host name.
	Instance string `yaml:"instance"`
	// TransactionTimeout is how long brokers wait for a silent process before they abort
	// its transaction; 1s to 15m.
	TransactionTimeout time.Duration `yaml:"transaction_timeout"`
	// CreateTopics makes missing topics at the start, for trying out.
	CreateTopics bool `yaml:"create_topics"`
	// TLS encrypts the connections to brokers.
	TLS TLS `yaml:"tls"`
	// SASL logs in.
	SASL SASL `yaml:"sasl"`
}

// Input says what is read, and how it is understood.
type Input struct {
	// Topics are read together by one group. Required.
	Topics []string `yaml:"topics"`
	// Group is the consumer group, which keeps the offsets. Required.
	Group string `yaml:"group"`
	// Format is the format of the events.
	Format Format `yaml:"format"`
	// Start is where to begin where the group has no committed offset.
	Start Start `yaml:"start"`
	// Isolation says whether aborted transactions' records are skipped.
	Isolation Isolation `yaml:"isolation"`
	// OnOutOfRange says where to go on when the committed offset is no longer in the log.
	OnOutOfRange OnOutOfRange `yaml:"on_out_of_range"`
	// OnCorrupt says what becomes of a record batch that cannot be read.
	OnCorrupt OnCorrupt `yaml:"on_corrupt"`
	// InvalidUTF8 says what becomes of events whose text is not UTF-8.
	InvalidUTF8 InvalidUTF8 `yaml:"invalid_utf8"`
	// MaxDepth is the deepest nesting of JSON taken, the event itself being 1; 1 to 10,000,000.
	MaxDepth int `yaml:"max_depth"`
}

// Output says where enriched events go.
type Output struct {
	// Topic gets every event that is neither malformed nor dropped. Required.
	Topic string `yaml:"topic"`
	// Compression is that of all topics written to.
	Compression Compression `yaml:"compression"`
	// Drop lists outcomes that are kept out of Topic. Routes copy them all the same.
	Drop []Droppable `yaml:"drop"`
}

// DeadLetter says where malformed events go.
type DeadLetter struct {
	// Topic gets malformed events as they came; "" stops the pipeline at the first.
	Topic string `yaml:"topic"`
}

// Route copies chosen events to a further topic.
type Route struct {
	// Name is [a-z0-9_-]+, unique; it labels metrics.
	Name string `yaml:"name"`
	// Match chooses the events; it names at least one condition.
	Match Match `yaml:"match"`
	// Topic is where copies go.
	Topic string `yaml:"topic"`
}

// Match holds conditions on an event. Those that are given must all hold; of the
// values of one, any may. A single value may stand for a list.
type Match struct {
	Outcome   []Outcome   `yaml:"outcome,single"`
	Codes     []CodeRange `yaml:"codes,single"`
	Fault     []string    `yaml:"fault,single"`
	Class     []string    `yaml:"class,single"` // retry class of the entry
	Flags     []string    `yaml:"flags,single"`
	Retryable *bool       `yaml:"retryable"`
	Direction []Direction `yaml:"direction,single"`
	Source    []string    `yaml:"source,single"`
}

// Catalog says what is laid over the built-in catalog.
type Catalog struct {
	// Overlays are files, laid over in order. Load makes relative paths relative to
	// the configuration file's folder.
	Overlays []string `yaml:"overlays"`
}

// Enrich says how events are read and what is written into them.
type Enrich struct {
	// Field is the key that the object is written under.
	Field string `yaml:"field"`
	// Fields are the object's members, those of retry as "retry.class"; empty: the default ones.
	Fields []string `yaml:"fields"`
	// Headers are the record headers to add; empty: none.
	Headers []string `yaml:"headers"`
	// ForeignWhen are gjson paths; an event in which one is present is of another code set.
	ForeignWhen []string `yaml:"foreign_when"`
	// Paths say where the fields are.
	Paths Paths `yaml:"paths"`
	// RedialAnswered lets answered calls be dialled again.
	RedialAnswered bool `yaml:"redial_answered"`
	// RedialBLegs lets B legs be dialled again.
	RedialBLegs bool `yaml:"redial_b_legs"`
	// OptIn are codes that may be dialled again although their policy asks for an opt-in.
	OptIn []int32 `yaml:"opt_in"`
}

// Paths are gjson paths, several candidates for each field; the first present wins.
type Paths struct {
	Code       []string `yaml:"code"`
	Name       []string `yaml:"name"`
	Direction  []string `yaml:"direction"`
	AnswerTime []string `yaml:"answer_time"`
	Billed     []string `yaml:"billed"`
	Status     []string `yaml:"status"`
	CallID     []string `yaml:"call_id"`
	ALeg       []string `yaml:"a_leg"`
	ParentCall []string `yaml:"parent_call"`
	Attempt    []string `yaml:"attempt"`
	Event      []string `yaml:"event"`
}

// Limits bound time and memory.
type Limits struct {
	// CommitInterval is the time between two commits of offsets; 10ms to 1m.
	CommitInterval time.Duration `yaml:"commit_interval"`
	// ShutdownTimeout is the time for what is in flight when asked to stop; 1s to 10m.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
	// SessionTimeout is how long the group waits for a silent member; 6s to 5m.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// BufferBytes bounds what waits to be acknowledged; 1MiB to 64GiB.
	BufferBytes Bytes `yaml:"buffer_bytes"`
	// FetchBytes is asked of each partition in one request; 16KiB to 64MiB.
	FetchBytes Bytes `yaml:"fetch_bytes"`
	// BatchBytes bounds one produced batch before compression; 16KiB to 64MiB.
	BatchBytes Bytes `yaml:"batch_bytes"`
	// Linger is how long a batch that is not full waits for more; 0 to 1s.
	Linger time.Duration `yaml:"linger"`
}

// Log says what is logged.
type Log struct {
	Level  LogLevel  `yaml:"level"`
	Format LogFormat `yaml:"format"`
}

// Default is what a file that says nothing would give. What is required (brokers,
// input topics, group, output topic) is empty.
func Default() *Config {
	return &Config{
		Kafka: Kafka{ClientID: "enricher", TransactionTimeout: 15 * time.Second, SASL: SASL{Mechanism: NoLogin, OAuth: OAuth{Scopes: []string{}}}},
		Input: Input{
			Format: FormatAuto, Start: "earliest", Isolation: ReadCommitted,
			OnOutOfRange: OutOfRangeEarliest, OnCorrupt: CorruptStop, InvalidUTF8: InvalidUTF8Reject, MaxDepth: 10_000,
		},
		Output:   Output{Compression: CompressionLZ4, Drop: []Droppable{}},
		Delivery: ExactlyOnce,
		Roles:    []Role{RoleFilter},
		Routes:   []Route{},
		Retry:    defaultRetry(),
		Catalog:  Catalog{Overlays: []string{}},
		Enrich:   defaultEnrich(),
		Limits: Limits{
			CommitInterval: 100 * time.Millisecond, ShutdownTimeout: 30 * time.Second, SessionTimeout: 10 * time.Second,
			BufferBytes: 64 * MiB, FetchBytes: MiB, BatchBytes: 512 * KiB, Linger: 2 * time.Millisecond,
		},
		Ops: Ops{Listen: "127.0.0.1:8080", Page: "127.0.0.1:8081"},
		Log: Log{Level: LogInfo, Format: LogAuto},
	}
}

func defaultEnrich() Enrich {
	return Enrich{
		Field:  "hangup",
		Fields: []string{},
		Headers: []string{
			"hangup-code", "hangup-fault", "hangup-retryable", "hangup-retry-class", "hangup-not-before", "hangup-retry-id", "hangup-catalog",
		},
		ForeignWhen: []string{"trunk_domain", "transport_protocol", "termination_cause_code"},
		Paths: Paths{
			Code:       []string{"HangupCauseCode", "hangup_cause_code"},
			Name:       []string{"HangupCause", "hangup_cause", "HangupCauseName", "hangup_cause_name"},
			Direction:  []string{"Direction", "call_direction"},
			AnswerTime: []string{"AnswerTime", "answer_time"},
			Billed:     []string{"BillDuration", "bill_duration", "billed_duration"},
			Status:     []string{"CallStatus", "call_state"},
			CallID:     []string{"CallUUID", "call_uuid"},
			ALeg:       []string{"ALegUUID"},
			ParentCall: []string{"parent_call_uuid", "ParentCallUUID"},
			Attempt:    []string{"hangup_attempt", "attempt"},
			Event:      []string{"Event", "EventName", "event"},
		},
		OptIn: []int32{},
	}
}
