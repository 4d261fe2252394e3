package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// noticeable is a skew that shows in not_before and in waits; a synchronised clock is within milliseconds.
	noticeable = 2 * time.Second
	// absurd is a clock that nothing sets: retention and waits go wrong by as much.
	absurd = time.Minute
)

// clock compares this machine's clock with the cluster's. Kafka has no request for the time of day. But
// the active controller, asked for the state of the metadata quorum (DescribeQuorum v1, Kafka 3.3 and
// later with KRaft), gives the moment at which each voter was last caught up, and for itself that is now.
// The brokers' own clocks cannot be had without writing.
func (d *doctor) clock(ctx context.Context) {
	const check, on = "clock", "active controller"

	if !d.quorum {
		d.note(NotChecked, check, on, "nothing in this cluster tells the time: only the controller of a KRaft cluster does (Kafka 3.3 and later)")

		return
	}

	part := kmsg.NewDescribeQuorumRequestTopicPartition()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic, t.Partitions = "__cluster_metadata", append(t.Partitions, part)
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = append(req.Topics, t)

	before := d.opt.Now()
	resp, err := req.RequestWith(ctx, d.client)
	after := d.opt.Now()

	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}

	if errors.Is(err, kerr.ClusterAuthorizationFailed) {
		d.note(NotChecked, check, on, "this user may not describe the cluster, and nothing else tells the time").mend(d.allow([]string{"Describe"}, "--cluster"))

		return
	}

	if err != nil {
		d.note(NotChecked, check, on, "ask the controller for its time: %v", err)

		return
	}

	now, ok := leaderTime(resp)
	if !ok {
		d.note(NotChecked, check, on, "the controller does not tell its time")

		return
	}

	d.skew(check, on, now, before, after)
}

// leaderTime is the controller's clock as it answered.
func leaderTime(resp *kmsg.DescribeQuorumResponse) (time.Time, bool) {
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			for _, v := range p.CurrentVoters {
				if p.ErrorCode == 0 && v.ReplicaID == p.LeaderID && v.LastCaughtUpTimestamp > 0 {
					return time.UnixMilli(v.LastCaughtUpTimestamp), true
				}
			}
		}
	}

	return time.Time{}, false
}

// skew is known up to the time that the exchange took.
func (d *doctor) skew(check, on string, theirs, before, after time.Time) {
	tolerance := after.Sub(before)/2 + time.Millisecond //nolint:mnd // half a round trip, and what milliseconds hide
	ahead := theirs.Sub(before.Add(after.Sub(before) / 2))
	c := d.note(OK, check, on, "within %s of this machine's", span(max(ahead, -ahead)+tolerance))

	if max(ahead, -ahead)-tolerance < noticeable {
		return
	}

	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}

	c.Status, c.Found = Warning, "it is "+span(max(ahead, -ahead))+" "+way+" this machine's: not_before and waits are off by as much"
	if max(ahead, -ahead) >= absurd {
		c.Status = Problem
	}

	c.mend("# on the machine whose clock is wrong", "timedatectl set-ntp true")
}
