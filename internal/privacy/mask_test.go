package privacy_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/privacy"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"words", "no numbers here", "no numbers here"},
		{"a code", "3010", "3010"},
		{"four digits apart", "a1b2c3d4", "a1b2c3d4"},
		{"five digits", "12345", "12*45"},
		{"E.164", "+15555550100", "+15*******00"},
		{"without plus", "15555550100", "15*******00"},
		{"national", "(415) 555-2671", "(41*) ***-**71"},
		{"dots", "415.555.2671", "41*.***.**71"},
		{"dashes of print", "415–555—2671", "41*–***—**71"},
		{"no-break spaces", "06\u00a012\u00a034\u00a056\u00a078", "06\u00a0**\u00a0**\u00a0**\u00a078"},
		{"double separators", "+1 - 415 - 555 2671", "+1 - 4** - *** **71"},
		{"short groups", "06 12 34 56 78", "06 ** ** ** 78"},
		{"percent-encoded", "From=%2B14155552671&To=1%20415%20555%202671", "From=%2B14*******71&To=1%2****%*****%****71"},
		{"percent-encoded digits", "From=%31%35%35%35%35", "From=%31%**%**%**%35"},
		{"narrow no-break spaces", "+33\u202f6\u202f98\u202f76\u202f54\u202f32", "+33\u202f*\u202f**\u202f**\u202f**\u202f32"},
		{"thin spaces", "06\u200912\u200934\u200956\u200978", "06\u2009**\u2009**\u2009**\u200978"},
		{"tabs", "06\t12\t34\t56\t78", "06\t**\t**\t**\t78"},
		{"minus signs", "1−415−555−2671", "1−4**−***−**71"},
		{"middle dots", "415 · 555 · 2671", "41* · *** · **71"},
		{"no width", "061\u200b234\u200d5678", "06*\u200b***\u200d**78"},
		{"many separators", "415 -- - 555 - - 2671", "41* -- - *** - - **71"},
		{"numbers in lines are two", "3010\n6010", "3010\n6010"},
		{"a time of day is no number", "10:00:05", "10:00:05"},
		{"Arabic digits", "١٤١٥٥٥٥٢٦٧١", "١٤*******٧١"},
		{"two numbers", "15555550100 or 15555550199", "15*******00 or 15*******99"},
		{"in a sentence", "call 15555550100, please", "call 15*******00, please"},
		{"tel", "tel:+15555550100;ext=12345", "tel:+15*******00;ext=12*45"},
		{"sip", "sip:alice@example.com", "sip:***"},
		{"sip without user", "sip:example.com:5060", "sip:***"},
		{"sips in brackets", "<sips:alice@10.0.0.1:5061;transport=tls>", "<sip:***;transport=tls>"},
		{"sip in capitals", "SIP:ALICE@EXAMPLE.COM", "sip:***"},
		{"sip percent-encoded", "to=sip%3Aalice%40example.com", "to=sip:***"},
		{"user and host", "from alice@example.com, now", "from ***@***, now"},
		{"user and host percent-encoded", "to=alice%40example.com&x=1", "to=***@***&x=1"},
		{"percent-encoded twice", "to=alice%2540example.com&x=sip%253Abob%2540example.com", "to=***@***&x=sip:***"},
		{"a wide at", "alice＠example.com", "***@***"},
		{"a quoted user", `"alice smith"@example.com "bob"@example.com`, `***@*** ***@***`},
		{"number at host", "15555550100@example.com", "***@***"},
		{"gossip is no address", "gossip: all of it", "gossip: all of it"},
		{"a user called sipho", "sipho@example.com", "***@***"},
		{"UUID", "81c0a9de-0000-4a6b-b0aa-0242ac110005", "81c0a9de-0000-4a6b-b0aa-0242ac110005"},
		{"UUID without letters", "12345678-1234-1234-1234-123456789012", "12345678-1234-1234-1234-123456789012"},
		{"a number that ends like one", "981c0a9de-0000-4a6b-b0aa-02415555550100", "981c0a9de-00*0-4a6b-b0aa-02**********00"},
		{"time", "2024-10-22 16:41:21.129660", "2024-10-22 16:41:21.129660"},
		{"time in RFC 3339", "2024-10-22T16:41:21Z", "2024-10-22T16:41:21Z"},
		{"time with a number for a fraction", "2024-10-22 16:41:21.4155552671", "2024-10-22 16:41:21.41******71"},
		{"a date looks like a number", "2024-10-22", "20**-**-22"},
		{"an amount", "0.00310", "0.00310"},
		{"an amount of six decimals", "0.123456", "0.123456"},
		{"an amount in a sentence", "It cost $0.00310.", "It cost $0.00310."},
		{"amounts in a form", "TotalCost=0.00310&BillRate=0.00310", "TotalCost=0.00310&BillRate=0.00310"},
		{"an amount of seven decimals may be a number", "0.1234567", "0.1****67"},
		{"an amount of one and more too", "1.00310", "1.0**10"},
		{"an amount behind a zero too", "00.00310", "00.***10"},
		{"an amount beside a number is part of it", "0.00310 15555550100", "0.0**** *********00"},
		{"a number beside an amount too", "415 0.55501", "41* *.***01"},
		{"a number with dots", "1.415.555.0100", "1.4**.***.**00"},
		{"a national number with dots", "415.555.0100", "41*.***.**00"},
		{"a number with dots and a zero before it", "0.415.555.0100", "0.4**.***.**00"},
		{"a zero and a number", "0.4155550100", "0.4*******00"},
		{"an amount of other digits", "٠.٠٠٣١٠", "٠.٠**١٠"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, privacy.Mask(tt.in))
		})
	}
}

