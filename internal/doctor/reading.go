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

	"github.com/callstream/enricher/internal/kafkatool"
)

// Lag is how far a group is in one partition.
type Lag struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"` // -1: nothing has been committed
	Start     int64  `json:"start"`     // of the log
	End       int64  `json:"end"`       // that the group can read up to
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

// reading compares what the groups have read with what their topics hold.
func (d *doctor) reading(ctx context.Context) {
	all := readers(d.cfg)
	for i := range all {
		d.read(ctx, &all[i])
	}
}

func (d *doctor) read(ctx context.Context, r *reader) {
	present := slices.DeleteFunc(slices.Clone(r.subjects), func(s Subject) bool {
		t := d.topics[s.Topic]

		return t == nil || t.err != nil
	})
	if len(present) == 0 {
		d.note(NotChecked, "lag", r.String(), "no %s can be seen", r.what)

		return
	}

	lags, err := d.lags(ctx, r, present)
	if err != nil {
		d.note(NotChecked, "lag", r.String(), "%v", err)

		return
	}

	d.ages(ctx, r, lags)
	d.report.Lag = append(d.report.Lag, lags...)
	d.lag(r, lags)

	for _, s := range present {
		of := slices.DeleteFunc(slices.Clone(lags), func(l Lag) bool { return l.Topic != s.Topic })
		d.losses(r, s, of)

		if s.Role == Input {
			d.inputRetention(s, of)
		}
	}
}

// lags asks for the ends first: what arrives in between would look like lag.
func (d *doctor) lags(ctx context.Context, r *reader, subjects []Subject) ([]Lag, error) {
	topics := make([]string, 0, len(subjects))
	for _, s := range subjects {
		topics = append(topics, s.Topic)
	}

	list := d.adm.ListEndOffsets
	if r.committedOnly {
		list = d.adm.ListCommittedOffsets
	}

	ends, err := list(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}

	if err != nil {
		return nil, fmt.Errorf("find the ends of what is read: %w", err)
	}

	starts, err := d.adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}

	if err != nil {
		return nil, fmt.Errorf("find the starts of what is read: %w", err)
	}

	committed, err := d.committed(ctx, r.group)
	if err != nil {
		return nil, err
	}

	all := []Lag{}

	ends.Each(func(e kadm.ListedOffset) {
		l := Lag{Group: r.group, Topic: e.Topic, Partition: e.Partition, Committed: -1, End: e.Offset}
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

func (d *doctor) committed(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	if !d.coordinates(ctx, offsetsTopic, d.anyGroup) {
		return kadm.OffsetResponses{}, nil // nobody has committed anything on this cluster
	}

	committed, err := d.adm.FetchOffsets(ctx, group)

	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return kadm.OffsetResponses{}, nil
	case err != nil:
		return nil, fmt.Errorf("read the committed offsets: %w", err)
	}

	return committed, nil
}

// lag sums up; how much is too much is the operator's to say. The delay role's is what waits.
func (d *doctor) lag(r *reader, lags []Lag) {
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
		d.note(OK, "lag", r.String(), "nothing has been committed yet: %s", r.starts)

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
		text += fmt.Sprintf("; %s without a committed offset: %s", count(none, "partition"), r.starts)
	}

	d.note(OK, "lag", r.String(), "%s", text)
}

// losses finds committed offsets that are no longer in the log, or not yet.
func (d *doctor) losses(r *reader, s Subject, lags []Lag) {
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
		d.note(Problem, "loss", s.String(), "%s deleted before being read: %s; %s", count(lost, r.record), some(gaps), r.goesOn).
			mend("# what is gone is gone; this keeps the next ones longer", d.retention(s.Topic, max(kafkatool.Keep, s.Keep, s.Want)))
	}

	if len(beyond) > 0 {
		d.note(Problem, "loss", s.String(), "committed offsets lie behind the end, as after a topic was made anew: %s; %s", some(beyond), r.goesOn).
			mend(r.stopped, d.tool("kafka-consumer-groups.sh", "--group", r.group, "--topic", s.Topic, "--reset-offsets", "--to-earliest", "--execute"))
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
