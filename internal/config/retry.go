package config

import (
	"slices"
	"strings"
	"time"
)

// Role is what a process does.
type Role string

// The roles.
const (
	RoleFilter Role = "filter" // enriches events
	RoleDelay  Role = "delay"  // holds the retry loop's records until they are due
)

// Values lists the roles.
func (Role) Values() []string { return []string{"filter", "delay"} }

// Weekday is a day of the week.
type Weekday string

// Values lists the days.
func (Weekday) Values() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// Day is the day as the standard library has it.
func (d Weekday) Day() time.Weekday {
	return time.Weekday((slices.Index(d.Values(), string(d)) + 1) % 7) //nolint:mnd // theirs begins with Sunday
}

// Retry is the retry loop: topics in which calls wait until they may be dialled again.
type Retry struct {
	// Tiers are the delay topics; empty: no loop.
	Tiers []Tier `yaml:"tiers"`
	// Due gets what is to be dialled now: the only topic whose records are orders to dial.
	Due string `yaml:"due"`
	// GaveUp gets what will not be dialled again.
	GaveUp string `yaml:"gave_up"`
	// Group is the consumer group of the delay role; "" stands for input.group with ".delay" behind it.
	Group string `yaml:"group"`
	// AssumeFirstAttempt lets events without an attempt number into the loop.
	AssumeFirstAttempt bool `yaml:"assume_first_attempt"`
	// MaxAge is how long after the end of a call it may still be dialled again; 1m to 720h.
	MaxAge time.Duration `yaml:"max_age"`
	// DuePerSecond is the most that come due in a second; 0: no limit.
	DuePerSecond int `yaml:"due_per_second"`
	// Policies change the catalog's retry policies; later ones win.
	Policies []Policy `yaml:"policies"`
	// Window says when calls may be made; without From: at any time.
	Window Window `yaml:"window"`
	// Cancel says how redials are cancelled; without Topic: not at all.
	Cancel Cancel `yaml:"cancel"`
}

// Tier is a topic in which records wait for a constant time.
type Tier struct {
	// Topic holds the waiting records.
	Topic string `yaml:"topic"`
	// Wait is how long each record stays; 100ms to 168h.
	Wait time.Duration `yaml:"wait"`
}

// Policy changes the retry policy of some entries of the catalog.
type Policy struct {
	// Match chooses the entries; it names at least one condition.
	Match PolicyMatch `yaml:"match"`
	// Class is the retry class; "" leaves it.
	Class string `yaml:"class"`
	// Delay is the wait after the first attempt; 0 leaves it.
	Delay time.Duration `yaml:"delay"`
	// MaxDelay bounds later waits, which grow; 0 leaves the bound.
	MaxDelay time.Duration `yaml:"max_delay"`
	// MaxAttempts counts the first call too; 0 leaves it.
	MaxAttempts int `yaml:"max_attempts"`
	// OptIn allows codes whose policy asks the operator first; absent leaves it.
	OptIn *bool `yaml:"opt_in"`
}

// PolicyMatch holds conditions on an entry. Those that are given must all hold; of the values of
// one, any may. A single value may stand for a list.
type PolicyMatch struct {
	Codes []CodeRange `yaml:"codes,single"`
	Fault []string    `yaml:"fault,single"`
	Class []string    `yaml:"class,single"`
}

// Window is when calls may be made, by the clock of who is called.
type Window struct {
	// Days are those on which calls may be made.
	Days []Weekday `yaml:"days"`
	// From and To are times of the day, 15:04; From "" turns the window off.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Zone is the zone of calls of which nothing better is known, such as Europe/Berlin.
	Zone string `yaml:"zone"`
	// ZonePaths are gjson paths of a zone in the event.
	ZonePaths []string `yaml:"zone_paths"`
	// NumberPaths are gjson paths of the number called, for Prefixes.
	NumberPaths []string `yaml:"number_paths"`
	// Prefixes give zones by the beginning of the number; the longest counts.
	Prefixes []Prefix `yaml:"prefixes"`
	// Spread is the time over which what has waited for an opening comes due; 0s to 12h.
	Spread time.Duration `yaml:"spread"`
}

// Prefix gives a zone to numbers.
type Prefix struct {
	Prefix string `yaml:"prefix"`
	Zone   string `yaml:"zone"`
}

