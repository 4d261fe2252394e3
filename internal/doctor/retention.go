package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/kafkatool"
)

// cleanup wants old records to go by age and not by key, but for what is kept by key on purpose.
func (d *doctor) cleanup(s Subject, t *topicFacts) {
	const key = "cleanup.policy"

	policy, ok := t.settings[key]
	compacted := strings.Contains(policy, "compact")

	switch {
	case !ok:
		d.note(NotChecked, "cleanup", s.String(), "%s is not among the topic's settings", key)
	case s.Role == Cancel:
		d.cancels(s, t, policy)
	case !compacted:
		d.note(OK, "cleanup", s.String(), "%s", policy)
	case s.Role == Tier:
		d.note(Problem, "cleanup", s.String(), "%s: a later event with the same key deletes one that still waits", policy).mend(d.alterTopic(s.Topic, key, "delete"))
	case s.Role.inLoop():
		d.note(Problem, "cleanup", s.String(), "%s: a later event with the same key deletes one that nobody has read yet", policy).mend(d.alterTopic(s.Topic, key, "delete"))
	case s.Role == Input:
		d.note(Warning, "cleanup", s.String(), "%s: a later event with the same key may delete one before it is read", policy).mend(d.alterTopic(s.Topic, key, "delete"))
	default:
		d.note(Warning, "cleanup", s.String(), "%s: a later event with the same key deletes the one before, and events without a key are refused", policy).
			mend(d.alterTopic(s.Topic, key, "delete"))
	}
}

// cancels wants cancel records kept for as long as there may be redials that they cancel, by key so that they do not
// pile up.
func (d *doctor) cancels(s Subject, t *topicFacts, policy string) {
	ms, ok := t.settings.number("retention.ms")
	c := d.note(OK, "cleanup", s.String(), "%s: the last record of each key is kept", policy)

	switch forgets := strings.Contains(policy, "delete"); {
	case forgets && !ok:
		c.Status, c.Found = NotChecked, policy+", and retention.ms is not among the topic's settings"
	case forgets && ms >= 0 && ms < s.Keep.Milliseconds():
		c.Status = Problem
		c.Found = fmt.Sprintf("%s: what was cancelled is forgotten after %s, and redials live for %s (retry.max_age)", policy, spanOrEver(ms), span(s.Keep))
	case !strings.Contains(policy, "compact"):
		c.Status, c.Found = Warning, policy+": every record of a key is kept and read at each start, not the last alone"
	}

	if c.Status == Problem || c.Status == Warning {
		c.mend(d.alterTopic(s.Topic, "cleanup.policy", "compact"))
	}
}

// keep holds a topic to the retention that its role works with.
func (d *doctor) keep(s Subject, t *topicFacts) {
	ms, ok := t.settings.number("retention.ms")
	if !ok {
		d.note(NotChecked, "retention", s.String(), "retention.ms is not among the topic's settings")

		return
	}

	c := d.note(OK, "retention", s.String(), "keeps %s", spanOrEver(ms))

	switch {
	case ms >= 0 && ms < s.Keep.Milliseconds():
		c.Status = Problem
		c.Found += ", and has to keep " + span(s.Keep)

		if s.Role != Tier {
			c.Found += ": its records have the time of their call"
		}

		c.mend(d.retention(s.Topic, max(s.Keep, s.Want)))
	case ms >= 0 && ms < s.Want.Milliseconds():
		c.Status = Warning
		c.Found += fmt.Sprintf(": while the delay role stands still a redial may stay for %s (wait and retry.max_age)", span(s.Want))
		c.mend(d.retention(s.Topic, s.Want))
	}

	if size, ok := t.settings.number("retention.bytes"); ok && size >= 0 && s.Role.inLoop() {
		if c.Status == OK {
			c.Status = Warning
		}

		c.Found += fmt.Sprintf("; and at most %d bytes of a partition: what is beyond that is deleted, read or not", size)
		c.mend(d.alterTopic(s.Topic, "retention.bytes", -1))
	}
}

// leastKeep is what a night without anybody takes.
const leastKeep = 24 * time.Hour

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

	c.mend(d.retention(s.Topic, max(kafkatool.Keep, 4*age.Truncate(time.Hour)))) //nolint:mnd // so that a quarter of its time is over
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

func spanOrEver(ms int64) string {
	if ms < 0 {
		return "for ever"
	}

	return span(time.Duration(ms) * time.Millisecond)
}

// span is a duration for people: whole days if it is many hours, whole seconds if it is many.
func span(d time.Duration) string {
	const day = 24 * time.Hour

	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*day:
		return fmt.Sprintf("%.1f days", d.Hours()/day.Hours())
	case d >= time.Minute:
		text := d.Round(time.Second).String()
		for _, zero := range []string{"m0s", "h0m"} {
			if short, ok := strings.CutSuffix(text, zero); ok {
				text = short + zero[:1]
			}
		}

		return text
	default:
		return d.Round(time.Millisecond).String()
	}
}
