package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/retry"
)

func TestLongestShut(t *testing.T) {
	t.Parallel()

	workdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	for name, tt := range map[string]struct {
		config retry.WindowConfig
		want   time.Duration
	}{
		"always":               {retry.WindowConfig{To: 1440}, 0},
		"nights":               {retry.WindowConfig{From: 9 * 60, To: 20 * 60}, 13 * time.Hour},
		"weekend":              {retry.WindowConfig{From: 9 * 60, To: 20 * 60, Days: workdays}, 61 * time.Hour},
		"one day a week":       {retry.WindowConfig{From: 9 * 60, To: 10 * 60, Days: workdays[2:3]}, 167 * time.Hour},
		"over midnight":        {retry.WindowConfig{From: 22 * 60, To: 6 * 60}, 16 * time.Hour},
		"over midnight, a day": {retry.WindowConfig{From: 22 * 60, To: 6 * 60, Days: []time.Weekday{time.Saturday}}, 160 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := retry.NewWindow(tt.config)
			require.NoError(t, err)
			require.Equal(t, tt.want, w.LongestShut())
		})
	}
}