// Cancel says how redials are cancelled.
type Cancel struct {
	// Topic has a record for each key that is not to be dialled any more; compacted.
	Topic string `yaml:"topic"`
	// Key are gjson paths of the key in the event.
	Key []string `yaml:"key"`
}

// On tells whether there is a retry loop.
func (r *Retry) On() bool { return len(r.Tiers) > 0 }

// DelayGroup is the consumer group of the delay role.
func (c *Config) DelayGroup() string {
	if c.Retry.Group != "" {
		return c.Retry.Group
	}

	return c.Input.Group + ".delay"
}

func defaultRetry() Retry {
	return Retry{
		Tiers: []Tier{}, MaxAge: 24 * time.Hour, Policies: []Policy{},
		Window: Window{
			Days: []Weekday{"mon", "tue", "wed", "thu", "fri"}, To: "20:00", Zone: "UTC", Spread: 30 * time.Minute,
			ZonePaths: []string{}, NumberPaths: []string{"To", "to_number"}, Prefixes: []Prefix{},
		},
		Cancel: Cancel{Key: []string{"To", "to_number"}},
	}
}

// retry checks the retry loop.
func (v *validator) retry() {
	r := &v.c.Retry
	if !r.On() {
		v.withoutLoop()

		return
	}

	named := v.namedTopics()
	waits := map[time.Duration]string{}

	for i, tier := range r.Tiers {
		path := at("retry.tiers", i)
		v.loopTopic(named, path+".topic", tier.Topic, "the topic that calls wait in")
		within(v, path+".wait", tier.Wait, 100*time.Millisecond, 168*time.Hour)

		if tier.Wait%time.Millisecond != 0 {
			v.bad(path+".wait", "%s is no whole number of milliseconds, as Kafka's timestamps are", tier.Wait)
		}

		if other, twice := waits[tier.Wait]; twice {
			v.bad(path+".wait", "%s is the wait of %s too", shortest(tier.Wait), other)
		}

		waits[tier.Wait] = path
	}

	v.loopTopic(named, "retry.due", r.Due, "the topic of calls to dial now")
	v.loopTopic(named, "retry.gave_up", r.GaveUp, "the topic of calls that are not dialled again")

	if r.Cancel.Topic != "" {
		v.loopTopic(named, "retry.cancel.topic", r.Cancel.Topic, "")

		if len(r.Cancel.Key) == 0 {
			v.bad("retry.cancel.key", "is empty: no record would cancel anything")
		}
	}

	v.gjsonPaths("retry.cancel.key", r.Cancel.Key)

	if r.Group == v.c.Input.Group && r.Group != "" {
		v.bad("retry.group", "%s is input.group too: the delay role has a group of its own", v.show("retry.group", r.Group))
	}

	within(v, "retry.max_age", r.MaxAge, time.Minute, 720*time.Hour)

	for i, tier := range r.Tiers {
		if tier.Wait >= r.MaxAge {
			v.bad(at("retry.tiers", i)+".wait", "%s is not less than retry.max_age (%s): no call would come through", shortest(tier.Wait), shortest(r.MaxAge))
		}
	}

	for i, p := range r.Policies {
		if p.Delay >= r.MaxAge {
			v.bad(at("retry.policies", i)+".delay", "%s is not less than retry.max_age (%s): each such call would be given up as expired", shortest(p.Delay), shortest(r.MaxAge))
		}
	}

	within(v, "retry.due_per_second", r.DuePerSecond, 0, 1_000_000) //nolint:mnd // documented

	v.window()
}

// withoutLoop refuses what has no meaning without tiers.
func (v *validator) withoutLoop() {
	r := &v.c.Retry
	if slices.Contains(v.c.Roles, RoleDelay) {
		v.bad("roles", "delay has nothing to do without retry.tiers")
	}

	for _, given := range []struct{ path, value string }{
		{"retry.due", r.Due}, {"retry.gave_up", r.GaveUp}, {"retry.cancel.topic", r.Cancel.Topic}, {"retry.window.from", r.Window.From},
	} {
		if given.value != "" {
			v.bad(given.path, "has no effect without retry.tiers")
		}
	}
}

// namedTopics are the topics of the filter, with the keys that name them.
func (v *validator) namedTopics() map[string]string {
	named := map[string]string{}
	for i, t := range v.c.Input.Topics {
		named[t] = at("input.topics", i)
	}

	for i, r := range v.c.Routes {
		named[r.Topic] = at("routes", i) + ".topic"
	}

	named[v.c.Output.Topic], named[v.c.DeadLetter.Topic] = "output.topic", "dead_letter.topic"

	return named
}

