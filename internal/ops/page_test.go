package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/ops"
)

const script = `<script>alert("x")</script>`

// made is a source whose every text tries to be markup.
type made struct{ configErr error }

func (made) Status() *ops.Status {
	lag, due := int64(7), int64(3)
	return &ops.Status{
		At: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Started: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), Version: "v1", Catalog: "table@1",
		Ready: ops.Health{OK: true, State: "running"},
		Roles: []ops.Role{
			{
				Name: "filter", State: "running", Group: "enricher", Ledger: "in 12 = 12", Events: ops.Count{N: 12_345},
				Became: []ops.Count{{Name: "enriched", N: 12_000}, {Name: "malformed", N: 345}}, Places: []ops.Count{{Name: "output topic", N: 12_000}},
				DeadLetters: []ops.Count{{Name: "not_json", N: 345}}, Partitions: []ops.Partition{{Topic: script, Number: 0, Lag: &lag}, {Topic: "in", Number: 1}},
			},
			{Name: "delay", State: "joining", Reason: "waits", Group: "enricher.delay", Events: ops.Count{N: 3}, Became: []ops.Count{{Name: "due", N: 3}}},
		},
		Faults: []ops.Count{{Name: "carrier", N: 12_000}},
		Codes:  []ops.Code{{Code: 3010, Name: "Busy " + script, Fault: "carrier", Class: "short_delay", Retryable: true, N: 11_999}, {Code: 9999, N: 1, Sample: script}},
		Routes: []ops.Count{{Name: "retry", N: 5}},
		Retry:  &ops.Retry{Tiers: []ops.Tier{{Topic: "t1", WaitS: 5}}, GaveUp: []ops.Count{{Name: "expired", N: 2}}, Due: &due},
	}
}

func (made) Search(query string) []ops.Entry {
	if query == "none" {
		return nil
	}
	return []ops.Entry{{Code: 3010, Name: "Busy", Summary: script, Exact: true, Fields: []ops.Field{{Name: "flags", Text: "a & b"}}, Data: map[string]int{"code": 3010}}}
}

func (made) Explain(event []byte) ops.Explanation {
	return ops.Explanation{Event: string(event), Text: "saw " + string(event), Data: map[string]string{"saw": string(event)}}
}

func (m made) Config() ([]byte, error) { return []byte("kafka: {password: '***'}\n"), m.configErr }

// site is a page under test.
type site struct {
	*ops.Server
	t *testing.T
}

func serve(t *testing.T, p ops.Page) *site {
	t.Helper()
	s, err := ops.ListenPage("127.0.0.1:0", p)
	require.NoError(t, err)
	run(t, s)
	return &site{s, t}
}

func run(t *testing.T, s *ops.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

type answer struct {
	code   int
	body   string
	header http.Header
}

// do sends a request; headers are pairs, of which Host is the request's own.
func (s *site) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(s.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return answer{resp.StatusCode, string(text), resp.Header}
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, "", headers...)
}

func (s *site) post(path, body string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, body, headers...)
}

func pasted(event string) string { return url.Values{"event": {event}}.Encode() }

const form = "application/x-www-form-urlencoded"

func TestPageIsWholeWithoutAScript(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	got := s.get("/")
	require.Equal(t, http.StatusOK, got.code)
	require.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
	for _, want := range []string{
		"12,345", "joining: waits", "enricher.delay", "not_json", "copies: route retry", "given up: expired", "yes: short_delay",
		"Code</th>", "9,999", "in 12 = 12", "table@1", "password: &#39;***&#39;", `<caption>Delay topics</caption>`, "Up for 1 h",
		"<details><summary>first event</summary><code>&lt;script&gt;", `<span class="key s1">99 of 100 within</span>`, `<a href="#unknown">Unknown codes</a>`, "not yet",
	} {
		if want == "9,999" {
			want = ">9999<" // a code is no amount
		}
		require.Contains(t, got.body, want)
	}
	require.Regexp(t, `<h1>Enricher</h1>`, got.body)
	require.NotRegexp(t, `(?i)https?://|//[a-z]| style=| on[a-z]+=|<script>|<style`, strings.ReplaceAll(got.body, "</", ""), "nothing from elsewhere, nothing inline")
}

