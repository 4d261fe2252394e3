package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/pkg/catalog"
)

// page asks the status page; a body makes it a POST.
func (r *running) page(path, body string) string {
	r.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.app.PageAddr()+path, strings.NewReader(body))
	require.NoError(r.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(r.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	require.Equal(r.t, http.StatusOK, resp.StatusCode, string(text))
	return string(text)
}

func (r *running) status() *ops.Status {
	r.t.Helper()
	st := new(ops.Status)
	require.NoError(r.t, json.Unmarshal([]byte(r.page("/api/status", "")), st))
	return st
}

func withPage(cfg *config.Config) *config.Config {
	cfg.Ops.Page = "127.0.0.1:0"
	return cfg
}

func produce(t *testing.T, brokers []string, values ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("calls.raw"))
	require.NoError(t, err)
	defer client.Close()
	for _, v := range values {
		require.NoError(t, client.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr())
	}
}

const attack = `{"Direction":"<script>alert(1)</script>","HangupCauseCode":"4000"}`

func TestPageAgreesWithTheMetrics(t *testing.T) {
	brokers := fake(t).ListenAddrs()
	r := start(t, withPage(configFor(brokers...)))
	busy := `{"Direction":"outbound","HangupCauseCode":"3010"}`
	produce(t, brokers, busy, busy, busy, attack, `{"HangupCauseCode":9999,"From":"+15555550100","To":"sip:alice@example.com"}`, `{"HangupCauseCode":9999}`, `{"Event":"Ring"}`, `{`)

	var st *ops.Status
	r.until("all is committed", func() bool {
		st = r.status()
		for _, p := range st.Roles[0].Partitions {
			if p.Lag == nil || *p.Lag > 0 {
				return false
			}
		}
		return st.Roles[0].Events.N == 8
	})
	_, metrics := r.get("/metrics")
	agree := func(n int64, format string, args ...any) {
		t.Helper()
		line := fmt.Sprintf(format, args...) + fmt.Sprintf(" %d", n)
		require.True(t, containsLine(metrics, line), "%s\n%s", line, metrics)
	}
	filter := st.Roles[0]
	require.Equal(t, ops.Health{OK: true, State: "running"}, st.Ready)
	require.Equal(t, "enricher", filter.Group)
	require.Contains(t, filter.Ledger, "in 8 from ")
	for _, c := range filter.Became {
		agree(c.N, `enricher_events_total{outcome=%q,role="filter"}`, c.Name)
	}
	require.Equal(t, []ops.Count{{Name: "not_json", N: 1, PerS: filter.DeadLetters[0].PerS}}, filter.DeadLetters)
	agree(1, `enricher_dead_letters_total{reason="not_json",role="filter"}`)
	agree(filter.Places[0].N, `enricher_output_records_total{role="filter"}`)
	require.Equal(t, int64(7), filter.Places[0].N)
	require.Len(t, st.Codes, 3)
	for _, c := range st.Codes {
		agree(c.N, `enricher_events_by_code_total{code="%d",role="filter"}`, c.Code)
	}
	require.Equal(t, int64(3), st.Routes[0].N)
	agree(3, `enricher_route_records_total{role="filter",route="retry"}`)
	agree(int64(filter.Commits.Count), `enricher_commit_duration_seconds_count{role="filter"}`)
	require.NotZero(t, filter.Commits.Count)
	require.Len(t, filter.Partitions, 2)
	var events int64
	for _, p := range filter.Partitions {
		agree(0, `enricher_partition_lag_records{partition="%d",role="filter",topic="calls.raw"}`, p.Number)
		events += p.Events
	}
	require.Equal(t, int64(8), events)

	entry, _ := catalog.Default().Lookup(3010)
	require.Equal(t, ops.Code{Code: 3010, Name: entry.Name, Fault: string(entry.Fault), Class: string(entry.Retry.Class), Auto: string(entry.Retry.Auto), Retryable: true, N: 3}, st.Codes[0])
	require.Equal(t, int32(9999), st.Codes[1].Code)
	require.Empty(t, st.Codes[1].Name)
	require.NotNil(t, st.Codes[1].LastSeen)
	require.JSONEq(t, `{"HangupCauseCode":9999,"From":"+15*******00","To":"sip:***"}`, st.Codes[1].Sample)
	require.Empty(t, st.Codes[0].Sample, "of known codes nothing is kept")
	require.Contains(t, st.Faults, ops.Count{Name: "not in the catalog", N: 2})
	require.Contains(t, st.Faults, ops.Count{Name: string(entry.Fault), N: 3})
	require.Nil(t, st.Retry)

	page := r.page("/", "")
	require.Contains(t, page, entry.Name)
	require.Contains(t, page, ">9999<")
	require.NotContains(t, page, "<script>")
	require.NoError(t, r.stop())
	_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.app.PageAddr())
	require.Error(t, err, "the address is free again")
}

