package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

const (
	hour = int64(time.Hour / time.Millisecond)
	now  = int64(1_795_514_449_123) // a Tuesday in 2026, 10:40:49 UTC
)

// tiers are in no order.
func tiers() []retry.Tier {
	return []retry.Tier{
		{"r-1h", time.Hour},
		{"r-5s", 5 * time.Second},
		{"r-30s", 30 * time.Second},
		{"r-6h", 6 * time.Hour},
		{"r-2m", 2 * time.Minute},
		{"r-10m", 10 * time.Minute},
	}
}

func newLoop(t require.TestingT, change func(*retry.Config)) *retry.Loop {
	c := retry.Config{Tiers: tiers(), MaxAge: 24 * time.Hour}
	if change != nil {
		change(&c)
	}
	l, err := retry.New(c)
	require.NoError(t, err)
	return l
}

// nightly opens every day from 9 to 21 o'clock in UTC.
func nightly(t require.TestingT) *retry.Window {
	w, err := retry.NewWindow(retry.WindowConfig{From: 9 * 60, To: 21 * 60})
	require.NoError(t, err)
	return w
}

func TestNewReportsEveryMistake(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		config retry.Config
		want   []string
	}{
		"nothing given": {retry.Config{}, []string{"there are no tiers", "max age 0s is not above zero"}},
		"all at once": {
			retry.Config{MaxAge: -time.Second, Tiers: []retry.Tier{
				{"a", 0}, {"b", -time.Second}, {"c", time.Second}, {"d", time.Second}, {"a", time.Minute}, {"", time.Hour}, {"e", 1500 * time.Microsecond},
			}},
			[]string{
				`tier "a" waits 0s: want more than zero`, `tier "b" waits -1s: want more than zero`, `tiers "c" and "d" both wait 1s`,
				`topic "a" is a tier twice, with 0s and 1m0s`, "the tier that waits 1h0m0s has no topic", "max age -1s is not above zero",
				`tier "e" waits 1.5ms: want whole milliseconds`,
			},
		},
		"an age that Kafka's clock cannot tell": {retry.Config{MaxAge: time.Microsecond, Tiers: tiers()}, []string{"max age 1µs is not above zero"}},
		"topics without a name are not equal":   {retry.Config{MaxAge: time.Hour, Tiers: []retry.Tier{{"", 1e9}, {"", 2e9}}}, []string{"waits 1s has no topic", "waits 2s has no topic"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := retry.New(tt.config)
			require.Nil(t, l)
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.Len(t, splitLines(err.Error()), len(tt.want), err)
		})
	}
}

func TestTiersAscend(t *testing.T) {
	t.Parallel()

	given := tiers()
	l := newLoop(t, func(c *retry.Config) { c.Tiers = given })
	var topics []string
	for _, tier := range l.Tiers() {
		topics = append(topics, tier.Topic)
	}
	require.Equal(t, []string{"r-5s", "r-30s", "r-2m", "r-10m", "r-1h", "r-6h"}, topics)
	require.Equal(t, tiers(), given, "the caller's list stays as it is")

	l.Tiers()[0].Topic = "x"
	require.Equal(t, "r-5s", l.Tiers()[0].Topic)
}

