package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/callstream/enricher/internal/strictyaml"
)

// Bytes is a size in bytes. In a file it is a whole number, or one with the unit
// B, KiB, MiB or GiB.
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

var (
	errBytes     = errors.New("expected a size such as 512KiB, 64MiB or a whole number of bytes")
	errCodeRange = errors.New("expected a code such as 3010 or a range such as 3000-3099")
	errReversed  = errors.New("the range is reversed: expected its lower end first, as in 3000-3099")
	errOctal     = errors.New("expected a number without a leading zero, which some readers take for octal")
)

type unit struct {
	suffix string
	bytes  Bytes
}

func units() []unit { return []unit{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}} }

// UnmarshalText reads a size.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, scale := string(text), Bytes(1)

	for _, u := range units() {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, scale = strings.TrimRight(n, " "), u.bytes

			break
		}
	}

	n, err := strconv.ParseUint(number, 10, 63)

	switch {
	case err != nil || Bytes(n) > math.MaxInt64/scale:
		return errBytes
	case leadingZero(number):
		return errOctal
	}

	*b = Bytes(n) * scale

	return nil
}

// leadingZero tells whether digits begin with a zero that says nothing.
func leadingZero(digits string) bool { return len(digits) > 1 && digits[0] == '0' }

// String is the size with the largest unit that divides it.
func (b Bytes) String() string {
	for _, u := range units() {
		if b != 0 && b%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(int64(b/u.bytes), 10) + u.suffix
		}
	}

	return strconv.FormatInt(int64(b), 10)
}

// CodeRange is a range of hangup-cause codes, both ends included.
type CodeRange struct{ From, To int32 }

// UnmarshalText reads "3010" or "3000-3099".
func (c *CodeRange) UnmarshalText(text []byte) error {
	low, high, isRange := strings.Cut(string(text), "-")
	if !isRange {
		high = low
	}

	low, high = strings.TrimSpace(low), strings.TrimSpace(high)
	from, err1 := parseCode(low)
	to, err2 := parseCode(high)

	switch {
	case err1 != nil || err2 != nil:
		return errCodeRange
	case leadingZero(low) || leadingZero(high):
		return errOctal
	case from > to:
		return errReversed
	}

	*c = CodeRange{from, to}

	return nil
}

// String is what UnmarshalText reads.
func (c CodeRange) String() string {
	if c.From == c.To {
		return strconv.Itoa(int(c.From))
	}

	return fmt.Sprintf("%d-%d", c.From, c.To)
}

func parseCode(text string) (int32, error) {
	n, err := strconv.ParseUint(text, 10, 31)

	return int32(n), err
}

// Start is "earliest", "latest" or a time in RFC 3339.
type Start string

// Time is the time to start at; ok is false for earliest and latest.
func (s Start) Time() (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC3339, string(s))

	return at, err == nil
}

// Latest tells whether only new events are wanted.
func (s Start) Latest() bool { return s == "latest" }

// UnmarshalStrict reads a start.
func (s *Start) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	text, ok := v.Scalar()
	start := Start(text)

	if _, isTime := start.Time(); ok && (isTime || text == "earliest" || text == "latest") {
		*s = start

		return nil
	}

	const times = "a time such as 2026-01-31T12:00:00Z"

	return strictyaml.Mistakes{v.Mistake("expected earliest, latest or %s, found %s", times, v.Describe())}
}
