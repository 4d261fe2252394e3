package app

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func minimal() *config.Config {
	cfg := config.Default()
	cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
	cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic = []string{"in"}, "g", "out"
	cfg.Ops.Listen = ""
	return cfg
}

// filterConfig is the filter's part of a configuration, without the enricher, which cannot be compared.
func filterConfig(cfg *config.Config) (pipeline.Config, error) {
	s, err := newSettings(cfg)
	if err != nil {
		return pipeline.Config{}, err
	}
	roles, _, err := pipelineConfigs(s)
	if err != nil {
		return pipeline.Config{}, err
	}
	roles[0].Enricher = nil
	return roles[0], nil
}

func TestPipelineConfigOfTheDefaults(t *testing.T) {
	got, err := filterConfig(minimal())
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, pipeline.Config{
		Topics: []string{"in"}, Group: "g", Start: broker.Earliest, OutOfRange: pipeline.ToEarliest, ReadCommitted: true,
		Output: "out", ExactlyOnce: config.Default().Delivery == config.ExactlyOnce, Instance: host, TransactionTimeout: 15 * time.Second,
		Codec: recordbatch.LZ4, FetchBytes: 1 << 20, BatchBytes: 512 << 10, BufferBytes: 64 << 20,
		Linger: 2 * time.Millisecond, CommitInterval: 100 * time.Millisecond, SessionTimeout: 10 * time.Second, ShutdownTimeout: 30 * time.Second,
	}, got)
}

