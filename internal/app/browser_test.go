//go:build browser

package app_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the screenshots of docs/ instead of comparing nothing")

// markup tries to be a picture that runs a script.
const markup = `<img src=x onerror=hacked=1><script>hacked=1</script>`

// css is how elements are named here.
type css = chromedp.CSS

// visited is a page with something on it, in a browser.
type visited struct {
	*tab
	*running
	brokers []string
}

func visit(t *testing.T) *visited {
	t.Helper()
	brokers := fake(t).ListenAddrs()
	r := start(t, withPage(configFor(brokers...)))
	busy := `{"Direction":"outbound","HangupCauseCode":"3010"}`
	strange, err := json.Marshal(map[string]any{"HangupCauseCode": 9999, "From": "+15555550100", "Direction": markup, markup: 1})
	require.NoError(t, err)
	produce(t, brokers, busy, busy, busy, string(strange), `{"Event":"Ring"}`, `{`)
	r.until("all is processed", func() bool { return r.status().Roles[0].Events.N == 6 })
	return &visited{openTab(t), r, brokers}
}

func (v *visited) open(path string) {
	v.tab.t.Helper()
	v.do(chromedp.Navigate(v.app.PageURL() + strings.TrimPrefix(path, "/")))
}

func (v *visited) clean() { v.tab.clean(v.app.PageURL()) }

// The page moves by itself, and what it says at rest is what /metrics says.
func TestBrowserLiveNumbersAgreeWithTheMetrics(t *testing.T) {
	v := visit(t)
	v.open("/")
	require.Equal(t, "6", ask[string](v.tab, `document.getElementById("filter-events").textContent`))
	more := make([]string, 1500)
	for i := range more {
		more[i] = `{"Direction":"outbound","HangupCauseCode":"4000"}`
	}
	produce(t, v.brokers, more...)
	v.tab.until("the figures have moved", `document.getElementById("filter-events").textContent === "1,506"`)
	v.tab.until("nothing is behind", `document.getElementById("filter-lag").textContent === "0"`)
	v.tab.until("a chart is drawn", `document.querySelector("#filter-rates path").getAttribute("d") !== ""`)

	_, metrics := v.get("/metrics")
	agree := func(count, series string) {
		t.Helper()
		require.True(t, containsLine(metrics, series+" "+count), "%s %s\n%s", series, count, metrics)
	}
	outcomes := v.table("filter-became")
	require.Len(t, outcomes, 5)
	for _, row := range outcomes {
		agree(row[1], fmt.Sprintf(`enricher_events_total{outcome=%q,role="filter"}`, row[0]))
	}
	codes := append(v.table("codes"), v.table("unknown-table")[0])
	require.Len(t, codes, 3)
	for i, row := range codes {
		agree(row[map[bool]int{false: 4, true: 1}[i == 2]], fmt.Sprintf(`enricher_events_by_code_total{code=%q,role="filter"}`, row[0]))
	}
	for _, row := range v.table("partitions") {
		agree(row[2], fmt.Sprintf(`enricher_partition_lag_records{partition=%q,role="filter",topic=%q}`, row[1], row[0]))
	}
	agree(v.table("letters")[0][1], `enricher_dead_letters_total{reason="not_json",role="filter"}`)
	v.clean()
}

func TestBrowserSearch(t *testing.T) {
	v := visit(t)
	v.open("/")
	v.do(chromedp.SendKeys(css("#q"), "busy"+kb.Enter), chromedp.WaitVisible(css("section details summary")))
	v.tab.until("what was found", `document.body.textContent.includes("found for “busy”")`)
	require.Contains(t, ask[string](v.tab, `[...document.querySelectorAll("details summary")].map(s => s.textContent).join("\n")`), "3010 ")
	v.open("/?q=" + url.QueryEscape(markup))
	require.Contains(t, ask[string](v.tab, `document.body.textContent`), markup)
	v.harmless()
	v.clean()
}

