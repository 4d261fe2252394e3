package enrich

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/callstream/enricher/pkg/catalog"
)

const (
	// longestDelayS bounds every delay, 366 days, also where a policy names no cap.
	longestDelayS = 366 * 24 * 3600
	// shortestFullS keeps full jitter from redialling at once.
	shortestFullS = 5
	// lastTimestampMS is the end of the year 9999, the last that RFC 3339 can say.
	lastTimestampMS = 253_402_300_799_999
)

// delayS gives the seconds to wait after attempt, from 1 on, rounded up. spread,
// from 0 up to but not including 1, is the call's place in the jitter.
func delayS(p *catalog.Retry, attempt int, spread float64) int64 {
	limit := float64(longestDelayS)
	if p.CapS > 0 {
		limit = min(limit, p.CapS)
	}

	d := p.InitialS
	if attempt > 1 {
		d *= math.Pow(p.Multiplier, float64(attempt-1))
	}

	if !(d < limit) { // infinity and not-a-number too
		d = limit
	}

	switch p.Jitter {
	case catalog.JitterEqual:
		d = d/2 + spread*d/2
	case catalog.JitterFull:
		d = max(shortestFullS, spread*d)
	}

	return int64(math.Ceil(max(d, 0)))
}

// spread gives a call's place in the jitter, from 0 up to but not including 1.
// It hashes what identifies the event, so that a replay gives the same advice. The
// function must not change: deployments of two versions have to agree.
func spread(rec *Record, callID []byte, attempt int) float64 {
	const seed = 0x2545F4914F6CDD1D

	var h uint64
	if len(callID) > 0 {
		h = hashBytes(seed, callID)
	} else {
		h = mix(hashBytes(seed, rec.Key) ^ uint64(rec.TimestampMS)) //nolint:gosec // any bits will do
	}

	h = mix(h ^ uint64(attempt)) //nolint:gosec // likewise

	return float64(h>>11) / (1 << 53)
}

// hashBytes takes eight bytes at a time: a call id is 36 bytes, and FNV-1a would
// multiply once for each. Its result is for mix.
func hashBytes(h uint64, p []byte) uint64 {
	h = fold(h ^ uint64(len(p))) // apart from the bytes: "b" is not "a" and a zero byte

	for ; len(p) >= 8; p = p[8:] {
		h = fold(h ^ binary.LittleEndian.Uint64(p))
	}

	var rest uint64
	for i, c := range p {
		rest |= uint64(c) << (8 * i)
	}

	return fold(h ^ rest)
}

// fold multiplies x by an odd number and joins both halves of the product.
func fold(x uint64) uint64 {
	const odd, start = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93

	hi, lo := bits.Mul64(x^start, odd)

	return hi ^ lo
}

// mix spreads each bit of x over all of them.
func mix(x uint64) uint64 {
	const odd = 0xD6E8FEB86659FD93

	x = fold(x)
	x ^= x >> 32
	x *= odd

	return x ^ x>>32
}

// notBeforeMS adds a delay to a timestamp; -1 if there is none to add to, or if
// RFC 3339 has no way to write the sum.
func notBeforeMS(timestampMS, delay int64) int64 {
	if timestampMS < 0 || timestampMS > lastTimestampMS-1000*delay {
		return -1
	}

	return timestampMS + 1000*delay
}

// stamp is a time in RFC 3339, UTC, with three decimals. Events of one day share its
// first part, so that is not written again. BenchmarkStamp has what both
// save against time.Time.AppendFormat.
type stamp struct {
	text [24]byte
	day  uint32 // since the epoch, plus 1; 0: nothing is written
}

// set writes milliseconds since the epoch, 0 to lastTimestampMS.
func (s *stamp) set(ms int64) {
	const dayMS = 24 * 3600 * 1000

	day := uint32(ms / dayMS)   //nolint:gosec // at most some three million
	inDay := uint32(ms % dayMS) //nolint:gosec // less than a day

	if s.day != day+1 {
		s.day = day + 1
		s.setDay(day)
	}

	seconds, millis := inDay/1000, inDay%1000
	minutes := seconds / 60

	put2(s.text[11:], minutes/60)
	put2(s.text[14:], minutes%60)
	put2(s.text[17:], seconds%60)
	s.text[20] = byte('0' + millis/100)
	put2(s.text[21:], millis%100)
}

func (s *stamp) setDay(day uint32) {
	copy(s.text[:], "0000-00-00T00:00:00.000Z")

	year, month, day := civil(day)
	put2(s.text[0:], year/100)
	put2(s.text[2:], year%100)
	put2(s.text[5:], month)
	put2(s.text[8:], day)
}

// put2 writes a number below 100.
func put2(dst []byte, n uint32) {
	dst[0], dst[1] = byte('0'+n/10), byte('0'+n%10) //nolint:gosec // one digit each
}

// civil gives the date of a day since the epoch in the Gregorian calendar. It
// counts from the first of March of year 0, so that a leap day ends a year, and
// in eras of 400 years, which are all alike.
func civil(days uint32) (year, month, day uint32) {
	const (
		daysToEpoch = 719_468 // from 0000-03-01 to 1970-01-01
		eraDays     = 146_097
	)

	days += daysToEpoch
	era, inEra := days/eraDays, days%eraDays
	yearOfEra := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inYear := inEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	fromMarch := (5*inYear + 2) / 153
	day = inYear - (153*fromMarch+2)/5 + 1
	year = 400*era + yearOfEra

	if month = fromMarch + 3; month > 12 {
		month -= 12
		year++
	}

	return year, month, day
}
