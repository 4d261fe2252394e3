package retry_test

import (
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

func splitLines(s string) []string { return strings.Split(s, "\n") }

// utc reads a time without a zone.
func utc(t require.TestingT, s string) time.Time {
	at, err := time.Parse("2006-01-02T15:04:05", s)
	require.NoError(t, err)
	return at
}

func location(t require.TestingT, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// zoneNames change their clocks by an hour, by half an hour, by two, at midnight, a minute
// after it, for Ramadan, not at all; Apia has left out a whole day.
func zoneNames() []string {
	return []string{
		"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "Asia/Beirut",
		"Pacific/Apia", "America/St_Johns", "Africa/Casablanca", "Pacific/Chatham", "Antarctica/Troll", "UTC",
	}
}

func windowConfigs() *rapid.Generator[retry.WindowConfig] {
	return rapid.Custom(func(t *rapid.T) retry.WindowConfig {
		// Hours are more often those at which clocks are changed.
		minute := rapid.OneOf(rapid.IntRange(0, 1439), rapid.IntRange(0, 200), rapid.IntRange(1380, 1439))
		c := retry.WindowConfig{
			Days:   rapid.SliceOfDistinct(rapid.Map(rapid.IntRange(0, 6), func(d int) time.Weekday { return time.Weekday(d) }), rapid.ID[time.Weekday]).Draw(t, "days"),
			From:   minute.Draw(t, "from"),
			To:     rapid.OneOf(minute, rapid.Just(1440)).Draw(t, "to"),
			Spread: time.Duration(rapid.IntRange(0, 3600).Draw(t, "spread")) * time.Second,
		}
		if c.From == c.To {
			c.To++
		}
		return c
	})
}

// insideWindow looks at nothing but the clock and the calendar on the wall.
func insideWindow(c retry.WindowConfig, ms int64, loc *time.Location) bool {
	wall := time.UnixMilli(ms).In(loc)
	minute := 60*wall.Hour() + wall.Minute()
	allowed := func(d time.Weekday) bool { return len(c.Days) == 0 || slices.Contains(c.Days, d) }
	if c.From < c.To {
		return allowed(wall.Weekday()) && c.From <= minute && minute < c.To
	}
	if minute >= c.From {
		return allowed(wall.Weekday())
	}
	year, month, day := wall.Date()
	return minute < c.To && allowed(time.Date(year, month, day-1, 0, 0, 0, 0, time.UTC).Weekday())
}

// shownTwice says whether the clock on the wall shows the same at another time.
func shownTwice(ms int64, loc *time.Location) bool {
	const form = "2006-01-02T15:04:05.000"
	at := time.UnixMilli(ms).In(loc)
	for _, d := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if at.Add(d).Format(form) == at.Format(form) || at.Add(-d).Format(form) == at.Format(form) {
			return true
		}
	}
	return false
}
