package ops

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// view is what of the page changes, as text. The template writes it, and the page's script puts the same
// texts in their places again: how a figure looks is decided here alone.
type view struct {
	Cards    []card    `json:"cards"`
	Sections []section `json:"sections"`
}

type card struct {
	ID    string `json:"id"`
	Label string `json:"-"`
	Text  string `json:"t"`
	Class string `json:"c"`
}

type section struct {
	ID     string  `json:"-"`
	Title  string  `json:"-"`
	Short  string  `json:"-"` // what links to it say; "": the title
	Charts []chart `json:"charts"`
	Tables []table `json:"tables"`
}

type table struct {
	ID      string   `json:"id"`
	Caption string   `json:"-"`
	Head    []column `json:"-"`
	Rows    [][]cell `json:"rows"`
}

type column struct{ Text, Class string }

type cell struct {
	Text  string `json:"t"`
	Class string `json:"c,omitempty"`
	Bar   string `json:"b,omitempty"` // width of a bar, of 100; "": none
	Wide  int    `json:"w,omitempty"` // columns that it spans; 0: one
	Fold  string `json:"d,omitempty"` // what shows until the text is unfolded; "": the text does
}

// Classes of cells and cards, beside s0 and on, which are the colours of a chart's series.
const (
	numeric = "n"
	good    = "good"
	warn    = "warn" // worth a look, and nothing is broken
	bad     = "bad"
)

// Heads of columns that several tables have.
const (
	eventsHead = "Events"
	rateHead   = "A second"
)

func newView(st *Status, past []sample) *view {
	v := &view{Cards: cards(st)}
	for i := range st.Roles {
		r := &st.Roles[i]
		events := section{ID: r.Name, Title: words(r.Name).Title, Charts: []chart{ratesChart(r, past, i), lagChart(r, past, i), commitsChart(r, past, i)}}
		events.Tables = append(events.Tables, becameTable(r))
		v.Sections = append(v.Sections, events)
	}
	if st.role(filterRole) != nil {
		v.Sections = append(v.Sections,
			section{ID: "causes", Title: "Why calls ended", Tables: []table{faultTable(st), codeTable(st)}},
			section{ID: "unknown", Title: "Codes that the catalog does not know", Short: "Unknown codes", Tables: []table{unknownTable(st)}},
			section{ID: "places", Title: "Where events went", Tables: []table{placeTable(st), letterTable(st)}})
	}
	if st.Retry != nil {
		v.Sections = append(v.Sections, section{ID: "retry", Title: "Retry loop", Tables: []table{tierTable(st), endTable(st)}})
	}
	v.Sections = append(v.Sections, section{ID: "work", Title: "Roles and partitions", Tables: []table{roleTable(st), ledgerTable(st), partitionTable(st)}})
	return v
}

// The roles' names, which are their pipelines'.
const (
	filterRole = "filter"
	delayRole  = "delay"
)

func (st *Status) role(name string) *Role {
	for i := range st.Roles {
		if st.Roles[i].Name == name {
			return &st.Roles[i]
		}
	}
	return nil
}

// wording is how the page speaks of a role.
type wording struct{ Title, Rates, Lag, Became, Item string }

func words(role string) wording {
	if role == delayRole {
		return wording{"Redials", "Redials a second, by what became of them", "Records that wait in the tiers", "What became of redials", "Redials"}
	}
	return wording{"Events", "Events a second, by outcome", "Lag: records not yet committed", "Outcomes", "Events"}
}

func cards(st *Status) []card {
	ready := card{"ready", "State", st.Ready.State, good}
	if !st.Ready.OK {
		ready.Text, ready.Class = st.Ready.State+": "+st.Ready.Reason, bad
	}
	all := []card{ready}
	for i := range st.Roles {
		r := &st.Roles[i]
		w := words(r.Name)
		lag, known := r.lag()
		all = append(all,
			card{r.Name + "-rate", w.Item + " a second", rate(r.Events.PerS), ""},
			card{r.Name + "-events", w.Item + " since the start", group(r.Events.N), ""})
		late := card{r.Name + "-lag", map[bool]string{true: "Waiting", false: "Lag"}[r.Name == delayRole], group(lag), ""}
		if !known {
			late.Text = none
		}
		commit := card{r.Name + "-commit", "99 of 100 commits within", seconds(r.Commits.P99), ""}
		if len(st.Roles) > 1 {
			commit.Label += " (" + r.Name + ")"
		}
		all = append(all, late, commit)
	}
	if r := st.role(filterRole); r != nil {
		all = append(all, unknownCard(st.unknown(), r.Events.N))
	}
	return append(all, configuration(st.Reload))
}

// manyUnknown is the share of unknown codes, of a hundred events, from which on more than a few strange calls is
// wrong: the catalog is not the sender's.
const manyUnknown = 5

