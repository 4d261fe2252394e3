package ops

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigurationCard(t *testing.T) {
	for text, r := range map[string]*Reload{
		"as at the start": nil, "has a mistake": {NeedsRestart: []string{"kafka.brokers"}}, "wants a restart": {OK: true, NeedsRestart: []string{"kafka.brokers"}},
		"read again, in force": {OK: true},
	} {
		c := configuration(r)
		require.Equal(t, text, c.Text)
		require.Equal(t, text == "has a mistake" || text == "wants a restart", c.Class == bad)
	}
}

// texts are the rows of a table as lines.
func texts(t table) []string {
	lines := make([]string, 0, len(t.Rows))
	for _, row := range t.Rows {
		words := make([]string, 0, len(row))
		for _, c := range row {
			words = append(words, c.Text)
		}
		lines = append(lines, strings.Join(words, " | "))
	}
	return lines
}

func tables(v *view) map[string]table {
	all := map[string]table{}
	for _, s := range v.Sections {
		for _, t := range s.Tables {
			all[t.ID] = t
		}
	}
	return all
}

func TestViewSaysWhatThereIsNot(t *testing.T) {
	st := &Status{
		Ready: Health{State: "joining", Reason: "waits for partitions"},
		Roles: []Role{{Name: "filter", State: "joining", Reason: "waits for partitions", Became: []Count{{Name: "enriched"}}}},
		Retry: &Retry{Tiers: []Tier{{Topic: "t", WaitS: 60}}},
	}
	v := newView(st, nil)
	require.Equal(t, card{"ready", "State", "joining: waits for partitions", bad}, v.Cards[0])
	got := tables(v)
	require.Equal(t, []string{"No code was seen yet."}, texts(got["faults"]))
	require.Equal(t, []string{"No code was seen yet."}, texts(got["codes"]))
	require.Equal(t, []string{"None: the catalog knows every code that came."}, texts(got["unknown-table"]))
	require.Equal(t, []string{"None."}, texts(got["letters"]))
	require.Equal(t, []string{"None: the group has given this process no partition."}, texts(got["partitions"]))
	require.Equal(t, []string{"enriched | 0 | 0 | –"}, texts(got["filter-became"]), "no share of nothing")
	require.Equal(t, []string{"t | 1 min | 0 | – | – | – | –"}, texts(got["tiers"]), "another process knows")
	require.Equal(t, []string{"due | –", "cancelled | –"}, texts(got["ends"]))
	require.Equal(t, len(got["codes"].Head), got["codes"].Rows[0][0].Wide)
}

func TestViewSaysWhatThereIs(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	lag, oldest, due, seen := int64(1234), int64(75), int64(5), now.Add(-90*time.Second)
	st := &Status{
		At: now, Ready: Health{OK: true, State: "running"}, OtherCodes: 7,
		Codes: []Code{{Code: 9, N: 3, LastSeen: &seen, Sample: `{"a":1}`}, {Code: 8, N: 1}},
		Roles: []Role{
			{Name: "filter", State: "running", Partitions: []Partition{{Topic: "b", Lag: &lag}, {Topic: "a", Number: 10, Lag: &lag}, {Topic: "a", Number: 9}}},
			{Name: "delay", State: "running"},
		},
		Retry: &Retry{Tiers: []Tier{{Topic: "t", OldestS: &oldest, Due: &due, Late: &Histogram{[]float64{1, 2}, []uint64{0, 10}, 10}}}},
	}
	st.compare(&Status{At: now.Add(-time.Second)})
	v := newView(st, nil)
	labels := map[string]card{}
	for _, c := range v.Cards {
		labels[c.ID] = c
	}
	require.Equal(t, none, labels["filter-lag"].Text, "that of one partition is not known")
	require.Equal(t, "0", labels["delay-lag"].Text)
	require.Equal(t, "Waiting", labels["delay-lag"].Label)
	require.Equal(t, "99 of 100 commits within (delay)", labels["delay-commit"].Label)
	require.Equal(t, card{"unknown-codes", "Events of unknown codes", "4 (100.0\u00a0%)", bad}, labels["unknown-codes"])
	got := tables(v)
	require.Equal(t, []string{"9 | 3 | 1 min 30 s ago", `{"a":1}`, "8 | 1 | –", "others | 7 | too many different codes to count each, or so long that they may be phone numbers"}, texts(got["unknown-table"]))
	require.Equal(t, []string{"a | 9 | – | 0 | 0", "a | 10 | 1,234 | 0 | 0", "b | 0 | 1,234 | 0 | 0"}, texts(got["partitions"]))
	require.Equal(t, []string{"t | 0 s | 0 | – | 1 min 15 s | 5 | 2 s"}, texts(got["tiers"]))
}

