package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/callstream/enricher/internal/strictyaml"
)

// MissingTopicError is a topic that the cluster does not have.
type MissingTopicError struct {
	Topic string
	Near  string // a topic that may have been meant, or ""
}

func (e *MissingTopicError) Error() string {
	if e.Near != "" {
		return fmt.Sprintf("there is no such topic; did you mean %q?", e.Near)
	}

	return "there is no such topic"
}

// bounds finds the topic's partitions, and where to begin and to end in each.
func (s *scan) bounds(ctx context.Context) error {
	adm := kadm.NewClient(s.client)

	detail, err := describe(ctx, adm, s.cfg.Topic)
	if err != nil {
		return err
	}

	s.id = detail.ID
	offsets := offsetsOf(detail.Partitions.Numbers()...)

	// The end is asked for first: what arrives in between does not matter then.
	list := adm.ListCommittedOffsets
	if s.uncommitted {
		list = adm.ListEndOffsets
	}

	ends, err := offsets(list(ctx, s.cfg.Topic))
	if err != nil {
		return fmt.Errorf("find its end: %w", err)
	}

	if !s.cfg.Until.IsZero() {
		until, err := offsets(adm.ListOffsetsAfterMilli(ctx, s.cfg.Until.UnixMilli(), s.cfg.Topic))
		if err != nil {
			return fmt.Errorf("find the offsets of %s: %w", s.cfg.Until, err)
		}

		for p := range ends {
			ends[p] = min(ends[p], until[p])
		}
	}

	starts, err := s.starts(ctx, adm, offsets)
	if err != nil {
		return err
	}

	for _, p := range detail.Partitions.Sorted() {
		if _, asked := s.cfg.From[p.Partition]; s.first && !asked {
			continue
		}

		if start, end := max(starts[p.Partition], s.cfg.From[p.Partition]), ends[p.Partition]; start < end {
			s.total += end - start
			s.partitions = append(s.partitions, &partition{number: p.Partition, leader: p.Leader, next: start, end: end})
		}
	}

	return nil
}

func (s *scan) starts(ctx context.Context, adm *kadm.Client, offsets taker) (map[int32]int64, error) {
	if s.cfg.Since.IsZero() {
		starts, err := offsets(adm.ListStartOffsets(ctx, s.cfg.Topic))
		if err != nil {
			return nil, fmt.Errorf("find its start: %w", err)
		}

		return starts, nil
	}

	starts, err := offsets(adm.ListOffsetsAfterMilli(ctx, s.cfg.Since.UnixMilli(), s.cfg.Topic))
	if err != nil {
		return nil, fmt.Errorf("find the offsets of %s: %w", s.cfg.Since, err)
	}

	return starts, nil
}

// taker takes kadm's answer apart.
type taker func(kadm.ListedOffsets, error) (map[int32]int64, error)

// offsetsOf takes answers on these partitions. One that is left out, or has no offset, is a mistake of the broker's: it would
// look as if there were nothing to read.
func offsetsOf(partitions ...int32) taker {
	return func(listed kadm.ListedOffsets, err error) (map[int32]int64, error) {
		if err == nil {
			err = listed.Error()
		}

		if err != nil {
			return nil, err //nolint:wrapcheck // the caller says what was asked
		}

		byPartition := map[int32]int64{}

		listed.Each(func(o kadm.ListedOffset) { byPartition[o.Partition] = o.Offset })

		for _, p := range partitions {
			switch at, ok := byPartition[p]; {
			case !ok:
				return nil, fmt.Errorf("partition %d: the broker's answer leaves it out", p)
			case at < 0:
				return nil, fmt.Errorf("partition %d: the broker's answer is %d, which is no offset", p, at)
			}
		}

		return byPartition, nil
	}
}

// describe reads a topic's metadata and says what is wrong in words.
func describe(ctx context.Context, adm *kadm.Client, topic string) (kadm.TopicDetail, error) {
	details, err := adm.ListTopicsWithInternal(ctx, topic)
	if errors.Is(err, kerr.TopicAuthorizationFailed) { // kadm makes the topic's error that of the whole answer
		return kadm.TopicDetail{}, fmt.Errorf("this user may not see it (or it does not exist): allow DESCRIBE and READ on it: %w", err)
	}

	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("read metadata: %w", err)
	}

	detail := details[topic]

	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition), !details.Has(topic) && detail.Err == nil:
		return detail, missing(ctx, adm, topic)
	case detail.Err != nil:
		return detail, fmt.Errorf("read metadata: %w", detail.Err)
	default:
		return detail, nil
	}
}

// missing looks for the topic that may have been meant. That the list cannot be had is no further mistake.
func missing(ctx context.Context, adm *kadm.Client, topic string) error {
	e := &MissingTopicError{Topic: topic}

	if all, err := adm.ListTopics(ctx); err == nil {
		// The client may remember that it asked for this one.
		maps.DeleteFunc(all, func(_ string, d kadm.TopicDetail) bool { return d.Err != nil })

		e.Near, _ = strictyaml.Nearest(topic, all.Names())
	}

	return e
}

// errRemade is a topic that went away under the scan, and came back as another.
var errRemade = errors.New("it was deleted and made anew meanwhile")

// leaders asks again who leads the partitions that are left. Errors that only this moment has do not
// matter: it is asked again.
func (s *scan) leaders(ctx context.Context) error {
	detail, err := describe(ctx, kadm.NewClient(s.client), s.cfg.Topic)
	if _, gone := errors.AsType[*MissingTopicError](err); gone {
		return err
	}

	if err != nil {
		return nil //nolint:nilerr // as said above
	}

	if detail.ID != s.id {
		return errRemade
	}

	for _, p := range detail.Partitions {
		i := slices.IndexFunc(s.partitions, func(q *partition) bool { return q.number == p.Partition })
		if i >= 0 {
			s.partitions[i].leader = p.Leader
		}
	}

	return nil
}
