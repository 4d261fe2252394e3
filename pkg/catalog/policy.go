package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrPolicy is in every error of WithPolicies.
var ErrPolicy = errors.New("bad policy")

// Policy changes the retry policy of some entries. It chooses them by what the catalog says
// of them, before any policy: of Codes, Faults and Classes, at least one is given, and all that
// are given must hold.
//
// Delay, Cap, MaxAttempts and OptIn are for causes that are dialled again. Chosen by a
// range, fault or class, others stay as they are; named by their own code, they are refused.
type Policy struct {
	// Name is what messages and Entry.Overrides call it, such as "retry.policies[0]".
	Name string

	Codes   []CodeRange
	Faults  []Fault
	Classes []Class

	// What is nil stays as it is.

	// Class is the new class. One that waits is refused for a cause that the catalog blocks or
	// gates; one that does not wait drops the delay.
	Class *Class
	// Delay is the wait after the first call, in seconds; above 0, at most 30 days.
	Delay *float64
	// Cap is the longest wait, in seconds; from the first one to 30 days.
	Cap *float64
	// MaxAttempts counts all calls, the first among them, 1 to 1001. 1 makes the class never.
	MaxAttempts *int
	// OptIn allows causes whose auto is opt_in, or takes back that an earlier policy did.
	OptIn *bool
}

// CodeRange is a range of codes, both ends included.
type CodeRange struct{ From, To int32 }

// WithPolicies is the snapshot with policies laid over it. Of several that set the same of an
// entry, the last one wins. The new snapshot has its own hash; changed entries say in
// Overrides what was changed.
//
// All mistakes are reported together. A policy that is wrong is left out, all of it or for the entries that it
// cannot change, and the others are looked at as if it were not there; beside the error comes
// the snapshot with those, for who has more to check.
func (s *Snapshot) WithPolicies(policies []Policy) (*Snapshot, error) {
	var (
		sound = make([]Policy, 0, len(policies))
		errs  []error
	)
	for i, p := range policies {
		if p.Name == "" {
			p.Name = "policies[" + strconv.Itoa(i) + "]"
		}
		if err := p.check(s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
			continue
		}
		sound = append(sound, p)
	}
	entries := slices.Clone(s.entries)
	for i := range entries {
		errs = append(errs, apply(sound, &entries[i])...)
	}
	with := newSnapshot(s.name, s.revision, entries, slices.Clone(s.legacy))
	if len(errs) > 0 {
		return with, fmt.Errorf("%w: %w", ErrPolicy, errors.Join(errs...))
	}
	return with, nil
}

// check finds what is wrong with a policy whatever it is laid over, and whether it finds
// anything there.
func (p *Policy) check(s *Snapshot) error {
	switch {
	case len(p.Codes)+len(p.Faults)+len(p.Classes) == 0:
		return errors.New("chooses by nothing: give codes, faults or classes")
	case p.Class == nil && p.Delay == nil && p.Cap == nil && p.MaxAttempts == nil && p.OptIn == nil:
		return errors.New("changes nothing: give a class, delay, longest delay, number of attempts or opt-in")
	case p.Class != nil && !slices.Contains(Classes(), *p.Class):
		return fmt.Errorf("class %q: want %s", *p.Class, oneOf(Classes()))
	case p.Delay != nil && !(*p.Delay > 0 && *p.Delay <= maxDelayS):
		return fmt.Errorf("delay %v s: want above 0 s, at most %d s", *p.Delay, maxDelayS)
	case p.Cap != nil && !(*p.Cap > 0 && *p.Cap <= maxDelayS):
		return fmt.Errorf("longest delay %v s: want above 0 s, at most %d s", *p.Cap, maxDelayS)
	case p.MaxAttempts != nil && (*p.MaxAttempts < 1 || *p.MaxAttempts > 1+maxRetries):
		return fmt.Errorf("%d attempts: want 1 to %d", *p.MaxAttempts, 1+maxRetries)
	case p.Class != nil && !delays(*p.Class) && (p.Delay != nil || p.Cap != nil || p.MaxAttempts != nil || p.OptIn != nil && *p.OptIn):
		return fmt.Errorf("class %s is not dialled again by machine: it has no delay, number of attempts or opt-in", *p.Class)
	case p.Class != nil && p.MaxAttempts != nil && *p.MaxAttempts == 1:
		return fmt.Errorf("class %s is for redialling, and one attempt is none", *p.Class)
	}
	if !slices.ContainsFunc(s.entries, func(e Entry) bool { return p.matches(&e) && p.concerns(&e) }) {
		if slices.ContainsFunc(s.entries, func(e Entry) bool { return p.matches(&e) }) {
			return errors.New("no cause that it chooses is one that it can change: none is dialled again, or none asks for an opt-in")
		}
		return errors.New("chooses no cause of the catalog")
	}
	return nil
}