func TestUnknownCodesAlarmOnlyIfTheyAreMany(t *testing.T) {
	for _, tc := range []struct {
		n, of       int64
		text, class string
	}{
		{0, 0, "0", ""},
		{0, 100, "0", ""},
		{1, 1000, "1 (0.1\u00a0%)", warn},
		{50, 1000, "50 (5.0\u00a0%)", warn},
		{51, 1000, "51 (5.1\u00a0%)", bad},
		{1234, 0, "1,234 (100.0\u00a0%)", bad}, // counted between the two
	} {
		require.Equal(t, card{"unknown-codes", "Events of unknown codes", tc.text, tc.class}, unknownCard(tc.n, tc.of))
	}
}

func TestOnlyTheTopCodesAreShown(t *testing.T) {
	st := &Status{Roles: []Role{{Name: "filter"}}}
	for i := range int32(100) {
		st.Codes = append(st.Codes, Code{Code: i, N: 1, Sample: "s"}, Code{Code: 1000 + i, Name: "known", N: 1})
	}
	got := tables(newView(st, nil))
	require.Len(t, got["codes"].Rows, topCodes)
	rows := got["unknown-table"].Rows
	require.Len(t, rows, 2*topUnknown+1)
	require.Equal(t, cell{Text: "s", Class: "sample", Wide: 3, Fold: "first event"}, rows[1][0])
	require.Equal(t, "10 of 100 unknown codes, the most frequent; /api/status has all", rows[2*topUnknown][0].Text)
	st.Codes = st.Codes[:2*topUnknown]
	require.Len(t, tables(newView(st, nil))["unknown-table"].Rows, 2*topUnknown, "that is all of them")
}

// A code of a class that is dialled again, and which is not, says what it needs.
func TestCodeSaysWhatItNeeds(t *testing.T) {
	for _, tc := range []struct {
		class, auto string
		retryable   bool
		want        string
	}{
		{"short_delay", "allowed", true, "yes: short_delay"},
		{"long_delay", "opt_in", false, "no: long_delay, needs opt-in"},
		{"alternate", "opt_in", false, "no: alternate, needs opt-in"},
		{"long_delay", "gated", false, "no: long_delay, once its fix is confirmed"},
		{"never", "blocked", false, "no: never"},
		{"after_fix", "gated", false, "no: after_fix"},
	} {
		st := &Status{Roles: []Role{{Name: "filter"}}, Codes: []Code{{Code: 1, Name: "x", Class: tc.class, Auto: tc.auto, Retryable: tc.retryable, N: 1}}}
		require.Equal(t, tc.want, tables(newView(st, nil))["codes"].Rows[0][3].Text)
		e := Entry{Class: tc.class, Auto: tc.auto, Retryable: tc.retryable}
		_, needs, _ := strings.Cut(tc.want, tc.class)
		require.Equal(t, needs, e.Needs())
	}
}

func TestAnswerThatCannotBeWritten(t *testing.T) {
	w := httptest.NewRecorder()
	writeJSON(w, http.StatusOK, func() {})
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "the answer cannot be made: ")
}
