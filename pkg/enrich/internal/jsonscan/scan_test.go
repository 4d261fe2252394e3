package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

const maxDepth = 100

// wanted are the keys of the tests; the first is the one whose repeats are noted.
func wanted() []string {
	return []string{
		"own", "a", "", "Event", "HangupCauseCode", "hangup_cause_code", "é", "x\"y", "tab\t", "call_uuid_1", "call_uuid_2",
		"1_same_ending_and_length", "2_same_ending_and_length",
	}
}

// found is what one reading of a text yields, for comparison.
type found struct {
	status jsonscan.Status
	first  map[string]string // key → raw value
	again  []string          // raw values of the further members with key "own"
	empty  bool
}

// oracle reads p with the standard library.
func oracle(p []byte) found {
	if !json.Valid(p) || bytes.TrimLeft(p, " \t\r\n")[0] != '{' {
		return found{status: jsonscan.Syntax}
	}

	f := found{first: map[string]string{}, empty: true}
	if !utf8.Valid(p) {
		f.status = jsonscan.InvalidUTF8
	}

	dec := json.NewDecoder(bytes.NewReader(p))
	must(dec.Token())

	for dec.More() {
		f.empty = false
		key, _ := must(dec.Token()).(string)

		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			panic(err)
		}

		if _, seen := f.first[key]; !seen {
			f.first[key] = string(raw)
		} else if key == "own" {
			f.again = append(f.again, string(raw))
		}
	}

	return f
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}

	return v
}

func scan(t testing.TB, k *jsonscan.Keys, d *jsonscan.Doc, p []byte) found {
	t.Helper()

	f := found{status: k.Scan(p, maxDepth, d)}
	if f.status == jsonscan.Syntax || f.status == jsonscan.TooDeep {
		require.LessOrEqual(t, d.At, len(p))

		return f
	}

	f.first, f.empty = map[string]string{}, d.Empty
	require.Equal(t, byte('}'), p[d.Close])
	require.Empty(t, bytes.Trim(p[d.Close+1:], " \t\r\n"))

	for i, name := range wanted() {
		if d.Seen>>i&1 == 1 {
			m := d.First[i]
			require.Equal(t, byte('"'), p[m.Key])
			f.first[name] = string(p[m.Start:m.End])
		}
	}

	for _, m := range d.Again {
		f.again = append(f.again, string(p[m.Start:m.End]))
	}

	return f
}

func compare(t testing.TB, k *jsonscan.Keys, d *jsonscan.Doc, p []byte) {
	t.Helper()

	before := bytes.Clone(p)
	got, want := scan(t, k, d, p), oracle(p)
	require.Equal(t, before, p)

	if got.status == jsonscan.TooDeep {
		// Depth comes first: the text may be broken as well, further on.
		require.Greater(t, bytes.Count(p, []byte("["))+bytes.Count(p, []byte("{")), maxDepth)

		return
	}

	require.Equalf(t, want.status, got.status, "%q", p)

	for key := range want.first {
		if !slices.Contains(wanted(), key) {
			delete(want.first, key)
		}
	}

	require.Equalf(t, want, got, "%q", p)
}

func newKeys(t testing.TB) *jsonscan.Keys {
	t.Helper()

	k, err := jsonscan.NewKeys(wanted())
	require.NoError(t, err)

	return k
}

const event = `{"AnswerTime":"","BillDuration":"0","CallStatus":"busy","CallUUID":"672b0b3f-e4b9-46e7-8fa9-3b48c7da8683",` +
	`"Event":"Hangup","HangupCauseCode":"3010","a":[1,-2.5e+3,{"b":[true,false,null]}],"own":{"code":3010}}`

