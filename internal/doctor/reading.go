package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
)

// Lag is how far the group is in one partition.
type Lag struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"` // -1: nothing has been committed
	Start     int64  `json:"start"`     // of the log
	End       int64  `json:"end"`       // that the filter can read up to
	Records   int64  `json:"records"`   // from the committed offset, or from the start where none is, to the end
	// Oldest is when the next record to read was written, by its own timestamp; nil: there is none, or it could not be read.
	Oldest *time.Time `json:"oldest,omitempty"`
}

func (l *Lag) String() string { return fmt.Sprintf("%s/%d", l.Topic, l.Partition) }

// lost is how many records were deleted before they were read.
func (l *Lag) lost() int64 {
	if l.Committed < 0 {
		return 0
	}

	return max(0, l.Start-l.Committed)
}

// reading compares what the group has read with what the input topics hold.
func (d *doctor) reading(ctx context.Context) {
	on := d.cfg.Input.Group + " (group)"

	var present []string

	for _, name := range d.cfg.Input.Topics {
		if t := d.topics[name]; t != nil && t.err == nil {
			present = append(present, name)
		}
	}

	if len(present) == 0 {
		d.note(NotChecked, "lag", on, "no input topic can be seen")

		return
	}

	lags, err := d.lags(ctx, present)
	if err != nil {
		d.note(NotChecked, "lag", on, "%v", err)

		return
	}

	d.ages(ctx, lags)
	d.report.Lag = lags
	d.lag(on, lags)

	for _, name := range present {
		of := slices.DeleteFunc(slices.Clone(lags), func(l Lag) bool { return l.Topic != name })
		s := Subject{Topic: name, Role: Input}
		d.losses(s, of)
		d.inputRetention(s, of)
	}
}

// lags asks for the ends first: what arrives in between would look like lag.
func (d *doctor) lags(ctx context.Context, topics []string) ([]Lag, error) {
	list := d.adm.ListEndOffsets
	if d.cfg.Input.Isolation == config.ReadCommitted {
		list = d.adm.ListCommittedOffsets
	}

	ends, err := list(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}

	if err != nil {
		return nil, fmt.Errorf("find the ends of the input: %w", err)
	}

	starts, err := d.adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}

	if err != nil {
		return nil, fmt.Errorf("find the starts of the input: %w", err)
	}

	committed, err := d.committed(ctx)
	if err != nil {
		return nil, err
	}

	all := []Lag{}

	ends.Each(func(e kadm.ListedOffset) {
		l := Lag{Topic: e.Topic, Partition: e.Partition, Committed: -1, End: e.Offset}
		if s, ok := starts.Lookup(e.Topic, e.Partition); ok {
			l.Start = s.Offset
		}

		if c, ok := committed.Lookup(e.Topic, e.Partition); ok && c.Err == nil {
			l.Committed = c.At
		}

		l.Records = max(0, l.End-max(l.Committed, l.Start))
		all = append(all, l)
	})
	slices.SortFunc(all, func(a, b Lag) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}

		return int(a.Partition - b.Partition)
	})

	return all, nil
}

func (d *doctor) committed(ctx context.Context) (kadm.OffsetResponses, error) {
	if !d.coordinates(ctx, offsetsTopic, d.anyGroup) {
		return kadm.OffsetResponses{}, nil // nobody has committed anything on this cluster
	}

	committed, err := d.adm.FetchOffsets(ctx, d.cfg.Input.Group)

	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return kadm.OffsetResponses{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the committed offsets: %w", err)
	}

	return committed, nil
}

// lag sums up; how much is too much is the operator's to say.
func (d *doctor) lag(on string, lags []Lag) {
	var (
		total, none int64
		worst       *Lag
		oldest      time.Time
	)

	for i := range lags {
		l := &lags[i]
		if l.Committed < 0 {
			none++

			continue
		}

		total += l.Records

		if worst == nil || l.Records > worst.Records {
			worst = l
		}

		if l.Oldest != nil && (oldest.IsZero() || l.Oldest.Before(oldest)) {
			oldest = *l.Oldest
		}
	}

	if worst == nil {
		d.note(OK, "lag", on, "nothing has been committed yet: the filter begins at %s", d.cfg.Input.Start)

		return
	}

	text := count(total, "record") + " in " + count(int64(len(lags))-none, "partition")
	if total > 0 {
		text += fmt.Sprintf(", most in %s: %d", worst, worst.Records)
	}

	if !oldest.IsZero() {
		text += ", the oldest " + span(d.age(oldest)) + " old"
	}

	if none > 0 {
		text += fmt.Sprintf("; %s without a committed offset: begins at %s", count(none, "partition"), d.cfg.Input.Start)
	}

	d.note(OK, "lag", on, "%s", text)
}