func TestEnterAndRelease(t *testing.T) {
	t.Parallel()

	const tooBig = int64(1) << 62
	tier := func(i int) retry.Decision { return retry.Decision{Place: retry.ToTier, Tier: i} }
	gaveUp := func(r retry.Reason) retry.Decision { return retry.Decision{Place: retry.GaveUp, Reason: r} }
	due := retry.Decision{Place: retry.ToDue}
	order := func(failed, notBefore int64) retry.Order {
		return retry.Order{FailedMS: failed, NotBeforeMS: notBefore, Attempt: 1, ID: []byte("id")}
	}

	for name, tt := range map[string]struct {
		order          retry.Order // NotBeforeMS and FailedMS are relative to now
		enter, release retry.Decision
		assumeFirst    bool
	}{
		"exactly a tier":                  {order: order(0, 30_000), enter: tier(1), release: tier(1)},
		"a millisecond less":              {order: order(0, 29_999), enter: tier(0), release: tier(0)},
		"between two":                     {order: order(0, 1_000_000), enter: tier(3), release: tier(3)},
		"beyond the largest":              {order: order(0, 20*hour), enter: tier(5), release: tier(5)},
		"below the smallest":              {order: order(0, 1), enter: tier(0), release: tier(0)},
		"now":                             {order: order(-1, 0), enter: tier(0), release: due},
		"long since":                      {order: order(-hour, -hour+1), enter: tier(0), release: due},
		"before it failed":                {order: order(0, -tooBig), enter: tier(0), release: due},
		"before it failed, a little late": {order: order(3, -1), enter: tier(0), release: tier(0)},
		"as old as may be":                {order: order(-24*hour, 0), enter: tier(0), release: due},
		"too old":                         {order: order(-24*hour-1, 0), enter: gaveUp(retry.Expired), release: gaveUp(retry.Expired)},
		"too old when it comes due":       {order: order(-1, 24*hour), enter: gaveUp(retry.Expired), release: gaveUp(retry.Expired)},
		"just in time when it comes due":  {order: order(-1, 24*hour-1), enter: tier(5), release: tier(5)},
		"no time at all":                  {order: order(-now-1, 0), enter: gaveUp(retry.Expired), release: gaveUp(retry.Expired)},
		"the least of times":              {order: order(-tooBig*2+now, 0), enter: gaveUp(retry.Expired), release: gaveUp(retry.Expired)},
		"microseconds for milliseconds":   {order: order(1000*now, 1000*now+5000), enter: gaveUp(retry.Expired), release: gaveUp(retry.Expired)},
		"a clock that is a little ahead":  {order: order(2000, 7000), enter: tier(0), release: tier(0)},
		"an unknown attempt":              {order: retry.Order{NotBeforeMS: 1, Attempt: 1, Assumed: true}, enter: gaveUp(retry.AttemptUnknown), release: tier(0)},
		"an unknown attempt, assumed":     {order: retry.Order{NotBeforeMS: 1, Attempt: 1, Assumed: true}, enter: tier(0), release: tier(0), assumeFirst: true},
		"no attempt":                      {order: retry.Order{NotBeforeMS: 1, Attempt: 0}, enter: gaveUp(retry.AttemptUnknown), release: tier(0), assumeFirst: true},
		"unknown and too old":             {order: retry.Order{FailedMS: -25 * hour, Attempt: 1, Assumed: true}, enter: gaveUp(retry.AttemptUnknown), release: gaveUp(retry.Expired)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLoop(t, func(c *retry.Config) { c.AssumeFirst = tt.assumeFirst })
			tt.order.FailedMS += now
			tt.order.NotBeforeMS += now
			entered, released := tt.order, tt.order
			require.Equal(t, tt.enter, l.Enter(now, &entered))
			require.Equal(t, tt.release, l.Release(now, &released))
		})
	}
}

func TestWindowMovesOrders(t *testing.T) {
	t.Parallel()

	at := func(clock string) int64 { return utc(t, "2026-11-24T"+clock).UnixMilli() }
	tomorrow := func(clock string) int64 { return at(clock) + 24*hour }

	for name, tt := range map[string]struct {
		now, failed, notBefore, want int64
		enter, release               retry.Decision
	}{
		"inside, and due inside": {
			now: at("10:00:00"), failed: at("10:00:00"), notBefore: at("10:02:00"), want: at("10:02:00"),
			enter: retry.Decision{Place: retry.ToTier, Tier: 2}, release: retry.Decision{Place: retry.ToTier, Tier: 2},
		},
		"inside, and due when it is shut": {
			now: at("20:50:00"), failed: at("20:50:00"), notBefore: at("21:00:00"), want: tomorrow("09:00:00"),
			enter: retry.Decision{Place: retry.ToTier, Tier: 5}, release: retry.Decision{Place: retry.ToTier, Tier: 5},
		},
		"due inside, but it is shut by now": {
			now: at("21:00:01"), failed: at("20:50:00"), notBefore: at("20:59:59"), want: tomorrow("09:00:00"),
			enter: retry.Decision{Place: retry.ToTier, Tier: 5}, release: retry.Decision{Place: retry.ToTier, Tier: 5},
		},
		"due when it was shut, and open by now": {
			now: at("09:10:00"), failed: at("08:10:00"), notBefore: at("08:20:00"), want: at("08:20:00"),
			enter: retry.Decision{Place: retry.ToTier, Tier: 0}, release: retry.Decision{Place: retry.ToDue},
		},
		"too old at the opening": {
			now: at("21:30:00"), failed: at("08:59:59"), notBefore: at("21:30:00"), want: tomorrow("09:00:00"),
			enter: retry.Decision{Place: retry.GaveUp, Reason: retry.Expired}, release: retry.Decision{Place: retry.GaveUp, Reason: retry.Expired},
		},
		"old enough at the opening": {
			now: at("21:30:00"), failed: at("09:00:00"), notBefore: at("21:30:00"), want: tomorrow("09:00:00"),
			enter: retry.Decision{Place: retry.ToTier, Tier: 5}, release: retry.Decision{Place: retry.ToTier, Tier: 5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLoop(t, func(c *retry.Config) { c.Window = nightly(t) })
			entered := retry.Order{FailedMS: tt.failed, NotBeforeMS: tt.notBefore, Attempt: 1}
			released := entered
			require.Equal(t, tt.enter, l.Enter(tt.now, &entered))
			require.Equal(t, tt.release, l.Release(tt.now, &released))
			require.Equal(t, tt.want, entered.NotBeforeMS)
			require.Equal(t, tt.want, released.NotBeforeMS)
		})
	}
}