// unknownCard says how many events had codes without an entry. They went through unharmed, so some are no error.
func unknownCard(n, of int64) card {
	c := card{"unknown-codes", "Events of unknown codes", group(n), ""}
	if n == 0 {
		return c
	}
	percent := 100 * float64(n) / float64(max(of, n))
	c.Text, c.Class = fmt.Sprintf("%s (%.1f\u00a0%%)", group(n), percent), warn
	if percent > manyUnknown {
		c.Class = bad
	}
	return c
}

// configuration says whether the file is in force as it was read last.
func configuration(r *Reload) card {
	switch {
	case r == nil:
		return card{"configuration", "Configuration", "as at the start", good}
	case !r.OK:
		return card{"configuration", "Configuration", "has a mistake", bad}
	case len(r.NeedsRestart) > 0:
		return card{"configuration", "Configuration", "wants a restart", bad}
	default:
		return card{"configuration", "Configuration", "read again, in force", good}
	}
}

func (st *Status) unknown() (n int64) {
	for i := range st.Codes {
		if st.Codes[i].Name == "" {
			n += st.Codes[i].N
		}
	}
	return n
}

func becameTable(r *Role) table {
	w := words(r.Name)
	t := table{ID: r.Name + "-became", Caption: w.Became, Head: []column{{"What", ""}, {w.Item, numeric}, {rateHead, numeric}, {"Share", numeric}}}
	for i, c := range r.Became {
		t.Rows = append(t.Rows, []cell{{Text: c.Name, Class: series(i)}, number(c.N), text(rate(c.PerS), numeric), share(c.N, r.Events.N)})
	}
	return t
}

func faultTable(st *Status) table {
	t := table{ID: "faults", Caption: "Whose problem it was", Head: []column{{"Fault", ""}, {eventsHead, numeric}, {"Share", numeric}}}
	var all int64
	for _, f := range st.Faults {
		all += f.N
	}
	for _, f := range st.Faults {
		t.Rows = append(t.Rows, []cell{{Text: f.Name}, number(f.N), share(f.N, all)})
	}
	return t.orElse("No code was seen yet.")
}

// How many codes are shown; /api/status has all.
const (
	topCodes   = 15
	topUnknown = 10
)

func codeTable(st *Status) table {
	t := table{ID: "codes", Caption: "Most frequent codes", Head: []column{
		{"Code", ""}, {"Name", ""}, {"Fault", ""}, {"Dial again?", ""}, {eventsHead, numeric}, {"Share", numeric},
	}}
	all := st.OtherCodes
	for i := range st.Codes {
		all += st.Codes[i].N
	}
	for i := range st.Codes {
		c := &st.Codes[i]
		if c.Name == "" || len(t.Rows) == topCodes {
			continue
		}
		again := text("no: "+c.Class+needs(c.Class, c.Auto), "")
		if c.Retryable {
			again = text("yes: "+c.Class, good)
		}
		t.Rows = append(t.Rows, []cell{{Text: strconv.Itoa(int(c.Code))}, {Text: c.Name}, {Text: c.Fault}, again, number(c.N), share(c.N, all)})
	}
	return t.orElse("No code was seen yet.")
}

// needs says why codes are not dialled again though their class is one that is; "" if it says so itself. The
// words are the catalog's.
func needs(class, auto string) string {
	switch class {
	case "short_delay", "long_delay", "alternate":
	default:
		return ""
	}
	if auto == "gated" {
		return ", once its fix is confirmed"
	}
	return ", needs opt-in"
}

// Needs is what the entry needs to be dialled again, as the end of a phrase.
func (e Entry) Needs() string {
	if e.Retryable {
		return ""
	}
	return needs(e.Class, e.Auto)
}

func unknownTable(st *Status) table {
	t := table{ID: "unknown-table", Caption: "Unknown codes, each with its first event", Head: []column{{"Code", ""}, {eventsHead, numeric}, {"Last seen", ""}}}
	codes := 0
	for i := range st.Codes {
		c := &st.Codes[i]
		if c.Name != "" {
			continue
		}
		if codes++; codes > topUnknown {
			continue
		}
		t.Rows = append(t.Rows, []cell{{Text: strconv.Itoa(int(c.Code))}, number(c.N), {Text: ago(st.At, c.LastSeen)}})
		if c.Sample != "" {
			t.Rows = append(t.Rows, []cell{{Text: c.Sample, Class: "sample", Wide: len(t.Head), Fold: "first event"}})
		}
	}
	if codes > topUnknown {
		more := fmt.Sprintf("%d of %d unknown codes, the most frequent; /api/status has all", topUnknown, codes)
		t.Rows = append(t.Rows, []cell{{Text: more, Class: "none", Wide: len(t.Head)}})
	}
	if st.OtherCodes > 0 {
		t.Rows = append(t.Rows, []cell{{Text: "others"}, number(st.OtherCodes), {Text: "too many different codes to count each, or so long that they may be phone numbers"}})
	}
	return t.orElse("None: the catalog knows every code that came.")
}