func (p *Policy) matches(e *Entry) bool {
	return (len(p.Codes) == 0 || slices.ContainsFunc(p.Codes, func(r CodeRange) bool { return r.From <= e.Code && e.Code <= r.To })) &&
		(len(p.Faults) == 0 || slices.Contains(p.Faults, e.Fault)) &&
		(len(p.Classes) == 0 || slices.Contains(p.Classes, e.Retry.Class))
}

// names tells whether p means just this code.
func (p *Policy) names(e *Entry) bool { return slices.Contains(p.Codes, CodeRange{e.Code, e.Code}) }

// concerns tells whether p has something to say of an entry that it matches.
func (p *Policy) concerns(e *Entry) bool {
	timed := p.Delay != nil || p.Cap != nil || p.MaxAttempts != nil
	return p.Class != nil || p.names(e) || timed && dialled(&e.Retry) || p.OptIn != nil && delays(e.Retry.Class) && e.Retry.Auto == AutoOptIn
}

// dialled tells whether a machine may dial again by such a policy, opted in or not.
func dialled(r *Retry) bool {
	return delays(r.Class) && (r.Auto == AutoAllowed || r.Auto == AutoOptIn)
}

// settings are those that hold for one entry, each with the policy that it is from.
type settings struct {
	class            Class
	delay, cap       float64
	attempts         int
	optIn            bool
	classBy, delayBy *Policy
	capBy, maxBy     *Policy
	optInBy          *Policy
}

// apply changes an entry by all policies that match it, but for those that cannot change it.
func apply(policies []Policy, e *Entry) (errs []error) {
	before, refused := e.Retry, map[*Policy]bool{}
	for {
		set := settings{}
		for i := range policies {
			if p := &policies[i]; !refused[p] && p.matches(e) && p.concerns(e) {
				set.take(p)
			}
		}
		wrong, found := set.change(e)
		if len(found) == 0 {
			if e.Retry != before {
				e.Overrides = append(slices.Clone(e.Overrides), set.describe(&before, &e.Retry)...)
			}
			return errs
		}
		for _, err := range found {
			errs = append(errs, fmt.Errorf("%s: code %d (%s): %w", wrong.Name, e.Code, e.Name, err))
		}
		e.Retry, refused[wrong] = before, true
	}
}

func (s *settings) take(p *Policy) {
	if p.Class != nil {
		s.class, s.classBy = *p.Class, p
		if !delays(s.class) { // it comes after what was said of delays
			s.delayBy, s.capBy, s.maxBy, s.optInBy = nil, nil, nil, nil
		}
	}
	if p.Delay != nil {
		s.delay, s.delayBy = *p.Delay, p
	}
	if p.Cap != nil {
		s.cap, s.capBy = *p.Cap, p
	}
	if p.MaxAttempts != nil {
		s.attempts, s.maxBy = *p.MaxAttempts, p
	}
	if p.OptIn != nil {
		s.optIn, s.optInBy = *p.OptIn, p
	}
}

// last is any policy that set something besides the class, for messages.
func (s *settings) last() *Policy {
	for _, p := range []*Policy{s.delayBy, s.capBy, s.maxBy, s.optInBy} {
		if p != nil {
			return p
		}
	}
	return nil
}

// change changes an entry's policy, or says what is wrong with which of the policies; the entry may be changed in part then.
func (s *settings) change(e *Entry) (wrong *Policy, errs []error) {
	r := &e.Retry
	refuse := func(p *Policy, format string, args ...any) (*Policy, []error) {
		return p, []error{fmt.Errorf(format, args...)}
	}
	switch {
	case s.classBy != nil && !delays(s.class):
		if s.class == ClassAfterFix && r.Fix == "" {
			return refuse(s.classBy, "class after_fix says what has to be mended, and a policy cannot: use an overlay")
		}
		s.forbid(r)
	case s.classBy != nil:
		if why := refusal(e); why != "" && !dialled(r) {
			return refuse(s.classBy, "class %s cannot be: %s", s.class, why)
		}
		if !delays(r.Class) && (s.delayBy == nil || s.maxBy == nil) {
			return refuse(s.classBy, "class %s waits, and the cause has no delay so far: give a delay and a number of attempts as well", s.class)
		}
		s.begin(r)
	}
	p := s.last()
	if p == nil {
		return nil, nil
	}
	if !dialled(r) {
		return refuse(p, "class %s with auto %s is not dialled again by machine: there is nothing to change", r.Class, r.Auto)
	}
	if s.optInBy != nil && s.optIn {
		if why := refusal(e); why != "" && r.Auto == AutoOptIn {
			return refuse(s.optInBy, "an opt-in cannot be: %s", why)
		}
	}
	s.tune(r)
	if s.delayBy != nil && s.capBy == nil && r.InitialS > r.CapS && delays(r.Class) {
		return refuse(s.delayBy, "delay %s is above the longest one, %s: give that as well", wait(r.InitialS), wait(r.CapS))
	}
	checkRetry(r, func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s %s", field, fmt.Sprintf(format, args...)))
	})
	return p, errs
}