// samples are texts on and around the edges of the grammar and of the bitmap.
func samples() [][]byte {
	all := [][]byte{[]byte(event), []byte(strings.ReplaceAll(event, ":", "\n :\t")), []byte(strings.ReplaceAll(event, ",", " ,\r\n          "))}
	add := func(format string, args ...any) { all = append(all, fmt.Appendf(nil, format, args...)) }

	for v := range strings.FieldsSeq(`0 -0 00 01 -01 1. .1 1.0 -1.50 1e 1e+ 1e5 1E-05 1.e1 -1.2e+3 - + +1 0x1 1e1.5 NaN
		12345678901234567890 true tru truex false fals falsee null nul True "" "x "\x" "\u12" "\u12g4" "\u1234" "\uD83D\uDE00"
		"\ud800" "\ud800\u0041" "\ud800\ud800" "\"" "\\" "\\\" "\/\b\f\n\r\t" "#" "#]" "\]" "]" "\\]" [] [1] [1,] [,1] [1,,2] [1]]
		[[]] [[] {} {{}} {"a"} {"a":} {"a":1} {"a":1,} {,} {"a":1}} [{]} {"a":[}] [1} '' 1,2 :1 {"a":{"a":[[{"own":1}]]}} "é" "日"`) {
		for _, shape := range []string{`%[1]s`, `{"a":%[1]s}`, "{\"a\":%[1]s,\"Event\":%[1]s}\n", "\t{ \"b\" : 1 ,\n\"own\"\n:\n%[1]s\r\n}  ", `{%[1]s:1,"a":2}`, `{"a":[%[1]s,%[1]s]}`, `{"a":[ %[1]s ]}`} {
			add(shape, v)
		}
	}

	for _, v := range []string{
		``, ` `, `{`, `}`, `{}`, ` { } `, `{} {}`, `{}x`, `{}}`, `x{}`, "\ufeff{}", "{}\x00", "{}\v", "\v{}", "{\f}", "{\u00a0}", "{\x00}",
		`{"a":1,"a":2}`, `{"own":1,"own":[2],"b":{"own":3},"own":"}"}`, `{"\u006fwn":1,"own":2,"o\u0077n":3}`, `{"\u0061":1,"a":2}`,
		`{"x\"y":1,"tab\t":2,"\u00e9":3}`, `{"é":1}`, `{"A":1}`, `{"a":1;"b":2}`, `{"a"="b"}`, `{'a':1}`, `{a:1}`, `{"a":1 "b":2}`,
		"{\"a\":\"x\ny\"}", "{\"a\n\":1}", `{"":1}`, `{"":"","a":""}`, `{"a":"b}`, `{"a}`, `{"a"}`, `{"a":}`, `{"a\u0000":1,"a":2}`,
		"{\"a\xff\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\xff}", `{"a":1,}`, `{,"a":1}`, `{"a":{}`, `{"a":[]`, `{"a":{ }`,
		`{"call_uuid_1":1,"call_uuid_3":2,"call_uuid_2":3}`, `{"2_same_ending_and_length":1,"3_same_ending_and_length":2}`,
	} {
		add("%s", v)
	}

	for _, n := range []int{1, 63, 64, 65, maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1, 300} {
		add(`{"a":%s%s}`, strings.Repeat("[", n), strings.Repeat("]", n))
		add(`%s1%s`, strings.Repeat(`{"a":`, n), strings.Repeat("}", n))
		add(`%s{}%s`, strings.Repeat(`{"a":[`, n/2), strings.Repeat("]}", n/2))
		add(`{"a":%s}`, strings.Repeat("[", n))
	}

	for n := range 140 { // every place of a string's end within a word of the bitmap
		x := strings.Repeat("x", n)
		add(`{"a":"%[1]s","Event":"%[1]s"}`, x)
		add(`{"%[1]s":1,"a":"b"}`, x)
		add(`{"a":"%[1]s}`, x)
		add(`{"a":"%[1]s\"","Event":1}`, x)
		add(`{"a":"%[1]s\u00e9é#","Event":1}`, x)
		add(`{"%[1]s\\":1 , "a" : "b%[1]s"}`, x)
		add(`{"a":1%s}`, strings.Repeat(" ", n))
	}

	return all
}

func TestScanAgreesWithStandardLibrary(t *testing.T) {
	t.Parallel()

	k, d := newKeys(t), &jsonscan.Doc{}
	for _, p := range samples() {
		compare(t, k, d, p)
		compare(t, k, d, append(make([]byte, 0, len(p)), p...)) // no spare capacity to read from by mistake
	}
}

