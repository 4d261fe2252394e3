package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/demo"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/pkg/catalog"
)

func TestThousands(t *testing.T) {
	t.Parallel()

	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 20_000: "20,000", 1_234_567: "1,234,567"} {
		require.Equal(t, want, thousands(n))
	}
}

func TestDemoSummarySaysWhatIsMissing(t *testing.T) {
	t.Parallel()

	rep := &demo.Report{In: 10, Out: 8, Made: 10, Outcomes: map[string]int64{"enriched": 10}, Conserved: true}
	require.Contains(t, demoSummary(rep, false), "\nconserved: everything that went in came out")

	rep.Conserved = false
	text := demoSummary(rep, false)
	require.True(t, strings.HasSuffix(text, "\nNOT CONSERVED: 10 events were made, and the reader saw 8 on the output topic.\n"), text)
	require.NotContains(t, text, "came out")
}

// The page has no access control: elsewhere than on a loopback address there is none.
func TestDemoServesThePageOnLoopbackOnly(t *testing.T) {
	t.Parallel()

	for listen, want := range map[string]string{
		"": "", "127.0.0.1:8080": "127.0.0.1:8080", "[::1]:80": "[::1]:80", "localhost:80": "localhost:80",
		":8080": "", "0.0.0.0:8080": "", "host:8080": "", "8080": "",
	} {
		cfg := demoConfig(&demoFlags{listen: listen, delivery: &format{value: "exactly_once"}})
		require.Equal(t, listen, cfg.Ops.Listen)
		require.Equal(t, want, cfg.Ops.Page, listen)
	}
}

func TestDemoSummaryWithoutEvents(t *testing.T) {
	t.Parallel()

	text := demoSummary(&demo.Report{Conserved: true}, false)
	require.Contains(t, text, "0 events in 0.0 s, 0 events/s")
	require.Regexp(t, `(?m)^enriched +0 +– `, text)
}

func TestDemoSummaryShowsTheMostFrequentCodes(t *testing.T) {
	t.Parallel()

	rep := &demo.Report{In: 1000, Codes: []demo.CodeCount{{Code: 9999, Count: 500}}}

	entries := catalog.Default().Entries()
	for i := range topCodes + 2 {
		rep.Codes = append(rep.Codes, demo.CodeCount{Code: entries[i].Code, Count: 10, Entry: &entries[i]})
	}

	text := demoSummary(rep, false)
	require.Regexp(t, `(?m)^9999 +500 +not in the catalog`, text)
	require.Contains(t, text, entries[topCodes-2].Name)
	require.NotContains(t, text, entries[topCodes-1].Name, "the table has %d codes", topCodes)
	require.Regexp(t, `(?m)^… +and 3 more codes`, text)
}

func TestWhatNextNamesWhatWasNotTried(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		f          demoFlags
		names, not []string
	}{
		{demoFlags{}, []string{"--open", "--retry", "explain 3010"}, []string{"run -c"}},
		{demoFlags{open: true}, []string{"--retry", "explain 3010"}, []string{"--open"}},
		{demoFlags{retry: true}, []string{"--open", "explain 3010"}, []string{"--retry"}},
		{demoFlags{open: true, retry: true}, []string{"run -c", "explain 3010"}, []string{"--open", "--retry"}},
	} {
		text := whatNext(&tc.f)
		require.Equal(t, 2, strings.Count(strings.TrimPrefix(text, "\n"), "\n"))

		for _, name := range tc.names {
			require.Contains(t, text, name)
		}

		for _, name := range tc.not {
			require.NotContains(t, text, name)
		}
	}
}

// As long as nothing has come due there is no figure of how late it was.
func TestRetryRowsHaveNoLatenessYet(t *testing.T) {
	t.Parallel()

	require.Contains(t, retryRows(&demo.Retry{Entered: 5, Due: 1})[0][2].text, "within – of")
	require.Contains(t, retryRows(&demo.Retry{Due: 1, Redialled: 1, LateP99MS: 12})[0][2].text, "within 12 ms of")
	require.Contains(t, retryRows(&demo.Retry{Redialled: 1, LateP99MS: -1})[0][2].text, "within 0 ms of")
}

func TestHighlightShowsWhatWasAdded(t *testing.T) {
	t.Parallel()

	const event = `{"a":1,"hangup":{"code":3010}}`

	require.Equal(t, event, highlight(event, false)) //nolint:testifylint // byte for byte
	require.Equal(t, "\x1b[2m{\"a\":1\x1b[0m\x1b[32m,\"hangup\":{\"code\":3010}\x1b[0m\x1b[2m}\x1b[0m", highlight(event, true))
	require.Equal(t, `{"a":1}`, highlight(`{"a":1}`, false))
}

// The view takes back exactly the lines that it painted.
func TestLiveViewRepaints(t *testing.T) {
	t.Parallel()

	var out bytes.Buffer

	v := &liveView{w: &world{err: &out}}
	totals := pipeline.Totals{In: 5000, Outcomes: map[string]int64{"enriched": 3000}}
	v.show(demo.Progress{Made: 6000, Goal: 20_000, Elapsed: time.Second, Totals: totals})

	first := out.String()
	require.Contains(t, first, strings.Repeat("█", 10)+strings.Repeat("░", 30)+" 5,000 of 20,000")
	require.Regexp(t, `(?m)^enriched +3,000 +▪{24}$`, first)

	lines := strings.Count(first, "\n")

	out.Reset()
	v.clear()
	require.Equal(t, "\x1b["+thousands(int64(lines))+"A\x1b[J", out.String())

	out.Reset()
	v.clear()
	require.Empty(t, out.String(), "there is nothing left to clear")

	v.show(demo.Progress{Elapsed: 3 * time.Second, Totals: totals})
	require.Contains(t, out.String(), "5,000 events after 3 s", "without a goal there is no bar")
}
