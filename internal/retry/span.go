package retry

import "time"

// span is what a window is around some moment: shut from closed until open, and open from
// there until shut.
type span struct{ closed, open, shut int64 }

// span gives the one with closed <= ms < shut. The last one of each zone is kept: most
// retries ask for the same day.
func (w *Window) span(z *zone, ms int64) span {
	if s := z.last.Load(); s != nil && s.closed <= ms && ms < s.shut {
		return *s
	}
	s := w.find(z.loc, ms)
	z.last.Store(&s)
	return s
}

// find goes through the days, from the one before ms, whose window may last over midnight.
// There is an end to it: no zone leaves out the same hours of the same weekday for ever.
func (w *Window) find(loc *time.Location, ms int64) span {
	s := span{closed: ms}
	year, month, today := time.UnixMilli(ms).In(loc).Date()
	for day := today - 1; ; day++ {
		// In UTC, where the calendar has no gaps; from and to are counted on from there.
		midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		if !w.days[midnight.Weekday()] {
			continue
		}
		s.open, s.shut = w.hours(loc, midnight.Unix())
		switch {
		case s.open >= s.shut: // all of it left out
		case ms < s.shut:
			s.closed = min(s.closed, s.open)
			return s
		default:
			s.closed = s.shut
		}
	}
}

// hours gives opening and shutting, in milliseconds, for the day that begins at midnight,
// in seconds of the local clock.
func (w *Window) hours(loc *time.Location, midnight int64) (open, shut int64) {
	_, open = instants(loc, midnight+60*int64(w.from))
	shut, again := instants(loc, midnight+60*int64(w.to))
	if shut <= open { // both in the hour that comes twice: its second time
		shut = again
	}
	return 1000 * open, 1000 * shut
}

// instants gives the first and the last time, in seconds since the epoch, at which the
// clocks of a zone show local, in seconds as if they were UTC's. If they leave it out,
// both are the moment at which they jump over it.
func instants(loc *time.Location, local int64) (first, last int64) {
	// No zone has ever been further from UTC.
	const furthest = 16 * 3600

	found := false
	for t := time.Unix(local-furthest, 0).In(loc); ; {
		_, end := t.ZoneBounds()
		if !end.IsZero() && !end.After(t) { // on the last day of a leap year: Go 1.26 takes 365 days for any
			end = t.Add(24 * time.Hour)
		}
		_, offset := t.Zone()
		at := local - int64(offset)
		inTime := end.IsZero() || at < end.Unix()
		switch {
		case inTime && at >= t.Unix(): // t is the period's beginning, or long before local
			if !found {
				first = at
			}
			found, last = true, at
		case inTime && !found: // it is shown neither before t nor after
			return t.Unix(), t.Unix()
		}
		if end.IsZero() || end.Unix() > local+furthest {
			return first, last
		}
		t = end
	}
}
