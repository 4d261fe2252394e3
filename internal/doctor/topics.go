package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatool"
)

// topic looks at one topic in all respects but for what is read from it.
func (d *doctor) topic(ctx context.Context, s Subject) {
	t := d.topics[s.Topic]
	if !d.exists(ctx, s, t) {
		return
	}

	d.rights(s, t)
	d.partitions(s, t)
	d.replicas(s, t)

	if t.denied != nil {
		d.note(NotChecked, "settings", s.String(), "min.insync.replicas, max.message.bytes, cleanup.policy and retention.ms cannot be read: %v", t.denied).
			mend(d.allowSettings(t.denied, "--topic", s.Topic)...)

		return
	}

	if s.Role.writes() {
		d.minISR(s, t)
		d.messageSize(s, t)
	}

	d.cleanup(s, t)

	if s.Keep > 0 && s.Role != Cancel {
		d.keep(s, t)
	}
}

func (d *doctor) exists(ctx context.Context, s Subject, t *topicFacts) bool {
	switch {
	case t.err == nil:
		return true
	case errors.Is(t.err, kerr.UnknownTopicOrPartition) && d.cfg.Kafka.CreateTopics:
		d.creatable(ctx, s)
	case errors.Is(t.err, kerr.UnknownTopicOrPartition):
		d.note(Problem, "topic", s.String(), "does not exist").mend(d.creation(s))
	case errors.Is(t.err, kerr.TopicAuthorizationFailed):
		d.note(Problem, "topic", s.String(), "this user may not see it, or it does not exist").
			mend(d.allow(needed(s.Role), "--topic", s.Topic))
	default:
		d.note(NotChecked, "topic", s.String(), "%v", t.err)
	}

	return false
}

// creatable lets the cluster go through making a topic as the start would, without making it.
func (d *doctor) creatable(ctx context.Context, s Subject) {
	const (
		partitions = 4 // as the start makes them
		byDefault  = -1
	)

	answers, err := d.adm.ValidateCreateTopics(ctx, partitions, byDefault, nil, s.Topic)
	if err == nil {
		err = answers.Error()
	}

	switch {
	case err == nil:
		d.note(OK, "topic", s.String(), "does not exist; the start makes it (kafka.create_topics)")
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		d.note(Problem, "topic", s.String(), "does not exist, and this user may not make it: lacks Create").
			mend(d.creation(s), "# or, so that the start may do it:", d.allow([]string{"Create"}, "--topic", s.Topic))
	default:
		d.note(Problem, "topic", s.String(), "does not exist, and making it would fail: %v", err).mend(d.creation(s))
	}
}

// creation makes a topic like those that are there.
func (d *doctor) creation(s Subject) string {
	return kafkatool.Create(d.cfg.Kafka.Brokers, kafkatool.Topic{
		Name: s.Topic, Partitions: d.inputPartitions(), Brokers: len(d.nodes), Keep: max(s.Keep, s.Want), Compacted: s.Role == Cancel,
	})
}

// inputPartitions is how many partitions the input topics have; 0 if they differ or are not known.
func (d *doctor) inputPartitions() int {
	n := 0

	for _, name := range d.cfg.Input.Topics {
		have := 0
		if t := d.topics[name]; t != nil {
			have = len(t.partitions)
		}

		if have == 0 || n != 0 && n != have {
			return 0
		}

		n = have
	}

	return n
}

// partitions compares a topic that is written with the input: the rule by which records are
// placed hangs on it.
func (d *doctor) partitions(s Subject, t *topicFacts) {
	have, in := len(t.partitions), d.inputPartitions()

	switch {
	case s.Role != Output && s.Role != Route && s.Role != DeadLetter, !d.inputSeen():
		d.note(OK, "partitions", s.String(), "%d", have)
	case have == in:
		d.note(OK, "partitions", s.String(), "%d, as the input: each event keeps its partition's number and order", have)
	case s.Role != Output:
		d.note(OK, "partitions", s.String(), "%d, the input %s: %s", have, d.inputCount(), byKey)
	default:
		c := d.note(Warning, "partitions", s.String(), "%d, the input %s: %s", have, d.inputCount(), byKey)
		if have < in {
			c.mend("# stop the filter first: the rule is fixed at its start", d.addPartitions(s.Topic, in))
		}
	}
}

const byKey = "events are placed by the hash of their key; the order of one key holds, that of a partition does not"

func (d *doctor) inputSeen() bool {
	return !slices.ContainsFunc(d.cfg.Input.Topics, func(name string) bool {
		t := d.topics[name]

		return t == nil || t.err != nil
	})
}

func (d *doctor) inputCount() string {
	counts := make([]string, 0, len(d.cfg.Input.Topics))
	for _, name := range d.cfg.Input.Topics {
		counts = append(counts, strconv.Itoa(len(d.topics[name].partitions)))
	}

	return strings.Join(counts, " and ")
}

