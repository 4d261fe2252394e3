package doctor

import (
	"slices"
	"time"

	"github.com/callstream/enricher/internal/config"
)

// Role is what the program does with a topic.
type Role string

// The roles.
const (
	Input      Role = "input"
	Output     Role = "output"
	Route      Role = "route"
	DeadLetter Role = "dead letter"
	Tier       Role = "retry tier" // written and read again after its wait
	Due        Role = "due"
	GaveUp     Role = "gave up"
	Cancel     Role = "cancel" // a compacted topic that is read to its end

	internal Role = "internal" // the brokers' own; only how safe it is matters
)

func (r Role) reads() bool  { return r == Input || r == Tier || r == Cancel }
func (r Role) writes() bool { return !slices.Contains([]Role{Input, Cancel, internal}, r) }

// inLoop tells whether redials stand on the topic: nothing may take one away but time.
func (r Role) inLoop() bool { return r == Tier || r == Due || r == GaveUp }

// Subject is a topic to look at, and why.
type Subject struct {
	Topic string
	Role  Role
	// Keep is the least retention that the role works with; 0: none.
	Keep time.Duration
	// Want is the least retention with which nothing is lost while the program stands still; 0: Keep.
	Want time.Duration
}

func (s Subject) String() string { return s.Topic + " (" + string(s.Role) + ")" }

// margin is what a topic of the retry loop keeps beyond what it must: a tier beyond twice its wait, the due and the
// gave-up topic beyond retry.max_age, since their records have the time of their call. The start refuses one that
// keeps less.
const margin = 24 * time.Hour

// Subjects are the topics of a configuration, each once.
func Subjects(cfg *config.Config) []Subject {
	var all []Subject

	add := func(s Subject) {
		if s.Topic != "" && !slices.ContainsFunc(all, func(other Subject) bool { return other.Topic == s.Topic }) {
			all = append(all, s)
		}
	}

	for _, t := range cfg.Input.Topics {
		add(Subject{Topic: t, Role: Input})
	}

	add(Subject{Topic: cfg.Output.Topic, Role: Output})

	for _, r := range cfg.Routes {
		add(Subject{Topic: r.Topic, Role: Route})
	}

	add(Subject{Topic: cfg.DeadLetter.Topic, Role: DeadLetter})

	r := &cfg.Retry
	for _, t := range r.Tiers {
		add(Subject{Topic: t.Topic, Role: Tier, Keep: 2*t.Wait + margin, Want: t.Wait + r.MaxAge}) //nolint:mnd // as the start has it
	}

	add(Subject{Topic: r.Due, Role: Due, Keep: r.MaxAge + margin})
	add(Subject{Topic: r.GaveUp, Role: GaveUp, Keep: r.MaxAge + margin})
	add(Subject{Topic: r.Cancel.Topic, Role: Cancel, Keep: r.MaxAge})

	return all
}

// member is a part of the program that takes part in a group, and has transactions.
type member struct {
	group string
	does  string // stands between group and instance in its transactional id
}

func (m member) prefix() string { return m.group + "/" + m.does + "/" }

// members are those of all processes of a configuration, whichever roles this one has.
func members(cfg *config.Config) []member {
	all := []member{{cfg.Input.Group, string(config.RoleFilter)}}
	if cfg.Retry.On() {
		all = append(all, member{cfg.DelayGroup(), string(config.RoleDelay)})
	}

	return all
}

// reader is a group, and what it reads.
type reader struct {
	group    string
	subjects []Subject
	what     string // its topics, for a sentence
	record   string // what one of them holds
	starts   string // who begins where nothing has been committed
	goesOn   string // what it does where the committed offset is not in the log
	stopped  string // a line above a command for which it must not run
	// committedOnly: it reads up to the first transaction that is open.
	committedOnly bool
}

func (r *reader) String() string { return r.group + " (group)" }

// readers are the groups of all processes of a configuration. That which reads cancel records is in no group.
func readers(cfg *config.Config) []reader {
	of := func(role Role) []Subject {
		return slices.DeleteFunc(Subjects(cfg), func(s Subject) bool { return s.Role != role })
	}
	in := &cfg.Input
	all := []reader{{
		group: in.Group, subjects: of(Input), what: "input topic", record: "record", committedOnly: in.Isolation == config.ReadCommitted,
		starts: "the filter begins at " + string(in.Start), goesOn: "input.on_out_of_range is " + string(in.OnOutOfRange),
		stopped: "# with stop, and while the filter is stopped:",
	}}

	if cfg.Retry.On() {
		all = append(all, reader{
			group: cfg.DelayGroup(), subjects: of(Tier), what: "retry tier", record: "redial", committedOnly: true,
			starts: "the delay role begins at earliest", goesOn: "the delay role goes on where the log begins",
			stopped: "# or, while the delay role is stopped:",
		})
	}

	return all
}
