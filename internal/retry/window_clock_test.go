package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/retry"
)

// TestChangedClocks gives times with their offset from UTC, since the clock alone does not
// tell the two halves of a repeated hour apart.
func TestChangedClocks(t *testing.T) {
	t.Parallel()

	hours := func(from, to string) retry.WindowConfig {
		return retry.WindowConfig{From: minuteOf(t, from), To: minuteOf(t, to)}
	}
	sunday := func(from, to string) retry.WindowConfig {
		c := hours(from, to)
		c.Days = []time.Weekday{time.Sunday}
		return c
	}

	for name, tt := range map[string]struct {
		zone     string
		config   retry.WindowConfig
		at, want string
	}{
		// Berlin leaves out 02:00 to 03:00 on 29 March 2026, and repeats it on 25 October.
		"Berlin, 23 hours: the next opening":             {"Europe/Berlin", hours("09:00", "21:00"), "2026-03-28T21:00:00+01:00", "2026-03-29T09:00:00+02:00"},
		"Berlin, 23 hours: shut by the new clock":        {"Europe/Berlin", hours("09:00", "21:00"), "2026-03-29T21:00:00+02:00", "2026-03-30T09:00:00+02:00"},
		"Berlin, 25 hours: the next opening":             {"Europe/Berlin", hours("09:00", "21:00"), "2026-10-24T21:00:00+02:00", "2026-10-25T09:00:00+01:00"},
		"Berlin, 25 hours: a day's last second":          {"Europe/Berlin", sunday("00:00", "24:00"), "2026-10-25T23:59:59+01:00", "2026-10-25T23:59:59+01:00"},
		"Berlin, opening in the gap":                     {"Europe/Berlin", hours("02:30", "05:00"), "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"},
		"Berlin, opening at its start":                   {"Europe/Berlin", hours("02:00", "05:00"), "2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"},
		"Berlin, shutting in the gap":                    {"Europe/Berlin", hours("01:00", "02:30"), "2026-03-29T03:00:00+02:00", "2026-03-30T01:00:00+02:00"},
		"Berlin, shutting in the gap, still open":        {"Europe/Berlin", hours("01:00", "02:30"), "2026-03-29T01:59:59+01:00", "2026-03-29T01:59:59+01:00"},
		"Berlin, all in the gap":                         {"Europe/Berlin", hours("02:15", "02:45"), "2026-03-28T03:00:00+01:00", "2026-03-30T02:15:00+02:00"},
		"Berlin, all in the gap, once a week":            {"Europe/Berlin", sunday("02:15", "02:45"), "2026-03-29T00:00:00+01:00", "2026-04-05T02:15:00+02:00"},
		"Berlin, opening in the repeated hour, first":    {"Europe/Berlin", hours("02:30", "05:00"), "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"},
		"Berlin, opening in the repeated hour, second":   {"Europe/Berlin", hours("02:30", "05:00"), "2026-10-25T02:31:00+01:00", "2026-10-25T02:31:00+01:00"},
		"Berlin, shutting in the repeated hour":          {"Europe/Berlin", hours("01:00", "02:30"), "2026-10-25T02:30:00+02:00", "2026-10-26T01:00:00+01:00"},
		"Berlin, shutting in it, still open":             {"Europe/Berlin", hours("01:00", "02:30"), "2026-10-25T02:29:59+02:00", "2026-10-25T02:29:59+02:00"},
		"Berlin, all in the repeated hour, first":        {"Europe/Berlin", hours("02:15", "02:45"), "2026-10-25T02:20:00+02:00", "2026-10-25T02:15:00+01:00"},
		"Berlin, all in the repeated hour, second":       {"Europe/Berlin", hours("02:15", "02:45"), "2026-10-25T02:20:00+01:00", "2026-10-25T02:20:00+01:00"},
		"Berlin, all in the repeated hour, over":         {"Europe/Berlin", hours("02:15", "02:45"), "2026-10-25T02:45:00+01:00", "2026-10-26T02:15:00+01:00"},
		"Berlin, over the repeated hour":                 {"Europe/Berlin", hours("01:30", "03:30"), "2026-10-25T02:59:59+02:00", "2026-10-25T02:59:59+02:00"},
		"Berlin, over midnight into the repeated hour":   {"Europe/Berlin", hours("22:00", "02:30"), "2026-10-25T02:30:00+02:00", "2026-10-25T22:00:00+01:00"},
		"Berlin, shutting at the end of the repeated":    {"Europe/Berlin", hours("01:00", "03:00"), "2026-10-25T02:59:59+01:00", "2026-10-25T02:59:59+01:00"},
		"Berlin, from a time on another day":             {"Europe/Berlin", hours("09:00", "21:00"), "2026-10-23T23:00:00Z", "2026-10-24T09:00:00+02:00"},
		"New York, 23 hours":                             {"America/New_York", hours("08:00", "21:00"), "2026-03-07T21:00:00-05:00", "2026-03-08T08:00:00-04:00"},
		"New York, opening in the gap":                   {"America/New_York", hours("02:30", "04:00"), "2026-03-08T01:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		"New York, 25 hours":                             {"America/New_York", hours("08:00", "21:00"), "2026-10-31T21:00:00-04:00", "2026-11-01T08:00:00-05:00"},
		"New York, opening in the repeated hour":         {"America/New_York", hours("01:30", "04:00"), "2026-11-01T01:45:00-04:00", "2026-11-01T01:30:00-05:00"},
		"Lord Howe, half an hour left out":               {"Australia/Lord_Howe", hours("02:15", "05:00"), "2026-10-04T01:59:00+10:30", "2026-10-04T02:30:00+11:00"},
		"Lord Howe, half an hour left out, after":        {"Australia/Lord_Howe", hours("09:00", "21:00"), "2026-10-03T21:00:00+10:30", "2026-10-04T09:00:00+11:00"},
		"Lord Howe, half an hour repeated":               {"Australia/Lord_Howe", hours("01:45", "05:00"), "2026-04-05T01:50:00+11:00", "2026-04-05T01:45:00+10:30"},
		"Lord Howe, half an hour repeated, after":        {"Australia/Lord_Howe", hours("09:00", "21:00"), "2026-04-04T21:00:00+11:00", "2026-04-05T09:00:00+10:30"},
		"Kolkata, never changed":                         {"Asia/Kolkata", hours("09:00", "21:00"), "2026-03-28T21:00:00+05:30", "2026-03-29T09:00:00+05:30"},
		"Kolkata, from UTC":                              {"Asia/Kolkata", hours("09:00", "21:00"), "2026-03-29T03:29:59Z", "2026-03-29T09:00:00+05:30"},
		"Santiago, no midnight: opening at it":           {"America/Santiago", sunday("00:00", "24:00"), "2026-09-05T23:59:59-04:00", "2026-09-06T01:00:00-03:00"},
		"Santiago, no midnight: shutting at it":          {"America/Santiago", hours("20:00", "24:00"), "2026-09-06T01:00:00-03:00", "2026-09-06T20:00:00-03:00"},
		"Santiago, no midnight: over it":                 {"America/Santiago", hours("22:00", "00:30"), "2026-09-06T01:00:00-03:00", "2026-09-06T22:00:00-03:00"},
		"Santiago, no midnight: a morning":               {"America/Santiago", hours("09:00", "21:00"), "2026-09-05T21:00:00-04:00", "2026-09-06T09:00:00-03:00"},
		"Santiago, the hour before midnight twice":       {"America/Santiago", hours("23:30", "23:45"), "2026-04-04T23:35:00-03:00", "2026-04-04T23:30:00-04:00"},
		"Santiago, the hour before midnight, shut at it": {"America/Santiago", hours("20:00", "24:00"), "2026-04-04T23:59:59-04:00", "2026-04-04T23:59:59-04:00"},
		"Beirut, no midnight":                            {"Asia/Beirut", sunday("00:00", "12:00"), "2026-03-28T23:59:59+02:00", "2026-03-29T01:00:00+03:00"},
		"Beirut, the hour before midnight twice":         {"Asia/Beirut", hours("23:15", "23:59"), "2026-10-24T23:20:00+03:00", "2026-10-24T23:15:00+02:00"},
		"Apia, a day left out: from the evening before":  {"Pacific/Apia", hours("09:00", "21:00"), "2011-12-29T21:00:00-10:00", "2011-12-31T09:00:00+14:00"},
		"Apia, a day left out: all of its hours":         {"Pacific/Apia", retry.WindowConfig{Days: []time.Weekday{time.Friday}, From: 540, To: 1260}, "2011-12-29T12:00:00-10:00", "2012-01-06T09:00:00+14:00"},
		"St John's, a minute after midnight":             {"America/St_Johns", hours("00:00", "24:00"), "2010-11-06T23:59:59-02:30", "2010-11-06T23:59:59-02:30"},
		"Berlin, the last day of a leap year":            {"Europe/Berlin", hours("09:00", "21:00"), "2084-12-31T00:00:00+01:00", "2084-12-31T09:00:00+01:00"},
		"Berlin, after the last day of it":               {"Europe/Berlin", hours("09:00", "21:00"), "2084-12-31T21:00:00+01:00", "2085-01-01T09:00:00+01:00"},
		"after the last change that is listed":           {"Europe/Berlin", hours("09:00", "21:00"), "2090-07-01T21:00:00+02:00", "2090-07-02T09:00:00+02:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, tt.at)
			require.NoError(t, err)
			w := newWindow(t, tt.config)
			got := w.Next(at.UnixMilli(), []byte(tt.zone), []byte("id"))
			require.Equal(t, tt.want, time.UnixMilli(got).In(location(t, tt.zone)).Format(time.RFC3339))
			require.Zero(t, w.UnknownZones())
		})
	}
}

func minuteOf(t require.TestingT, clock string) int {
	if clock == "24:00" {
		return 24 * 60
	}
	at, err := time.Parse("15:04", clock)
	require.NoError(t, err)
	return 60*at.Hour() + at.Minute()
}
