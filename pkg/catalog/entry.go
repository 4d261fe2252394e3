package catalog

// Entry is the metadata of one hangup cause. The fields mirror the columns of
// the published hangup-cause table, typed, plus retry policy. Entries are
// shared between goroutines and must not be modified.
type Entry struct {
	// Code is the hangup-cause code, 0 to 2147483647. 0 is a real code.
	Code int32 `json:"code" yaml:"code"`
	// Name is the cause's display name, unique within a snapshot.
	Name string `json:"name" yaml:"name"`
	// Summary says in one sentence of at most 140 characters what happened.
	Summary string `json:"summary" yaml:"summary"`
	// Remedy says what a person should do about it.
	Remedy string `json:"remedy" yaml:"remedy"`
	// CallTypes is the table's own wording of its call-type column; "" for provisional codes.
	CallTypes string `json:"call_types,omitempty" yaml:"call_types,omitempty"`
	// Sources lists who may have ended the call, and under which condition.
	Sources []SourceRef `json:"sources" yaml:"sources"`
	// Directions lists the directions that the table names. Empty means that it
	// names none (the multi-party-call rows); it does not mean both.
	Directions []Direction `json:"directions" yaml:"directions"`
	// States lists the call states in which the cause occurs; "any" is kept as
	// written, not expanded.
	States []State `json:"states" yaml:"states"`
	// Surfaces lists the features the cause is limited to; empty: not limited.
	Surfaces []Surface `json:"surfaces" yaml:"surfaces"`
	// Fault says whose problem it is.
	Fault Fault `json:"fault" yaml:"fault"`
	// Retry is the policy for redialling.
	Retry Retry `json:"retry" yaml:"retry"`
	// Nearest gives the nearest SIP and Q.850 codes; 0 where none is near.
	Nearest Nearest `json:"nearest,omitzero" yaml:"nearest,omitempty"`
	// Flags are remarks that programs act on.
	Flags []Flag `json:"flags" yaml:"flags"`
	// Params name the settings that bring the cause about, and their defaults.
	Params map[string]string `json:"params,omitempty" yaml:"params,omitempty"`
	// Provisional is true for codes seen in the wild but not in the table.
	Provisional bool `json:"provisional" yaml:"provisional"`
	// Source says where a provisional entry was seen.
	Source string `json:"source,omitempty" yaml:"source,omitempty"`
	// Overrides say what WithPolicies changed, for people: "retry.policies[0]: delay 1m0s -> 30s".
	Overrides []string `json:"-" yaml:"-"`
}

// SourceRef is one party that may have ended the call.
type SourceRef struct {
	By   Source `json:"by" yaml:"by"`
	When When   `json:"when,omitempty" yaml:"when,omitempty"` // "" means always
}

// Retry is an entry's policy for redialling. Times are in seconds; the numbers
// are judgement, and are set only for classes short_delay, long_delay and
// alternate (and for a gated cause that may be tried once after the fix).
type Retry struct {
	Class      Class   `json:"class" yaml:"class"`
	Auto       Auto    `json:"auto" yaml:"auto"`
	Target     Target  `json:"target,omitempty" yaml:"target,omitempty"`
	Scope      Scope   `json:"scope,omitempty" yaml:"scope,omitempty"`
	InitialS   float64 `json:"initial_s,omitempty" yaml:"initial_s,omitempty"`
	Multiplier float64 `json:"multiplier,omitempty" yaml:"multiplier,omitempty"`
	CapS       float64 `json:"cap_s,omitempty" yaml:"cap_s,omitempty"`
	MaxRetries int     `json:"max_retries,omitempty" yaml:"max_retries,omitempty"` // extra calls after the first
	Jitter     Jitter  `json:"jitter,omitempty" yaml:"jitter,omitempty"`
	Fix        Fix     `json:"fix,omitempty" yaml:"fix,omitempty"` // what has to be mended first
	Why        string  `json:"why" yaml:"why"`
	// OptedIn is true if Auto is opt_in and a Policy has opted in.
	OptedIn bool `json:"opted_in,omitempty" yaml:"-"`
}

// Nearest holds the codes of other code sets that come nearest; 0: none.
type Nearest struct {
	SIP  int `json:"sip,omitempty" yaml:"sip,omitempty"`
	Q850 int `json:"q850,omitempty" yaml:"q850,omitempty"`
}

// The closed enumerations of an entry. Their values are in enums.go.
type (
	// Direction is a call leg's: outbound, inbound.
	Direction string
	// State is a call state in which the cause occurs.
	State string
	// Surface is a feature that the cause is limited to.
	Surface string
	// Source is who ended the call.
	Source string
	// When is a condition under which a source applies.
	When string
	// Fault says whose problem it is.
	Fault string
	// Class is the retry class.
	Class string
	// Auto says whether a machine may redial.
	Auto string
	// Target is what to dial next.
	Target string
	// Scope is what else the cause affects.
	Scope string
	// Jitter says how a delay is spread.
	Jitter string
	// Flag is a remark that programs act on.
	Flag string
	// Fix is what has to be mended before a redial.
	Fix string
)