func TestWhatIsShownIsText(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	for name, got := range map[string]answer{
		"status":           s.get("/"),
		"search":           s.get("/?q=" + url.QueryEscape(`"><script>alert("x")</script>`)),
		"explained":        s.post("/", pasted(`{"Direction":"`+script+`"}`), "Content-Type", form),
		"closes the field": s.post("/", pasted(`</textarea>`+script), "Content-Type", form),
		"not UTF-8":        s.post("/", pasted("\xff"+script), "Content-Type", form),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, http.StatusOK, got.code)
			require.Contains(t, got.body, "&lt;script&gt;")
			require.NotContains(t, got.body, "<script>alert")
			require.Equal(t, 1, strings.Count(got.body, "<script"), "the page's own")
		})
	}
	require.NotContains(t, s.get("/api/status?view=1").body, "<script>", "JSON escapes it as well")
}

func TestStatus(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	got := s.get("/api/status")
	require.Equal(t, http.StatusOK, got.code)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.NotContains(t, got.body, `"view"`)
	var st ops.Status
	require.NoError(t, json.Unmarshal([]byte(got.body), &st))
	require.Equal(t, int64(12_345), st.Roles[0].Events.N)
	require.Nil(t, st.Roles[0].Partitions[1].Lag, "not known is not 0")
	require.NotNil(t, st.Codes[1].LastSeen)
	require.Nil(t, st.Codes[0].LastSeen)
}

