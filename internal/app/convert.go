package app

import (
	"fmt"
	"os"
	"slices"

	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// EnrichOptions is the part of a configuration that pkg/enrich wants.
func EnrichOptions(cfg *config.Config) enrich.Options {
	paths := enrich.Paths(cfg.Enrich.Paths)
	headers := append([]string{}, cfg.Enrich.Headers...) // never nil, which would mean all of them
	return enrich.Options{
		Format: enrich.Format(cfg.Input.Format), PassInvalidUTF8: cfg.Input.InvalidUTF8 == config.InvalidUTF8Pass, MaxDepth: cfg.Input.MaxDepth,
		Field: cfg.Enrich.Field, Fields: cfg.Enrich.Fields, Headers: headers, ForeignWhen: cfg.Enrich.ForeignWhen,
		Paths: paths, RedialAnswered: cfg.Enrich.RedialAnswered, RedialBLegs: cfg.Enrich.RedialBLegs, OptIn: cfg.Enrich.OptIn,
		RetryID: cfg.Retry.On(),
	}
}

// newClient makes the data path's client, which logs in as the configuration says.
func newClient(cfg *config.Config, topics []string, log *zap.Logger) (*broker.Client, error) {
	dialer, err := login.New(cfg.Kafka)
	if err != nil {
		return nil, err
	}
	if s := cfg.Kafka.SASL; !cfg.Kafka.TLS.Enabled && s.Mechanism.Reveals() {
		log.Warn("the login goes over the network for all to read: kafka.tls.enabled is false", zap.String("mechanism", string(s.Mechanism)))
	}
	return broker.NewClient(broker.Config{
		Brokers: cfg.Kafka.Brokers, ClientID: cfg.Kafka.ClientID, Topics: topics, Log: log.Named("client"),
		Dial: dialer.DialContext, ConnectTimeout: dialer.Timeout(),
	}), nil
}

// pipelineConfigs is what the pipelines of this process's roles want, and all topics that they use.
func pipelineConfigs(s *settings) (roles []pipeline.Config, topics []string, err error) {
	filter, err := pipelineConfig(s.cfg)
	if err != nil {
		return nil, nil, err
	}
	rules, err := newRules(s)
	if err != nil {
		return nil, nil, err
	}
	for _, role := range s.cfg.Roles {
		p := filter
		if role == config.RoleDelay {
			p = delayConfig(s.cfg, filter)
		}
		p.Rules = rules.of(p.Role)
		roles = append(roles, p)
		topics = append(topics, p.AllTopics()...)
	}
	slices.Sort(topics)
	return roles, slices.Compact(topics), nil
}

// delayConfig is the part that the pipeline of the delay role wants.
func delayConfig(cfg *config.Config, p pipeline.Config) pipeline.Config {
	p.Role, p.Group, p.Output = pipeline.Delay, cfg.DelayGroup(), cfg.Retry.Due
	p.Topics = nil
	for _, tier := range cfg.Retry.Tiers {
		p.Topics = append(p.Topics, tier.Topic)
	}
	p.Start, p.OutOfRange, p.ReadCommitted = broker.Earliest, pipeline.ToEarliest, true
	return p
}

// pipelineConfig is the part that the pipeline of the filter wants.
func pipelineConfig(cfg *config.Config) (pipeline.Config, error) {
	codec, err := recordbatch.ParseCodec(string(cfg.Output.Compression))
	if err != nil {
		return pipeline.Config{}, fmt.Errorf("output.compression: %w", err)
	}
	p := pipeline.Config{
		Topics: cfg.Input.Topics, Group: cfg.Input.Group, Start: start(cfg.Input.Start), OutOfRange: outOfRange(cfg.Input.OnOutOfRange),
		ReadCommitted: cfg.Input.Isolation == config.ReadCommitted, SkipCorrupt: cfg.Input.OnCorrupt == config.CorruptSkip, Rack: cfg.Kafka.Rack,
		Output: cfg.Output.Topic, DeadLetter: cfg.DeadLetter.Topic, CreateTopics: cfg.Kafka.CreateTopics,
		Codec: codec, FetchBytes: int32(cfg.Limits.FetchBytes), BatchBytes: int(cfg.Limits.BatchBytes), BufferBytes: int64(cfg.Limits.BufferBytes), //nolint:gosec // validated: at most 64 MiB
		Linger: cfg.Limits.Linger, CommitInterval: cfg.Limits.CommitInterval,
		SessionTimeout: cfg.Limits.SessionTimeout, ShutdownTimeout: cfg.Limits.ShutdownTimeout,
	}
	p.ExactlyOnce, p.Instance, p.TransactionTimeout = cfg.Delivery == config.ExactlyOnce, cfg.Kafka.Instance, cfg.Kafka.TransactionTimeout
	if p.Instance == "" && p.ExactlyOnce { // without, two on one host would throw each other out of the group
		if p.Instance, err = os.Hostname(); err != nil {
			return pipeline.Config{}, fmt.Errorf("kafka.instance is not set, and the host name cannot be had: %w", err)
		}
	}
	return p, nil
}

// loop is the part of both roles that the retry loop wants.
func loop(r *config.Retry) (*pipeline.Retry, error) {
	lc := retry.Config{MaxAge: r.MaxAge, AssumeFirst: r.AssumeFirstAttempt}
	for _, tier := range r.Tiers {
		lc.Tiers = append(lc.Tiers, retry.Tier(tier))
	}
	fc := retry.FieldsConfig{ZonesByPrefix: map[string]string{}}
	if r.Cancel.Topic != "" {
		fc.Key = r.Cancel.Key
	}
	var err error
	if r.Window.From != "" {
		if lc.Window, err = window(&r.Window); err != nil {
			return nil, fmt.Errorf("window: %w", err)
		}
		fc.Zone, fc.Number = r.Window.ZonePaths, r.Window.NumberPaths
		for _, p := range r.Window.Prefixes {
			fc.ZonesByPrefix[p.Prefix] = p.Zone
		}
	}
	p := &pipeline.Retry{GaveUp: r.GaveUp, Cancels: r.Cancel.Topic, MaxAge: r.MaxAge, DuePerSecond: float64(r.DuePerSecond)}
	if p.Loop, err = retry.New(lc); err != nil {
		return nil, err
	}
	if p.Fields, err = retry.NewFields(fc); err != nil {
		return nil, err
	}
	return p, nil
}

// Policies are the retry policies of a configuration as the catalog wants them, each named by its key.
func Policies(cfg *config.Config) []catalog.Policy {
	out := make([]catalog.Policy, len(cfg.Retry.Policies))
	for i, p := range cfg.Retry.Policies {
		to := &out[i]
		to.Name = fmt.Sprintf("retry.policies[%d]", i)
		for _, c := range p.Match.Codes {
			to.Codes = append(to.Codes, catalog.CodeRange(c))
		}
		for _, f := range p.Match.Fault {
			to.Faults = append(to.Faults, catalog.Fault(f))
		}
		for _, c := range p.Match.Class {
			to.Classes = append(to.Classes, catalog.Class(c))
		}
		if p.Class != "" {
			to.Class = new(catalog.Class(p.Class))
		}
		if p.Delay > 0 {
			to.Delay = new(p.Delay.Seconds())
		}
		if p.MaxDelay > 0 {
			to.Cap = new(p.MaxDelay.Seconds())
		}
		if p.MaxAttempts > 0 {
			to.MaxAttempts = new(p.MaxAttempts)
		}
		to.OptIn = p.OptIn
	}
	return out
}

func window(w *config.Window) (*retry.Window, error) {
	from, err := config.ParseTimeOfDay(w.From)
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	to, err := config.ParseTimeOfDay(w.To)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	c := retry.WindowConfig{From: int(from.Minutes()), To: int(to.Minutes()), Default: w.Zone, Spread: w.Spread}
	for _, d := range w.Days {
		c.Days = append(c.Days, d.Day())
	}
	return retry.NewWindow(c)
}

// Drops tells of each outcome whether its events are kept out of the output topic.
func Drops(cfg *config.Config) (drop [enrich.NumOutcomes]bool) {
	for _, name := range cfg.Output.Drop {
		for o := range enrich.Outcome(enrich.NumOutcomes) {
			if o.String() == string(name) {
				drop[o] = true
			}
		}
	}
	return drop
}

// Routes compiles a configuration's routes, in their order.
func Routes(cfg *config.Config) ([]pipeline.Route, error) {
	var routes []pipeline.Route
	for _, r := range cfg.Routes {
		m, err := route.Compile(rule(&r.Match))
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Name, err)
		}
		routes = append(routes, pipeline.Route{Name: r.Name, Match: m, Topic: r.Topic})
	}
	return routes, nil
}

func start(s config.Start) int64 {
	switch at, isTime := s.Time(); {
	case isTime:
		return at.UnixMilli()
	case s.Latest():
		return broker.Latest
	default:
		return broker.Earliest
	}
}

func outOfRange(o config.OnOutOfRange) pipeline.OutOfRange {
	switch o {
	case config.OutOfRangeLatest:
		return pipeline.ToLatest
	case config.OutOfRangeStop:
		return pipeline.Stop
	case config.OutOfRangeEarliest:
	}
	return pipeline.ToEarliest
}

func rule(m *config.Match) route.Rule {
	r := route.Rule{
		Outcomes: strs(m.Outcome), Faults: m.Fault, Classes: m.Class, Flags: m.Flags,
		Retryable: m.Retryable, Directions: strs(m.Direction), Sources: m.Source,
	}
	for _, c := range m.Codes {
		r.Codes = append(r.Codes, route.CodeRange(c))
	}
	return r
}

func strs[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
