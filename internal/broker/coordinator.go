package broker

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// Coordinator sends requests to the broker that coordinates a group or a transactional
// id, and finds it again when it has moved. kafka-go would ask
// for the coordinator before each request and ignore that answer's error code.
type Coordinator struct {
	client *Client
	key    string
	kind   int8
	node   atomic.Int32 // AnyNode: not known
	quiet  *Quiet
}

// NewGroupCoordinator is the coordinator of a consumer group.
func NewGroupCoordinator(c *Client, group string) *Coordinator {
	return newCoordinator(c, group, kafka.CoordinatorKeyTypeConsumer)
}

func newTransactionCoordinator(c *Client, id string) *Coordinator {
	return newCoordinator(c, id, kafka.CoordinatorKeyTypeTransaction)
}

func newCoordinator(c *Client, key string, kind kafka.CoordinatorKeyType) *Coordinator {
	co := &Coordinator{client: c, key: key, kind: int8(kind), quiet: NewQuiet(c.log)}
	co.node.Store(AnyNode)
	return co
}

// do sends req until it gets an answer that is not about the coordinator, or ctx
// ends. code extracts the answer's error code.
func (co *Coordinator) do(ctx context.Context, req kmsg.Request, code func(kmsg.Response) int16) (kmsg.Response, error) {
	var (
		pause backoff
		last  error
	)
	for {
		resp, err := co.try(ctx, req)
		if err == nil {
			c := code(resp)
			if !coordinatorMoved(c) && !coordinatorBusy(c) {
				return resp, nil
			}
			if coordinatorMoved(c) {
				co.node.Store(AnyNode)
			}
			last = codeError(c)
		} else {
			co.node.Store(AnyNode)
			last = err
			if Permanent(err) {
				return nil, err
			}
		}
		if pause.last >= backoffMost { // what passes sooner is no news
			co.quiet.Warn("a coordinator does not do what it is asked, trying again",
				zap.String("request", kmsg.NameForKey(req.Key())), zap.String("of", co.key), zap.Error(last))
		}
		if !pause.wait(ctx) {
			return nil, fmt.Errorf("%s for %q: %w (last answer: %w)", kmsg.NameForKey(req.Key()), co.key, ctx.Err(), last)
		}
	}
}

func (co *Coordinator) try(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	node := co.node.Load()
	if node == AnyNode {
		var err error
		if node, err = co.find(ctx); err != nil {
			return nil, err
		}
	}
	return co.client.Request(ctx, node, req)
}

func (co *Coordinator) find(ctx context.Context) (int32, error) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(2)
	req.CoordinatorKey, req.CoordinatorType = co.key, co.kind
	resp, err := co.client.Request(ctx, AnyNode, req)
	if err != nil {
		return AnyNode, err
	}
	found, ok := resp.(*kmsg.FindCoordinatorResponse)
	if !ok {
		return AnyNode, errFrame
	}
	switch code := kafka.Error(found.ErrorCode); code {
	case 0:
	case kafka.TransactionalIDAuthorizationFailed:
		return AnyNode, fmt.Errorf("find coordinator: %w (%s)", code, transactionalRights(co.key))
	case kafka.GroupAuthorizationFailed:
		return AnyNode, fmt.Errorf("find coordinator: %w (%s)", code, groupRights(co.key))
	default:
		return AnyNode, fmt.Errorf("find coordinator of %q: %w", co.key, code)
	}
	co.node.Store(found.NodeID)
	return found.NodeID, nil
}

// What to do about a right that is missing.
func transactionalRights(id string) string {
	return fmt.Sprintf("allow WRITE and DESCRIBE on transactional id %q, or set delivery: at_least_once", id)
}

func groupRights(group string) string { return fmt.Sprintf("allow READ on group %q", group) }

// inputRights names the topics whose offsets an answer refuses to commit with a code.
func inputRights(resp kmsg.Response, code kafka.Error) string {
	return "allow READ on topic " + strings.Join(refused(resp, int16(code)), ", ") //nolint:gosec // from an int16
}