// The script finds a place on the page for all that it gets, and the same text in it.
func TestViewFitsThePage(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	page := s.get("/").body
	type part struct {
		ID    string   `json:"id"`
		Areas []string `json:"areas"`
		Rows  [][]any  `json:"rows"`
	}
	type section struct {
		Charts []part `json:"charts"`
		Tables []part `json:"tables"`
	}
	var got struct {
		View struct {
			Cards    []part    `json:"cards"`
			Sections []section `json:"sections"`
		} `json:"view"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.get("/api/status?view=1").body), &got))
	require.NotEmpty(t, got.View.Cards)
	ids := map[string]bool{}
	once := func(id string) {
		require.Equal(t, 1, strings.Count(page, ` id="`+id+`"`), id)
		require.False(t, ids[id], id)
		ids[id] = true
	}
	for _, c := range got.View.Cards {
		once(c.ID)
	}
	for _, section := range got.View.Sections {
		for _, c := range section.Charts {
			once(c.ID)
			once(c.ID + "-top")
			svg := regexp.MustCompile(`<svg id="` + c.ID + `"[^>]*>(.*?)</svg>`).FindStringSubmatch(page)
			require.Equal(t, len(c.Areas), strings.Count(svg[1], "<path "))
		}
		for _, table := range section.Tables {
			once(table.ID)
			body := regexp.MustCompile(`(?s)<table id="` + table.ID + `".*?<tbody>(.*?)</tbody>`).FindStringSubmatch(page)
			require.Equal(t, len(table.Rows), strings.Count(body[1], "<tr>"), table.ID)
		}
	}
	require.Greater(t, len(ids), 15)
}

func TestCatalog(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	require.JSONEq(t, `{"catalog":"table@1","query":"busy","count":1,"entries":[{"code":3010}]}`, s.get("/api/catalog?q=busy").body)
	require.JSONEq(t, `{"catalog":"table@1","query":"none","count":0,"entries":[]}`, s.get("/api/catalog?q=none").body)
	page := s.get("/?q=busy").body
	require.Contains(t, page, "1 found for “busy”")
	require.Contains(t, page, "<details open>")
	require.Contains(t, page, "a &amp; b")
	require.Contains(t, s.get("/?q=none").body, "0 found for “none”")
	require.NotContains(t, s.get("/").body, " found")
}

func TestExplain(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	require.JSONEq(t, `{"saw":"{}"}`, s.post("/api/explain", "{}\r\n").body, "the last line end is the shell's")
	require.JSONEq(t, `{"saw":""}`, s.post("/api/explain", "").body)
	require.Contains(t, s.post("/", pasted("{}\n"), "Content-Type", form).body, "<pre>saw {}</pre>")

	most := strings.Repeat("%", ops.MaxEvent) // as a form three times as long
	require.Equal(t, http.StatusOK, s.post("/api/explain", most).code)
	require.Equal(t, http.StatusOK, s.post("/", pasted(most), "Content-Type", form).code)
	for name, got := range map[string]answer{
		"body":            s.post("/api/explain", most+"x"),
		"form":            s.post("/", pasted(most+"x"), "Content-Type", form),
		"form, elsewhere": s.post("/", "event=%7B%7D&more="+strings.Repeat("x", 3*ops.MaxEvent+2000), "Content-Type", form),
	} {
		require.Equal(t, http.StatusRequestEntityTooLarge, got.code, name)
		require.Contains(t, got.body, "at most 1048576 bytes", name)
		require.NotContains(t, got.body, "saw %", name)
	}
	got := s.post("/", "event=%zz", "Content-Type", form)
	require.Equal(t, http.StatusBadRequest, got.code)
	require.Contains(t, got.body, `role="alert"`)
}

// What is no form has no field that could be explained.
func TestExplainOnPageWantsAForm(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	for _, kind := range []string{"multipart/form-data; boundary=x", "application/json", "text/plain", "", "a/b/c"} {
		got := s.post("/", pasted("{}"), "Content-Type", kind)
		require.Equal(t, http.StatusUnsupportedMediaType, got.code, kind)
		require.Equal(t, "refused: want a form, "+form+"; /api/explain takes an event as it is\n", got.body)
		require.JSONEq(t, `{"saw":"{}"}`, s.post("/api/explain", "{}", "Content-Type", kind).body, "an event has no type")
	}
	require.JSONEq(t, `{"saw":"a=b"}`, s.post("/api/explain", "a=b", "Content-Type", form).body, "nor is it a form here")
	require.Contains(t, s.post("/", pasted("{}"), "Content-Type", "Application/X-WWW-Form-Urlencoded; charset=utf-8").body, "<pre>saw {}</pre>")
}

func TestConfig(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	require.Equal(t, "kafka: {password: '***'}\n", s.get("/api/config").body)
	s = serve(t, ops.Page{Source: made{configErr: errors.New("no words for it")}})
	require.Equal(t, http.StatusInternalServerError, s.get("/api/config").code)
	require.Contains(t, s.get("/").body, "no words for it", "the rest of the page is there")
}

func TestHost(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}, Pprof: true})
	for _, host := range []string{"localhost", "LOCALHOST:9000", "127.0.0.1", "127.1.2.3:80", "[::1]:8081", "[::1]", "::1"} {
		require.Equal(t, http.StatusOK, s.get("/", "Host", host).code, host)
	}
	for _, host := range []string{"evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", "2130706433", "[::]:1"} {
		for _, path := range []string{"/", "/api/status", "/api/config", "/page.js", "/debug/pprof/", "/nowhere"} {
			got := s.get(path, "Host", host)
			require.Equal(t, http.StatusMisdirectedRequest, got.code, host+path)
			require.Contains(t, got.body, "refused")
		}
		require.Equal(t, http.StatusMisdirectedRequest, s.post("/api/explain", "{}", "Host", host).code)
	}
}

func TestOtherSitesAreRefused(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	own := "http://" + s.Addr()
	for name, tc := range map[string]struct {
		method, path string
		headers      []string
		want         int
	}{
		"curl":                       {http.MethodPost, "/api/explain", nil, 200},
		"the page":                   {http.MethodPost, "/api/explain", []string{"Sec-Fetch-Site", "same-origin", "Origin", own}, 200},
		"the page, older browser":    {http.MethodPost, "/api/explain", []string{"Origin", own}, 200},
		"another site":               {http.MethodPost, "/api/explain", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"another port of this host":  {http.MethodPost, "/api/explain", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:1"}, 403},
		"another site, old browser":  {http.MethodPost, "/api/explain", []string{"Origin", "https://evil.example"}, 403},
		"another site's form":        {http.MethodPost, "/", []string{"Sec-Fetch-Site", "cross-site", "Content-Type", form}, 403},
		"a link from another site":   {http.MethodGet, "/", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		"another site reads figures": {http.MethodGet, "/api/status", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"typed in":                   {http.MethodGet, "/api/status", []string{"Sec-Fetch-Site", "none"}, 200},
		"a method that is not there": {http.MethodPut, "/api/status", nil, 405},
		"explain by GET":             {http.MethodGet, "/api/explain", nil, 405},
		"a path that is not there":   {http.MethodGet, "/api", nil, 404},
		"a file that is not there":   {http.MethodGet, "/page.go", nil, 404},
		"profiles are off":           {http.MethodGet, "/debug/pprof/", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, s.do(tc.method, tc.path, "", tc.headers...).code)
		})
	}
	require.Empty(t, s.get("/api/status", "Origin", "https://evil.example").header.Values("Access-Control-Allow-Origin"))
}

func TestEveryAnswerIsFenced(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}, Pprof: true})
	for _, path := range []string{"/", "/api/status", "/api/catalog", "/api/config", "/page.css", "/page.js", "/icon.svg", "/nowhere", "/debug/pprof/", "/debug/pprof/cmdline"} {
		h := s.get(path).header
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self';"} {
			require.Contains(t, policy, part, path)
		}
		require.NotContains(t, policy, "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
	}
	require.Equal(t, "text/css; charset=utf-8", s.get("/page.css").header.Get("Content-Type"))
	require.Contains(t, s.get("/page.js").header.Get("Content-Type"), "javascript")
	require.Equal(t, "image/svg+xml", s.get("/icon.svg").header.Get("Content-Type"))
	require.Contains(t, s.get("/debug/pprof/").body, "goroutine")
}

// The script and the style keep to what the policy allows, and to text.
func TestScriptMakesNoMarkup(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://[^w]|\.style`, s.get("/page.js").body)
	css := s.get("/page.css").body
	require.NotRegexp(t, `url\(|@import`, css)
	require.Contains(t, css, "prefers-color-scheme: dark")
	require.Contains(t, css, ":focus-visible")
}

