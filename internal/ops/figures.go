package ops

import (
	"fmt"
	"strconv"
)

// How figures are written.

// none stands for a figure that there is not.
const none = "–"

func text(s, class string) cell { return cell{Text: s, Class: class} }

func number(n int64) cell { return text(group(n), numeric) }

func maybe(n *int64) cell {
	if n == nil {
		return text(none, numeric)
	}
	return number(*n)
}

func share(n, of int64) cell {
	if of <= 0 {
		return text(none, numeric)
	}
	percent := 100 * float64(n) / float64(of)
	return cell{Text: strconv.FormatFloat(percent, 'f', 1, 64) + " %", Class: "n share", Bar: strconv.FormatFloat(percent, 'f', 1, 64)}
}

func series(i int) string { return "key s" + strconv.Itoa(i) }

// rate writes what comes each second.
func rate(f float64) string {
	if f >= 100 || f == 0 {
		return group(int64(f))
	}
	return strconv.FormatFloat(f, 'f', 1, 64)
}

// group writes a number in groups of three digits.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func seconds(s *float64) string {
	if s == nil {
		return none
	}
	return duration(*s)
}

// duration writes seconds as people say them.
func duration(s float64) string {
	two := func(big int64, unit string, small int64, part string) string {
		if small == 0 {
			return fmt.Sprintf("%d %s", big, unit)
		}
		return fmt.Sprintf("%d %s %d %s", big, unit, small, part)
	}
	switch n := int64(s); {
	case s == 0:
		return "0 s"
	case s < 0.01:
		return strconv.FormatFloat(1000*s, 'f', 1, 64) + " ms"
	case s < 1:
		return strconv.FormatFloat(1000*s, 'f', 0, 64) + " ms"
	case s < 60:
		return strconv.FormatFloat(round(s), 'f', -1, 64) + " s"
	case n < 3600:
		return two(n/60, "min", n%60, "s")
	case n < 86_400:
		return two(n/3600, "h", n%3600/60, "min")
	default:
		return two(n/86_400, "d", n%86_400/3600, "h")
	}
}
