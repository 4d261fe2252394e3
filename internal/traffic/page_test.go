package traffic_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	stdhtml "html"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/traffic"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// -page writes the page of the test's events to a file, to be looked at.
var pageFile = flag.String("page", "", "write a page to this `file`")

// busyDay is a report of made events over a day.
func busyDay(t *testing.T) *traffic.Report {
	t.Helper()

	c := newCounter(t)
	gen := eventgen.New(1, catalog.Default().Entries())
	begin := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC).UnixMilli()

	const n = 20_000

	for i := range int64(n) {
		ev := gen.Next()
		hour := 24 * math.Sqrt(float64(i)/n) // ever more
		c.Add(&enrich.Record{Key: ev.Key, Value: ev.Value, TimestampMS: begin + int64(3_600_000*hour)})
	}

	rep := c.Report()
	rep.Topic = "calls.raw"

	return rep
}

func page(t *testing.T, rep *traffic.Report) string {
	t.Helper()

	var b strings.Builder

	require.NoError(t, traffic.WritePage(&b, rep, time.Date(2026, 11, 25, 6, 0, 0, 0, time.UTC)))

	return b.String()
}

func TestPageNeedsNothingElse(t *testing.T) {
	html := page(t, busyDay(t))

	if *pageFile != "" {
		require.NoError(t, os.WriteFile(*pageFile, []byte(html), 0o600))
	}

	require.NotRegexp(t, `(?i)<script|<link|<img|<iframe|@import|url\(|src=|href=| style=| on[a-z]+=|https?:`, html)
	require.True(t, strings.Contains(html, "prefers-color-scheme:dark") && strings.Contains(html, `name="viewport"`))
	require.Less(t, len(html), 400_000)

	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(html)
	sum := sha256.Sum256([]byte(style[1]))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	require.Contains(t, stdhtml.UnescapeString(html), policy, "the policy lets this style in, and nothing else")
}

// What is drawn is what was counted.
func TestPageDrawsWhatWasCounted(t *testing.T) {
	rep := busyDay(t)
	html := page(t, rep)

	require.Equal(t, len(rep.Buckets), strings.Count(html, "<g><title>"))

	for _, c := range rep.Codes {
		require.Contains(t, html, `<td class="n">`+traffic.Thousands(c.Events)+`</td>`, c.Code)
	}

	var events int64
	for _, b := range rep.Buckets {
		events += b.Events

		var parts int64
		for _, n := range b.Of() {
			parts += n
		}

		require.Equal(t, b.Events, parts)
	}

	require.Equal(t, rep.Events, events)
}

func TestPageIsSoundMarkup(t *testing.T) {
	for name, rep := range map[string]*traffic.Report{"busy": busyDay(t), "empty": newCounter(t).Report()} {
		t.Run(name, func(t *testing.T) {
			// Void elements and the doctype aside, the page is XML as well.
			html := regexp.MustCompile(`<(meta[^>]*)>`).ReplaceAllString(strings.ReplaceAll(page(t, rep), "<details open>", "<details>"), "<$1/>")
			html = strings.TrimPrefix(html, "<!doctype html>")
			dec := xml.NewDecoder(strings.NewReader(html))

			for {
				_, err := dec.Token()
				if errors.Is(err, io.EOF) {
					break
				}

				require.NoError(t, err)
			}
		})
	}
}

func TestPageEscapes(t *testing.T) {
	c := newCounter(t)
	evil := `<script>alert("1")</script>&'`
	value, err := json.Marshal(map[string]any{
		"HangupCause": evil, "n": evil,
		"hangup": map[string]any{
			"known": true, "code": 4321, "name": evil, "fault": evil, "catalog": evil, "retry": map[string]any{"class": evil},
		},
	})
	require.NoError(t, err)
	c.Add(&enrich.Record{Value: value, TimestampMS: 1})
	c.Add(&enrich.Record{Value: []byte(`{"HangupCause":"</pre><script>"}`), TimestampMS: 1})

	rep := c.Report()
	rep.Topic = evil
	html := page(t, rep)
	require.NotContains(t, html, "<script>")
	require.Contains(t, html, "&lt;/pre&gt;&lt;script&gt;")
	require.GreaterOrEqual(t, strings.Count(html, "&lt;script&gt;alert"), 6)
}

func TestPageOfNothing(t *testing.T) {
	rep := newCounter(t).Report()
	since := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	until := since.Add(time.Hour)
	rep.Topic = "t"
	html := page(t, rep)
	require.Contains(t, html, "The topic has no events in this time.")
	require.Contains(t, html, "No event has a time.")
	require.NotContains(t, html, "NaN")

	rep.Until = &until
	require.Contains(t, page(t, rep), "No event has a time; asked for: until 2026-11-24 07:00:00.")

	rep.Since = &since
	require.Contains(t, page(t, rep), "; asked for: since 2026-11-24 06:00:00, until 2026-11-24 07:00:00.")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestPageThatCannotBeWritten(t *testing.T) {
	err := traffic.WritePage(broken{}, newCounter(t).Report(), time.Now())
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "write page")
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, traffic.Thousands(n))
	}
}

// The same events give the same page.
func TestPageIsTheSameAgain(t *testing.T) {
	require.True(t, bytes.Equal([]byte(page(t, busyDay(t))), []byte(page(t, busyDay(t)))))
}
