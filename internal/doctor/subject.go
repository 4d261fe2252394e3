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

// tierMargin is what a tier keeps beyond twice its wait; the start refuses one that keeps less.
const tierMargin = 24 * time.Hour

// Subjects are the topics of a configuration, each once.
func Subjects(cfg *config.Config) []Subject {
	var all []Subject

	add := func(role Role, topic string, keep time.Duration) {
		if topic != "" && !slices.ContainsFunc(all, func(s Subject) bool { return s.Topic == topic }) {
			all = append(all, Subject{Topic: topic, Role: role, Keep: keep})
		}
	}

	for _, t := range cfg.Input.Topics {
		add(Input, t, 0)
	}

	add(Output, cfg.Output.Topic, 0)

	for _, r := range cfg.Routes {
		add(Route, r.Topic, 0)
	}

	add(DeadLetter, cfg.DeadLetter.Topic, 0)

	for _, t := range cfg.Retry.Tiers {
		add(Tier, t.Topic, 2*t.Wait+tierMargin)
	}

	add(Due, cfg.Retry.Due, 0)
	add(GaveUp, cfg.Retry.GaveUp, 0)
	add(Cancel, cfg.Retry.Cancel.Topic, 0)

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
