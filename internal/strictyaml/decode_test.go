package strictyaml_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/strictyaml"
)

type level int

var errLevel = errors.New(`expected low or high`)

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errLevel
	}

	return nil
}

// pair reads "a/b" or [a, b].
type pair [2]string

func (p *pair) UnmarshalStrict(v strictyaml.Value) strictyaml.Mistakes {
	if text, ok := v.Scalar(); ok {
		a, b, cut := strings.Cut(text, "/")
		if !cut {
			return strictyaml.Mistakes{v.Mistake("expected a/b, found %s", v.Describe())}
		}

		*p = pair{a, b}

		return nil
	}

	var parts []string
	if ms := v.Decode(&parts); len(ms) > 0 {
		return ms
	}

	if len(parts) != len(p) {
		return strictyaml.Mistakes{v.Mistake("expected two, found %d", len(parts))}
	}

	copy(p[:], parts)

	return nil
}

type inner struct {
	X int    `yaml:"x"`
	Y string `yaml:"y"`
}

type colour string

func (colour) Values() []string { return []string{"red", "green", "blue"} }

type common struct {
	Shared string `yaml:"shared"`
}

type everything struct {
	common `yaml:"-"`

	Common   common           `yaml:",inline"`
	Text     string           `yaml:"text"`
	Small    int8             `yaml:"small"`
	Unsgnd   uint16           `yaml:"unsigned"`
	Big      int64            `yaml:"big"`
	Huge     uint64           `yaml:"huge"`
	Real     float64          `yaml:"real"`
	Flag     bool             `yaml:"flag"`
	Maybe    *bool            `yaml:"maybe"`
	Wait     time.Duration    `yaml:"wait"`
	Level    level            `yaml:"level"`
	Pair     pair             `yaml:"pair"`
	Words    []string         `yaml:"words"`
	One      []int            `yaml:"one,single"`
	Inner    inner            `yaml:"inner"`
	Ptr      *inner           `yaml:"ptr"`
	List     []inner          `yaml:"list"`
	Table    map[string]inner `yaml:"table"`
	Any      any              `yaml:"any"`
	Colour   colour           `yaml:"colour"`
	Untagged int
}

func decode(t *testing.T, src string, dst any) error {
	t.Helper()

	doc, err := strictyaml.Parse("f", []byte(src))
	require.NoError(t, err)

	return doc.Decode(dst).Err()
}

func TestDecodeTakes(t *testing.T) {
	t.Parallel()

	got := everything{Words: []string{"old", "words"}, Inner: inner{X: 7, Y: "kept"}, Table: map[string]inner{"old": {}}}
	require.NoError(t, decode(t, `
shared: s
text: some text
small: -128
unsigned: 0xFFFF
big: -9223372036854775808
huge: 18446744073709551615
real: 1.5e3
flag: True
maybe: false
wait: 1m30s
level: high
pair: [a, b]
words: [x, "1"]
one: 5
inner: {x: 0o17}
ptr: {y: z}
list:
  - x: 1
  -
  - {y: two}
table: {a: {x: 1}}
any: {a: [1, 1.5, true, "1", text, null, 017]}
colour: blue
untagged: +3
`, &got))

	no := false
	require.Equal(t, everything{
		Common: common{"s"}, Text: "some text", Small: -128, Unsgnd: 65535, Big: -9223372036854775808, Huge: 18446744073709551615,
		Real: 1500, Maybe: &no, Flag: true, Wait: 90 * time.Second, Level: 2, Pair: pair{"a", "b"}, Words: []string{"x", "1"}, One: []int{5},
		Inner: inner{15, "kept"}, Ptr: &inner{Y: "z"}, List: []inner{{X: 1}, {}, {Y: "two"}}, Table: map[string]inner{"a": {X: 1}},
		Any:      map[string]any{"a": []any{int64(1), 1.5, true, "1", "text", nil, "017"}},
		Untagged: 3, Colour: "blue",
	}, got)
}