// replicas looks at how many copies there are, and how many of them are there now.
func (d *doctor) replicas(s Subject, t *topicFacts) {
	least, behind, leaderless := replication(t.partitions)
	c := d.note(OK, "replicas", s.String(), "%d of each partition", least)

	switch {
	case leaderless > 0:
		c.Status, c.Found = Problem, fmt.Sprintf("%d of %d partitions have no leader: nothing can be read from or written to them", leaderless, len(t.partitions))
		c.mend("# start the brokers that are away", d.tool("kafka-topics.sh", "--describe", "--unavailable-partitions"))
	case least == 1 && len(d.nodes) == 1:
		c.Status, c.Found = Warning, "1 of each partition: the cluster has one broker, and its loss loses events"
	case least == 1:
		c.Status, c.Found = Warning, "1 of each partition: the loss of one broker loses events"
		c.mend(d.replicate(s.Topic, t.partitions, min(kafkatool.Replicas, len(d.nodes)))...)
	case behind > 0:
		c.Status, c.Found = Warning, fmt.Sprintf("%d of each partition; %d of %d partitions lack some of theirs at the moment", least, behind, len(t.partitions))
		c.mend("# start the brokers that are away", d.tool("kafka-topics.sh", "--describe", "--under-replicated-partitions"))
	}
}

// replication counts the replicas of the partition that has fewest, and the partitions that lack some, or a leader.
func replication(parts []kmsg.MetadataResponseTopicPartition) (least, behind, leaderless int) {
	for i := range parts {
		p := &parts[i]
		if i == 0 || len(p.Replicas) < least {
			least = len(p.Replicas)
		}

		if len(p.ISR) < len(p.Replicas) {
			behind++
		}

		if p.Leader < 0 {
			leaderless++
		}
	}

	return least, behind, leaderless
}

// minISR compares how many replicas a write needs with how many there are.
func (d *doctor) minISR(s Subject, t *topicFacts) {
	const key = "min.insync.replicas"

	need, ok := t.settings.number(key)
	if !ok {
		d.note(NotChecked, "min ISR", s.String(), "%s is not among the topic's settings", key)

		return
	}

	least, _, _ := replication(t.partitions)
	replicas := int64(least)
	c := d.note(OK, "min ISR", s.String(), "a write needs %d of %d replicas", need, replicas)

	switch {
	case need > replicas:
		c.Status, c.Found = Problem, fmt.Sprintf("a write needs %d replicas and there are %d: none is ever acknowledged", need, replicas)
		c.mend(d.alterTopic(s.Topic, key, max(1, replicas-1)))
	case need == replicas && replicas > 1:
		c.Status, c.Found = Warning, fmt.Sprintf("a write needs all %d replicas: one broker down stops writing", replicas)
		c.mend(d.alterTopic(s.Topic, key, replicas-1))
	case need == 1 && replicas > 2: //nolint:mnd // with two, 1 is the only number that lets one be away
		c.Status, c.Found = Warning, fmt.Sprintf("a write is acknowledged by 1 of %d replicas, and lost with it", replicas)
		c.mend(d.alterTopic(s.Topic, key, 2))
	}
}

// messageSize compares what a topic takes with what is sent, and with what comes in.
func (d *doctor) messageSize(s Subject, t *topicFacts) {
	const key = "max.message.bytes"

	limit, ok := t.settings.number(key)
	if !ok {
		d.note(NotChecked, "message size", s.String(), "%s is not among the topic's settings", key)

		return
	}

	batch, in := int64(d.cfg.Limits.BatchBytes), d.inputLimit()

	switch {
	case limit < batch:
		d.note(Warning, "message size", s.String(), "%s is %d, less than limits.batch_bytes (%d): batches are cut to it, and an event larger than it is %s", key, limit, batch, d.tooLarge()).
			mend(d.alterTopic(s.Topic, key, max(batch, in)))
	case limit < in:
		d.note(Warning, "message size", s.String(), "%s is %d, and the input takes %d: an event between the two is %s", key, limit, in, d.tooLarge()).
			mend(d.alterTopic(s.Topic, key, in))
	default:
		d.note(OK, "message size", s.String(), "takes %d bytes, batches have %d", limit, batch)
	}
}

// inputLimit is the largest batch that the input topics take; 0 if they do not tell.
func (d *doctor) inputLimit() int64 {
	var largest int64

	for _, name := range d.cfg.Input.Topics {
		if t := d.topics[name]; t != nil {
			n, _ := t.settings.number("max.message.bytes") // 0 says nothing
			largest = max(largest, n)
		}
	}

	return largest
}

func (d *doctor) tooLarge() string {
	if d.cfg.DeadLetter.Topic == "" {
		return "malformed, and stops the filter since there is no dead_letter.topic"
	}

	return "a dead letter"
}
