package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

func TestFormerMemberIsReleased(t *testing.T) {
	_, client := cluster(t, 1, 2, "in")
	none, err := client.ReleaseFormer(deadline(t), "g", "a")
	require.NoError(t, err, "there is no such group yet")
	require.Zero(t, none)

	group, err := client.JoinGroup(broker.GroupConfig{
		Group: "g", Instance: "a", Topics: []string{"in"}, SessionTimeout: 6 * time.Second, RevokeTimeout: 6 * time.Second,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, group.Close()) }()
	first, err := group.Next(deadline(t))
	require.NoError(t, err)

	for _, other := range []string{"b", ""} {
		none, err = client.ReleaseFormer(deadline(t), "g", other)
		require.NoError(t, err)
		require.Zero(t, none, "instance %q has another name", other)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- first.Run(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
	}()
	one, err := client.ReleaseFormer(deadline(t), "g", "a")
	require.NoError(t, err)
	require.Equal(t, 1, one)

	// It lives, so it finds out and joins as another.
	require.NoError(t, <-ended)
	second, err := group.Next(deadline(t))
	for errors.Is(err, kafka.UnknownMemberId) { // told once, and mended by joining anew
		second, err = group.Next(deadline(t))
	}
	require.NoError(t, err)
	require.NotEqual(t, first.MemberID, second.MemberID)
	require.Len(t, second.Partitions, 2)
}

func TestFormerMemberThatCannotBeReleased(t *testing.T) {
	for _, tt := range []struct {
		name  string
		key   kmsg.Key
		reply func(kmsg.Request) kmsg.Response
		want  string
	}{
		{"describe refused", kmsg.DescribeGroups, func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.DescribeGroupsResponse)
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.ErrorCode = kerr.GroupAuthorizationFailed.Code
			resp.Groups = append(resp.Groups, g)
			return resp
		}, `describe group "g"`},
		{"no group in the answer", kmsg.DescribeGroups, func(r kmsg.Request) kmsg.Response { return r.ResponseKind() }, "broken frame"},
		{"leaving refused", kmsg.LeaveGroup, func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.LeaveGroupResponse)
			resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
			return resp
		}, `release former member of group "g"`},
		{"the member refused", kmsg.LeaveGroup, func(r kmsg.Request) kmsg.Response {
			resp := r.ResponseKind().(*kmsg.LeaveGroupResponse)
			m := kmsg.NewLeaveGroupResponseMember()
			m.ErrorCode = kerr.FencedInstanceID.Code
			resp.Members = append(resp.Members, m)
			return resp
		}, `release former member of group "g"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, client := cluster(t, 1, 1, "in")
			group, err := client.JoinGroup(broker.GroupConfig{
				Group: "g", Instance: "a", Topics: []string{"in"}, SessionTimeout: 6 * time.Second, RevokeTimeout: 6 * time.Second,
			})
			require.NoError(t, err)
			defer func() { require.NoError(t, group.Close()) }()
			_, err = group.Next(deadline(t))
			require.NoError(t, err)
			c.ControlKey(int16(tt.key), func(r kmsg.Request) (kmsg.Response, error, bool) {
				return tt.reply(r), nil, true
			})
			_, err = client.ReleaseFormer(deadline(t), "g", "a")
			require.ErrorContains(t, err, tt.want)
		})
	}
}