// Each word of the configuration changes what it says, and nothing else.
func TestPipelineConfigWordByWord(t *testing.T) {
	yes := true
	for name, tc := range map[string]struct {
		set  func(c *config.Config)
		want func(p *pipeline.Config)
	}{
		"start latest": {func(c *config.Config) { c.Input.Start = "latest" }, func(p *pipeline.Config) { p.Start = broker.Latest }},
		"start at a time": {
			func(c *config.Config) { c.Input.Start = "2026-01-31T12:00:00.5+01:00" },
			func(p *pipeline.Config) { p.Start = 1769857200500 },
		},
		"out of range: latest": {func(c *config.Config) { c.Input.OnOutOfRange = config.OutOfRangeLatest }, func(p *pipeline.Config) { p.OutOfRange = pipeline.ToLatest }},
		"out of range: stop":   {func(c *config.Config) { c.Input.OnOutOfRange = config.OutOfRangeStop }, func(p *pipeline.Config) { p.OutOfRange = pipeline.Stop }},
		"read uncommitted":     {func(c *config.Config) { c.Input.Isolation = config.ReadUncommitted }, func(p *pipeline.Config) { p.ReadCommitted = false }},
		"skip corrupt":         {func(c *config.Config) { c.Input.OnCorrupt = config.CorruptSkip }, func(p *pipeline.Config) { p.SkipCorrupt = true }},
		"rack":                 {func(c *config.Config) { c.Kafka.Rack = "r" }, func(p *pipeline.Config) { p.Rack = "r" }},
		"create topics":        {func(c *config.Config) { c.Kafka.CreateTopics = true }, func(p *pipeline.Config) { p.CreateTopics = true }},
		"instance":             {func(c *config.Config) { c.Kafka.Instance = "pod-0" }, func(p *pipeline.Config) { p.Instance = "pod-0" }},
		"transaction timeout":  {func(c *config.Config) { c.Kafka.TransactionTimeout = time.Minute }, func(p *pipeline.Config) { p.TransactionTimeout = time.Minute }},
		"at least once":        {func(c *config.Config) { c.Delivery = config.AtLeastOnce }, func(p *pipeline.Config) { p.ExactlyOnce, p.Instance = false, "" }},
		"exactly once":         {func(c *config.Config) { c.Delivery = config.ExactlyOnce }, func(p *pipeline.Config) { p.ExactlyOnce = true }},
		"several topics":       {func(c *config.Config) { c.Input.Topics = []string{"a", "b"} }, func(p *pipeline.Config) { p.Topics = []string{"a", "b"} }},
		"dead letters":         {func(c *config.Config) { c.DeadLetter.Topic = "dead" }, func(p *pipeline.Config) { p.DeadLetter = "dead" }},
		"drop": {
			func(c *config.Config) { c.Output.Drop = []config.Droppable{"no_code", "tombstone"} },
			func(p *pipeline.Config) { p.Drop[enrich.NoCode], p.Drop[enrich.Tombstone] = true, true },
		},
		"limits": {
			func(c *config.Config) {
				c.Limits = config.Limits{
					CommitInterval: 1, ShutdownTimeout: 2, SessionTimeout: 3, BufferBytes: 4, FetchBytes: 5, BatchBytes: 6, Linger: 7,
				}
			},
			func(p *pipeline.Config) {
				p.CommitInterval, p.ShutdownTimeout, p.SessionTimeout, p.BufferBytes, p.FetchBytes, p.BatchBytes, p.Linger = 1, 2, 3, 4, 5, 6, 7
			},
		},
		"compression none":   {func(c *config.Config) { c.Output.Compression = config.CompressionNone }, func(p *pipeline.Config) { p.Codec = recordbatch.None }},
		"compression gzip":   {func(c *config.Config) { c.Output.Compression = config.CompressionGzip }, func(p *pipeline.Config) { p.Codec = recordbatch.Gzip }},
		"compression snappy": {func(c *config.Config) { c.Output.Compression = config.CompressionSnappy }, func(p *pipeline.Config) { p.Codec = recordbatch.Snappy }},
		"compression zstd":   {func(c *config.Config) { c.Output.Compression = config.CompressionZstd }, func(p *pipeline.Config) { p.Codec = recordbatch.Zstd }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := minimal()
			want, err := filterConfig(cfg)
			require.NoError(t, err)
			tc.set(cfg)
			tc.want(&want)
			got, err := filterConfig(cfg)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}

	t.Run("routes", func(t *testing.T) {
		cfg := minimal()
		cfg.Routes = []config.Route{
			{Name: "retry", Topic: "calls.retry", Match: config.Match{Retryable: &yes}},
			{Name: "busy", Topic: "calls.busy", Match: config.Match{
				Outcome: []config.Outcome{"enriched"}, Codes: []config.CodeRange{{From: 3010, To: 3010}}, Fault: []string{"destination"},
				Class: []string{"long_delay"}, Direction: []config.Direction{"inbound"}, Source: []string{"carrier"},
			}},
		}
		got, err := filterConfig(cfg)
		require.NoError(t, err)
		require.Len(t, got.Routes, 2)
		require.Equal(t, []string{"calls.busy", "calls.retry", "in", "out"}, got.AllTopics())
		matches := func(event string) []string {
			e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
			require.NoError(t, err)
			var res enrich.Result
			e.Enrich(&enrich.Record{Value: []byte(event)}, &res)
			names := []string{}
			for _, r := range got.Routes {
				if r.Match.Matches(&res) {
					names = append(names, r.Name)
				}
			}
			return names
		}
		require.Equal(t, []string{"retry"}, matches(`{"Direction":"outbound","HangupCauseCode":3010}`))
		require.Equal(t, []string{"busy"}, matches(`{"Direction":"inbound","HangupCauseCode":3010}`))
		require.Empty(t, matches(`{"Direction":"inbound","HangupCauseCode":3020}`))
	})
}

// The defaults of the configuration are those of pkg/enrich: the file and the library say the same.
func TestEnrichOptionsOfTheDefaults(t *testing.T) {
	want := enrich.DefaultOptions()
	want.Fields, want.Headers, want.OptIn = []string{}, enrich.HeaderNames(), []int32{}
	require.Equal(t, want, EnrichOptions(config.Default()))
}

func TestEnrichOptionsWordByWord(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(c *config.Config)
		want func(o *enrich.Options)
	}{
		"format":              {func(c *config.Config) { c.Input.Format = config.FormatForm }, func(o *enrich.Options) { o.Format = enrich.Form }},
		"invalid UTF-8":       {func(c *config.Config) { c.Input.InvalidUTF8 = config.InvalidUTF8Pass }, func(o *enrich.Options) { o.PassInvalidUTF8 = true }},
		"depth":               {func(c *config.Config) { c.Input.MaxDepth = 5 }, func(o *enrich.Options) { o.MaxDepth = 5 }},
		"field":               {func(c *config.Config) { c.Enrich.Field = "cause" }, func(o *enrich.Options) { o.Field = "cause" }},
		"fields":              {func(c *config.Config) { c.Enrich.Fields = []string{"code"} }, func(o *enrich.Options) { o.Fields = []string{"code"} }},
		"headers [] are none": {func(c *config.Config) { c.Enrich.Headers = []string{} }, func(o *enrich.Options) { o.Headers = []string{} }},
		"no headers":          {func(c *config.Config) { c.Enrich.Headers = nil }, func(o *enrich.Options) { o.Headers = []string{} }},
		"foreign":             {func(c *config.Config) { c.Enrich.ForeignWhen = []string{"x"} }, func(o *enrich.Options) { o.ForeignWhen = []string{"x"} }},
		"paths":               {func(c *config.Config) { c.Enrich.Paths.Code = []string{"a.b"} }, func(o *enrich.Options) { o.Paths.Code = []string{"a.b"} }},
		"redial answered":     {func(c *config.Config) { c.Enrich.RedialAnswered = true }, func(o *enrich.Options) { o.RedialAnswered = true }},
		"redial B legs":       {func(c *config.Config) { c.Enrich.RedialBLegs = true }, func(o *enrich.Options) { o.RedialBLegs = true }},
		"opt in":              {func(c *config.Config) { c.Enrich.OptIn = []int32{9100} }, func(o *enrich.Options) { o.OptIn = []int32{9100} }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			want := EnrichOptions(cfg)
			tc.set(cfg)
			tc.want(&want)
			require.Equal(t, want, EnrichOptions(cfg))
		})
	}
}