// Membership identifies a member in one generation of its group.
type Membership struct {
	Group      string
	Generation int32
	MemberID   string
}

// FetchOffsets reads the committed offsets of partitions; -1 where none is. It
// waits for offsets that an unfinished transaction may still change
// (require_stable), so that a takeover never starts from one that is about to move.
func (co *Coordinator) FetchOffsets(ctx context.Context, parts []TopicPartition) (map[TopicPartition]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(7)
	req.Group, req.RequireStable = co.key, true
	for topic, ps := range byTopic(parts) {
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, ps
		req.Topics = append(req.Topics, t)
	}
	resp, err := co.do(ctx, req, func(r kmsg.Response) int16 {
		of, ok := r.(*kmsg.OffsetFetchResponse)
		if !ok || of.ErrorCode != 0 {
			return errorCodeOf(ok, of)
		}
		for _, t := range of.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return p.ErrorCode
				}
			}
		}
		return 0
	})
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets: %w", err)
	}
	of, ok := resp.(*kmsg.OffsetFetchResponse)
	if !ok {
		return nil, errFrame
	}
	switch code := kafka.Error(of.ErrorCode); code {
	case 0:
	case kafka.GroupAuthorizationFailed:
		return nil, fmt.Errorf("fetch committed offsets: %w (%s)", code, groupRights(co.key))
	default:
		return nil, fmt.Errorf("fetch committed offsets of group %q: %w", co.key, code)
	}
	offsets := make(map[TopicPartition]int64, len(parts))
	for _, t := range of.Topics {
		for _, p := range t.Partitions {
			if err := codeError(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("fetch committed offset of %s/%d: %w", t.Topic, p.Partition, err)
			}
			offsets[TopicPartition{t.Topic, p.Partition}] = p.Offset
		}
	}
	return offsets, allTold(parts, offsets)
}

// allTold checks that an answer has every partition: one that is left out would read as offset 0.
func allTold(parts []TopicPartition, offsets map[TopicPartition]int64) error {
	for _, tp := range parts {
		if o, ok := offsets[tp]; !ok || o < -1 {
			return fmt.Errorf("%w: it does not tell the committed offset of %s/%d", errFrame, tp.Topic, tp.Partition)
		}
	}
	return nil
}

func errorCodeOf(ok bool, of *kmsg.OffsetFetchResponse) int16 {
	if !ok {
		return 0 // found out again, and reported, by the caller
	}
	return of.ErrorCode
}

// CommitOffsets commits offsets under a membership. It returns ErrLostMembership
// if the group has gone on without this member.
func (co *Coordinator) CommitOffsets(ctx context.Context, m Membership, offsets map[TopicPartition]int64) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(7)
	req.Group, req.Generation, req.MemberID = m.Group, m.Generation, m.MemberID
	topics := map[string]int{}
	for tp, offset := range offsets {
		i, ok := topics[tp.Topic]
		if !ok {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = tp.Topic
			i = len(req.Topics)
			topics[tp.Topic] = i
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = tp.Partition, offset, -1 // -1 is "not known"; 0 would be an epoch
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	resp, err := co.do(ctx, req, firstCommitCode)
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	switch code := kafka.Error(firstCommitCode(resp)); code {
	case 0:
		return nil
	case kafka.IllegalGeneration, kafka.UnknownMemberId, kafka.RebalanceInProgress, kafka.FencedInstanceID:
		return fmt.Errorf("commit offsets in generation %d: %w: %w", m.Generation, ErrLostMembership, code)
	case kafka.GroupAuthorizationFailed:
		return fmt.Errorf("commit offsets: %w (%s)", code, groupRights(m.Group))
	case kafka.TopicAuthorizationFailed:
		return fmt.Errorf("commit offsets of group %q: %w (%s)", m.Group, code, inputRights(resp, code))
	default:
		return fmt.Errorf("commit offsets of group %q: %w", m.Group, code)
	}
}

func firstCommitCode(r kmsg.Response) int16 {
	oc, ok := r.(*kmsg.OffsetCommitResponse)
	if !ok {
		return int16(kafka.Unknown)
	}
	for _, t := range oc.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return p.ErrorCode
			}
		}
	}
	return 0
}