// harmless says that nothing on the page is markup but the page's own.
func (v *visited) harmless() {
	v.tab.t.Helper()
	require.Zero(v.tab.t, ask[int](v.tab, `document.querySelectorAll("img, iframe, object, [onerror], script:not([src='/page.js'])").length`))
	require.True(v.tab.t, ask[bool](v.tab, `typeof hacked === "undefined"`))
}

// Markup in an event's fields, pasted or come through the topic, shows as text.
func TestBrowserShowsMarkupAsText(t *testing.T) {
	v := visit(t)
	v.open("/")
	v.tab.until("a refresh by the script", `performance.getEntriesByName(location.origin + "/api/status?view=1").length > 1`)
	sample := v.table("unknown-table")[1][0]
	require.Contains(t, sample, markup)
	require.Contains(t, sample, "+15*******00")
	v.harmless()

	event := `{"HangupCauseCode":"4000","Direction":"` + markup + `","CallUUID":"</textarea></pre>` + markup + `","CallStatus":"of 15555550100"}`
	v.do(chromedp.SetValue(css("#event"), event), chromedp.Click(css("#event + button")), chromedp.WaitVisible(css("#explain ~ div pre")))
	require.Contains(t, ask[string](v.tab, `document.querySelector("#explain ~ div pre").textContent`), markup)
	require.Contains(t, ask[string](v.tab, `document.getElementById("event").value`), "</textarea></pre>"+markup)
	require.NotContains(t, ask[string](v.tab, `document.documentElement.outerHTML + document.getElementById("event").value`), "5555550100")
	v.harmless()
	v.clean()
}

// What somebody has unfolded to read stays unfolded, also where another code takes its row.
func TestBrowserKeepsWhatIsUnfolded(t *testing.T) {
	v := visit(t)
	v.open("/")
	require.False(t, ask[bool](v.tab, `document.querySelector("#unknown-table details").open`))
	v.do(chromedp.Click(css("#unknown-table summary")))
	more := `{"HangupCauseCode":"8888"}`
	produce(t, v.brokers, more, more, more)
	v.tab.until("the other code is first", `document.querySelectorAll("#unknown-table th").length === 5 && document.querySelector("#unknown-table tbody th").textContent === "8888"`)
	require.Equal(t, []bool{false, true}, ask[[]bool](v.tab, `[...document.querySelectorAll("#unknown-table details")].map(d => d.open)`))
	require.Contains(t, ask[string](v.tab, `document.querySelector("#unknown-table details[open] code").textContent`), "9999")
	v.clean()
}

func TestBrowserFitsAPhone(t *testing.T) {
	v := visit(t)
	for _, path := range []string{"/", "/?q=", "/?q=" + strings.Repeat("verylongword", 15)} {
		v.screen(320, 640, "light")
		v.open(path)
		v.do(chromedp.SetValue(css("#event"), `{"HangupCauseCode":"`+strings.Repeat("9", 500)+`"}`))
		if path == "/" {
			v.do(chromedp.Click(css("#event + button")), chromedp.WaitVisible(css("#explain ~ div pre")))
		}
		ask[int](v.tab, `document.querySelectorAll("details").forEach(d => d.open = true), 0`)
		require.LessOrEqual(t, ask[int](v.tab, `document.documentElement.scrollWidth`), 320, path)
		require.Empty(t, ask[string](v.tab, `[...document.querySelectorAll("section, .cards > div, form, textarea, input, pre")]
			.filter(e => e.getBoundingClientRect().right > 320 || e.getBoundingClientRect().left < 0).map(e => e.outerHTML.slice(0, 80)).join("\n")`), "nothing is cut off")
	}
	v.clean()
}

