package strictyaml

import (
	"errors"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
)

var errNotWhole = errors.New("not a whole number")

func (d *decoder) integer(n *node, path string, v reflect.Value) {
	if n.style == quoted {
		d.expected(n, path, v.Type())

		return
	}

	if leadingZero.MatchString(n.text) && n.style == plain {
		decimals := strings.TrimLeft(strings.TrimLeft(n.text, "+-"), "0")
		d.mistake(n, path, "expected a whole number, found %s, which some readers take for octal; write %s", n.text, max(decimals, "0"))

		return
	}

	low, high := limits(v)
	whole, ok := parseWhole(n.text)

	switch {
	case !ok:
		d.expected(n, path, v.Type())
	case whole.Cmp(low) < 0 || whole.Cmp(high) > 0:
		d.mistake(n, path, "%s is out of range (%s to %s)", shown(n), low, high)
	case v.CanUint():
		v.SetUint(whole.Uint64())
	default:
		v.SetInt(whole.Int64())
	}
}

func (d *decoder) real(n *node, path string, v reflect.Value) {
	if n.style == quoted || !float.MatchString(n.text) || leadingZero.MatchString(n.text) {
		d.expected(n, path, v.Type())

		return
	}

	f, err := strconv.ParseFloat(n.text, v.Type().Bits())
	if err != nil {
		d.mistake(n, path, "%s is out of range", shown(n))

		return
	}

	v.SetFloat(f)
}

// shown is a number as the file has it.
func shown(n *node) string {
	if n.style == expanded {
		return describe(n)
	}

	return n.text
}

func parseInt(text string, bits int) (int64, error) {
	whole, ok := parseWhole(text)
	if !ok || whole.BitLen() >= bits {
		return 0, errNotWhole
	}

	return whole.Int64(), nil
}

// parseWhole reads what YAML 1.2 calls an integer. Long digit strings are refused
// before they cost anything.
func parseWhole(text string) (*big.Int, bool) {
	const longest = 80 // more than 64 bits in any base

	if len(text) > longest || !decimal.MatchString(text) && !based.MatchString(text) {
		return nil, false
	}

	digits, base := text, 10

	switch {
	case strings.HasPrefix(text, "0x"):
		digits, base = text[2:], 16
	case strings.HasPrefix(text, "0o"):
		digits, base = text[2:], 8
	}

	return new(big.Int).SetString(strings.TrimPrefix(digits, "+"), base)
}

func limits(v reflect.Value) (low, high *big.Int) {
	bits := uint(v.Type().Bits())

	if v.CanUint() {
		return new(big.Int), new(big.Int).SetUint64(math.MaxUint64 >> (64 - bits)) //nolint:mnd // bits
	}

	high = big.NewInt(math.MaxInt64 >> (64 - bits)) //nolint:mnd // bits

	return new(big.Int).Not(high), high
}