// losses finds committed offsets that are no longer in the log, or not yet.
func (d *doctor) losses(s Subject, lags []Lag) {
	var (
		lost   int64
		gaps   []string
		beyond []string
	)

	for i := range lags {
		l := &lags[i]
		if n := l.lost(); n > 0 {
			lost += n
			gaps = append(gaps, fmt.Sprintf("%s (committed %d, the log begins at %d)", l, l.Committed, l.Start))
		}

		if l.Committed > l.End && l.Committed > 0 {
			beyond = append(beyond, fmt.Sprintf("%s (committed %d, the log ends at %d)", l, l.Committed, l.End))
		}
	}

	if lost > 0 {
		d.note(Problem, "loss", s.String(), "%s deleted before being read: %s; input.on_out_of_range is %s", count(lost, "record"), some(gaps), d.cfg.Input.OnOutOfRange).
			mend("# what is gone is gone; this keeps the next ones longer", d.retention(s.Topic, advisedKeep))
	}

	if len(beyond) > 0 {
		d.note(Problem, "loss", s.String(), "committed offsets lie behind the end, as after a topic was made anew: %s; input.on_out_of_range is %s", some(beyond), d.cfg.Input.OnOutOfRange).
			mend("# with stop, and while the filter is stopped:", d.tool("kafka-consumer-groups.sh", "--group", d.cfg.Input.Group, "--topic", s.Topic, "--reset-offsets", "--to-earliest", "--execute"))
	}

	if lost == 0 && len(beyond) == 0 {
		d.note(OK, "loss", s.String(), "nothing unread has been deleted")
	}
}

// count says how many of something.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}

	return fmt.Sprintf("%d %ss", n, what)
}

// some names the first few.
func some(list []string) string {
	const few = 3
	if len(list) <= few {
		return strings.Join(list, ", ")
	}

	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

const (
	// advisedKeep is Kafka's default: a long weekend and its repair.
	advisedKeep = 7 * 24 * time.Hour
	// leastKeep is what a night without anybody takes.
	leastKeep = 24 * time.Hour
)

// inputRetention compares how long records are kept with how old those are that have yet to be read.
func (d *doctor) inputRetention(s Subject, lags []Lag) {
	t := d.topics[s.Topic]
	if t.settings == nil {
		return // said already
	}

	ms, ok := t.settings.number("retention.ms")
	if !ok {
		d.note(NotChecked, "retention", s.String(), "retention.ms is not among the topic's settings")

		return
	}

	kept, text := time.Duration(ms)*time.Millisecond, "keeps "+spanOrEver(ms)
	if size, _ := t.settings.number("retention.bytes"); size > 0 {
		text += fmt.Sprintf(", and at most %d bytes of a partition", size)
	}

	oldest := oldestOf(lags)
	age := time.Duration(0)

	if oldest != nil {
		age = d.age(*oldest.Oldest)
		text += fmt.Sprintf("; the oldest unread record is %s old (%s)", span(age), oldest)
	}

	c := d.note(OK, "retention", s.String(), "%s", text)
	if ms < 0 || !strings.Contains(t.settings["cleanup.policy"], "delete") {
		return
	}

	switch {
	case oldest != nil && age >= kept:
		c.Status, c.Found = Problem, text+": it may be deleted at any moment"
	case oldest != nil && age >= kept/2:
		c.Status, c.Found = Warning, text+": half of its time is over"
	case kept < leastKeep:
		c.Status, c.Found = Warning, text+": a stop longer than that loses events"
	default:
		return
	}

	c.mend(d.retention(s.Topic, max(advisedKeep, 4*age.Truncate(time.Hour)))) //nolint:mnd // so that a quarter of its time is over
}

func oldestOf(lags []Lag) *Lag {
	var oldest *Lag

	for i := range lags {
		l := &lags[i]
		if l.Oldest != nil && (oldest == nil || l.Oldest.Before(*oldest.Oldest)) {
			oldest = l
		}
	}

	return oldest
}

// age is never negative: clocks and timestamps may disagree.
func (d *doctor) age(t time.Time) time.Duration { return max(0, d.opt.Now().Sub(t)) }

const (
	// agesWithin leaves time for a partition that is slow to answer, and not all of the run's.
	agesWithin = 3 * time.Second
	// agesChunk is asked of each partition: one record is wanted, and it comes in a batch.
	agesChunk = 64 << 10
	agesFetch = 8 << 20
)

// ages reads the next record of each partition that has one. Reading so joins no group and commits nothing.
func (d *doctor) ages(ctx context.Context, lags []Lag) {
	at, want := map[string]map[int32]kgo.Offset{}, 0

	for i := range lags {
		l := &lags[i]
		if l.Committed < l.Start || l.Committed >= l.End {
			continue // none committed, lost, or all read
		}

		if at[l.Topic] == nil {
			at[l.Topic] = map[int32]kgo.Offset{}
		}

		at[l.Topic][l.Partition] = kgo.NewOffset().At(l.Committed)
		want++
	}

	if want == 0 {
		return
	}

	client, err := kgo.NewClient(d.options(kgo.ConsumePartitions(at), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxPartitionBytes(agesChunk), kgo.FetchMaxBytes(agesFetch), kgo.FetchMaxWait(retryTimeout/10))...) //nolint:mnd // short
	if err != nil {
		return // the options were good a moment ago; ages stay unknown
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, agesWithin)
	defer cancel()

	for want > 0 && ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			i := slices.IndexFunc(lags, func(l Lag) bool { return l.Topic == p.Topic && l.Partition == p.Partition })
			if i < 0 || len(p.Records) == 0 || lags[i].Oldest != nil {
				return
			}

			lags[i].Oldest = &p.Records[0].Timestamp
			want--

			client.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
		})

		if fetches.Err() != nil {
			return // the rights say why
		}
	}
}