// Without scripts the figures are there, the search finds and an event is explained.
func TestBrowserWithoutScripts(t *testing.T) {
	v := visit(t)
	enable(v.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	html := func() string {
		t.Helper()
		text, err := chromedp.Run(v.ctx, chromedp.OuterHTML(css("html"), chromedp.NodeReady))
		require.NoError(t, err)
		return text
	}
	v.open("/")
	page := html()
	for _, want := range []string{"load again", ">9999<", ">3010<", "Outcomes", "not_json", "Configuration", "<path "} {
		require.Contains(t, page, want)
	}
	require.Contains(t, page, `id="pause" hidden`, "what needs the script is not offered")
	v.do(chromedp.Focus(css("#q"), chromedp.NodeReady), chromedp.KeyEvent("3010"))
	_, err := chromedp.RunResponse(v.ctx, chromedp.KeyEvent(kb.Enter))
	require.NoError(t, err)
	require.Contains(t, html(), "found for “3010”")
	v.do(chromedp.Focus(css("#event"), chromedp.NodeReady), chromedp.KeyEvent(`{"HangupCauseCode":"3010"}`), chromedp.KeyEvent(kb.Tab))
	_, err = chromedp.RunResponse(v.ctx, chromedp.KeyEvent(kb.Enter))
	require.NoError(t, err)
	require.Contains(t, html(), "outcome: enriched")
	for _, r := range v.requests {
		require.NotContains(t, r, "/api/status")
	}
	v.clean()
}

// All that can be used is reached by the keyboard, and where one is can be seen.
func TestBrowserKeyboard(t *testing.T) {
	v := visit(t)
	v.screen(1200, 900, "light")
	v.open("/?q=3010")
	const usable = `[...document.querySelectorAll("a[href], button, input, textarea, summary, [tabindex='0']")]
		.filter(e => !e.closest("noscript") && e.checkVisibility()).filter(e => !e.parentElement.closest("details:not([open])") || e.tagName === "SUMMARY")`
	want := ask[int](v.tab, usable+`.map((e, i) => e.dataset.at = i).length`)
	require.Greater(t, want, 20)
	reached, invisible := map[string]bool{}, ""
	for i := range want + 1 {
		v.do(chromedp.KeyEvent(kb.Tab))
		reached[ask[string](v.tab, `document.activeElement.dataset.at ?? ""`)] = true
		if i == 0 {
			require.Equal(t, "Skip to the figures", ask[string](v.tab, `document.activeElement.textContent`))
			require.True(t, ask[bool](v.tab, `document.activeElement.getBoundingClientRect().width > 50`), "it shows when it has the focus")
		}
		if ask[bool](v.tab, `document.activeElement !== document.body && getComputedStyle(document.activeElement).outlineStyle === "none"`) {
			invisible = ask[string](v.tab, `document.activeElement.outerHTML`)
		}
	}
	delete(reached, "")
	require.Len(t, reached, want)
	require.Empty(t, invisible)

	v.open("/")
	v.do(chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	v.tab.until("the link has skipped", `document.activeElement.id === "main"`)
	v.do(chromedp.Focus(css("#pause")), chromedp.KeyEvent(" "))
	v.tab.until("it says so", `document.getElementById("news").textContent === "Paused." && document.getElementById("pause").textContent === "Go on"`)
	v.clean()
}

// A token that stands in the address, as a browser keeps it, does not stop the script from asking on.
func TestBrowserWithAToken(t *testing.T) {
	cfg := withPage(configFor(fake(t).ListenAddrs()...))
	cfg.Ops.Token = "correct-horse-battery-staple"
	r := start(t, cfg)
	b := openTab(t)
	resp, err := chromedp.Run(b.ctx, chromedp.NavigateResponse(r.app.PageURL()))
	if err == nil { // newer browsers show their form, and give up the page
		require.Equal(t, int64(http.StatusUnauthorized), resp.Status)
	}
	b.do(chromedp.Navigate(strings.Replace(r.app.PageURL(), "://", "://me:"+string(cfg.Ops.Token)+"@", 1)))
	b.until("a refresh by the script", `performance.getEntriesByName(location.origin + "/api/status?view=1").length > 1`)
	require.Empty(t, ask[string](b, `document.getElementById("news").textContent`))
	b.mu.Lock()
	b.problems = slices.DeleteFunc(b.problems, func(p string) bool { return strings.Contains(p, "status of 401") }) // the browser tries without it first
	b.mu.Unlock()
	b.clean("http://")
}

// axe-core, which knows the Web Content Accessibility Guidelines, finds nothing.
func TestBrowserAccessibility(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("AXE"))
	require.NoError(t, err, "AXE names axe.min.js; `make test-page` does")
	v := visit(t)
	for _, width := range []int64{1280, 320} {
		for _, scheme := range []string{"light", "dark"} {
			for _, path := range []string{"/?q=busy", "explained"} {
				t.Run(fmt.Sprintf("%d %s %s", width, scheme, path), func(t *testing.T) {
					v.screen(width, 900, scheme)
					v.open("/" + strings.TrimPrefix(strings.Replace(path, "explained", "", 1), "/"))
					if path == "explained" {
						v.do(chromedp.SetValue(css("#event"), `{"HangupCauseCode":"3010"}`),
							chromedp.Click(css("#event + button")), chromedp.WaitVisible(css("#explain ~ div pre")))
					}
					ask[int](v.tab, `document.querySelectorAll("details").forEach(d => d.open = true), 0`)
					require.Equal(t, scheme == "dark", ask[bool](v.tab, `matchMedia("(prefers-color-scheme: dark)").matches`))
					require.Empty(t, v.axe(string(axe)))
				})
			}
		}
	}
	// It would have found something.
	ask[int](v.tab, `document.getElementById("q").labels[0].remove(), 0`)
	require.Contains(t, v.axe(string(axe)), "label")
}

// axe gives what the guidelines are broken by, one in a line.
func (v *visited) axe(source string) string {
	v.tab.t.Helper()
	ask[bool](v.tab, source+"\n;true")
	return ask[string](v.tab, `axe.run(document, {resultTypes: ["violations"]}).then(r => {
		if (r.passes.length < 20) throw new Error("only " + r.passes.length + " rules were tried");
		return r.violations.map(f => f.id + ": " + f.help + ": " + f.nodes.map(n => n.target + " " + (n.any[0]?.message ?? n.failureSummary)).join("; ")).join("\n");
	})`)
}

// The watch over the console and over other origins sees what there is to see.
func TestBrowserWatchSees(t *testing.T) {
	v := visit(t)
	v.open("/")
	ask[int](v.tab, `console.error("x"), setTimeout(() => { throw new Error("y") }), fetch("http://127.0.0.1:1/").catch(() => 0), 0`)
	v.tab.until("time for it", `new Promise(done => setTimeout(() => done(true), 100))`)
	v.mu.Lock()
	defer v.mu.Unlock()
	all := strings.Join(v.problems, "\n")
	require.Contains(t, all, "console: error")
	require.Contains(t, all, "exception: ")
	require.Contains(t, all, "Content Security Policy")
}

// With -update the pictures of docs/ are made anew.
func TestBrowserScreenshots(t *testing.T) {
	if !*update {
		t.Skip("writes docs/*.png with -update")
	}
	address, wait := busyDemo(t)
	b := openTab(t)
	b.do(chromedp.Navigate(address)) // somebody looks: a value for each second
	wait()
	for _, picture := range []struct {
		file          string
		width, height int64
		scheme        string
	}{
		{"status-page.png", 1200, 1500, "light"},
		{"status-page-phone.png", 320, 900, "dark"},
	} {
		b.screen(picture.width, picture.height, picture.scheme)
		b.do(chromedp.Navigate(address))
		b.until("the script has been at work", `performance.getEntriesByName(location.origin + "/api/status?view=1").length > 1`)
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join("..", "..", "docs", picture.file), png, 0o644))
	}
}
