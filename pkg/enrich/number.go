package enrich

import (
	"math"
	"strings"
)

// decimal is a number in the grammar of JSON, save that leading zeros are
// taken, taken apart but not converted.
type decimal struct {
	negative bool
	whole    string // at least one digit
	fraction string // may be empty
	exponent int    // clamped to ±maxExponent
}

const maxExponent = 1 << 30

// parseDecimal takes s apart. ok is false if s is anything else than a number.
func parseDecimal(s string) (d decimal, ok bool) {
	if strings.HasPrefix(s, "-") {
		d.negative, s = true, s[1:]
	}

	d.whole, s = cutDigits(s)
	if d.whole == "" {
		return d, false
	}

	if strings.HasPrefix(s, ".") {
		if d.fraction, s = cutDigits(s[1:]); d.fraction == "" {
			return d, false
		}
	}

	if s != "" && s[0]|0x20 == 'e' {
		s = s[1:]
		minus := strings.HasPrefix(s, "-")

		if minus || strings.HasPrefix(s, "+") {
			s = s[1:]
		}

		var digits string
		if digits, s = cutDigits(s); digits == "" {
			return d, false
		}

		for _, c := range []byte(digits) {
			d.exponent = min(10*d.exponent+int(c-'0'), maxExponent)
		}

		if minus {
			d.exponent = -d.exponent
		}
	}

	return d, s == ""
}

func cutDigits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i]-'0' < 10 {
		i++
	}

	return s[:i], s[i:]
}

func (d decimal) zero() bool {
	return strings.Trim(d.whole, "0") == "" && strings.Trim(d.fraction, "0") == ""
}

// integer gives the number as an integer. ok is false if it is negative or has
// a fraction. One beyond an int32 becomes math.MaxInt32 + 1.
func (d decimal) integer() (n int64, ok bool) {
	if d.zero() {
		return 0, true
	}

	if d.negative {
		return 0, false
	}

	powers := [...]int64{1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000}

	// Each digit counts 10^weight, whatever way the number is written.
	weight := len(d.whole) - 1 + d.exponent
	for _, part := range [...]string{d.whole, d.fraction} {
		for i := range len(part) {
			if digit := int64(part[i] - '0'); digit != 0 {
				switch {
				case weight < 0:
					return 0, false
				case weight >= len(powers):
					n = math.MaxInt32 + 1
				default:
					n = min(n+digit*powers[weight], math.MaxInt32+1)
				}
			}

			weight--
		}
	}

	return n, true
}

// integerIn reads the integer in s, with white space around it allowed. ok is
// false if s is not a non-negative integer; one beyond an int32 becomes
// math.MaxInt32 + 1.
func integerIn(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 9 {
		return integerSlow(s)
	}

	for i := range len(s) { // nearly all are a few digits
		c := s[i] - '0'
		if c >= 10 {
			return integerSlow(s)
		}

		n = 10*n + int64(c)
	}

	return n, true
}

func integerSlow(s string) (int64, bool) {
	d, ok := parseDecimal(trimSpace(s))
	if !ok {
		return 0, false
	}

	return d.integer()
}

// billed says whether s is a duration above zero: a number, white space around it allowed. Of what is none, such as "30s"
// or "00:00:30", any digit but 0 will do: a call that may have been answered is not dialled again by mistake.
func billed(s string) bool {
	if s == "0" {
		return false
	}

	if d, ok := parseDecimal(trimSpace(s)); ok {
		return !d.negative && !d.zero()
	}

	return strings.ContainsAny(s, "123456789")
}

// trimSpace cuts off the white space of JSON, and no other.
func trimSpace(s string) string { return strings.Trim(s, " \t\r\n") }