func TestPageExplainsAndSearches(t *testing.T) {
	r := start(t, withPage(configFor(fake(t).ListenAddrs()...)))
	var x struct {
		Outcome string `json:"outcome"`
	}
	text := r.page("/api/explain", attack)
	require.NoError(t, json.Unmarshal([]byte(text), &x))
	require.Equal(t, "enriched", x.Outcome)
	require.NotContains(t, text, "<script>")
	require.Contains(t, r.page("/", url.Values{"event": {attack}}.Encode()), "direction    Direction = &#34;&lt;script&gt;")
	require.Contains(t, r.page("/api/explain", "\xff\x00"), `"malformed"`)

	search := func(q string) (codes []int32) {
		var found struct {
			Count   int             `json:"count"`
			Entries []catalog.Entry `json:"entries"`
		}
		require.NoError(t, json.Unmarshal([]byte(r.page("/api/catalog?q="+url.QueryEscape(q), "")), &found))
		require.Len(t, found.Entries, found.Count)
		for i := range found.Entries {
			codes = append(codes, found.Entries[i].Code)
		}
		return codes
	}
	all := catalog.Default().Entries()
	require.Len(t, search(""), len(all))
	require.Len(t, search("   "), len(all))
	require.Equal(t, int32(3010), search("3010")[0])
	require.Equal(t, int32(0), search("0")[0], "the code itself before those that contain it")
	legacy := catalog.Default().LegacyNames()[0]
	require.Equal(t, legacy.Code, search(legacy.Name)[0])
	require.Empty(t, search("no such words"))
	both := search("carrier SHORT_delay")
	require.NotEmpty(t, both)
	for _, code := range both {
		e, _ := catalog.Default().Lookup(code)
		require.Contains(t, strings.ToLower(e.Name+" "+e.Summary+" "+string(e.Fault)), "carrier")
	}
	page := r.page("/?q=", "")
	require.Equal(t, len(all)+1, strings.Count(page, "<details"), "and the configuration")
}