// refusal says why the catalog forbids to dial a cause again; "" if it does not. A policy is
// for campaigns to tune, not for forbidding and allowing: that is the catalog's, where an overlay gives
// its reason.
func refusal(e *Entry) string {
	switch e.Retry.Auto {
	case AutoBlocked:
		return "the catalog blocks it (auto: blocked: " + e.Retry.Why + ")"
	case AutoGated:
		return "the catalog wants its fix confirmed first (auto: gated)"
	case AutoAllowed, AutoOptIn:
	}
	for _, f := range []Flag{FlagSuppressDestination, FlagComplianceBlock, FlagCountsAsRefusal} {
		if slices.Contains(e.Flags, f) {
			return "the catalog flags it " + string(f)
		}
	}
	return ""
}

// forbid makes a policy one that does not dial again.
func (s *settings) forbid(r *Retry) {
	if !delays(r.Class) && r.Class == s.class {
		return
	}
	r.Class = s.class
	r.Auto = AutoBlocked
	if s.class == ClassAfterFix {
		r.Auto = AutoGated
	}
	*r = withoutDelays(*r, Retry{})
	r.OptedIn = false
}

// begin gives the class, and to one that had no delay what else a delay needs.
func (s *settings) begin(r *Retry) {
	if !delays(r.Class) {
		r.InitialS, r.CapS, r.Multiplier, r.Jitter = s.delay, s.delay, 1, JitterEqual
		if s.capBy != nil && s.cap > s.delay {
			r.Multiplier = 2
		}
		if r.Target == "" {
			r.Target = TargetSame
		}
	}
	r.Class = s.class
}

// tune sets what is set besides the class.
func (s *settings) tune(r *Retry) {
	if s.delayBy != nil {
		r.InitialS = s.delay
	}
	if s.capBy != nil {
		r.CapS = s.cap
	}
	if s.optInBy != nil {
		r.OptedIn = s.optIn && r.Auto == AutoOptIn
	}
	if s.maxBy != nil && s.attempts > 1 {
		r.MaxRetries = s.attempts - 1
	} else if s.maxBy != nil {
		s.class, s.classBy = ClassNever, s.maxBy
		s.forbid(r)
	}
}

// describe says what was changed, a line for each.
func (s *settings) describe(old, now *Retry) []string {
	var out []string
	add := func(p *Policy, what, from, to string) {
		if from != to && p != nil {
			out = append(out, fmt.Sprintf("%s: %s %s → %s", p.Name, what, from, to))
		}
	}
	add(s.classBy, "class", string(old.Class), string(now.Class))
	add(s.classBy, "auto", string(old.Auto), string(now.Auto))
	if delays(now.Class) {
		add(s.delayBy, "delay", wait(old.InitialS), wait(now.InitialS))
		by := s.capBy
		if by == nil {
			by = s.delayBy
		}
		add(by, "longest delay", wait(old.CapS), wait(now.CapS))
		add(s.maxBy, "attempts", strconv.Itoa(1+old.MaxRetries), strconv.Itoa(1+now.MaxRetries))
		add(s.optInBy, "opted in", strconv.FormatBool(old.OptedIn), strconv.FormatBool(now.OptedIn))
	}
	return out
}

// wait writes seconds as a duration, as a configuration has it: without the zeros that Go writes behind minutes and hours.
func wait(s float64) string {
	if s == 0 {
		return "none"
	}
	text := time.Duration(s * float64(time.Second)).String()
	if short, ok := strings.CutSuffix(text, "h0m0s"); ok {
		return short + "h"
	}
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		return short + "m"
	}
	return text
}
