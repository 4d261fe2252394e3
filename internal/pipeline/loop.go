package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// retentionMargin is what a tier keeps beyond twice its wait: a day in which the delay role may
// stand still without losing a redial.
const retentionMargin = 24 * time.Hour

func retentionOf(wait time.Duration) time.Duration { return 2*wait + retentionMargin }

// topicSettings are those of topics that kafka.create_topics makes: a tier's retention, and that of
// cancel records.
func (r *Retry) topicSettings() map[string]map[string]string {
	if r == nil {
		return nil
	}
	settings := map[string]map[string]string{}
	for _, tier := range r.Loop.Tiers() {
		const week = 7 * 24 * time.Hour // the brokers' default
		settings[tier.Topic] = map[string]string{
			"cleanup.policy": "delete", "retention.ms": strconv.FormatInt(max(retentionOf(tier.Wait), week).Milliseconds(), 10),
		}
	}
	if r.Cancels != "" {
		settings[r.Cancels] = map[string]string{"cleanup.policy": "compact"}
	}
	return settings
}

// checkLoop refuses tiers that would lose redials: compacted ones, and those that forget too early. What
// this user may not read is not checked.
func (p *Pipeline) checkLoop(ctx context.Context) error {
	r := p.cfg.Retry
	if r == nil {
		return nil
	}
	var names []string
	for _, tier := range r.Loop.Tiers() {
		names = append(names, tier.Topic)
	}
	settings := p.client.TopicSettings(ctx, names, "cleanup.policy", "retention.ms")
	var errs []error
	for _, tier := range r.Loop.Tiers() {
		s, ok := settings[tier.Topic]
		if !ok {
			p.log.Warn("cannot read the settings of a tier: make sure that it is not compacted and keeps records long enough (or allow DESCRIBE_CONFIGS)")
			continue
		}
		alter := func(setting string) string {
			return fmt.Sprintf("`kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config %s`", strings.Join(p.client.Brokers(), ","), tier.Topic, setting)
		}
		if strings.Contains(s["cleanup.policy"], "compact") {
			errs = append(errs, fmt.Errorf("retry.tiers: topic %q is compacted, which would drop redials of one key: set %s", tier.Topic, alter("cleanup.policy=delete")))
		}
		least := retentionOf(tier.Wait).Milliseconds()
		if ms, err := strconv.ParseInt(s["retention.ms"], 10, 64); err == nil && ms >= 0 && ms < least {
			errs = append(errs, fmt.Errorf("retry.tiers: topic %q keeps records for %v, which is less than twice its wait of %v and a day: set %s",
				tier.Topic, time.Duration(ms)*time.Millisecond, tier.Wait, alter("retention.ms="+strconv.FormatInt(least, 10))))
		}
	}
	return errors.Join(errs...)
}
