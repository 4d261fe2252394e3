// Package privacy hides phone numbers and SIP addresses in texts that people read. It is not for what machines read:
// events go through the pipeline untouched.
package privacy

import (
	"regexp"
	"strings"
	"unicode"
)

// private finds, from the left, what is hidden and what only looks like it. Of alternatives that begin at one place the
// first wins.
var private = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`(?P<address>\bsips?(?::|%3a)[^\s"'<>,;]*)`,
	`(?P<address>[^\s"'<>,;:=&?/]+(?:@|%40)[^\s"'<>,;&]+)`,
	`(?P<kept>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)`,               // an id, to look the call up by
	`(?P<kept>\b(?:19|20)\d\d-[01]\d-[0-3]\d[ t][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?\b)`, // a time of day
	`(?P<digits>\p{Nd}(?:(?:[-+ ()./_\x{a0}\x{2010}-\x{2015}]|%[0-9a-f]{2}){0,3}\p{Nd})+)`,
}, "|"))

// amount is a fraction below one, as prices of calls are. Numbers that people dial have no such form: behind the trunk's 0 come
// more digits. Of what is longer, or stands beside more digits, nobody can be sure.
var amount = regexp.MustCompile(`^0\.\d{1,6}$`)

// scheme is what an address begins with that is not a user's name.
var scheme = regexp.MustCompile(`(?i)^sips?(?::|%3a)`)

const (
	hidden = '*'
	// Of a number with hiddenFrom digits or more the first and last keptDigits stay.
	hiddenFrom = 5
	keptDigits = 2
)

// Mask hides phone numbers and SIP addresses in a text. Of digits that belong together, which the usual
// separators of phone numbers do not part, at most the first two and the last two stay if they are five or more.
// What stands before and behind an @, and all behind sip:, is hidden. UUIDs, times of day behind a date, and amounts below one
// with at most six decimals, such as 0.00310, stay.
//
// It rather hides too much: dates and larger amounts look like numbers. It knows nothing of people's names.
func Mask(text string) string {
	var b strings.Builder

	names, last := private.SubexpNames(), 0

	for _, at := range private.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(text[last:at[0]])
		last = at[1]

		for i, name := range names {
			if name == "" || at[2*i] < 0 {
				continue
			}

			b.WriteString(mask(name, text[at[0]:at[1]]))
		}
	}

	return b.String() + text[last:]
}

// mask hides one find.
func mask(kind, text string) string {
	switch kind {
	case "address":
		if scheme.MatchString(text) {
			return "sip:***"
		}

		return "***@***"
	case "digits":
		return maskDigits(text)
	default:
		return text
	}
}

func maskDigits(text string) string {
	if amount.MatchString(text) {
		return text
	}

	total := 0

	for _, r := range text {
		if unicode.IsDigit(r) {
			total++
		}
	}

	if total < hiddenFrom {
		return text
	}

	n := 0

	return strings.Map(func(r rune) rune {
		if !unicode.IsDigit(r) {
			return r
		}

		if n++; n <= keptDigits || n > total-keptDigits {
			return r
		}

		return hidden
	}, text)
}