// loopTopic checks a topic of the loop, which has no other use: what is on the due topic is an order to
// dial, and everything else is not.
func (v *validator) loopTopic(named map[string]string, path, topic, what string) {
	if topic == "" {
		v.bad(path, "is required with retry.tiers: %s", what)

		return
	}

	v.topic(path, topic)

	if other, taken := named[topic]; taken {
		why := "each topic of the retry loop has one use"
		if path == "retry.due" || other == "retry.due" {
			why = "only a record on retry.due is an order to dial, all others are information"
		}

		v.bad(path, "%s is %s too: %s", v.show(path, topic), other, why)
	}

	named[topic] = path
}

func (v *validator) window() {
	w := &v.c.Retry.Window
	if w.From == "" {
		return
	}

	from, fromErr := ParseTimeOfDay(w.From)
	if fromErr != nil || from == 24*time.Hour {
		v.bad("retry.window.from", "%s is not a time of the day such as 09:00", v.show("retry.window.from", w.From))
	}

	to, toErr := ParseTimeOfDay(w.To)
	if toErr != nil {
		v.bad("retry.window.to", "%s is not a time of the day such as 20:00", v.show("retry.window.to", w.To))
	}

	if fromErr == nil && toErr == nil && from == to {
		v.bad("retry.window.to", "is the same as retry.window.from: the window would be empty")
	}

	if len(w.Days) == 0 {
		v.bad("retry.window.days", "is empty: nobody could be called")
	}

	v.zone("retry.window.zone", w.Zone)

	v.prefixes(w)
	v.gjsonPaths("retry.window.zone_paths", w.ZonePaths)
	v.gjsonPaths("retry.window.number_paths", w.NumberPaths)
	within(v, "retry.window.spread", w.Spread, 0, 12*time.Hour)
}

func (v *validator) prefixes(w *Window) {
	if len(w.Prefixes) > 0 && len(w.NumberPaths) == 0 {
		v.bad("retry.window.number_paths", "is empty: retry.window.prefixes has no number to look at")
	}

	first := map[string]string{}

	for i, p := range w.Prefixes {
		path := at("retry.window.prefixes", i)
		v.zone(path+".zone", p.Zone)

		digits := digitsOf(p.Prefix)
		if digits == "" {
			v.bad(path+".prefix", "%s is not the beginning of a number, such as +49", v.show(path+".prefix", p.Prefix))

			continue
		}

		if other, twice := first[digits]; twice {
			v.bad(path+".prefix", "%s has the digits of %s", v.show(path+".prefix", p.Prefix), other)

			continue
		}

		first[digits] = path
	}
}

// digitsOf gives the digits of a number, which is written in many ways; nothing if it has others than marks beside them.
func digitsOf(number string) string {
	digits := strings.NewReplacer("+", "", " ", "", "-", "", "(", "", ")", "").Replace(number)
	if strings.Trim(digits, "0123456789") != "" {
		return ""
	}

	return digits
}

func (v *validator) zone(path, name string) {
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" || strings.Contains(name, ".") {
		v.bad(path, "%s is not a time zone such as Europe/Berlin", v.show(path, name))
	}
}

// policies checks what changes the catalog's policies; whether entries match, the catalog tells.
func (v *validator) policies() {
	for i, p := range v.c.Retry.Policies {
		path := at("retry.policies", i)
		if len(p.Match.Codes)+len(p.Match.Fault)+len(p.Match.Class) == 0 {
			v.bad(path+".match", "is empty, and would change every entry; name one of codes, fault, class")
		}

		if p.Class == "" && p.Delay == 0 && p.MaxDelay == 0 && p.MaxAttempts == 0 && p.OptIn == nil {
			v.bad(path, "changes nothing; name one of class, delay, max_delay, max_attempts, opt_in")
		}

		within(v, path+".delay", p.Delay, 0, 720*time.Hour)
		within(v, path+".max_delay", p.MaxDelay, 0, 720*time.Hour)
		within(v, path+".max_attempts", p.MaxAttempts, 0, 100) //nolint:mnd // documented
	}
}

// ParseTimeOfDay reads a time such as 09:30 as the time since midnight; 24:00 is its end.
func ParseTimeOfDay(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}

	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, err //nolint:wrapcheck // the caller says it in its own words
	}

	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}
