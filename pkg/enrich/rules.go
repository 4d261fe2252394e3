package enrich

import (
	"fmt"

	"github.com/callstream/enricher/pkg/catalog"
)

// rule is one line of the table in docs/event.md: the first that applies
// decides. All but the last two refuse a redial.
type rule struct {
	reason    AdviceReason
	retryable bool
	applies   func(e *Enricher, r *Result) bool
	saw       func(e *Enricher, r *Result) string // for Explain: what applies looked at
}

// rules lists them in order. What forbids a call comes before what merely does
// not suggest one, so that the reason is the strongest there is.
func rules() []rule {
	return []rule{
		{AdviseUnknownCode, false, func(_ *Enricher, r *Result) bool { return r.Reason == CodeNotInCatalog }, sawCode},
		{AdviseBadCode, false, func(_ *Enricher, r *Result) bool { return r.Reason == BadCode }, sawCode},
		{AdviseUnknownName, false, func(_ *Enricher, r *Result) bool { return r.Reason == UnknownName }, sawCode},
		{AdviseDirectionUnknown, false, func(_ *Enricher, r *Result) bool { return r.Direction == "" }, sawDirection},
		{AdviseNotOutbound, false, func(_ *Enricher, r *Result) bool { return r.Direction != catalog.Outbound }, sawDirection},
		{AdviseBLeg, false, func(e *Enricher, r *Result) bool { return r.BLeg && !e.opt.RedialBLegs }, sawBLeg},
		{AdviseNothingToRetry, false, func(_ *Enricher, r *Result) bool { return r.Entry.Retry.Class == catalog.ClassNone }, sawClass},
		{AdviseNever, false, func(_ *Enricher, r *Result) bool { return r.Entry.Retry.Class == catalog.ClassNever }, sawClass},
		{AdviseNeedsPerson, false, func(_ *Enricher, r *Result) bool { return r.Entry.Retry.Class == catalog.ClassManual }, sawClass},
		{AdviseNeedsFix, false, func(_ *Enricher, r *Result) bool {
			return r.Entry.Retry.Class == catalog.ClassAfterFix || r.Entry.Retry.Auto == catalog.AutoGated
		}, sawClass},
		{AdviseBlocked, false, func(_ *Enricher, r *Result) bool { return r.Entry.Retry.Auto == catalog.AutoBlocked }, sawClass},
		{AdviseNeedsOptIn, false, func(_ *Enricher, r *Result) bool {
			return r.Entry.Retry.Auto == catalog.AutoOptIn && !r.scratch.cause.optedIn
		}, sawOptIn},
		{AdviseAnswered, false, func(e *Enricher, r *Result) bool {
			return r.Answered && !e.opt.RedialAnswered && r.Entry.Retry.Auto != catalog.AutoOptIn
		}, sawAnswered},
		{AdviseAttemptsExhausted, false, func(_ *Enricher, r *Result) bool {
			return r.Attempt > r.Entry.Retry.MaxRetries
		}, sawAttempt},
		{AdviseOptedIn, true, func(_ *Enricher, r *Result) bool { return r.Entry.Retry.Auto == catalog.AutoOptIn }, sawOptIn},
		{AdvisePolicy, true, func(*Enricher, *Result) bool { return true }, sawClass},
	}
}

// decide finds the index of the rule that decides. There is one: the last applies always.
func (e *Enricher) decide(r *Result) int {
	i := 0
	for !e.rules[i].applies(e, r) {
		i++
	}

	return i
}

// situation is what rules look at in the single event, beside the cause: one bit each for
// an answer, a B leg and too many attempts, and above them the direction.
type situation uint8

const numSituations = 3 << 3

func (r *Result) situation() situation {
	var s situation

	switch r.Direction {
	case catalog.Outbound:
		s = 1 << 3
	case catalog.Inbound:
		s = 2 << 3
	}

	if r.Answered {
		s |= 1
	}

	if r.BLeg {
		s |= 2
	}

	if r.Entry != nil && r.Attempt > r.Entry.Retry.MaxRetries {
		s |= 4
	}

	return s
}

// settle asks the rules beforehand, once for each situation in which c may be found: there are few.
func (e *Enricher) settle(c *cause, reason Reason) {
	r := &Result{Reason: reason, Entry: c.entry}
	r.scratch.cause = c

	for s := range situation(numSituations) {
		r.Answered, r.BLeg = s&1 != 0, s&2 != 0
		r.Direction = [...]catalog.Direction{"", catalog.Outbound, catalog.Inbound}[s>>3]

		if c.entry != nil {
			r.Attempt = c.entry.Retry.MaxRetries + int(s>>2&1)
		}

		c.decided[s] = uint8(e.decide(r)) //nolint:gosec // a dozen
	}
}

// advise fills r.Advice from what is known about the event.
func (e *Enricher) advise(rec *Record, r *Result) {
	rule := &e.rules[r.scratch.cause.decided[r.situation()]]
	r.Advice = Advice{Retryable: rule.retryable, NotBeforeMS: -1, Attempt: r.Attempt, Reason: rule.reason}

	if r.Entry == nil {
		return
	}

	policy := &r.Entry.Retry
	r.Advice.Class = policy.Class

	if policy.MaxRetries > 0 {
		r.Advice.MaxAttempts = 1 + policy.MaxRetries
	}

	if rule.retryable {
		r.Advice.DelayS = delayS(policy, r.Attempt, spread(rec, r.CallID, r.Attempt))
		r.Advice.NotBeforeMS = notBeforeMS(rec.TimestampMS, r.Advice.DelayS)

		if r.Advice.NotBeforeMS >= 0 {
			r.scratch.notBefore.set(r.Advice.NotBeforeMS)
		}
	}
}

func sawCode(_ *Enricher, r *Result) string {
	switch {
	case r.Entry != nil:
		return fmt.Sprintf("%s leads to entry %d", r.Evidence, r.Entry.Code)
	case r.HasCode:
		return fmt.Sprintf("code %d", r.Code)
	default:
		return string(r.Evidence) + " " + quoted(r.scratch.raw)
	}
}

func sawDirection(_ *Enricher, r *Result) string {
	if r.Direction == "" {
		return "no direction, or none that is known"
	}

	return "direction " + string(r.Direction)
}

func sawBLeg(e *Enricher, r *Result) string {
	return fmt.Sprintf("b leg: %t, redialling b legs allowed: %t", r.BLeg, e.opt.RedialBLegs)
}

func sawClass(_ *Enricher, r *Result) string {
	return fmt.Sprintf("class %s, auto %s", r.Entry.Retry.Class, r.Entry.Retry.Auto)
}

func sawOptIn(_ *Enricher, r *Result) string {
	return fmt.Sprintf("auto %s, code opted in: %t", r.Entry.Retry.Auto, r.scratch.cause.optedIn)
}

func sawAnswered(e *Enricher, r *Result) string {
	return fmt.Sprintf("answered: %t, redialling answered calls allowed: %t", r.Answered, e.opt.RedialAnswered)
}

func sawAttempt(_ *Enricher, r *Result) string {
	return fmt.Sprintf("attempt %d, retries allowed: %d", r.Attempt, r.Entry.Retry.MaxRetries)
}

// quoted is s as a JSON string, for people.
func quoted(s string) string { return string(appendQuoted(nil, s)) }