// ListOffsets asks partition leaders for offsets by time in milliseconds, or by one of
// the two constants below. Where no record is that young, the answer is the end.
func (c *Client) ListOffsets(ctx context.Context, parts []TopicPartition, timestamp int64, committed bool) (map[TopicPartition]int64, error) {
	offsets := make(map[TopicPartition]int64, len(parts))
	left := parts
	var (
		pause backoff
		last  error
	)
	for len(left) > 0 {
		left, last = c.listOnce(ctx, left, timestamp, committed, offsets)
		if len(left) == 0 {
			break
		}
		c.Refresh(ctx)
		if !pause.wait(ctx) {
			return nil, fmt.Errorf("list offsets of %d partitions: %w (last answer: %w)", len(left), ctx.Err(), last)
		}
	}
	if timestamp < 0 {
		return offsets, nil
	}
	var atEnd []TopicPartition
	for tp, o := range offsets {
		if o < 0 {
			atEnd = append(atEnd, tp)
		}
	}
	if len(atEnd) == 0 {
		return offsets, nil
	}
	ends, err := c.ListOffsets(ctx, atEnd, Latest, committed)
	maps.Copy(offsets, ends)
	return offsets, err
}

// Timestamps with a meaning of their own.
const (
	Earliest int64 = -2
	Latest   int64 = -1
)

// listOnce fills in what the leaders answer and returns the rest with the reason.
func (c *Client) listOnce(ctx context.Context, parts []TopicPartition, timestamp int64, committed bool, into map[TopicPartition]int64) ([]TopicPartition, error) {
	layout, err := c.Layout(ctx)
	if err != nil {
		return parts, err
	}
	nodes := map[int32][]TopicPartition{}
	var left []TopicPartition
	for _, tp := range parts {
		if node := Leader(layout, tp.Topic, tp.Partition); node >= 0 {
			nodes[node] = append(nodes[node], tp)
		} else {
			left = append(left, tp)
			err = fmt.Errorf("%s/%d: %w", tp.Topic, tp.Partition, kafka.LeaderNotAvailable)
		}
	}
	for node, ps := range nodes {
		req := kmsg.NewPtrListOffsetsRequest()
		req.SetVersion(5)
		req.ReplicaID = -1
		if committed {
			req.IsolationLevel = 1
		}
		for topic, ids := range byTopic(ps) {
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = topic
			for _, id := range ids {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp, p.CurrentLeaderEpoch = id, timestamp, -1
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		resp, rerr := c.Request(ctx, node, req)
		lo, ok := resp.(*kmsg.ListOffsetsResponse)
		if rerr != nil || !ok {
			left, err = append(left, ps...), rerr
			continue
		}
		told := listed(lo)
		for _, tp := range ps {
			p, ok := told[tp]
			switch {
			case !ok:
				left, err = append(left, tp), fmt.Errorf("%w: it does not tell an offset of %s/%d", errFrame, tp.Topic, tp.Partition)
			case p.ErrorCode != 0:
				left, err = append(left, tp), fmt.Errorf("%s/%d: %w", tp.Topic, tp.Partition, codeError(p.ErrorCode))
			default:
				into[tp] = p.Offset
			}
		}
	}
	return left, err
}

func listed(lo *kmsg.ListOffsetsResponse) map[TopicPartition]kmsg.ListOffsetsResponseTopicPartition {
	m := map[TopicPartition]kmsg.ListOffsetsResponseTopicPartition{}
	for _, t := range lo.Topics {
		for _, p := range t.Partitions {
			m[TopicPartition{t.Topic, p.Partition}] = p
		}
	}
	return m
}

func byTopic(parts []TopicPartition) map[string][]int32 {
	m := map[string][]int32{}
	for _, tp := range parts {
		m[tp.Topic] = append(m[tp.Topic], tp.Partition)
	}
	return m
}