// TestCallIsLookedAtIfAnybodyWants: what the filter's enricher finds out about a call beside its cause.
func TestCallIsLookedAtIfAnybodyWants(t *testing.T) {
	yes := true
	for name, tc := range map[string]struct {
		set  func(*config.Config)
		want bool
	}{
		"all members":         {func(*config.Config) {}, true},
		"members of the code": {func(c *config.Config) { c.Enrich.Fields, c.Enrich.Headers = []string{"code"}, nil }, false},
		"a header": {func(c *config.Config) {
			c.Enrich.Fields, c.Enrich.Headers = []string{"code"}, []string{"hangup-retryable"}
		}, true},
		"a route by code":      {routed(config.Match{Codes: []config.CodeRange{{From: 1, To: 2}}}), false},
		"a route by advice":    {routed(config.Match{Retryable: &yes}), true},
		"a route by direction": {routed(config.Match{Direction: []config.Direction{"inbound"}}), true},
		"the second of routes": {both(routed(config.Match{Fault: []string{"carrier"}}), routed(config.Match{Retryable: &yes})), true},
		"the retry loop": {both(routed(config.Match{Fault: []string{"carrier"}}), func(c *config.Config) {
			c.Retry.Tiers = []config.Tier{{Topic: "wait", Wait: time.Minute}}
			c.Retry.Due, c.Retry.GaveUp = "due", "gave-up"
		}), true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := minimal()
			tc.set(cfg)
			s, err := newSettings(cfg)
			require.NoError(t, err)
			r, err := newRules(s)
			require.NoError(t, err)
			rec := &enrich.Record{Value: []byte(`{"Direction":"outbound","HangupCauseCode":"3010"}`), TimestampMS: 1}
			var ofFilter, ofPage enrich.Result
			r.filter.Enricher.Enrich(rec, &ofFilter)
			s.enricher.Enrich(rec, &ofPage)
			require.Equal(t, tc.want, ofFilter.Advice.Retryable)
			require.True(t, ofPage.Advice.Retryable)
			require.Equal(t, ofPage.AppendValue(nil), ofFilter.AppendValue(nil))
		})
	}
}

func both(a, b func(*config.Config)) func(*config.Config) {
	return func(c *config.Config) {
		a(c)
		b(c)
	}
}

// routed writes only what depends on the code, and adds a route.
func routed(m config.Match) func(*config.Config) {
	return func(c *config.Config) {
		c.Enrich.Fields, c.Enrich.Headers = []string{"code"}, nil
		c.Routes = append(c.Routes, config.Route{Name: "r", Match: m, Topic: "r"})
	}
}