// someTiers have waits from a millisecond to hours.
func someTiers() *rapid.Generator[[]retry.Tier] {
	return rapid.Custom(func(t *rapid.T) []retry.Tier {
		waits := rapid.SliceOfNDistinct(rapid.Int64Range(1, 6*hour), 1, 8, rapid.ID[int64]).Draw(t, "waits")
		out := make([]retry.Tier, 0, len(waits))
		for i, w := range waits {
			out = append(out, retry.Tier{Topic: string(rune('a' + i)), Wait: time.Duration(w) * time.Millisecond})
		}
		return out
	})
}

// TestNeverEarlyAndHardlyLate takes an order through the loop. Each wait may end a little
// late, as a busy process would have it.
func TestNeverEarlyAndHardlyLate(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		l := newLoop(t, func(c *retry.Config) { c.Tiers, c.MaxAge = someTiers().Draw(t, "tiers"), 1000*time.Hour })
		smallest := l.Tiers()[0].Wait.Milliseconds()
		rest := rapid.Int64Range(-hour, min(1000*smallest, 100*hour)).Draw(t, "rest")
		lag := rapid.Int64Range(0, 10_000).Draw(t, "lag")
		o := retry.Order{FailedMS: now - 2*hour, NotBeforeMS: now + rest, Attempt: 1}

		at, d := now, l.Enter(now, &o)
		for moves := int64(0); d.Place != retry.ToDue; moves++ {
			require.LessOrEqual(t, moves, max(rest, 0)/smallest+1, "there is an end to it")
			require.Equal(t, retry.ToTier, d.Place)
			at += l.Tiers()[d.Tier].Wait.Milliseconds() + rapid.Int64Range(0, lag).Draw(t, "late")
			d = l.Release(at, &o)
		}
		require.Equal(t, now+rest, o.NotBeforeMS)
		require.GreaterOrEqual(t, at, o.NotBeforeMS, "never early")
		require.LessOrEqual(t, at, max(o.NotBeforeMS, now)+smallest+lag, "late by at most the smallest tier")
	})
}

// TestEveryOrderEnds takes any order through any loop, with a window: it comes due at an
// hour that is allowed and in time, or is given up.
func TestEveryOrderEnds(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		c := windowConfigs().Draw(t, "window")
		w, err := retry.NewWindow(c)
		require.NoError(t, err)
		maxAge := rapid.Int64Range(1, 80*hour).Draw(t, "max age")
		l := newLoop(t, func(c *retry.Config) { c.Window, c.MaxAge = w, time.Duration(maxAge)*time.Millisecond })
		o := retry.Order{
			FailedMS:    rapid.OneOf(rapid.Int64(), rapid.Int64Range(now-30*hour, now)).Draw(t, "failed"),
			NotBeforeMS: rapid.OneOf(rapid.Int64(), rapid.Int64Range(now-30*hour, now+80*hour)).Draw(t, "not before"),
			Attempt:     1,
			ID:          []byte("id"),
			Zone:        []byte(rapid.SampledFrom(zoneNames()).Draw(t, "zone")),
		}
		given := o
		at, d := now, l.Enter(now, &o)
		for moves := 0; d.Place == retry.ToTier; moves++ {
			require.Less(t, moves, 100)
			at += l.Tiers()[d.Tier].Wait.Milliseconds()
			d = l.Release(at, &o)
		}
		require.Equal(t, given.FailedMS, o.FailedMS)
		if d.Place == retry.GaveUp {
			require.Equal(t, retry.Expired, d.Reason)
			return
		}
		require.GreaterOrEqual(t, at, o.NotBeforeMS)
		require.GreaterOrEqual(t, at, given.NotBeforeMS)
		require.LessOrEqual(t, at-o.FailedMS, maxAge)
		require.True(t, insideWindow(c, at, location(t, string(o.Zone))))
	})
}

func TestWordsOfDecisions(t *testing.T) {
	t.Parallel()

	require.Equal(t, "none", retry.Place(0).String())
	require.Equal(t, "tier", retry.ToTier.String())
	require.Equal(t, "due", retry.ToDue.String())
	require.Equal(t, "gave_up", retry.GaveUp.String())
	require.Equal(t, []retry.Reason{"attempts_exhausted", "attempt_unknown", "expired"}, retry.Reasons())
}
