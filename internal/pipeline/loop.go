package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/kafkatool"
)

// retentionMargin is what a tier keeps beyond twice its wait: a day in which the delay role may
// stand still without losing a redial.
const retentionMargin = 24 * time.Hour

func retentionOf(wait time.Duration) time.Duration { return 2*wait + retentionMargin }

// topicSettings are those of topics that kafka.create_topics makes.
func (c *Config) topicSettings() map[string]map[string]string {
	settings := map[string]map[string]string{}
	for _, k := range c.kept() {
		settings[k.topic] = map[string]string{"cleanup.policy": "delete", "retention.bytes": "-1", "retention.ms": strconv.FormatInt(max(k.advised, kafkatool.Keep).Milliseconds(), 10)}
	}
	if c.Retry != nil && c.Retry.Cancels != "" {
		settings[c.Retry.Cancels] = map[string]string{"cleanup.policy": "compact"}
	}
	return settings
}

// kept is a topic of the loop, and how long it has to keep records.
type kept struct {
	topic, key string
	least      time.Duration
	why        string
	advised    time.Duration // with which nothing is lost while the delay role stands still
}

// kept lists the topics that redials stand on, as far as the role touches them. Due records and given up ones
// have the time of their call, so retention counts from that.
func (c *Config) kept() []kept {
	r := c.Retry
	if r == nil {
		return nil
	}
	var all []kept
	for _, tier := range r.Loop.Tiers() {
		all = append(all, kept{tier.Topic, "retry.tiers", retentionOf(tier.Wait), fmt.Sprintf("twice its wait of %v and a day", tier.Wait), max(retentionOf(tier.Wait), tier.Wait+r.MaxAge)})
	}
	late := r.MaxAge + retentionMargin
	why := fmt.Sprintf("retry.max_age of %v and a day, and its records have the time of their call", r.MaxAge)
	all = append(all, kept{r.GaveUp, "retry.gave_up", late, why, late})
	if c.Role == Delay {
		all = append(all, kept{c.Output, "retry.due", late, why, late})
	}
	return all
}

// checkLoop refuses topics that would lose redials: compacted ones, and those that forget too early. What
// this user may not read is not checked.
func (p *Pipeline) checkLoop(ctx context.Context) error {
	topics := p.cfg.kept()
	if len(topics) == 0 {
		return nil
	}
	var names []string
	for _, k := range topics {
		names = append(names, k.topic)
	}
	settings := p.client.TopicSettings(ctx, names, "cleanup.policy", "retention.ms", "retention.bytes")
	var errs []error
	for _, k := range topics {
		s, ok := settings[k.topic]
		if !ok {
			p.log.Warn("cannot read the settings of a topic of the retry loop: make sure that it is not compacted and keeps records long enough (or allow DESCRIBE_CONFIGS)", zap.String("topic", k.topic))
			continue
		}
		alter := func(setting string, value any) string {
			return "`" + kafkatool.Alter(p.client.Brokers(), k.topic, setting, value) + "`"
		}
		if strings.Contains(s["cleanup.policy"], "compact") {
			errs = append(errs, fmt.Errorf("%s: topic %q is compacted, which would drop redials of one key: set %s", k.key, k.topic, alter("cleanup.policy", "delete")))
		}
		if ms, err := strconv.ParseInt(s["retention.ms"], 10, 64); err == nil && ms >= 0 && ms < k.least.Milliseconds() {
			errs = append(errs, fmt.Errorf("%s: topic %q keeps records for %v, which is less than %s: set %s",
				k.key, k.topic, time.Duration(ms)*time.Millisecond, k.why, alter("retention.ms", k.least.Milliseconds())))
		}
		if n, err := strconv.ParseInt(s["retention.bytes"], 10, 64); err == nil && n >= 0 {
			p.log.Warn("a topic of the retry loop has a limit of bytes: redials beyond it are lost", zap.String("topic", k.topic), zap.Int64("retention.bytes", n))
		}
	}
	return errors.Join(errs...)
}
