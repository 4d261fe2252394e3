package traffic

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAxisEndsAtARoundNumber(t *testing.T) {
	for n, want := range map[int64]int64{0: 1, 1: 1, 2: 2, 9: 9, 10: 10, 11: 20, 20: 20, 2045: 3000, 900_001: 1_000_000} {
		require.Equal(t, want, roundUp(n), n)
	}
}

func TestSpanInWords(t *testing.T) {
	for seconds, want := range map[int64]string{1: "1 second", 5: "5 seconds", 60: "1 minute", 300: "5 minutes", 3600: "1 hour", 10_800: "3 hours", 86_400: "1 day", 604_800: "7 days"} {
		require.Equal(t, want, span(seconds))
	}
}

func TestPercent(t *testing.T) {
	for f, want := range map[float64]string{0: "0.0 %", 0.0001: "<0.1 %", 0.5: "50.0 %", 1: "100.0 %"} {
		require.Equal(t, want, percent(f))
	}
}
