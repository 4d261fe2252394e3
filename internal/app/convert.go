package app

import (
	"fmt"
	"os"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/route"
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
	}
}

// pipelineConfig is the part that the pipeline wants.
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
	if p.Instance == "" {
		if p.Instance, err = os.Hostname(); err != nil {
			return pipeline.Config{}, fmt.Errorf("kafka.instance is not set, and the host name cannot be had: %w", err)
		}
	}
	p.Drop = Drops(cfg)
	if p.Routes, err = Routes(cfg); err != nil {
		return pipeline.Config{}, err
	}
	return p, nil
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
