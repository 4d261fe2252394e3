package retry_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

func newWindow(t require.TestingT, c retry.WindowConfig) *retry.Window {
	w, err := retry.NewWindow(c)
	require.NoError(t, err)
	return w
}

func TestNewWindowReportsEveryMistake(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		config retry.WindowConfig
		want   []string
	}{
		"nothing given": {retry.WindowConfig{}, []string{"window from minute 0 to minute 0 of the day is never open; for the whole day say 0 to 1440"}},
		"all at once": {
			retry.WindowConfig{Days: []time.Weekday{-1, 1, 7}, From: 1440, To: 1441, Default: "Europe/Bonn", Spread: -1},
			[]string{
				"window from minute 1440 of the day: want 0 to 1439", "window to minute 1441 of the day: want 0 to 1440", "weekday -1: want 0 for Sunday",
				"weekday 7: want 0 for Sunday to 6 for Saturday", "spread -1ns is below zero", `default zone: time zone "Europe/Bonn" is not in the tz database`,
			},
		},
		"below zero":                {retry.WindowConfig{From: -1, To: -2}, []string{"window from minute -1", "window to minute -2"}},
		"the machine's zone":        {retry.WindowConfig{To: 1, Default: "Local"}, []string{`time zone "Local" is not in the tz database`}},
		"a path out of the zones":   {retry.WindowConfig{To: 1, Default: "../zoneinfo/UTC"}, []string{"is not in the tz database"}},
		"another way to write UTC":  {retry.WindowConfig{To: 1, Default: "./UTC"}, []string{"is not in the tz database"}},
		"never open, and from noon": {retry.WindowConfig{From: 720, To: 720}, []string{"from minute 720 to minute 720 of the day is never open"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := retry.NewWindow(tt.config)
			require.Nil(t, w)
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.Len(t, splitLines(err.Error()), len(tt.want), err)
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()

	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	office := retry.WindowConfig{Days: weekdays, From: 9 * 60, To: 17 * 60}
	night := retry.WindowConfig{Days: []time.Weekday{time.Friday}, From: 22 * 60, To: 6 * 60}
	toMidnight := retry.WindowConfig{Days: []time.Weekday{time.Friday}, From: 22 * 60, To: 0}
	days := retry.WindowConfig{Days: []time.Weekday{time.Saturday, time.Sunday}, From: 0, To: 1440}

	// 2026-11-27 is a Friday.
	for name, tt := range map[string]struct {
		config   retry.WindowConfig
		at, want string
	}{
		"inside":                               {office, "2026-11-27T12:00:00", "2026-11-27T12:00:00"},
		"at the opening":                       {office, "2026-11-27T09:00:00", "2026-11-27T09:00:00"},
		"before it":                            {office, "2026-11-27T08:59:59", "2026-11-27T09:00:00"},
		"the last second":                      {office, "2026-11-26T16:59:59", "2026-11-26T16:59:59"},
		"shut":                                 {office, "2026-11-26T17:00:00", "2026-11-27T09:00:00"},
		"over the week's end":                  {office, "2026-11-27T17:00:00", "2026-11-30T09:00:00"},
		"on a day without hours":               {office, "2026-11-28T12:00:00", "2026-11-30T09:00:00"},
		"over midnight, before it":             {night, "2026-11-27T23:59:59", "2026-11-27T23:59:59"},
		"over midnight, after it":              {night, "2026-11-28T05:59:59", "2026-11-28T05:59:59"},
		"over midnight, shut":                  {night, "2026-11-28T06:00:00", "2026-12-04T22:00:00"},
		"over midnight, the day is that of":    {night, "2026-11-27T05:59:59", "2026-11-27T22:00:00"},
		"over midnight, not the evening after": {night, "2026-11-28T22:00:00", "2026-12-04T22:00:00"},
		"to midnight, open":                    {toMidnight, "2026-11-27T23:59:59", "2026-11-27T23:59:59"},
		"to midnight, shut":                    {toMidnight, "2026-11-28T00:00:00", "2026-12-04T22:00:00"},
		"whole days, between them":             {days, "2026-11-29T00:00:00", "2026-11-29T00:00:00"},
		"whole days, over":                     {days, "2026-11-30T00:00:00", "2026-12-05T00:00:00"},
		"over the year's end":                  {office, "2026-12-31T17:00:00", "2027-01-01T09:00:00"},
		"a leap day":                           {office, "2028-02-28T17:00:00", "2028-02-29T09:00:00"},
		"before the epoch":                     {office, "1969-12-31T17:00:00", "1970-01-01T09:00:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newWindow(t, tt.config).Next(utc(t, tt.at).UnixMilli(), nil, []byte("id"))
			require.Equal(t, tt.want, time.UnixMilli(got).UTC().Format("2006-01-02T15:04:05"))
		})
	}
}

func TestNextLeavesImpossibleTimesAlone(t *testing.T) {
	t.Parallel()

	w := newWindow(t, retry.WindowConfig{From: 1, To: 2})
	for _, ms := range []int64{-1 << 63, -62_135_596_800_001, 253_402_300_800_000, 1<<63 - 1} {
		require.Equal(t, ms, w.Next(ms, nil, nil))
	}
	for _, ms := range []int64{-62_135_596_800_000, 253_402_300_799_999} {
		require.Less(t, ms, w.Next(ms, nil, nil))
	}
}

func TestZonesByName(t *testing.T) {
	t.Parallel()

	w := newWindow(t, retry.WindowConfig{From: 9 * 60, To: 17 * 60, Default: "America/New_York"})
	opening := func(zone string) string {
		at := w.Next(utc(t, "2026-01-14T00:00:00").UnixMilli(), []byte(zone), nil)
		return time.UnixMilli(at).UTC().Format("15:04")
	}
	for range 2 { // the second time from memory
		require.Equal(t, "08:00", opening("Europe/Berlin"))
		require.Equal(t, "03:30", opening("Asia/Kolkata"))
		require.Equal(t, "09:00", opening("UTC"))
	}
	require.Equal(t, "14:00", opening(""))
	require.Zero(t, w.UnknownZones(), "no name at all is nobody's mistake")

	for i, unknown := range []string{"Europe/Bonn", "Europe/Bonn", "Local", "../UTC", "europe\x00", string(make([]byte, 1000))} {
		require.Equal(t, "14:00", opening(unknown), unknown)
		require.Equal(t, int64(i+1), w.UnknownZones())
	}
	for i := range 5000 { // more than are kept
		opening("Nowhere/" + strconv.Itoa(i))
	}
	require.Equal(t, "08:00", opening("Europe/Berlin"))
}

// TestWindowProperty holds the window against the clock on the wall.
func TestWindowProperty(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		c := windowConfigs().Draw(t, "config")
		name := rapid.SampledFrom(zoneNames()).Draw(t, "zone")
		loc := location(t, name)
		spread := newWindow(t, c)
		together := c
		together.Spread = 0
		w := newWindow(t, together)

		const year = 366 * 24 * hour
		ms := rapid.Int64Range(utc(t, "1985-01-01T00:00:00").UnixMilli(), utc(t, "2085-01-01T00:00:00").UnixMilli()).Draw(t, "ms")
		if _, change := time.UnixMilli(ms).In(loc).ZoneBounds(); !change.IsZero() && change.UnixMilli()-ms < year && rapid.Bool().Draw(t, "near a change") {
			ms = change.UnixMilli() + rapid.Int64Range(-40*hour, 10*hour).Draw(t, "off")
		}
		for range 3 { // later ones may come from memory
			open := w.Next(ms, []byte(name), nil)
			id := rapid.SliceOf(rapid.Byte()).Draw(t, "id")
			got := spread.Next(ms, []byte(name), id)

			require.True(t, insideWindow(c, open, loc), "opens outside: %v", time.UnixMilli(open).In(loc))
			require.True(t, insideWindow(c, got, loc), "spread to the outside: %v", time.UnixMilli(got).In(loc))
			require.GreaterOrEqual(t, open, ms)
			require.GreaterOrEqual(t, got, open)
			require.LessOrEqual(t, got-open, c.Spread.Milliseconds())
			require.Equal(t, got, spread.Next(got, []byte(name), id), "from the inside nothing moves")
			require.Equal(t, got, newWindow(t, c).Next(ms, []byte(name), id), "memory changes nothing")
			if open == ms {
				require.Equal(t, ms, got)
			}
			for at := ms; at < open; at += 60_000 {
				if insideWindow(c, at, loc) && !shownTwice(at, loc) {
					require.Fail(t, "left out", "%v", time.UnixMilli(at).In(loc))
				}
			}
			ms += rapid.Int64Range(-30*hour, 30*hour).Draw(t, "step")
		}
	})
}

