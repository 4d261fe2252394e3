package config

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/strictyaml"
)

// Validate checks the rules that go beyond the shape of single values. Load has done
// so already; it is for a Config made or changed in code.
func (c *Config) Validate() error {
	return c.validate(nil).Err()
}

// validate leaves out what concerns a place at which something is known to be wrong. To that it adds what it knows better.
func (c *Config) validate(known strictyaml.Mistakes) strictyaml.Mistakes {
	v := validator{c: c, known: known}
	v.kafka()
	v.tls()
	v.sasl()
	v.input()
	v.topics()
	v.routes()
	v.roles()
	v.retry()
	v.policies()
	v.enrich()
	v.limits()

	v.ops()

	for i, overlay := range c.Catalog.Overlays {
		v.notEmpty(at("catalog.overlays", i), overlay)
	}

	return v.mistakes
}

type validator struct {
	c               *Config
	known, mistakes strictyaml.Mistakes
}

func (v *validator) bad(path, format string, args ...any) {
	if v.isKnown(path) {
		return
	}

	v.mistakes = append(v.mistakes, v.c.At(path, format, args...))
}

// isKnown tells whether a value could not be read. It is still the default then, and says nothing.
func (v *validator) isKnown(path string) bool {
	for _, k := range v.known {
		if concerns(k.Msg, path) {
			return true
		}
	}

	return false
}

// concerns tells whether a mistake of the decoder is about a path, something below
// it, or a misspelt key that was to be it.
func concerns(msg, path string) bool {
	parent, key := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		parent, key = " in "+path[:i], path[i+1:]
	}

	return strings.HasPrefix(msg, path+":") || strings.HasPrefix(msg, path+".") || strings.HasPrefix(msg, path+"[") ||
		strings.Contains(msg, " in "+path+"; ") || strings.HasSuffix(msg, parent+"; did you mean "+strconv.Quote(key)+"?")
}

// show quotes a value for a message, unless it came from outside and may be a secret.
func (v *validator) show(path, value string) string { return v.c.quoted(path, value) }

func (c *Config) quoted(path, value string) string {
	if c.secrets[path] || isSecret(path) {
		return masked
	}

	return strconv.Quote(value)
}

func (v *validator) notEmpty(path, value string) {
	if strings.TrimSpace(value) == "" {
		v.bad(path, "is empty")
	}
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// unique reports values that a list has twice.
func (v *validator) unique(path string, values []string) {
	first := map[string]int{}

	for i, value := range values {
		if j, twice := first[value]; twice {
			v.bad(at(path, i), "is the same as %s", at(path, j))

			continue
		}

		first[value] = i
	}
}

func (v *validator) kafka() {
	brokers := v.c.Kafka.Brokers
	if len(brokers) == 0 {
		v.bad("kafka.brokers", "is required: the addresses to begin with, such as [127.0.0.1:9092]")
	}

	for i, b := range brokers {
		v.address(at("kafka.brokers", i), b, false)
	}

	v.unique("kafka.brokers", brokers)
	v.notEmpty("kafka.client_id", v.c.Kafka.ClientID)
}

// address checks host:port. An address to listen on may leave the host out.
func (v *validator) address(path, value string, listen bool) {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		v.bad(path, "%s is not host:port, such as 127.0.0.1:9092 or [::1]:9092", v.show(path, value))

		return
	}

	if host == "" && !listen {
		v.bad(path, "%s names no host", v.show(path, value))
	}

	lowest := 1
	if listen {
		lowest = 0 // the system chooses
	}

	if n, err := strconv.ParseUint(port, 10, 16); err != nil || int(n) < lowest {
		v.bad(path, "%s: the port is not a number from %d to 65535", v.show(path, value), lowest)
	}
}

