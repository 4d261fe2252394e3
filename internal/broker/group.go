package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// GroupConfig is how to take part in a consumer group.
type GroupConfig struct {
	Group          string
	Instance       string // this process's name among the members; see ReleaseFormer
	Topics         []string
	SessionTimeout time.Duration // the group gives a silent member up after this
	// RevokeTimeout is how long a rebalance waits for members that are still
	// finishing what they have.
	RevokeTimeout time.Duration
}

// The defaults of kafka-go notice a rebalance after three seconds and rejoin
// after five; these recover in about one.
const (
	heartbeatInterval = 300 * time.Millisecond
	joinBackoff       = 100 * time.Millisecond
)

// Group is this process's membership in a consumer group (classic protocol,
// eager rebalancing, as kafka-go has it).
type Group struct {
	topics  []string
	client  *Client
	cg      *kafka.ConsumerGroup
	group   string
	offsets *Coordinator
}

// JoinGroup begins to join; Next waits for the assignment.
func (c *Client) JoinGroup(cfg GroupConfig) (*Group, error) {
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                cfg.Group,
		Brokers:           c.brokers,
		Dialer:            &kafka.Dialer{ClientID: c.memberName(cfg.Instance), Timeout: c.connect, DialFunc: c.dial},
		Topics:            cfg.Topics,
		GroupBalancers:    []kafka.GroupBalancer{kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}},
		HeartbeatInterval: heartbeatInterval,
		SessionTimeout:    cfg.SessionTimeout,
		// kafka-go's own watch for new partitions is off: it shares the heartbeat's connection,
		// and a slow answer to it would delay the heartbeat.
		RebalanceTimeout: max(cfg.RevokeTimeout, cfg.SessionTimeout),
		JoinGroupBackoff: joinBackoff,
	})
	if err != nil {
		return nil, fmt.Errorf("join group %q: %w", cfg.Group, err)
	}
	return &Group{client: c, topics: cfg.Topics, cg: cg, group: cfg.Group, offsets: NewGroupCoordinator(c, cfg.Group)}, nil
}

// Assignment is what this member owns for the length of one generation.
type Assignment struct {
	Membership
	Partitions []TopicPartition
	gen        *kafka.Generation
}

// ErrGroupClosed is returned by Next after Close.
var ErrGroupClosed = errors.New("consumer group is closed")

// Next waits for the next generation. Errors are passing (a coordinator that
// moves, a broker that is away: kafka-go goes on trying), except ErrGroupClosed,
// ctx's own, and those that FatalGroupError tells.
func (g *Group) Next(ctx context.Context) (*Assignment, error) {
	gen, err := g.cg.Next(ctx)
	switch {
	case errors.Is(err, kafka.ErrGroupClosed):
		return nil, ErrGroupClosed
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		return nil, fmt.Errorf("join group %q for topics %s: %w", g.group, strings.Join(g.topics, ", "), err)
	case err != nil:
		return nil, fmt.Errorf("join group %q: %w", g.group, err)
	}
	a := &Assignment{
		Membership: Membership{Group: g.group, Generation: gen.ID, MemberID: gen.MemberID},
		gen:        gen,
	}
	for topic, parts := range gen.Assignments {
		for _, p := range parts {
			a.Partitions = append(a.Partitions, TopicPartition{topic, int32(p.ID)}) //nolint:gosec // partition numbers are int32 on the wire
		}
	}
	return a, nil
}

// Run calls fn with a context that ends with the generation and returns when fn
// has returned. The group cannot go on to the next generation before; when fn
// returns, the generation ends.
func (a *Assignment) Run(fn func(ctx context.Context) error) error {
	done := make(chan error, 1)
	a.gen.Start(func(ctx context.Context) { done <- fn(ctx) })
	return <-done
}

// Offsets is the group's coordinator, for reading and committing offsets.
func (g *Group) Offsets() *Coordinator { return g.offsets }

// Close leaves the group.
func (g *Group) Close() error {
	if err := g.cg.Close(); err != nil {
		return fmt.Errorf("leave group %q: %w", g.group, err)
	}
	return nil
}

// FatalGroupError tells whether an error of Next will not go away by itself.
func FatalGroupError(err error) bool {
	return errors.Is(err, kafka.GroupAuthorizationFailed) || errors.Is(err, kafka.TopicAuthorizationFailed) ||
		errors.Is(err, kafka.InvalidSessionTimeout) || errors.Is(err, kafka.InconsistentGroupProtocol) ||
		errors.Is(err, kafka.InvalidGroupId) || errors.Is(err, kafka.GroupMaxSizeReached)
}
