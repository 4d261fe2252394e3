package retry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tier is a topic on which records wait, all of them equally long, so that its head is
// always the record that is ready first.
type Tier struct {
	Topic string
	Wait  time.Duration // a whole number of milliseconds, above zero
}

// Config is what a Loop is made from.
type Config struct {
	Tiers []Tier // in any order
	// MaxAge is how long after its call failed a redial may still come due.
	MaxAge time.Duration
	// Window are the hours at which calls are allowed. Nil: any time.
	Window *Window
	// AssumeFirst lets events that do not say which attempt they were into the loop, as
	// first attempts. Whoever sets it has to make sure that redials do say it.
	AssumeFirst bool
}

// Loop says where a retry goes next. It is safe for concurrent use.
type Loop struct {
	tiers       []Tier
	waitsMS     []int64 // of tiers
	maxAgeMS    int64
	window      *Window
	assumeFirst bool
}

// New checks a configuration; all mistakes are reported together.
func New(c Config) (*Loop, error) {
	l := &Loop{
		tiers:       slices.SortedStableFunc(slices.Values(c.Tiers), func(a, b Tier) int { return cmp.Compare(a.Wait, b.Wait) }),
		maxAgeMS:    c.MaxAge.Milliseconds(),
		window:      c.Window,
		assumeFirst: c.AssumeFirst,
	}
	errs := checkTiers(l.tiers)
	if l.maxAgeMS < 1 {
		errs = append(errs, fmt.Errorf("max age %v is not above zero: every retry would be too old", c.MaxAge))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, t := range l.tiers {
		l.waitsMS = append(l.waitsMS, t.Wait.Milliseconds())
	}
	return l, nil
}

// checkTiers wants them in order of their waits.
func checkTiers(tiers []Tier) (errs []error) {
	if len(tiers) == 0 {
		errs = append(errs, errors.New("there are no tiers: a retry has nowhere to wait"))
	}
	byTopic := make(map[string]Tier, len(tiers))
	for i, t := range tiers {
		switch {
		case t.Wait <= 0:
			errs = append(errs, fmt.Errorf("tier %q waits %v: want more than zero", t.Topic, t.Wait))
		case t.Wait%time.Millisecond != 0:
			errs = append(errs, fmt.Errorf("tier %q waits %v: want whole milliseconds, as Kafka's timestamps are", t.Topic, t.Wait))
		case i > 0 && tiers[i-1].Wait == t.Wait:
			errs = append(errs, fmt.Errorf("tiers %q and %q both wait %v: one of them would never be used", tiers[i-1].Topic, t.Topic, t.Wait))
		}
		if t.Topic == "" {
			errs = append(errs, fmt.Errorf("the tier that waits %v has no topic", t.Wait))
			continue
		}
		if other, twice := byTopic[t.Topic]; twice {
			errs = append(errs, fmt.Errorf("topic %q is a tier twice, with %v and %v: the records of a topic all wait equally long", t.Topic, other.Wait, t.Wait))
		}
		byTopic[t.Topic] = t
	}
	return errs
}

// Tiers gives the tiers, the shortest wait first. A Decision's Tier is an index into it.
func (l *Loop) Tiers() []Tier { return slices.Clone(l.tiers) }

// Place is where a retry goes next.
type Place uint8

// The places.
const (
	ToTier Place = iota + 1 // it waits, at least once more
	ToDue                   // it may be dialled now
	GaveUp                  // it will not be dialled; the Reason says why
)

// String names the place for logs and metrics.
func (p Place) String() string {
	switch p {
	case ToTier:
		return "tier"
	case ToDue:
		return "due"
	case GaveUp:
		return "gave_up"
	default:
		return "none"
	}
}

// Reason says why a retry was given up.
type Reason string

// The reasons, a closed list.
const (
	// AttemptsExhausted is for the caller to give: the advice counts attempts, a Loop does not.
	AttemptsExhausted Reason = "attempts_exhausted"
	// AttemptUnknown: nothing says which attempt ended. A provider's callbacks do not count
	// by themselves, so without evidence somebody could be called for ever.
	AttemptUnknown Reason = "attempt_unknown"
	// Expired: too old, or it would be when its time comes.
	Expired Reason = "expired"
)

// Reasons lists them all.
func Reasons() []Reason { return []Reason{AttemptsExhausted, AttemptUnknown, Expired} }

// Decision is where a retry goes next.
type Decision struct {
	Place  Place
	Tier   int    // with ToTier: index into Tiers
	Reason Reason // with GaveUp
}

// Enter decides about an event that the filter found retryable. It never answers ToDue,
// so that everything that is dialled has passed Release, and with it cancels, window and
// rail. It may move o's NotBeforeMS: to the window's next opening, and never before
// FailedMS. nowMS is the present.
func (l *Loop) Enter(nowMS int64, o *Order) Decision {
	if o.Attempt < 1 || o.Assumed && !l.assumeFirst {
		return Decision{Place: GaveUp, Reason: AttemptUnknown}
	}
	if !l.schedule(nowMS, o) {
		return Decision{Place: GaveUp, Reason: Expired}
	}
	return l.wait(o.NotBeforeMS - nowMS)
}

// Release decides about a record whose wait on a tier is over. It may move o's
// NotBeforeMS as Enter does: outside the window a due record goes on waiting. nowMS is
// the present; ToDue is never answered before o's NotBeforeMS.
func (l *Loop) Release(nowMS int64, o *Order) Decision {
	if !l.schedule(nowMS, o) {
		return Decision{Place: GaveUp, Reason: Expired}
	}
	if rest := o.NotBeforeMS - nowMS; rest > 0 {
		return l.wait(rest)
	}
	return Decision{Place: ToDue}
}

// schedule applies age and window; false if there is no time left to dial.
func (l *Loop) schedule(nowMS int64, o *Order) bool {
	o.NotBeforeMS = max(o.NotBeforeMS, o.FailedMS)
	if o.FailedMS < max(0, nowMS-l.maxAgeMS) || l.tooLate(nowMS, o) {
		return false
	}
	if l.window == nil {
		return true
	}
	at := max(nowMS, o.NotBeforeMS)
	next := l.window.Next(at, o.Zone, o.ID)
	if next == at {
		return true
	}
	o.NotBeforeMS = next
	return !l.tooLate(nowMS, o)
}

// tooLate says that o comes due when it is too old. What lies further ahead than any
// retry may wait is refused too: it comes from a timestamp that is no time of a call, in
// microseconds for instance, and would wait for years.
func (l *Loop) tooLate(nowMS int64, o *Order) bool {
	return o.NotBeforeMS > nowMS+l.maxAgeMS || o.NotBeforeMS-o.FailedMS > l.maxAgeMS
}

// wait chooses the largest tier that fits, so that there are few moves, and the smallest
// where none does: late by less than its wait, but not early.
func (l *Loop) wait(restMS int64) Decision {
	tier := len(l.waitsMS) - 1
	for tier > 0 && l.waitsMS[tier] > restMS {
		tier--
	}
	return Decision{Place: ToTier, Tier: tier}
}
