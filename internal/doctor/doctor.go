// Package doctor asks a cluster whether the filter that a configuration describes can run on it, and says
// what is wrong with the command that mends it.
//
// It only reads: it produces nothing, commits nothing, joins no group and begins no transaction. It also
// asks nothing whose answer makes the brokers create an internal topic, as far as it can see that.
// What cannot be found out in this way is said to be not checked.
//
// It is no monitoring: it looks once, and what passes (a broker that restarts) is reported as it is at that moment.
package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/topic"
)

// DefaultTimeout bounds a whole run.
const DefaultTimeout = 10 * time.Second

// Status is what a check came to.
type Status string

// The statuses, from good to bad but for the last.
const (
	OK         Status = "ok"
	Warning    Status = "warning"     // it runs, and something will go wrong one day
	Problem    Status = "problem"     // it does not run, or loses something
	NotChecked Status = "not checked" // nobody can tell; Found says why
)

// Check is one thing that was looked at.
type Check struct {
	Check  string   `json:"check"`
	On     string   `json:"on"` // the topic, group, broker or id that it is about
	Status Status   `json:"status"`
	Found  string   `json:"found"`         // one line
	Fix    []string `json:"fix,omitempty"` // lines for a shell; those that begin with # are for a person
}

// mend says what would make the check good.
func (c *Check) mend(lines ...string) {
	c.Fix = append(c.Fix, lines...)
}

// Report is all that was found.
type Report struct {
	Brokers []string `json:"brokers"` // as configured
	Status  Status   `json:"status"`  // the worst of all checks; those that were not made do not count
	Checks  []*Check `json:"checks"`
	Lag     []Lag    `json:"lag"` // of each partition of the input and the tiers, where it could be found out
}

// Count says how many checks came to a status.
func (r *Report) Count(s Status) int {
	n := 0

	for _, c := range r.Checks {
		if c.Status == s {
			n++
		}
	}

	return n
}

// Options change what is looked at. The zero value is what the configuration says.
type Options struct {
	// Timeout bounds the whole run; 0: DefaultTimeout.
	Timeout time.Duration
	// Subjects are the topics to look at; nil: Subjects of the configuration.
	Subjects []Subject
	// Now is the clock that the cluster's is compared with; nil: time.Now.
	Now func() time.Time
}

// doctor is one run.
type doctor struct {
	cfg      *config.Config
	opt      Options
	client   *kgo.Client
	adm      *kadm.Client
	report   *Report
	subjects []Subject
	instance string

	nodes    []kmsg.MetadataResponseBroker
	quorum   bool // a broker passes on what tells the controller's time
	topics   map[string]*topicFacts
	settings map[int32]settings // of each broker that told
	denied   error              // why a broker did not tell
	base     []kgo.Opt          // how to connect
}

// Run looks at everything within the time-out. An error means that the configuration makes no client;
// what the cluster answers, and that it does not, is in the report.
func Run(ctx context.Context, cfg *config.Config, opt Options) (*Report, error) {
	d := &doctor{cfg: cfg, opt: opt, subjects: opt.Subjects, report: &Report{Brokers: cfg.Kafka.Brokers, Lag: []Lag{}}}
	if d.subjects == nil {
		d.subjects = Subjects(cfg)
	}

	if d.opt.Timeout == 0 {
		d.opt.Timeout = DefaultTimeout
	}

	if d.opt.Now == nil {
		d.opt.Now = time.Now
	}

	var err error
	if d.instance, err = instance(cfg); err != nil {
		return nil, err
	}

	if d.base, err = topic.Options(cfg.Kafka); err != nil {
		return nil, err
	}

	if d.client, err = kgo.NewClient(d.options()...); err != nil {
		return nil, fmt.Errorf("make Kafka client: %w", err)
	}
	defer d.client.Close()

	d.adm = kadm.NewClient(d.client)

	ctx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()

	d.examine(ctx)
	d.report.Status = d.worst()

	return d.report, nil
}

// retries are few: a person waits, and what passes is worth knowing as well.
const (
	retries      = 2
	retryTimeout = 3 * time.Second
)

func (d *doctor) options(more ...kgo.Opt) []kgo.Opt {
	// From version 6 on a group that does not exist is an error, and its rights are not told.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.DescribeGroups), 5)

	return append(append(slices.Clone(d.base),
		kgo.MaxVersions(versions), kgo.RequestRetries(retries), kgo.RetryTimeout(retryTimeout)), more...)
}

// examine goes from what everything else needs to the details.
func (d *doctor) examine(ctx context.Context) {
	if !d.connect(ctx) || !d.login(ctx) {
		return
	}

	d.reachAll(ctx)
	d.clock(ctx)
	d.readTopics(ctx)
	d.readSettings(ctx)

	for _, s := range d.subjects {
		d.topic(ctx, s)
	}

	for _, m := range members(d.cfg) {
		d.group(ctx, m.group)
	}

	d.producing(ctx)
	d.reading(ctx)
}

func (d *doctor) worst() Status {
	for _, s := range []Status{Problem, Warning, OK} {
		if slices.ContainsFunc(d.report.Checks, func(c *Check) bool { return c.Status == s }) {
			return s
		}
	}

	return NotChecked
}

// note writes a check down. What is returned is for mend.
func (d *doctor) note(status Status, check, on, format string, args ...any) *Check {
	found := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ") // an error may have lines
	c := &Check{Check: check, On: on, Status: status, Found: found}
	d.report.Checks = append(d.report.Checks, c)

	return c
}

// instance is the configured name of this process, or the host's.
func instance(cfg *config.Config) (string, error) {
	if cfg.Kafka.Instance != "" {
		return cfg.Kafka.Instance, nil
	}

	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("kafka.instance is not set, and the host name cannot be had: %w", err)
	}

	return host, nil
}
