package catalog_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
)

// facts.tsv holds the published table's columns, typed, once more: a slip in the data file
// has to be made twice to pass.
func TestEmbeddedDataHasTheFactsOfTheTable(t *testing.T) {
	src, err := os.ReadFile("testdata/facts.tsv")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(src)), "\n")
	require.Len(t, lines, 52)
	var got []string
	provisional := 0
	for _, e := range catalog.Default().Entries() {
		if e.Provisional {
			provisional++
			require.NotEmpty(t, e.Source)
			continue
		}
		require.NotEmpty(t, e.CallTypes, e.Code)
		got = append(got, factsOf(&e))
	}
	require.Equal(t, lines, got)
	require.Equal(t, 5, provisional)
}

func factsOf(e *catalog.Entry) string {
	var sources []string
	for _, s := range e.Sources {
		text := string(s.By)
		if s.When != "" {
			text += ":" + string(s.When)
		}
		sources = append(sources, text)
	}
	r := e.Retry
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	return strings.Join([]string{
		strconv.Itoa(int(e.Code)), e.Name, strings.Join(sources, ","), dash(list(e.Directions)), list(e.States), dash(list(e.Surfaces)), string(e.Fault),
		string(r.Class), string(r.Auto), dash(string(r.Target)), dash(string(r.Scope)), dash(string(r.Fix)),
		fmt.Sprintf("%g,%g,%g,%d,%s", r.InitialS, r.Multiplier, r.CapS, r.MaxRetries, dash(string(r.Jitter))),
		fmt.Sprintf("%d,%d", e.Nearest.SIP, e.Nearest.Q850), dash(list(e.Flags)),
	}, "\t")
}

func list[T ~string](in []T) string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return strings.Join(out, ",")
}

func TestEveryEntryReadsWell(t *testing.T) {
	for _, e := range catalog.Default().Entries() {
		require.LessOrEqual(t, utf8.RuneCountInString(e.Summary), 140, e.Code)
		require.True(t, strings.HasSuffix(e.Summary, "."), "%d: %s", e.Code, e.Summary)
		require.NotEmpty(t, e.Remedy, e.Code)
		require.NotEmpty(t, e.Retry.Why, e.Code)
	}
}

func TestLookup(t *testing.T) {
	s := catalog.Default()
	e, ok := s.Lookup(0)
	require.True(t, ok, "0 is a real code")
	require.Equal(t, "Unknown", e.Name)
	for _, code := range []int32{-1, 1, 9999, 1 << 20, 1<<31 - 1} {
		_, ok := s.Lookup(code)
		require.False(t, ok, code)
	}
	far, err := catalog.Parse([]string{"far.yaml"}, [][]byte{[]byte(added("code: 2000000000"))})
	require.NoError(t, err)
	e, ok = far.Lookup(2_000_000_000)
	require.True(t, ok)
	require.Equal(t, "New Cause", e.Name)
}

func TestLookupName(t *testing.T) {
	s := catalog.Default()
	for name, code := range map[string]int32{
		"USER_BUSY": 3010, "user_busy": 3010, "User Busy": 3010, "NO_ANSWER": 3000, "CALL_REJECTED": 3020, "UNALLOCATED_NUMBER": 3050,
		"NORMAL_CLEARING": 4000, "ORIGINATOR_CANCEL": 1000, "Busy Line": 3010, "busy  line ": 3010, "Cancelled": 1000, "canceled": 1000,
		"Cancelled (Out Of Credits)": 1010, "Unknown": 0,
	} {
		e, ok := s.LookupName(name)
		require.True(t, ok, name)
		require.Equal(t, code, e.Code, name)
	}
	for _, name := range []string{"", " ", "_", "SUBSCRIBER_ABSENT", "NORMAL_UNSPECIFIED", "busyline", strings.Repeat("x", 65), strings.Repeat("x ", 65)} {
		_, ok := s.LookupName(name)
		require.False(t, ok, name)
	}
	for _, l := range s.LegacyNames() {
		e, ok := s.LookupName(l.Name)
		require.True(t, ok, l.Name)
		require.Equal(t, l.Code, e.Code, l.Name)
		require.NotEmpty(t, l.Ground)
	}
	for _, e := range s.Entries() {
		found, ok := s.LookupName(e.Name)
		require.True(t, ok, e.Name)
		require.Equal(t, e.Code, found.Code)
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	s := catalog.Default()
	name := string([]byte("Invalid_Destination Address"))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Lookup(3010)
		s.Lookup(1 << 30)
		s.LookupName(name)
		s.LookupName("nothing of the sort")
	}))
}

func TestIdentity(t *testing.T) {
	s := catalog.Default()
	require.Equal(t, "plivo-voice", s.Name())
	require.Equal(t, fmt.Sprintf("plivo-voice@%s+%x", s.Revision(), s.SHA256())[:len(s.ID())], s.ID())
	same, err := catalog.Parse([]string{"empty.yaml"}, [][]byte{[]byte("entries: []\n")})
	require.NoError(t, err)
	require.Equal(t, s.SHA256(), same.SHA256(), "an empty overlay changes nothing")
	require.Empty(t, catalog.Diff(s, same))
}

func TestEntriesMarshalWithEveryColumn(t *testing.T) {
	e, _ := catalog.Default().Lookup(4020)
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	for _, column := range []string{"code", "name", "summary", "remedy", "call_types", "sources", "directions", "states", "surfaces", "fault", "retry", "flags", "provisional"} {
		require.Contains(t, m, column)
	}
	require.Equal(t, []any{}, m["directions"], "the table names none; that is an empty list, not null")
}

// added is an overlay that adds a code, with some lines of its own put in place of defaults.
func added(lines ...string) string {
	fields := map[string]string{
		"code": "8888", "name": "New Cause", "summary": "Something new.", "remedy": "Look.", "sources": "[{by: carrier}]", "directions": "[outbound]",
		"states": "[any]", "fault": "carrier", "retry": "{class: manual, auto: blocked, why: because}",
	}
	for _, l := range lines {
		key, value, _ := strings.Cut(l, ": ")
		fields[key] = value
	}
	var b strings.Builder
	b.WriteString("entries:\n")
	sep := "  - "
	for _, key := range []string{"code", "name", "summary", "remedy", "sources", "directions", "states", "surfaces", "fault", "retry", "nearest", "flags", "params", "provisional", "source", "disabled"} {
		if v, ok := fields[key]; ok && v != "" {
			fmt.Fprintf(&b, "%s%s: %s\n", sep, key, v)
			sep = "    "
		}
	}
	return b.String()
}
