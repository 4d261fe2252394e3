package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/catalog"
)

// waitsInWords says how often a call is made again, and between which times: the policy has the longest waits, and jitter
// takes its part off.
func waitsInWords(r *catalog.Retry) string {
	first, last := between(waitAfter(r, 1)), between(waitAfter(r, r.MaxRetries))

	text := fmt.Sprintf("At most %d more calls, the first after %s, the last after %s", r.MaxRetries, first, last)

	switch {
	case r.MaxRetries == 1:
		text = "At most 1 more call, after " + first
	case first == last:
		text = fmt.Sprintf("At most %d more calls, each after %s", r.MaxRetries, first)
	}

	if r.Jitter == "" {
		return text + "."
	}

	return text + "; the call's id decides where in between."
}

// waitAfter gives the shortest and the longest wait after an attempt, in the whole seconds that come out.
func waitAfter(r *catalog.Retry, attempt int) (low, high float64) {
	const shortestFull = 5 // as pkg/enrich has it

	longest := min(r.CapS, r.InitialS*math.Pow(r.Multiplier, float64(attempt-1)))

	switch r.Jitter {
	case catalog.JitterEqual:
		return math.Ceil(longest / 2), math.Ceil(longest) //nolint:mnd // half
	case catalog.JitterFull:
		return shortestFull, max(shortestFull, math.Ceil(longest))
	default:
		return math.Ceil(longest), math.Ceil(longest)
	}
}

// between writes two times, in one unit if that does for both: 7.5 to 15 min, 30 s to 1 min.
func between(low, high float64) string {
	text := seconds(high)
	if low >= high {
		return text
	}

	count, _, _ := strings.Cut(text, " ")

	units, err := strconv.ParseFloat(count, 64)
	if share := low / (high / units); err == nil && share >= 1 && 10*share == math.Trunc(10*share) { //nolint:mnd // one decimal
		return number(share) + " to " + text
	}

	return seconds(low) + " to " + text
}

// hoursInWords is a line on what a retry loop's calling hours do to the times that advice gives; "" if there are none.
func hoursInWords(r *config.Retry) string {
	if !r.On() || r.Window.From == "" {
		return ""
	}

	days := make([]string, len(r.Window.Days))
	for i, day := range r.Window.Days {
		days[i] = string(day)
	}

	zone := r.Window.Zone
	if len(r.Window.ZonePaths)+len(r.Window.Prefixes) > 0 {
		zone += " unless event or number says another zone"
	}

	return fmt.Sprintf("calling hours: not counted in. Outside retry.window (%s; %s to %s; %s) a call is held until the next opening.\n",
		strings.Join(days, ", "), r.Window.From, r.Window.To, zone)
}

// meantInWords ends a message on a word that leads to no entry: with the cause that was probably meant, if the
// message has none yet.
func meantInWords(snap *catalog.Snapshot, word string) string {
	if _, err := strconv.ParseInt(word, 10, 32); err == nil {
		return nearestCode(snap, word)
	}

	if len(nearEntries(snap, word)) > 0 {
		return ""
	}

	return nearestName(snap, word)
}

func nearestCode(snap *catalog.Snapshot, code string) string {
	entries := snap.Entries()
	byCode, known := map[string]*catalog.Entry{}, make([]string, 0, len(entries))

	for i := range entries {
		text := strconv.Itoa(int(entries[i].Code))
		byCode[text] = &entries[i]
		known = append(known, text)
	}

	near, ok := strictyaml.Nearest(code, known)
	if !ok {
		return ""
	}

	return fmt.Sprintf("; did you mean %s (%s)?", near, byCode[near].Name)
}

func nearestName(snap *catalog.Snapshot, name string) string {
	known := make([]string, 0, len(snap.Entries())+len(snap.LegacyNames()))
	for _, e := range snap.Entries() {
		known = append(known, e.Name)
	}

	for _, legacy := range snap.LegacyNames() {
		known = append(known, legacy.Name)
	}

	near, _ := strictyaml.Nearest(name, known)

	e, ok := snap.LookupName(near)
	if !ok {
		return ""
	}

	if near == e.Name {
		return fmt.Sprintf("; did you mean %d (%s)?", e.Code, e.Name)
	}

	return fmt.Sprintf("; did you mean %s, which is %d (%s)?", near, e.Code, e.Name)
}
