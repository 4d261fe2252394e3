package retry

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// minutesOfDay is how many minutes the clock of a day shows.
const minutesOfDay = 24 * 60

// WindowConfig says at which hours calls are allowed, by the clock of who is called.
type WindowConfig struct {
	// Days are those on which the window opens. Empty: every day.
	Days []time.Weekday
	// From and To are minutes of the day: it opens at From, 0 to 1439, and is shut again at
	// To, 0 to 1440. With To below From it is open over midnight: it opens on one of Days
	// and shuts on the day after, whichever that is. They must differ; a whole day is 0 to 1440.
	From, To int
	// Default is the name of the zone of those whose own is not known; empty: UTC.
	Default string
	// Spread is the time after an opening over which those who waited for it are
	// distributed, so that not all are called at once. At most the length of the window
	// is used. 0: all at the opening.
	Spread time.Duration
}

// Window is the hours at which calls are allowed. It is safe for concurrent use.
//
// Clocks that are changed: an hour that is left out opens and shuts the window at its
// end. Of an hour that comes twice the careful half counts, if From or To lies in it: the
// window opens the second time, and is shut the first. So nobody is called while the
// clock shows an hour outside the window.
type Window struct {
	days     [7]bool
	from, to int   // to is counted from the day of from: over midnight it is above 1440
	spreadMS int64 // at least 0
	zones    *zones
}

// NewWindow checks a configuration; all mistakes are reported together.
func NewWindow(c WindowConfig) (*Window, error) {
	w := &Window{from: c.From, to: c.To, spreadMS: c.Spread.Milliseconds()}
	if c.To < c.From {
		w.to += minutesOfDay
	}
	errs := w.checkHours(c)
	for _, d := range c.Days {
		if d < time.Sunday || d > time.Saturday {
			errs = append(errs, fmt.Errorf("weekday %d: want 0 for Sunday to 6 for Saturday", d))
			continue
		}
		w.days[d] = true
	}
	if len(c.Days) == 0 {
		w.days = [7]bool{true, true, true, true, true, true, true}
	}
	if c.Spread < 0 {
		errs = append(errs, fmt.Errorf("spread %v is below zero", c.Spread))
	}
	fallback, err := loadZone(cmp.Or(c.Default, "UTC"))
	if err != nil {
		errs = append(errs, fmt.Errorf("default zone: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	w.zones = newZones(fallback)
	return w, nil
}

func (w *Window) checkHours(c WindowConfig) (errs []error) {
	if c.From < 0 || c.From >= minutesOfDay {
		errs = append(errs, fmt.Errorf("window from minute %d of the day: want 0 to %d", c.From, minutesOfDay-1))
	}
	if c.To < 0 || c.To > minutesOfDay {
		errs = append(errs, fmt.Errorf("window to minute %d of the day: want 0 to %d", c.To, minutesOfDay))
	}
	if w.from == w.to {
		errs = append(errs, fmt.Errorf("window from minute %d to minute %d of the day is never open; for the whole day say 0 to %d", c.From, c.To, minutesOfDay))
	}
	return errs
}

// Next gives the first time from ms on at which a call is allowed, in the zone of that
// name: ms itself if it is inside the window, else the next opening and after it id's
// place in the spread, which is always the same. Names that are unknown, or empty, mean
// the default zone. Times before the year 1 and after 9999 are returned as they are.
func (w *Window) Next(ms int64, zone, id []byte) int64 {
	if ms > lastMS || ms < firstMS {
		return ms
	}
	s := w.span(w.zones.get(zone), ms)
	if ms >= s.open {
		return ms
	}
	return s.open + place(id, min(w.spreadMS, s.shut-s.open))
}

// LongestShut is the longest time that the window is shut in a week, where no clock is changed in it; 0: never.
func (w *Window) LongestShut() time.Duration {
	longest, shutSince := 0, -1
	for day := range 2 * len(w.days) { // twice, so that the night before the first opening counts
		if !w.days[day%len(w.days)] {
			continue
		}
		if open := day*minutesOfDay + w.from; shutSince >= 0 {
			longest = max(longest, open-shutSince)
		}
		shutSince = day*minutesOfDay + w.to
	}
	return time.Duration(longest) * time.Minute
}

// UnknownZones is how often Next was asked for a zone that does not exist, and took the
// default instead.
func (w *Window) UnknownZones() int64 { return w.zones.unknown.Load() }

// firstMS is the beginning of the year 1.
const firstMS = -62_135_596_800_000

// place gives id's place below length, 0 for a length of 0. It must not change from
// version to version: two that run beside each other have to agree.
func place(id []byte, length int64) int64 {
	if length <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(hash(id), uint64(length))
	return int64(hi) //nolint:gosec // below length
}

// hash is FNV-1a, and after it the last step of MurmurHash3, since place looks at the
// upper bits, which FNV-1a moves little.
func hash(p []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range p {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
