package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// place is where the replay is in one partition of the dead-letter topic.
type place struct {
	next     int64 // the next offset to look at
	replayed int64 // letters before it, over all runs
}

func (p *pass) place(partition int32) *place {
	at, ok := p.places[partition]
	if !ok { // new since the start
		at = &place{}
		p.places[partition] = at
	}
	return at
}

// from is where the scan begins: behind what earlier runs have looked at.
func (p *pass) from() map[int32]int64 {
	from := make(map[int32]int64, len(p.places))
	for n, at := range p.places {
		from[n] = at.next
	}
	return from
}

// positions are what earlier runs have committed, for every partition; with Again, the start of each. A
// context made by kadm.RequireStable has it wait for a transaction that is being ended.
func (r *Replay) positions(ctx context.Context) (map[int32]*place, error) {
	details, err := r.adm.ListTopicsWithInternal(ctx, r.opt.From)
	if err != nil {
		return nil, fmt.Errorf("read metadata of topic %q: %w", r.opt.From, err)
	}
	places := map[int32]*place{}
	for n := range details[r.opt.From].Partitions { // if it is missing, the scan says so
		places[n] = &place{}
	}
	if r.opt.Again {
		return places, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var committed kadm.OffsetResponses
	err = retry(ctx, func() error {
		if committed, err = r.adm.FetchOffsets(ctx, r.name); err != nil {
			return err //nolint:wrapcheck // below
		}
		return committed.Error()
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // the first run of its kind
		return nil, fmt.Errorf("read the positions of group %q: %w", r.name, err)
	}
	for n, o := range committed[r.opt.From] {
		if at, ok := places[n]; ok && o.At >= 0 {
			*at = place{next: o.At, replayed: parseCount(o.Metadata)}
		}
	}
	return places, nil
}

// countPrefix begins the text beside a committed offset, which says how many letters were replayed before it.
const countPrefix = "replayed="

func parseCount(text string) int64 {
	digits, ok := strings.CutPrefix(text, countPrefix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 {
		return 0 // somebody set the offset by hand
	}
	return n
}

// commitPositions puts all positions into the open transaction: those of partitions that have not
// moved as well, since Again sets them back.
func (p *pass) commitPositions(ctx context.Context) error {
	err := retry(ctx, func() error {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.name, p.producer, p.epoch, p.name
		resp, err := req.RequestWith(ctx, p.client)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("add the positions of group %q to the transaction: %w", p.name, err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.name, p.producer, p.epoch
	req.Group, req.Generation, req.MemberID = p.name, -1, "" // nobody is in the group
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic = p.opt.From
	for n, at := range p.places {
		o := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		o.Partition, o.Offset, o.LeaderEpoch, o.Metadata = n, at.next, -1, new(countPrefix+strconv.FormatInt(at.replayed, 10))
		t.Partitions = append(t.Partitions, o)
	}
	req.Topics = append(req.Topics, t)
	if err := retry(ctx, func() error { return p.sendPositions(ctx, req) }); err != nil {
		return fmt.Errorf("commit the positions of group %q: %w", p.name, err)
	}
	return nil
}

func (p *pass) sendPositions(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) error {
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return err //nolint:wrapcheck // by the caller
	}
	answered := map[int32]bool{}
	for i := range resp.Topics {
		for _, o := range resp.Topics[i].Partitions {
			if err := kerr.ErrorForCode(o.ErrorCode); err != nil {
				return fmt.Errorf("partition %d: %w", o.Partition, err)
			}
			answered[o.Partition] = resp.Topics[i].Topic == p.opt.From || answered[o.Partition]
		}
	}
	for n := range p.places { // what is not said to be committed is not: the next run would replay it again
		if !answered[n] {
			return fmt.Errorf("topic %q, partition %d: the broker's answer leaves it out", p.opt.From, n)
		}
	}
	return nil
}
