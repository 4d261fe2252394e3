package replay

import (
	"fmt"
	"slices"

	"github.com/callstream/enricher/internal/config"
)

// Why is why a letter is not replayed. The set is closed.
type Why string

// The reasons for leaving a letter where it is.
const (
	ValueOmitted  Why = "value_omitted"  // the event did not fit the dead-letter topic, and its value is not there
	CorruptBatch  Why = "corrupt_batch"  // the bytes of a whole batch, not an event
	NoOrigin      Why = "no_origin"      // nothing says where it came from
	OriginMissing Why = "origin_missing" // the topic it came from does not exist any more
	OriginIsFrom  Why = "origin_is_from" // it came from the dead-letter topic itself: it would be read for ever
	OriginRefused Why = "origin_refused" // it names the retry loop's due, gave-up or cancel topic: see refused
	MaxReplays    Why = "max_replays"    // it has been replayed as often as one event may be
	TooLarge      Why = "too_large"      // the topic does not take so large a record, with the header for the replay
)

// Whys lists every reason for leaving a letter where it is.
func Whys() []Why {
	return []Why{ValueOmitted, CorruptBatch, NoOrigin, OriginMissing, OriginIsFrom, OriginRefused, MaxReplays, TooLarge}
}

// unfit says why the letter must stay, as far as it tells by itself; "" if nothing speaks against it.
func (r *Replay) unfit(l *letter, to string) Why {
	switch {
	case l.reason == reasonCorrupt:
		return CorruptBatch
	case l.omitted:
		return ValueOmitted
	case to == "":
		return NoOrigin
	case to == r.opt.From:
		return OriginIsFrom
	case slices.Contains(r.refused, to):
		return OriginRefused
	case l.replays >= r.opt.MaxReplays:
		return MaxReplays
	default:
		return ""
	}
}

// refused are the topics that no letter came from, since nothing reads them that puts letters aside. Whatever a
// header says: a record on the due topic is an order to dial, past window, cancels and rail; one on the cancel topic
// drops redials; one on the gave-up topic tells of what did not happen. Tiers are none of them: the delay role puts
// letters aside, and holds to its rules what comes back.
func refused(cfg *config.Config) []string {
	if !cfg.Retry.On() {
		return nil
	}
	return []string{cfg.Retry.Due, cfg.Retry.GaveUp, cfg.Retry.Cancel.Topic}
}

// LoopTopic tells which key of the configuration makes a topic one of the retry loop's, to which nobody else may
// write; "": none. Letters that came from a tier go back to it all the same.
func LoopTopic(cfg *config.Config, topic string) string {
	r := &cfg.Retry
	if !r.On() || topic == "" {
		return ""
	}
	for i, t := range r.Tiers {
		if t.Topic == topic {
			return fmt.Sprintf("retry.tiers[%d].topic", i)
		}
	}
	switch topic {
	case r.Due:
		return "retry.due"
	case r.GaveUp:
		return "retry.gave_up"
	case r.Cancel.Topic:
		return "retry.cancel.topic"
	default:
		return ""
	}
}