func ago(now time.Time, then *time.Time) string {
	if then == nil {
		return none
	}
	return duration(max(now.Sub(*then), 0).Truncate(time.Second).Seconds()) + " ago"
}

func placeTable(st *Status) table {
	t := table{ID: "places-table", Caption: "Output and routes", Head: []column{{"Where", ""}, {eventsHead, numeric}, {rateHead, numeric}}}
	for _, c := range st.role(filterRole).Places {
		t.Rows = append(t.Rows, []cell{{Text: c.Name}, number(c.N), text(rate(c.PerS), numeric)})
	}
	for _, c := range st.Routes {
		t.Rows = append(t.Rows, []cell{{Text: "copies: route " + c.Name}, number(c.N), text(rate(c.PerS), numeric)})
	}
	return t
}

func letterTable(st *Status) table {
	t := table{ID: "letters", Caption: "Dead letters", Head: []column{{"Reason", ""}, {eventsHead, numeric}, {rateHead, numeric}}}
	for i := range st.Roles {
		for _, c := range st.Roles[i].DeadLetters {
			t.Rows = append(t.Rows, []cell{{Text: c.Name, Class: bad}, number(c.N), text(rate(c.PerS), numeric)})
		}
	}
	return t.orElse("None.")
}

func tierTable(st *Status) table {
	t := table{ID: "tiers", Caption: "Delay topics", Head: []column{
		{"Tier", ""}, {"Wait", numeric}, {"Entered", numeric}, {"Waiting", numeric}, {"Oldest", numeric}, {"Came due", numeric}, {"99 of 100 late by less than", numeric},
	}}
	for i := range st.Retry.Tiers {
		tier := &st.Retry.Tiers[i]
		oldest := none
		if tier.OldestS != nil {
			oldest = duration(float64(*tier.OldestS))
		}
		t.Rows = append(t.Rows, []cell{
			{Text: tier.Topic},
			text(duration(tier.WaitS), numeric), number(tier.Entered), maybe(tier.Waiting), text(oldest, numeric), maybe(tier.Due),
			text(seconds(tier.LateP99), numeric),
		})
	}
	return t
}

func endTable(st *Status) table {
	t := table{ID: "ends", Caption: "How waiting ended", Head: []column{{"End", ""}, {"Calls", numeric}}}
	t.Rows = append(t.Rows, []cell{{Text: "due"}, maybe(st.Retry.Due)}, []cell{{Text: "cancelled"}, maybe(st.Retry.Cancelled)})
	for _, c := range st.Retry.GaveUp {
		t.Rows = append(t.Rows, []cell{{Text: "given up: " + c.Name}, number(c.N)})
	}
	return t
}

func roleTable(st *Status) table {
	t := table{ID: "roles", Caption: "Roles", Head: []column{
		{"Role", ""}, {"State", ""}, {"Group", ""}, {"Partitions", numeric}, {"Commits", numeric}, {"Half within", numeric}, {"99 of 100 within", numeric},
	}}
	for i := range st.Roles {
		r := &st.Roles[i]
		state := text(r.State, good)
		if r.Reason != "" {
			state = text(r.State+": "+r.Reason, bad)
		}
		t.Rows = append(t.Rows, []cell{
			{Text: r.Name}, state, {Text: r.Group}, number(int64(len(r.Partitions))), number(int64(r.Commits.Count)), //nolint:gosec // ten a second for ages
			text(seconds(r.Commits.P50), numeric), text(seconds(r.Commits.P99), numeric),
		})
	}
	return t
}

func ledgerTable(st *Status) table {
	t := table{ID: "ledger", Caption: "Ledger: everything that came in is somewhere", Head: []column{{"Role", ""}, {"Line", ""}, {"Done again after an abort", numeric}}}
	for i := range st.Roles {
		r := &st.Roles[i]
		t.Rows = append(t.Rows, []cell{{Text: r.Name}, {Text: r.Ledger, Class: "line"}, number(r.Abandoned)})
	}
	return t
}

func partitionTable(st *Status) table {
	t := table{ID: "partitions", Caption: "Partitions of this process", Head: []column{
		{"Topic", ""}, {"Partition", numeric}, {"Lag", numeric}, {eventsHead, numeric}, {rateHead, numeric},
	}}
	var all []Partition
	for i := range st.Roles {
		all = append(all, st.Roles[i].Partitions...)
	}
	// Not by lag: a table whose rows change places every second cannot be read.
	slices.SortFunc(all, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Number, b.Number))
	})
	for i := range all {
		p := &all[i]
		t.Rows = append(t.Rows, []cell{{Text: p.Topic}, number(int64(p.Number)), maybe(p.Lag), number(p.Events), text(rate(p.PerS), numeric)})
	}
	return t.orElse("None: the group has given this process no partition.")
}

// orElse says why there is nothing to show.
func (t table) orElse(why string) table {
	if len(t.Rows) == 0 {
		t.Rows = [][]cell{{{Text: why, Class: "none", Wide: len(t.Head)}}}
	}
	return t
}
