package config

// The closed lists of the configuration. Each type says its values, for the
// decoder and for the JSON Schema.
type (
	// Format is the format of events.
	Format string
	// Isolation is the isolation level of reading.
	Isolation string
	// OnOutOfRange is what to do where a committed offset is gone.
	OnOutOfRange string
	// OnCorrupt is what becomes of a record batch that cannot be read.
	OnCorrupt string
	// InvalidUTF8 is what becomes of text that is not UTF-8.
	InvalidUTF8 string
	// Compression is a codec of record batches.
	Compression string
	// Outcome is what became of an event.
	Outcome string
	// Droppable is an outcome that may be kept out of the output topic.
	Droppable string
	// Delivery is the delivery guarantee.
	Delivery string
	// Direction is that of a call leg.
	Direction string
	// LogLevel is the least severe level that is logged.
	LogLevel string
	// LogFormat is the format of log lines.
	LogFormat string
)

// The formats of events.
const (
	FormatAuto Format = "auto" // JSON or form, by the first bytes
	FormatJSON Format = "json"
	FormatForm Format = "form" // application/x-www-form-urlencoded
)

// The isolation levels.
const (
	ReadCommitted   Isolation = "read_committed"
	ReadUncommitted Isolation = "read_uncommitted"
)

// What to do where a committed offset is gone.
const (
	OutOfRangeEarliest OnOutOfRange = "earliest"
	OutOfRangeLatest   OnOutOfRange = "latest"
	OutOfRangeStop     OnOutOfRange = "stop"
)

// What becomes of a record batch that cannot be read.
const (
	CorruptStop OnCorrupt = "stop"
	CorruptSkip OnCorrupt = "skip"
)

// What becomes of text that is not UTF-8.
const (
	InvalidUTF8Reject InvalidUTF8 = "reject"
	InvalidUTF8Pass   InvalidUTF8 = "pass"
)

// The codecs.
const (
	CompressionNone   Compression = "none"
	CompressionGzip   Compression = "gzip"
	CompressionSnappy Compression = "snappy"
	CompressionLZ4    Compression = "lz4"
	CompressionZstd   Compression = "zstd"
)

// The delivery guarantees.
const (
	AtLeastOnce Delivery = "at_least_once"
	ExactlyOnce Delivery = "exactly_once"
)

// The log levels and formats.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"

	LogAuto    LogFormat = "auto" // console on a terminal, else json
	LogJSON    LogFormat = "json"
	LogConsole LogFormat = "console"
)

// Values lists the formats.
func (Format) Values() []string { return []string{"auto", "json", "form"} }

// Values lists the isolation levels.
func (Isolation) Values() []string { return []string{"read_committed", "read_uncommitted"} }

// Values lists the choices.
func (OnOutOfRange) Values() []string { return []string{"earliest", "latest", "stop"} }

// Values lists the choices.
func (OnCorrupt) Values() []string { return []string{"stop", "skip"} }

// Values lists the choices.
func (InvalidUTF8) Values() []string { return []string{"reject", "pass"} }

// Values lists the codecs.
func (Compression) Values() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

// Values lists the outcomes.
func (Outcome) Values() []string {
	return []string{"enriched", "unknown_code", "no_code", "malformed", "tombstone"}
}

// Values lists the outcomes but malformed, which goes to the dead letters.
func (Droppable) Values() []string {
	return []string{"enriched", "unknown_code", "no_code", "tombstone"}
}

// Values lists the guarantees.
func (Delivery) Values() []string { return []string{"exactly_once", "at_least_once"} }

// Values lists the directions.
func (Direction) Values() []string { return []string{"outbound", "inbound"} }

// Values lists the levels.
func (LogLevel) Values() []string { return []string{"debug", "info", "warn", "error"} }

// Values lists the formats.
func (LogFormat) Values() []string { return []string{"auto", "json", "console"} }