// TestScanOfCutAndChanged tries every prefix, and every change of one byte to
// one that means something in the grammar.
func TestScanOfCutAndChanged(t *testing.T) {
	t.Parallel()

	k, d := newKeys(t), &jsonscan.Doc{}
	for _, p := range [][]byte{[]byte(event), []byte(`{"a\n\u00e9":"\\\"",  "é":"日本",` + "\n" + `"own":[{},[ ],-0.5e-1]}`)} {
		for i := range p {
			compare(t, k, d, p[:i:i])

			for _, c := range []byte("\"\\{}[]:,#] \n\x00\x1f01e.-tufn\x80\xc3\xff") {
				q := bytes.Clone(p)
				q[i] = c
				compare(t, k, d, q)
			}
		}
	}
}

func TestScanOfMutations(t *testing.T) {
	t.Parallel()

	const runs = 30_000

	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	r, k, d, all := rand.New(rand.NewPCG(seed, 1)), newKeys(t), &jsonscan.Doc{}, samples()
	for range runs {
		compare(t, k, d, mutate(r, all[r.IntN(len(all))]))
	}
}

// mutate changes, drops, adds, repeats or cuts out bytes of a copy of p.
func mutate(r *rand.Rand, p []byte) []byte {
	const alphabet = "\"\"\"\\\\{}[]:,,  \n\t\r#019eE.+-truefalsn/bu\x00\x1f\x7f\x80\xc3\xa9\xed\xff"

	q := bytes.Clone(p)
	for range 1 + r.IntN(4) {
		if len(q) == 0 {
			return q
		}

		at := r.IntN(len(q))
		piece := bytes.Clone(q[at:min(len(q), at+r.IntN(40))])

		switch r.IntN(5) {
		case 0:
			q[at] = alphabet[r.IntN(len(alphabet))]
		case 1:
			q = append(q[:at], q[at+1:]...)
		case 2:
			q = append(q[:at:at], append([]byte{alphabet[r.IntN(len(alphabet))]}, q[at:]...)...)
		case 3:
			to := r.IntN(len(q))
			q = append(q[:to:to], append(piece, q[to:]...)...)
		default:
			q = append(q[:at], q[at+len(piece):]...)
		}
	}

	return q
}

func TestMembersTellWhereKeysBegin(t *testing.T) {
	t.Parallel()

	var d jsonscan.Doc

	p := []byte(`{ "b":1 , "own" : [1] ,"o\u0077n":2}`)
	require.Equal(t, jsonscan.OK, newKeys(t).Scan(p, 3, &d))
	require.Equal(t, `"own" : [1]`, string(p[d.First[0].Key:d.First[0].End]))
	require.Len(t, d.Again, 1)
	require.Equal(t, `"o\u0077n":2`, string(p[d.Again[0].Key:d.Again[0].End]))
}

func TestTooManyKeys(t *testing.T) {
	t.Parallel()

	names := make([]string, jsonscan.MaxKeys+1)
	for i := range names {
		names[i] = fmt.Sprint("key_", i)
	}

	_, err := jsonscan.NewKeys(names)
	require.ErrorIs(t, err, jsonscan.ErrTooManyKeys)

	k, err := jsonscan.NewKeys(names[:jsonscan.MaxKeys])
	require.NoError(t, err)

	var d jsonscan.Doc

	for i, name := range names[:jsonscan.MaxKeys] {
		require.Equal(t, jsonscan.OK, k.Scan(fmt.Appendf(nil, `{"%s":1}`, name), 1, &d))
		require.Equal(t, uint64(1)<<i, d.Seen)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	k, d := newKeys(t), &jsonscan.Doc{}
	p, escaped := []byte(event), []byte(`{"\u006fwn":1,"\u0061":"\n"}`)

	require.Zero(t, testing.AllocsPerRun(100, func() {
		k.Scan(p, 10_000, d)
		k.Scan(escaped, 10_000, d)
	}))
}

func FuzzScan(f *testing.F) {
	k, d := newKeys(f), &jsonscan.Doc{}
	for _, p := range samples() {
		f.Add(p)
	}

	f.Fuzz(func(t *testing.T, p []byte) { compare(t, k, d, p) })
}
