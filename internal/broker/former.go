package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// formerWithin bounds the search for a former self: it saves the group a session time-out of
// waiting, and is not worth one.
const formerWithin = 5 * time.Second

// memberName is the client id under which a process takes part in a group, so that it knows its former self
// again. Group tools show it, and the brokers begin the member id with it.
func (c *Client) memberName(instance string) string {
	if instance == "" {
		return c.clientID
	}
	return c.clientID + "/" + instance
}

// ReleaseFormer takes out of a group what a killed process of the same instance name has left in it, and says how
// many members that were. Without it the group waits for the dead member until its session
// times out, and its partitions stand still as long. (Static membership is Kafka's way to
// the same end; kafka-go's group does not have it.)
//
// A process of that name which still lives is not harmed: it finds itself out of the group and joins anew.
func (c *Client) ReleaseFormer(ctx context.Context, group, instance string) (int, error) {
	if instance == "" {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, formerWithin)
	defer cancel()
	co := NewGroupCoordinator(c, group)
	members, err := co.membersOf(ctx, group, c.memberName(instance))
	if err != nil || len(members) == 0 {
		return 0, err
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.SetVersion(3)
	req.Group = group
	for _, id := range members {
		m := kmsg.NewLeaveGroupRequestMember()
		m.MemberID = id
		req.Members = append(req.Members, m)
	}
	resp, err := co.do(ctx, req, func(r kmsg.Response) int16 {
		left, ok := r.(*kmsg.LeaveGroupResponse)
		if !ok {
			return 0
		}
		return left.ErrorCode
	})
	if err != nil {
		return 0, fmt.Errorf("release former member of group %q: %w", group, err)
	}
	left, ok := resp.(*kmsg.LeaveGroupResponse)
	if !ok {
		return 0, errFrame
	}
	released, errs := 0, []error{codeError(left.ErrorCode)}
	for _, m := range left.Members {
		switch code := kafka.Error(m.ErrorCode); code {
		case 0:
			released++
		case kafka.UnknownMemberId: // it was found dead meanwhile
		default:
			errs = append(errs, code)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return released, fmt.Errorf("release former member of group %q: %w", group, err)
	}
	return released, nil
}

// membersOf lists the ids of a group's members with a client id.
func (co *Coordinator) membersOf(ctx context.Context, group, clientID string) ([]string, error) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.SetVersion(4)
	req.Groups = []string{group}
	described := func(r kmsg.Response) (*kmsg.DescribeGroupsResponseGroup, bool) {
		resp, ok := r.(*kmsg.DescribeGroupsResponse)
		if !ok || len(resp.Groups) != 1 {
			return nil, false
		}
		return &resp.Groups[0], true
	}
	resp, err := co.do(ctx, req, func(r kmsg.Response) int16 {
		g, ok := described(r)
		if !ok {
			return 0
		}
		return g.ErrorCode
	})
	if err != nil {
		return nil, fmt.Errorf("describe group %q: %w", group, err)
	}
	g, ok := described(resp)
	if !ok {
		return nil, errFrame
	}
	if err := codeError(g.ErrorCode); err != nil && !errors.Is(err, kafka.GroupIdNotFound) {
		return nil, fmt.Errorf("describe group %q: %w", group, err)
	}
	var ids []string
	for i := range g.Members {
		if g.Members[i].ClientID == clientID {
			ids = append(ids, g.Members[i].MemberID)
		}
	}
	return ids, nil
}
