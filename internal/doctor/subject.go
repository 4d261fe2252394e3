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

// Subject is a topic to look at, and why.
type Subject struct {
	Topic string
	Role  Role
	// Keep is the least retention that the role works with; 0: none.
	Keep time.Duration
}

func (s Subject) String() string { return s.Topic + " (" + string(s.Role) + ")" }

// Subjects are the topics of a configuration, each once.
func Subjects(cfg *config.Config) []Subject {
	var all []Subject

	add := func(role Role, topics ...string) {
		for _, t := range topics {
			if t != "" && !slices.ContainsFunc(all, func(s Subject) bool { return s.Topic == t }) {
				all = append(all, Subject{Topic: t, Role: role})
			}
		}
	}

	add(Input, cfg.Input.Topics...)
	add(Output, cfg.Output.Topic)

	for _, r := range cfg.Routes {
		add(Route, r.Topic)
	}

	add(DeadLetter, cfg.DeadLetter.Topic)

	return all
}

// member is a part of the program that takes part in a group, and has transactions.
type member struct {
	group string
	does  string // stands between group and instance in its transactional id
}

func (m member) prefix() string { return m.group + "/" + m.does + "/" }

func members(cfg *config.Config) []member {
	return []member{{cfg.Input.Group, "filter"}}
}