func TestNullKeeps(t *testing.T) {
	t.Parallel()

	got := everything{Words: []string{"w"}, Inner: inner{X: 1}, Ptr: &inner{X: 2}, Table: map[string]inner{"a": {}}, Any: 1}
	want := got
	require.NoError(t, decode(t, "words:\ninner: ~\nptr: null\ntable:\nany:\n", &got))
	require.Equal(t, want, got)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ src, want string }{
		"unknown key, near":       {"txet: x\n", `f:1:1: unknown key "txet"; did you mean "text"?`},
		"unknown key, far":        {"inner: {password: 1}\n", `f:1:9: unknown key "password" in inner; known are x, y`},
		"hidden field":            {"common: {}\n", `f:1:1: unknown key "common"; known are shared, text, small, unsigned, big, huge, real, flag, maybe, wait, level, pair, words, one, inner, ptr, list, table, any, colour, untagged`},
		"duplicate":               {"text: a\nflag: true\ntext: b\n", "f:3:1: text: given twice, first on line 1"},
		"duplicate in a map":      {"table:\n  a: {}\n  a: {}\n", "f:3:3: table.a: given twice, first on line 2"},
		"number for a string":     {"text: 3010\n", `f:1:7: text: expected a string, found the number 3010; write "3010"`},
		"boolean for a string":    {"text: true\n", `f:1:7: text: expected a string, found true; write "true"`},
		"null for a string":       {"text:\n", "f:1:1: text: has no value; expected a string, or leave the key out"},
		"list for a string":       {"text: [a]\n", "f:1:1: text: expected a string, found a list"},
		"string for a number":     {`big: "5"`, `f:1:6: big: expected a whole number, found the string "5"`},
		"fraction for an integer": {"big: 1.0\n", "f:1:6: big: expected a whole number, found the number 1.0"},
		"octal of old":            {"big: 017\n", "f:1:6: big: expected a whole number, found 017, which some readers take for octal; write 17"},
		"zeros":                   {"big: 000\n", "f:1:6: big: expected a whole number, found 000, which some readers take for octal; write 0"},
		"underscores":             {"big: 1_000\n", `f:1:6: big: expected a whole number, found the string "1_000"`},
		"too large":               {"small: 128\n", "f:1:8: small: 128 is out of range (-128 to 127)"},
		"negative":                {"unsigned: -1\n", "f:1:11: unsigned: -1 is out of range (0 to 65535)"},
		"far too large":           {"huge: 1" + strings.Repeat("0", 100), "f:1:7: huge: expected a whole number, found the number 1" + strings.Repeat("0", 100)},
		"string for a float":      {"real: x\n", `f:1:7: real: expected a number, found the string "x"`},
		"infinite":                {"real: .inf\n", `f:1:7: real: expected a number, found the string ".inf"`},
		"float too large":         {"real: 1e999\n", "f:1:7: real: 1e999 is out of range"},
		"yes":                     {"flag: yes\n", `f:1:7: flag: expected true or false, found the string "yes"; write true`},
		"Off":                     {"maybe: Off\n", `f:1:8: maybe: expected true or false, found the string "Off"; write false`},
		"quoted boolean":          {"flag: 'true'\n", `f:1:7: flag: expected true or false, found the string "true"; write true`},
		"number for a boolean":    {"flag: 1\n", "f:1:7: flag: expected true or false, found the number 1"},
		"duration without unit":   {"wait: 30\n", "f:1:7: wait: expected a duration, found the number 30; add the unit: ms, s, m or h"},
		"no duration":             {"wait: soon\n", `f:1:7: wait: expected a duration such as 500ms or 30s, found the string "soon"`},
		"text form":               {"level: middle\n", `f:1:8: level: expected low or high, found the string "middle"`},
		"list for a text form":    {"level: [low]\n", "f:1:1: level: expected a single value, found a list"},
		"enumeration":             {"colour: yellow\n", `f:1:9: colour: expected red, green or blue, found the string "yellow"`},
		"enumeration, near":       {"colour: gren\n", `f:1:9: colour: expected red, green or blue, found the string "gren"; did you mean "green"?`},
		"own form":                {"pair: ab\n", `f:1:7: pair: expected a/b, found the string "ab"`},
		"own form, list":          {"pair: [a, 1]\n", `f:1:11: pair[1]: expected a string, found the number 1; write "1"`},
		"own form, length":        {"pair: [a]\n", "f:1:1: pair: expected two, found 1"},
		"number for a list":       {"words: 5\n", "f:1:8: words: expected a list of strings, found the number 5"},
		"single of another type":  {"one: x\n", `f:1:6: one: expected a whole number, found the string "x"`},
		"list for a mapping":      {"inner: [a]\n", "f:1:1: inner: expected a mapping, found a list"},
		"mapping for a list":      {"list: {a: b}\n", "f:1:1: list: expected a list of mappings, found a mapping"},
		"list for a map":          {"table: [a]\n", "f:1:1: table: expected a mapping, found a list"},
		"list at the top":         {"- a\n", "f:1:1: expected a mapping, found a list"},
		"long text":               {"flag: " + strings.Repeat("ä", 50), `f:1:7: flag: expected true or false, found the string "` + strings.Repeat("ä", 39) + `…"`},
		"all at once": {"text: 1\nlist:\n  - {x: a}\n  - y: b\n    z: c\nflg: true\n", `f:1:7: text: expected a string, found the number 1; write "1"
f:3:9: list[0].x: expected a whole number, found the string "a"
f:5:5: unknown key "z" in list[1]; did you mean "x"?
f:6:1: unknown key "flg"; did you mean "flag"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var got everything
			require.EqualError(t, decode(t, tc.src, &got), tc.want)
		})
	}
}

func TestDecodeGoesOnAfterAMistake(t *testing.T) {
	t.Parallel()

	var got everything
	require.Error(t, decode(t, "text: 1\nlist: [{x: a, y: b}, {x: 2}]\nreal: 2\n", &got))
	require.Equal(t, everything{List: []inner{{Y: "b"}, {X: 2}}, Real: 2}, got)
}

func TestDecodePanics(t *testing.T) {
	t.Parallel()

	doc, err := strictyaml.Parse("f", []byte("a: {b: 1}\n"))
	require.NoError(t, err)

	for name, dst := range map[string]any{
		"no pointer": everything{},
		"nil":        (*everything)(nil),
		"bad keys":   &map[string]map[int]int{},
		"a channel":  &map[string]map[string]chan int{},
	} {
		require.Panics(t, func() { _ = doc.Decode(dst) }, name)
	}
}