func TestPageBesideHealthOnOnePort(t *testing.T) {
	well := func() ops.Health { return ops.Health{OK: true, State: "running"} }
	server, err := ops.Listen("localhost:0", prometheus.NewRegistry(), well, well)
	require.NoError(t, err)
	require.False(t, server.HasPage())
	require.NoError(t, server.AddPage(ops.Page{Source: made{}}))
	require.True(t, server.HasPage())
	run(t, server)
	s := &site{server, t}
	require.Equal(t, http.StatusOK, s.get("/").code)
	require.Equal(t, http.StatusMisdirectedRequest, s.get("/", "Host", "pod-7").code)
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		require.Equal(t, http.StatusOK, s.get(path, "Host", "pod-7").code, "probes and scrapers come by any name")
	}
}

func TestPageIsNotExposed(t *testing.T) {
	_, err := ops.ListenPage("0.0.0.0:0", ops.Page{Source: made{}})
	require.ErrorIs(t, err, ops.ErrExposed)
	require.ErrorContains(t, err, "ops.page")
	_, err = ops.ListenPage("8081", ops.Page{Source: made{}})
	require.ErrorContains(t, err, "listen for ops.page: ")
	s := serve(t, ops.Page{Source: made{}})
	_, err = ops.ListenPage(s.Addr(), ops.Page{Source: made{}})
	require.ErrorContains(t, err, `set ops.page to a free address, or to "" to turn it off`)
}

func TestCloseGivesTheAddressUp(t *testing.T) {
	s, err := ops.ListenPage("127.0.0.1:0", ops.Page{Source: made{}})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.ErrorContains(t, s.Close(), "close 127.0.0.1:")
	again, err := ops.ListenPage(s.Addr(), ops.Page{Source: made{}})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