func (v *validator) input() {
	in := &v.c.Input
	if len(in.Topics) == 0 {
		v.bad("input.topics", "is required: the topics to read, such as [calls.raw]")
	}

	for i, topic := range in.Topics {
		v.topic(at("input.topics", i), topic)
	}

	v.unique("input.topics", in.Topics)

	if strings.TrimSpace(in.Group) == "" {
		v.bad("input.group", "is required: the consumer group that keeps the offsets")
	}

	within(v, "input.max_depth", in.MaxDepth, 1, 10_000_000) //nolint:mnd // documented
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// topic checks a name by Kafka's rules (org.apache.kafka.common.internals.Topic).
func (v *validator) topic(path, name string) {
	switch {
	case name == "":
		v.bad(path, "is empty")
	case name == "." || name == "..":
		v.bad(path, "%s cannot be a topic's name", v.show(path, name))
	case !topicName.MatchString(name):
		v.bad(path, "%s is not a topic's name: at most 249 of a-z A-Z 0-9 . _ -", v.show(path, name))
	}
}

// topics checks the topics that are written, and that none feeds itself.
func (v *validator) topics() {
	c := v.c
	if c.Output.Topic == "" {
		v.bad("output.topic", "is required: the topic for enriched events, such as calls.enriched")
	} else {
		v.topic("output.topic", c.Output.Topic)
		v.noLoop("output.topic", c.Output.Topic)
	}

	if dead := c.DeadLetter.Topic; dead != "" {
		v.topic("dead_letter.topic", dead)
		v.noLoop("dead_letter.topic", dead)

		if dead == c.Output.Topic {
			v.bad("dead_letter.topic", "%s is output.topic too: its readers expect enriched events, not broken bytes", v.show("dead_letter.topic", dead))
		}
	}

	drop := make([]string, 0, len(c.Output.Drop))
	for _, d := range c.Output.Drop {
		drop = append(drop, string(d))
	}

	v.unique("output.drop", drop)
}

func (v *validator) noLoop(path, topic string) {
	for i, in := range v.c.Input.Topics {
		if in == topic {
			v.bad(path, "%s is %s too: what is written would be read again, without end", v.show(path, topic), at("input.topics", i))
		}
	}
}

var routeName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func (v *validator) routes() {
	names := make([]string, 0, len(v.c.Routes))

	for i, r := range v.c.Routes {
		path := at("routes", i)
		if !routeName.MatchString(r.Name) {
			v.bad(path+".name", "%s is not a name: 1 to 64 of a-z 0-9 _ -", v.show(path+".name", r.Name))
		}

		names = append(names, r.Name)

		if r.Match.empty() {
			v.bad(path+".match", "is empty, and would copy every event; name one of outcome, codes, fault, class, flags, retryable, direction, source")
		}

		v.routeTopic(path+".topic", r.Topic)
	}

	first := map[string]int{}

	for i, name := range names {
		if j, twice := first[name]; twice && name != "" {
			v.bad(at("routes", i)+".name", "%s is the name of %s too", v.show(at("routes", i)+".name", name), at("routes", j))
		} else {
			first[name] = i
		}
	}
}

func (v *validator) roles() {
	if len(v.c.Roles) == 0 {
		v.bad("roles", "is empty: name one of filter, delay")
	}

	names := make([]string, 0, len(v.c.Roles))
	for _, r := range v.c.Roles {
		names = append(names, string(r))
	}

	v.unique("roles", names)
}

func (v *validator) routeTopic(path, topic string) {
	if topic == "" {
		v.bad(path, "is required: the topic for copies")

		return
	}

	v.topic(path, topic)
	v.noLoop(path, topic)

	switch topic {
	case v.c.Output.Topic:
		v.bad(path, "%s is output.topic too: events would be there twice", v.show(path, topic))
	case v.c.DeadLetter.Topic:
		v.bad(path, "%s is dead_letter.topic too: replay takes all that is there for dead letters; give the copies a topic of their own", v.show(path, topic))
	}
}

func (m *Match) empty() bool {
	return len(m.Outcome)+len(m.Codes)+len(m.Fault)+len(m.Class)+len(m.Flags)+len(m.Direction)+len(m.Source) == 0 && m.Retryable == nil
}

func (v *validator) enrich() {
	e := &v.c.Enrich
	if e.Field == "" {
		v.bad("enrich.field", "is empty; the object needs a key")
	}

	v.unique("enrich.fields", e.Fields)
	v.unique("enrich.headers", e.Headers)

	v.gjsonPaths("enrich.foreign_when", e.ForeignWhen)

	for _, p := range e.Paths.each() {
		v.gjsonPaths("enrich.paths."+p.name, *p.paths)
	}

	if len(e.Paths.Code)+len(e.Paths.Name) == 0 {
		v.bad("enrich.paths", "neither code nor name has a path: no event would be enriched")
	}

	for i, code := range e.OptIn {
		if code < 0 {
			v.bad(at("enrich.opt_in", i), "%d is negative; codes are 0 to 2147483647", code)
		}
	}
}

func (v *validator) gjsonPaths(path string, paths []string) {
	for i, p := range paths {
		v.notEmpty(at(path, i), p)
	}

	v.unique(path, paths)
}

type namedPaths struct {
	name  string
	paths *[]string
}

func (p *Paths) each() []namedPaths {
	return []namedPaths{
		{"code", &p.Code},
		{"name", &p.Name},
		{"direction", &p.Direction},
		{"answer_time", &p.AnswerTime},
		{"billed", &p.Billed},
		{"status", &p.Status},
		{"call_id", &p.CallID},
		{"a_leg", &p.ALeg},
		{"parent_call", &p.ParentCall},
		{"attempt", &p.Attempt},
		{"event", &p.Event},
	}
}

func (v *validator) limits() {
	l := &v.c.Limits
	within(v, "kafka.transaction_timeout", v.c.Kafka.TransactionTimeout, time.Second, 15*time.Minute)
	within(v, "limits.commit_interval", l.CommitInterval, 10*time.Millisecond, time.Minute)
	within(v, "limits.shutdown_timeout", l.ShutdownTimeout, time.Second, 10*time.Minute)
	within(v, "limits.session_timeout", l.SessionTimeout, 6*time.Second, 5*time.Minute)
	within(v, "limits.buffer_bytes", l.BufferBytes, MiB, 64*GiB)
	within(v, "limits.fetch_bytes", l.FetchBytes, 16*KiB, 64*MiB)
	within(v, "limits.batch_bytes", l.BatchBytes, 16*KiB, 64*MiB)
	within(v, "limits.linger", l.Linger, 0, time.Second)

	if v.c.Delivery == ExactlyOnce && l.CommitInterval >= v.c.Kafka.TransactionTimeout {
		v.bad("limits.commit_interval", "%s is not less than kafka.transaction_timeout (%s): brokers would abort every transaction",
			shortest(l.CommitInterval), shortest(v.c.Kafka.TransactionTimeout))
	}

	if l.BatchBytes > l.BufferBytes {
		v.bad("limits.batch_bytes", "%v is more than limits.buffer_bytes (%v)", l.BatchBytes, l.BufferBytes)
	}
}

func within[T cmp.Ordered](v *validator, path string, value, low, high T) {
	if value < low || value > high {
		v.bad(path, "%s is out of range (%s to %s)", shortest(value), shortest(low), shortest(high))
	}

	v.needsUnit(path, shortest(low), shortest(high))
}

// needsUnit adds the range to what the decoder says of a number without a unit: with the wrong one it would be the next mistake.
func (v *validator) needsUnit(path, low, high string) {
	for i := range v.known {
		if msg := &v.known[i].Msg; strings.HasPrefix(*msg, path+": ") && strings.HasSuffix(*msg, "; add the unit: ms, s, m or h") {
			*msg += " (" + low + " to " + high + ")"
		}
	}
}

// shortest writes a duration without the zeros that String appends.
func shortest(value any) string {
	text := fmt.Sprint(value)

	if _, ok := value.(time.Duration); ok && strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
	}

	return text
}
