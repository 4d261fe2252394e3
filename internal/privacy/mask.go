// Package privacy hides phone numbers and SIP addresses in texts that people read. It is not for what machines read:
// events go through the pipeline untouched.
package privacy

import (
	"regexp"
	"strings"
	"unicode"
)

// What is hidden, and what only looks like it. Addresses are looked for in all of a text before numbers are, in what is left:
// in one expression, each find of a number would read on to see whether an @ comes.
var (
	address = regexp.MustCompile(`(?i)` + strings.Join([]string{
		`\bsips?(?::|%(?:25)*3a)[^\s"'<>,;]*`,
		`(?:"[^"\r\n]{1,64}"|[^\s"'<>,;:=&?/]+)(?:@|\x{ff20}|%(?:25)*40)[^\s"'<>,;&]+`,
	}, "|"))

	// Of alternatives that begin at one place the first wins.
	number = regexp.MustCompile(`(?i)` + strings.Join([]string{
		`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`,               // an id, to look the call up by
		`\b(?:19|20)\d\d-[01]\d-[0-3]\d[ t][0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?\b`, // a time of day
		`(?P<digits>` + digit + `(?:` + separators + digit + `)+)`,
	}, "|"))
)

// separators part the digits of one number: white space within a line, dashes and signs like them, brackets, slashes, dots,
// characters without a width, and whatever is percent-encoded. Colons and commas part numbers from each other.
const (
	digit      = `(?:\p{Nd}|%3\d)`
	separators = `(?:[-+()./_\t\x{b7}\x{2212}\p{Zs}\p{Pd}\p{Cf}]|%[0-9a-f]{2}){0,6}`
)

// amount is a fraction below one, as prices of calls are. Numbers that people dial have no such form: behind the trunk's 0 come
// more digits. Of what is longer, or stands beside more digits, nobody can be sure.
var amount = regexp.MustCompile(`^0\.\d{1,6}$`)

// scheme is what an address begins with that is not a user's name.
var scheme = regexp.MustCompile(`(?i)^sips?(?::|%(?:25)*3a)`)

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

	last := 0

	for _, at := range address.FindAllStringIndex(text, -1) {
		maskNumbers(&b, text[last:at[0]])

		if scheme.MatchString(text[at[0]:at[1]]) {
			b.WriteString("sip:***")
		} else {
			b.WriteString("***@***")
		}

		last = at[1]
	}

	maskNumbers(&b, text[last:])

	return b.String()
}

// maskNumbers masks a text in which there is no address.
func maskNumbers(b *strings.Builder, text string) {
	digits, last := 2*number.SubexpIndex("digits"), 0

	for _, at := range number.FindAllStringSubmatchIndex(text, -1) {
		if at[digits] < 0 { // it only looks like one
			continue
		}

		b.WriteString(text[last:at[0]])
		b.WriteString(maskDigits(text[at[0]:at[1]]))

		last = at[1]
	}

	b.WriteString(text[last:])
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
