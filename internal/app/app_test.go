package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = 30 * time.Second

func configFor(brokers ...string) *config.Config {
	cfg := config.Default()
	yes := true
	cfg.Kafka.Brokers = brokers
	cfg.Input.Topics, cfg.Input.Group = []string{"calls.raw"}, "enricher"
	cfg.Output.Topic, cfg.DeadLetter.Topic = "calls.enriched", "calls.dead"
	cfg.Routes = []config.Route{{Name: "retry", Match: config.Match{Retryable: &yes}, Topic: "calls.retry"}}
	cfg.Limits.CommitInterval = 50 * time.Millisecond
	cfg.Ops.Listen = "127.0.0.1:0"
	return cfg
}

func TestNewSaysWhatIsWrongWithTheConfiguration(t *testing.T) {
	overlay := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(overlay, []byte("entries:\n  - {code: 3010, fualt: carrier}\n"), 0o600))
	for name, tc := range map[string]struct {
		set  func(c *config.Config)
		want []string
	}{
		"bad overlay":       {func(c *config.Config) { c.Catalog.Overlays = []string{overlay} }, []string{"catalog.overlays: ", overlay + ":2:18: ", `did you mean "fault"?`}},
		"missing overlay":   {func(c *config.Config) { c.Catalog.Overlays = []string{"none.yaml"} }, []string{"catalog.overlays: none.yaml: cannot be read", "no such file"}},
		"bad enrich option": {func(c *config.Config) { c.Enrich.Fields = []string{"colour"} }, []string{"enrich: ", `"colour"`}},
		"unknown codec":     {func(c *config.Config) { c.Output.Compression = "lzma" }, []string{"output.compression: ", "lzma"}},
		"bad route":         {func(c *config.Config) { c.Routes[0].Match = config.Match{Fault: []string{"mine"}} }, []string{`route "retry": `, `"mine"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := configFor("127.0.0.1:1")
			tc.set(cfg)
			_, err := app.New(cfg, zap.NewNop())
			var mistake *app.ConfigError
			require.ErrorAs(t, err, &mistake)
			for _, part := range tc.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestNewFailsIfTheOperatorsAddressIsTaken(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	cfg := configFor("127.0.0.1:1")
	cfg.Ops.Listen = l.Addr().String()
	_, err = app.New(cfg, zap.NewNop())
	require.ErrorContains(t, err, "ops.listen")
	var mistake *app.ConfigError
	require.NotErrorAs(t, err, &mistake, "the address may be free the next time")
}

// running is a program at work.
type running struct {
	t    *testing.T
	app  *app.App
	stop func() error
	wait func() error // until it stops by itself
}

func start(t *testing.T, cfg *config.Config) *running {
	t.Helper()
	a, err := app.New(cfg, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	wait := sync.OnceValue(func() error { return <-done })
	r := &running{t: t, app: a, wait: wait, stop: func() error {
		cancel()
		return wait()
	}}
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.app.OpsAddr()+path, nil)
	require.NoError(r.t, err)
	resp, err := client.Do(req)
	require.NoError(r.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	return resp.StatusCode, string(body)
}

func (r *running) health(path string) (int, ops.Health) {
	r.t.Helper()
	code, body := r.get(path)
	var h ops.Health
	require.NoError(r.t, json.Unmarshal([]byte(body), &h))
	return code, h
}

// until polls: over HTTP there is no other way to know.
func (r *running) until(what string, cond func() bool) {
	r.t.Helper()
	require.Eventually(r.t, cond, testTimeout, 5*time.Millisecond, what)
}

func fake(t *testing.T) *kfake.Cluster {
	t.Helper()
	return kafkatest.StartFake(t, kfake.SeedTopics(2, "calls.raw", "calls.enriched", "calls.dead", "calls.retry"))
}

// hold keeps the group's coordinator away until it is released.
func hold(c *kfake.Cluster) (release func()) {
	var free atomic.Bool
	c.ControlKey(int16(kmsg.FindCoordinator), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if free.Load() {
			return nil, nil, false
		}
		c.KeepControl()
		find, ok := req.(*kmsg.FindCoordinatorRequest)
		if !ok || find.CoordinatorType != 0 { // transactions go on
			return nil, nil, false
		}
		resp, ok := find.ResponseKind().(*kmsg.FindCoordinatorResponse)
		if !ok {
			return nil, nil, false
		}
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		for _, key := range find.CoordinatorKeys {
			one := kmsg.NewFindCoordinatorResponseCoordinator()
			one.Key, one.ErrorCode = key, kerr.CoordinatorNotAvailable.Code
			resp.Coordinators = append(resp.Coordinators, one)
		}
		return resp, nil, true
	})
	return func() { free.Store(true) }
}

func TestRunAnswersTheOperator(t *testing.T) {
	cluster := fake(t)
	release := hold(cluster)
	r := start(t, configFor(cluster.ListenAddrs()...))

	r.until("joining", func() bool { return r.app.Pipeline(pipeline.Filter).State().String() == "joining" })
	code, h := r.health("/livez")
	require.Equal(t, http.StatusOK, code, "it lives, whatever the brokers do")
	require.Equal(t, ops.Health{OK: true, State: "joining"}, h)
	code, h = r.health("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, ops.Health{State: "joining", Reason: "waiting for the group to assign partitions"}, h)
	_, body := r.get("/metrics")
	require.NotContains(t, body, "enricher_partition_lag_records{", "nothing is assigned yet")

	release()
	r.until("ready", func() bool { code, _ := r.health("/readyz"); return code == http.StatusOK })
	_, h = r.health("/readyz")
	require.Equal(t, ops.Health{OK: true, State: "running"}, h)

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("calls.raw"))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.ProduceSync(t.Context(), kgo.StringRecord(`{"Direction":"outbound","HangupCauseCode":"3010"}`), kgo.StringRecord(`{`)).FirstErr())

	has := func(line string) {
		t.Helper()
		r.until(line, func() bool { _, body = r.get("/metrics"); return containsLine(body, line) })
	}
	has(`enricher_events_total{outcome="enriched",role="filter"} 1`)
	has(`enricher_events_total{outcome="malformed",role="filter"} 1`)
	has(`enricher_events_by_code_total{code="3010",role="filter"} 1`)
	has(`enricher_route_records_total{role="filter",route="retry"} 1`)
	require.Regexp(t, `(?m)^enricher_partition_events_total\{outcome="enriched",partition="[01]",role="filter",topic="calls.raw"\} 1$`, body)
	require.Regexp(t, `(?m)^enricher_partition_results_total\{partition="[01]",role="filter",to="output",topic="calls.raw"\} 1$`, body)
	require.Regexp(t, `(?m)^enricher_partition_results_total\{partition="[01]",role="filter",to="dead_letter",topic="calls.raw"\} 1$`, body)
	has(`enricher_partition_lag_records{partition="0",role="filter",topic="calls.raw"} 0`)
	has(`enricher_partition_lag_records{partition="1",role="filter",topic="calls.raw"} 0`)
	require.Regexp(t, `(?m)^enricher_build_info\{catalog="plivo-voice@[^"]+\+[0-9a-f]{8}",version="[^"]*"\} 1$`, body)

	addr := r.app.OpsAddr()
	require.NoError(t, r.stop())
	require.Equal(t, "stopped", r.app.Pipeline(pipeline.Filter).State().String())
	require.True(t, r.app.Pipeline(pipeline.Filter).Ledger.Totals().Conserved())
	_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	require.Error(t, err, "the address is free again")
}

func containsLine(text, line string) bool {
	return slices.Contains(strings.Split(text, "\n"), line)
}

func TestRunWithoutTheOperatorsEndpoints(t *testing.T) {
	cluster := fake(t)
	cfg := configFor(cluster.ListenAddrs()...)
	cfg.Ops.Listen = ""
	r := start(t, cfg)
	require.Empty(t, r.app.OpsAddr())
	r.until("running", func() bool { return r.app.Pipeline(pipeline.Filter).State().String() == "running" })
	require.NoError(t, r.stop())
}

// What stops the filter is what Run returns, and the endpoints end with it.
func TestRunReturnsWhatStoppedTheFilter(t *testing.T) {
	cfg := configFor(kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.raw")).ListenAddrs()...)
	r := start(t, cfg)
	err := r.wait()
	require.ErrorContains(t, err, `topic "calls.enriched" does not exist`)
	_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", r.app.OpsAddr())
	require.Error(t, err)
}

// Who could not be reached is another matter than what a broker said.
func TestUnreached(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

	require.True(t, app.Unreached(fmt.Errorf("check topics: %w", refused)))
	require.True(t, app.Unreached(fmt.Errorf("check topics: %w", io.ErrUnexpectedEOF)))
	require.False(t, app.Unreached(fmt.Errorf("check topics: %w", &login.Error{Address: "k:9092", Text: "speaks TLS: set kafka.tls.enabled to true", Err: refused})))
	require.False(t, app.Unreached(&broker.MissingTopicsError{Topics: []string{"calls.raw"}}))
	require.False(t, app.Unreached(broker.ErrTwin))
}

// Friday evening's calls are too old on Monday, with the default of a day: the start says so.
func TestWindowThatOutlastsMaxAge(t *testing.T) {
	for maxAge, warned := range map[time.Duration]int{24 * time.Hour: 1, 96 * time.Hour: 0} {
		core, logs := observer.New(zap.WarnLevel)
		cfg := configFor("127.0.0.1:1")
		cfg.Ops.Listen, cfg.Ops.Page = "", ""
		cfg.Retry.Tiers = []config.Tier{{Topic: "calls.wait", Wait: time.Minute}}
		cfg.Retry.Due, cfg.Retry.GaveUp, cfg.Retry.MaxAge = "calls.due", "calls.gave-up", maxAge
		cfg.Retry.Window = config.Window{Days: []config.Weekday{"mon", "tue", "wed", "thu", "fri"}, From: "09:00", To: "20:00", Zone: "Europe/Berlin", Spread: time.Hour}
		_, err := app.New(cfg, zap.New(core))
		require.NoError(t, err)
		require.Equal(t, warned, logs.FilterMessageSnippet("given up as expired").Len(), logs.All())
	}
}