func TestOpeningsSpreadEvenly(t *testing.T) {
	t.Parallel()

	const (
		ids    = 20_000
		bins   = 30
		spread = 30 * time.Minute
	)
	w := newWindow(t, retry.WindowConfig{From: 9 * 60, To: 21 * 60, Spread: spread})
	shut := utc(t, "2026-11-26T23:00:00").UnixMilli()
	open := utc(t, "2026-11-27T09:00:00").UnixMilli()

	for name, id := range map[string]func(int) string{
		"numbers that count up": strconv.Itoa,
		"hexadecimal hashes":    func(i int) string { return fmt.Sprintf("%016x", uint64(i)*0x9E3779B97F4A7C15) },
		"one byte differs":      func(i int) string { return "672b0b3f-e4b9-46e7-8fa9-3b48c7da" + string([]byte{byte(i), byte(i >> 8)}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count [bins]int
			for i := range ids {
				after := w.Next(shut, nil, []byte(id(i))) - open
				require.GreaterOrEqual(t, after, int64(0))
				require.Less(t, after, spread.Milliseconds())
				count[after*bins/spread.Milliseconds()]++
			}
			for _, n := range count {
				require.InDelta(t, ids/bins, n, 130, count) // five standard deviations are 127
			}
		})
	}
}

func TestSpreadKeepsWithinAShortWindow(t *testing.T) {
	t.Parallel()

	w := newWindow(t, retry.WindowConfig{From: 9 * 60, To: 9*60 + 1, Spread: time.Hour})
	open := utc(t, "2026-11-27T09:00:00").UnixMilli()
	var last int64
	for i := range 1000 {
		after := w.Next(open-1, nil, []byte(strconv.Itoa(i))) - open
		require.GreaterOrEqual(t, after, int64(0))
		require.Less(t, after, int64(60_000))
		last = max(last, after)
	}
	require.Greater(t, last, int64(55_000), "all of it is used")
}

// TestSpreadStays pins the places: versions that run beside each other have to agree.
func TestSpreadStays(t *testing.T) {
	t.Parallel()

	w := newWindow(t, retry.WindowConfig{From: 9 * 60, To: 21 * 60, Spread: 30 * time.Minute})
	open := utc(t, "2026-11-27T09:00:00").UnixMilli()
	for id, want := range map[string]int64{"": 1_686_185, "a": 918_530, "5f8e7c1d2b3a4956": 1_160_041} {
		require.Equal(t, want, w.Next(open-1, nil, []byte(id))-open, id)
	}
}
