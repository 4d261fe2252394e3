package cli

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// TestWaitsAreWhatComesOut: between the two times that explain names for a cause's first and last wait lie all that
// are drawn, and they come near both.
func TestWaitsAreWhatComesOut(t *testing.T) {
	t.Parallel()

	opt := enrich.DefaultOptions()
	for _, e := range catalog.Default().Entries() {
		if e.Retry.Auto == catalog.AutoOptIn {
			opt.OptIn = append(opt.OptIn, e.Code)
		}
	}

	enricher, err := enrich.New(catalog.Default(), opt)
	require.NoError(t, err)

	var res enrich.Result

	tried := 0

	for _, e := range catalog.Default().Entries() {
		r := &e.Retry
		if r.MaxRetries == 0 || r.Auto == catalog.AutoGated {
			continue
		}

		tried++

		for _, attempt := range []int{1, r.MaxRetries} {
			low, high := waitAfter(r, attempt)
			least, most := high, low

			for call := range 2000 {
				value := fmt.Appendf(nil, `{"CallUUID":"%d","Direction":"outbound","HangupCauseCode":%d}`, call, e.Code)
				enricher.Enrich(&enrich.Record{Value: value, TimestampMS: -1, HeaderAttempt: []byte(strconv.Itoa(attempt))}, &res)
				require.True(t, res.Advice.Retryable, "%d: %s", e.Code, res.Advice.Reason)

				least, most = min(least, float64(res.Advice.DelayS)), max(most, float64(res.Advice.DelayS))
			}

			near := max(1, (high-low)/100)
			require.GreaterOrEqual(t, least, low, e.Code)
			require.LessOrEqual(t, most, high, e.Code)
			require.InDelta(t, low, least, near, "%d, attempt %d", e.Code, attempt)
			require.InDelta(t, high, most, near, "%d, attempt %d", e.Code, attempt)
		}
	}

	require.Greater(t, tried, 10)
}

func TestWaitsInWords(t *testing.T) {
	t.Parallel()

	for want, r := range map[string]catalog.Retry{
		"At most 1 more call, after 30 s to 1 min; the call's id decides where in between.":                                         {InitialS: 60, Multiplier: 1, CapS: 60, MaxRetries: 1, Jitter: catalog.JitterEqual},
		"At most 2 more calls, each after 12 h to 1 d; the call's id decides where in between.":                                     {InitialS: 86400, Multiplier: 1, CapS: 86400, MaxRetries: 2, Jitter: catalog.JitterEqual},
		"At most 3 more calls, the first after 7.5 to 15 min, the last after 25 to 50 min; the call's id decides where in between.": {InitialS: 900, Multiplier: 2, CapS: 3000, MaxRetries: 3, Jitter: catalog.JitterEqual},
		"At most 4 more calls, the first after 5 s, the last after 5 to 24 s; the call's id decides where in between.":              {InitialS: 3, Multiplier: 2, CapS: 60, MaxRetries: 4, Jitter: catalog.JitterFull},
		"At most 2 more calls, the first after 1 s, the last after 2 s.":                                                            {InitialS: 0.5, Multiplier: 3, CapS: 60, MaxRetries: 2},
		"At most 1 more call, after 23 to 45 s; the call's id decides where in between.":                                            {InitialS: 45, Multiplier: 1, CapS: 45, MaxRetries: 1, Jitter: catalog.JitterEqual},
		"At most 1 more call, after 200 to 400 s; the call's id decides where in between.":                                          {InitialS: 400, Multiplier: 1, CapS: 400, MaxRetries: 1, Jitter: catalog.JitterEqual},
	} {
		require.Equal(t, want, waitsInWords(&r))
	}
}

// TestEveryPolicyIsExplained: waits stand behind the class.
func TestEveryPolicyIsExplained(t *testing.T) {
	t.Parallel()

	for _, e := range catalog.Default().Entries() {
		text := retryInWords(&e)
		require.Contains(t, text, classInWords(&e.Retry))
		require.Equal(t, e.Retry.MaxRetries > 0, strings.Contains(text, classInWords(&e.Retry)+" At most "), text)
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()

	require.Equal(t, "é 日\n"+`\u0009\u001b[31m\u009b\u202e\u00a0`+"\ufffd", visible("é 日\n\t\x1b[31m\u009b\u202e\u00a0\xff"))
}

func TestHoursInWords(t *testing.T) {
	t.Parallel()

	r := &config.Retry{Tiers: []config.Tier{{Topic: "t"}}}
	require.Empty(t, hoursInWords(r), "no window")

	r.Window = config.Window{Days: []config.Weekday{"sat", "sun"}, From: "10:00", To: "18:30", Zone: "Europe/Berlin"}
	require.Equal(t, "calling hours: not counted in. Outside retry.window (sat, sun; 10:00 to 18:30; Europe/Berlin) a call is held until the next opening.\n", hoursInWords(r))

	r.Tiers = nil
	require.Empty(t, hoursInWords(r), "no loop")
}