var (
	decimal = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)
	amount  = regexp.MustCompile(`^0\.[0-9]{1,6}$`) // stays although it may have five digits and more
)

// Whatever stands around a number, and however it is parted, it does not come out again.
func TestMaskHidesEveryNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.SliceOfN(rapid.RuneFrom([]rune("0123456789")), 5, 15).Draw(t, "digits")
		around := rapid.StringOf(rapid.RuneFrom([]rune("abz ,;:\"'{}=<>\n")))

		var number strings.Builder

		for i, d := range digits {
			if i > 0 {
				number.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "-", ".", "(", ") ", "/", "\u202f", "\t", "−", "\u200b", "%20", "%E2%80%AF"}).Draw(t, "separator"))
			}

			number.WriteRune(d)
		}

		if amount.MatchString(number.String()) {
			return
		}

		masked := privacy.Mask(around.Draw(t, "before") + number.String() + around.Draw(t, "behind"))
		left := strings.Map(func(r rune) rune {
			if unicode.IsDigit(r) {
				return r
			}

			return -1
		}, masked)

		require.LessOrEqual(t, len(left), 4, masked)
	})
}

// Texts that made each find read on to the end. Where that comes back, these take minutes each.
func TestMaskOfLongTexts(t *testing.T) {
	const n = 1 << 18

	for name, part := range map[string]string{
		"short numbers in one word": "x11", "base64": "8Jk3_q-A2z", "hex": "0f3a", "digits": "1", "percents": "%31", "scheme": "sip:", "at": "@", "1@": "1@", "separators": "1 - ", "quotes": `"1`, "escapes": `\\`,
		"escaped": `\u005cu005c`, "nested": `{"a":`,
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(part, n/len(part))
			require.NotEmpty(t, privacy.Mask(text))
			require.NotEmpty(t, privacy.Policy{}.JSON([]byte(text)))
			require.NotEmpty(t, privacy.Policy{}.JSON([]byte(`{"a":"`+text+`"}`)))
		})
	}
}

func TestMaskAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		once := privacy.Mask(rapid.StringOf(rapid.RuneFrom([]rune("0123456789+-() a@:sip%4"))).Draw(t, "text"))
		require.Len(t, privacy.Mask(once), len(privacy.Mask(privacy.Mask(once))))
	})
}

func FuzzMask(f *testing.F) {
	f.Add("sip:alice@example.com 15555550100")
	f.Add("sip:")
	f.Add("sip")
	f.Add("%2B14155552671 \xff\xfe 2024-10-22 16:41")
	f.Add("0.00310")
	f.Add("1.415.555.0100")
	f.Fuzz(func(t *testing.T, text string) {
		masked := privacy.Mask(text)

		for _, number := range decimal.FindAllString(masked, -1) {
			whole, fraction, _ := strings.Cut(number, ".")
			if max(len(whole), len(fraction)) >= 5 && !amount.MatchString(number) && len(text) < 19 { // a UUID or a time is longer
				t.Fatalf("%q has a number in it", masked)
			}
		}
	})
}