func TestPageShowsNoSecret(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2\n"), 0o600))
	file := filepath.Join(dir, "enricher.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `kafka: {brokers: [%q], client_id: "${file:secret}"}
input: {topics: [calls.raw], group: enricher}
output: {topic: calls.enriched}
ops: {listen: "127.0.0.1:0", page: "127.0.0.1:0"}
`, fake(t).ListenAddrs()[0]), 0o600))
	cfg, err := config.Load(file)
	require.NoError(t, err)
	require.Equal(t, "hunter2", cfg.Kafka.ClientID)
	r := start(t, cfg)
	require.Equal(t, r.app.OpsAddr(), r.app.PageAddr(), "both on one port")
	for _, path := range []string{"/", "/api/config", "/api/status", "/api/status?view=1"} {
		require.NotContains(t, r.page(path, ""), "hunter2")
	}
	require.Contains(t, r.page("/api/config", ""), `client_id: "***"`)
	require.Contains(t, r.page("/metrics", ""), "enricher_build_info")
}

// What visitors paste and what samples quote comes without numbers, unless the configuration says otherwise.
func TestPageMasksNumbers(t *testing.T) {
	const planted = `{"Direction":"outbound","HangupCauseCode":"3010","CallUUID":"call-of-15555550100","CallStatus":"\u00315555550100","AnswerTime":"sip:alice@example.com"}`
	for _, reveal := range []bool{false, true} {
		brokers := fake(t).ListenAddrs()
		cfg := withPage(configFor(brokers...))
		cfg.Privacy.Reveal = reveal
		r := start(t, cfg)
		produce(t, brokers, strings.Replace(planted, "3010", "9999", 1), "15555550100 sip:alice@example.com")
		r.until("both are there", func() bool { return r.status().Roles[0].Events.N == 2 })
		all := map[string]string{
			"explained": r.page("/api/explain", planted), "pasted": r.page("/", url.Values{"event": {planted}}.Encode()),
			"page": r.page("/", ""), "status": r.page("/api/status?view=1", ""),
			"no JSON": r.page("/", url.Values{"event": {"From=15555550100&To=sip:alice@example.com"}}.Encode()),
		}
		for name, text := range all {
			require.Equal(t, reveal, strings.Contains(text, "5555550100"), "%s %s", name, text)
			require.Equal(t, reveal, strings.Contains(text, "alice"), "%s %s", name, text)
		}
		require.Equal(t, reveal, strings.Contains(r.page("/api/explain", `{"HangupCauseCode":"15555550100","Direction":"outbound"}`), "5555550100"), "a code that is none, in what the rules saw")
		const code = "1777777010" // fits into a code, and is known for none
		require.Equal(t, reveal, strings.Contains(r.page("/api/explain", `{"HangupCauseCode":"`+code+`"}`), code))
		produce(t, brokers, `{"HangupCauseCode":`+code+`}`)
		r.until("it is counted", func() bool { return r.status().OtherCodes == 1 })
		require.NotContains(t, r.page("/", "")+r.page("/api/status?view=1", ""), code, "what is counted by code is of few")
		require.NoError(t, r.stop())
	}
}

func loopConfig(brokers ...string) *config.Config {
	cfg := withPage(configFor(brokers...))
	cfg.Routes = nil
	cfg.Roles = []config.Role{config.RoleFilter, config.RoleDelay}
	cfg.Retry.Tiers = []config.Tier{{Topic: "tier.1h", Wait: time.Hour}, {Topic: "tier.short", Wait: 250 * time.Millisecond}}
	cfg.Retry.Due, cfg.Retry.GaveUp = "calls.due", "calls.gave-up"
	cfg.Retry.Policies = []config.Policy{{Match: config.PolicyMatch{Codes: []config.CodeRange{{From: 3010, To: 3010}}}, Delay: time.Second, MaxDelay: time.Second, MaxAttempts: 2}}
	return cfg
}

func fakeLoop(t *testing.T) []string {
	t.Helper()
	return kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.raw", "calls.enriched", "calls.dead", "tier.short", "tier.1h", "calls.due", "calls.gave-up")).ListenAddrs()
}

func TestPageFollowsTheRetryLoop(t *testing.T) {
	brokers := fakeLoop(t)
	r := start(t, loopConfig(brokers...))
	call := func(attempt int) string {
		return fmt.Sprintf(`{"CallUUID":"c","Direction":"outbound","HangupCauseCode":"3010","hangup_attempt":%d}`, attempt)
	}
	produce(t, brokers, call(1), call(2))
	var st *ops.Status
	r.until("the first is due", func() bool {
		st = r.status()
		return st.Retry.Due != nil && *st.Retry.Due == 1 && st.Retry.Tiers[0].Waiting != nil
	})
	require.Equal(t, []string{"filter", "delay"}, []string{st.Roles[0].Name, st.Roles[1].Name})
	require.Equal(t, "enricher.delay", st.Roles[1].Group)
	require.Len(t, st.Retry.GaveUp, 1)
	require.Equal(t, "attempts_exhausted", st.Retry.GaveUp[0].Name)
	require.Equal(t, int64(1), st.Retry.GaveUp[0].N)
	require.Equal(t, int64(0), *st.Retry.Cancelled)
	long, short := st.Retry.Tiers[0], st.Retry.Tiers[1]
	require.Equal(t, "tier.1h", long.Topic)
	require.InDelta(t, 3600, long.WaitS, 0)
	require.Zero(t, long.Entered)
	require.Positive(t, short.Entered)
	require.Equal(t, int64(1), *short.Due)
	require.NotNil(t, short.LateP99)
	require.Less(t, *short.LateP99, 5.0)
	_, metrics := r.get("/metrics")
	require.Regexp(t, `(?m)^enricher_retry_due_total\{role="delay"[^}]*\} 1$`, metrics)
	var entered int64
	for _, role := range []string{"filter", "delay"} {
		_, after, ok := strings.Cut(metrics, `enricher_retry_entered_total{role="`+role+`",tier="tier.short"} `)
		require.True(t, ok)
		var n int64
		_, err := fmt.Sscan(after, &n)
		require.NoError(t, err)
		entered += n
	}
	require.Equal(t, entered, short.Entered, "by both roles")
	page := r.page("/", "")
	require.Contains(t, page, "given up: attempts_exhausted")
	require.Contains(t, page, "Why calls ended")
	require.Contains(t, r.page("/?q=3010", ""), "retry.policies[0]: ", "what the configuration changed")
}

func TestPageOfTheDelayRoleAlone(t *testing.T) {
	cfg := loopConfig(fakeLoop(t)...)
	cfg.Roles = []config.Role{config.RoleDelay}
	r := start(t, cfg)
	r.until("partitions", func() bool {
		st := r.status()
		return len(st.Roles[0].Partitions) == 2 && st.Retry.Tiers[0].Waiting != nil
	})
	require.Empty(t, r.status().Codes)
	page := r.page("/", "")
	require.Contains(t, page, "Redials a second")
	require.NotContains(t, page, "Why calls ended")
}

func TestPageOfTheFilterAloneDoesNotKnowWhatWaits(t *testing.T) {
	cfg := loopConfig(fakeLoop(t)...)
	cfg.Roles = []config.Role{config.RoleFilter}
	r := start(t, cfg)
	st := r.status()
	require.Nil(t, st.Retry.Due)
	require.Nil(t, st.Retry.Tiers[0].Waiting)
}

// Two processes of one host may share a file: the second works without a page.
func TestPageIsNoReasonNotToWork(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	cfg := configFor("127.0.0.1:1")
	cfg.Ops.Listen, cfg.Ops.Page = "", l.Addr().String()
	core, logs := observer.New(zap.WarnLevel)
	a, err := app.New(cfg, zap.New(core))
	require.NoError(t, err)
	require.Empty(t, a.PageAddr())
	require.Equal(t, 1, logs.FilterMessage("no status page").Len())
}

// Beyond loopback the page wants to know who is there.
func TestPageElsewhere(t *testing.T) {
	open := configFor("127.0.0.1:1")
	open.Ops.Page = "0.0.0.0:0"
	broken := withPage(configFor("127.0.0.1:1"))
	broken.Ops.TLS = config.ServerTLS{CertFile: "missing.pem", KeyFile: "missing.pem"}
	for cfg, want := range map[*config.Config]error{open: ops.ErrExposed, broken: ops.ErrTLS} {
		_, err := app.New(cfg, zap.NewNop())
		var mistake *app.ConfigError
		require.ErrorAs(t, err, &mistake)
		require.ErrorIs(t, err, want)
	}

	open.Ops.Token = "correct-horse-battery"
	core, logs := observer.New(zap.InfoLevel)
	a, err := app.New(open, zap.New(core))
	require.NoError(t, err)
	require.Contains(t, a.PageURL(), "http://localhost:")
	require.Equal(t, 1, logs.FilterMessageSnippet("goes over the network in the clear").Len())
	for _, e := range logs.All() {
		require.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), open.Ops.Token)
	}
}
