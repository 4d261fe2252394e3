package cli

import "time"

// parseTime reads the time that a flag names, or how long before now that was; "" is the zero time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}

	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}

	if at, ok := pointInTime(text); ok {
		return at, nil
	}

	return time.Time{}, usagef("%s %q: want how long ago, such as 24h, a time such as 2026-01-31T12:00:00Z or a date such as 2026-01-31", flag, text)
}

// pointInTime reads a time in RFC 3339, or a date, which is its beginning in UTC.
func pointInTime(text string) (at time.Time, ok bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}

	return time.Time{}, false
}
