package app

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/ops"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// status tells the status page of this process. It keeps nothing: each figure is read where it is kept.
type status struct {
	app     *App
	started time.Time
	version string
	times   *prometheus.Registry // what the page reads of them: to gather all would make those of each partition
}

func newStatus(a *App) *status {
	s := &status{app: a, started: time.Now(), version: version(), times: prometheus.NewRegistry()}
	for _, p := range a.pipelines {
		prometheus.WrapRegistererWith(prometheus.Labels{"role": p.Role().String()}, s.times).MustRegister(p.Metrics.Durations()...)
	}
	return s
}

// glimpse is the status with one configuration: a reload in the midst of an answer shall not show in it.
type glimpse struct {
	*status
	*settings
}

func (s *status) now() glimpse { return glimpse{s, s.app.now()} }

// Status implements ops.Source.
func (s *status) Status() *ops.Status { return s.now().all() }

func (s glimpse) all() *ops.Status {
	st := &ops.Status{
		At: time.Now(), Started: s.started, Version: s.version, Go: runtime.Version(), Catalog: s.snap.ID(), Ready: s.app.ready(),
		Reload: s.app.reloads.last.Load(), Faults: []ops.Count{}, Codes: []ops.Code{}, Routes: []ops.Count{},
	}
	if s.cfg.Retry.On() {
		st.Retry = &ops.Retry{GaveUp: []ops.Count{}}
		for _, tier := range s.cfg.Retry.Tiers {
			st.Retry.Tiers = append(st.Retry.Tiers, ops.Tier{Topic: tier.Topic, WaitS: tier.Wait.Seconds()})
		}
	}
	gaveUp := map[string]int64{}
	for _, p := range s.app.pipelines {
		totals, lags := p.Ledger.Totals(), p.Lags()
		st.Roles = append(st.Roles, s.role(p, &totals, lags))
		if p.Role() == pipeline.Filter {
			s.causes(st, &totals, p.Samples())
		}
		for reason, n := range totals.GaveUp {
			gaveUp[reason] += n
		}
		if st.Retry != nil {
			fillRetry(st.Retry, p.Role(), &totals, lags)
		}
	}
	commits, late := s.durations() // after the ledgers: what is counted there has been timed
	for i := range st.Roles {
		st.Roles[i].Commits.Times = commits[st.Roles[i].Name]
	}
	if st.Retry != nil {
		st.Retry.GaveUp = counts(gaveUp)
		for i := range st.Retry.Tiers {
			if h, ok := late[st.Retry.Tiers[i].Topic]; ok {
				st.Retry.Tiers[i].Late = &h
			}
		}
	}
	return st
}

func (s glimpse) role(p *pipeline.Pipeline, t *pipeline.Totals, lags []pipeline.Lag) ops.Role {
	state := p.State()
	r := ops.Role{
		Name: p.Role().String(), State: state.String(), Reason: state.Reason(), Group: s.cfg.Input.Group, Ledger: t.String(),
		Events: ops.Count{Name: "events", N: t.In}, DeadLetters: counts(t.Reasons), Abandoned: t.Abandoned, Partitions: []ops.Partition{},
	}
	if p.Role() == pipeline.Delay {
		var gaveUp int64
		for _, n := range t.GaveUp {
			gaveUp += n
		}
		r.Group = s.cfg.DelayGroup()
		r.Became = []ops.Count{
			{Name: "due", N: t.Output}, {Name: "moved", N: t.Moved}, {Name: "gave_up", N: gaveUp}, {Name: "cancelled", N: t.Cancelled}, {Name: "dead_lettered", N: t.Dead},
		}
		r.Places = []ops.Count{}
	} else {
		for o := range enrich.Outcome(enrich.NumOutcomes) {
			r.Became = append(r.Became, ops.Count{Name: o.String(), N: t.Outcomes[o.String()]})
		}
		r.Places = []ops.Count{{Name: "output topic", N: t.Output}, {Name: "dead-letter topic", N: t.Dead}, {Name: "filtered by output.drop", N: t.Filtered}}
	}
	for _, l := range lags {
		account := t.Partitions[broker.TopicPartition{Topic: l.Topic, Partition: l.Partition}]
		part := ops.Partition{Topic: l.Topic, Number: l.Partition, Events: account.In()}
		if l.Records >= 0 {
			part.Lag = &l.Records
		}
		r.Partitions = append(r.Partitions, part)
	}
	return r
}

// causes fills in what the catalog says of the codes that were counted.
func (s glimpse) causes(st *ops.Status, t *pipeline.Totals, samples map[int32]string) {
	faults := map[string]int64{}
	for code, n := range t.Codes {
		c := ops.Code{Code: code, N: n}
		if e, ok := s.snap.Lookup(code); ok {
			c.Name, c.Fault, c.Class, c.Auto, c.Retryable = e.Name, string(e.Fault), string(e.Retry.Class), string(e.Retry.Auto), s.redials(e)
		} else {
			c.Sample = samples[code]
		}
		faults[cmp.Or(c.Fault, "not in the catalog")] += n
		st.Codes = append(st.Codes, c)
	}
	if t.OtherCodes > 0 {
		faults["not counted by code"] += t.OtherCodes
	}
	slices.SortFunc(st.Codes, func(a, b ops.Code) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Code, b.Code)) })
	st.OtherCodes, st.Faults = t.OtherCodes, counts(faults)
	slices.SortStableFunc(st.Faults, func(a, b ops.Count) int { return cmp.Compare(b.N, a.N) })
	for _, r := range s.cfg.Routes {
		st.Routes = append(st.Routes, ops.Count{Name: r.Name, N: t.Routes[r.Name]})
	}
}

// redials tells whether a machine may dial again by an entry's policy and the configuration. Of a single call the
// advice may be another.
func (s glimpse) redials(e *catalog.Entry) bool {
	switch e.Retry.Class {
	case catalog.ClassShortDelay, catalog.ClassLongDelay, catalog.ClassAlternate:
	case catalog.ClassNone, catalog.ClassNever, catalog.ClassManual, catalog.ClassAfterFix:
		return false
	}
	return e.Retry.Auto == catalog.AutoAllowed || e.Retry.Auto == catalog.AutoOptIn && (e.Retry.OptedIn || slices.Contains(s.cfg.Enrich.OptIn, e.Code))
}

// fillRetry adds what one role knows of the retry loop.
func fillRetry(r *ops.Retry, role pipeline.Role, t *pipeline.Totals, lags []pipeline.Lag) {
	for _, counted := range t.Tiers { // by ascending wait, and not as configured
		i := slices.IndexFunc(r.Tiers, func(tier ops.Tier) bool { return tier.Topic == counted.Topic })
		r.Tiers[i].Entered += counted.Entered
	}
	if role != pipeline.Delay {
		return
	}
	r.Due, r.Cancelled = &t.Output, &t.Cancelled
	now := time.Now().UnixMilli()
	for i := range r.Tiers {
		tier, due := &r.Tiers[i], int64(0)
		for tp, account := range t.Partitions {
			if tp.Topic == tier.Topic {
				due += account.Output
			}
		}
		tier.Due = &due
		tier.Waiting, tier.OldestS = waiting(tier.Topic, lags, now)
	}
}

// waiting is what stands in the owned partitions of a tier, and for how many seconds the oldest has.
func waiting(tier string, lags []pipeline.Lag, now int64) (records, oldest *int64) {
	sum := int64(0)
	for _, l := range lags {
		switch {
		case l.Topic != tier:
			continue
		case l.Records < 0:
			return nil, nil // not known yet: 0 would read as empty
		}
		sum += l.Records
		if age := (now - l.WaitingSince) / 1000; l.WaitingSince > 0 && (oldest == nil || age > *oldest) {
			oldest = &age
		}
	}
	return &sum, oldest
}

// counts are a map's, by name.
func counts(m map[string]int64) []ops.Count {
	out := make([]ops.Count, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, ops.Count{Name: name, N: m[name]})
	}
	return out
}

// Explain implements ops.Source.
func (s *status) Explain(event []byte) ops.Explanation { return s.now().explain(event) }

func (s glimpse) explain(event []byte) ops.Explanation {
	show := privacy.Policy(s.cfg.Privacy)
	x := s.enricher.Explain(&enrich.Record{Value: event, TimestampMS: time.Now().UnixMilli()})
	masked(x, show)
	return ops.Explanation{Event: string(show.JSON(event)), Text: x.String(), Data: x}
}

// Config implements ops.Source.
func (s *status) Config() ([]byte, error) { return s.now().cfg.YAML() }

// Search implements ops.Source.
func (s *status) Search(query string) []ops.Entry { return s.now().search(query) }

func (s glimpse) search(query string) []ops.Entry {
	query = strings.TrimSpace(query)
	words := strings.Fields(strings.ToLower(query))
	named, _ := s.snap.LookupName(query)
	var found, others []ops.Entry // what is exactly it comes first
	entries := s.snap.Entries()
	for i := range entries {
		e := &entries[i]
		exact := query != "" && (strconv.Itoa(int(e.Code)) == query || named != nil && named.Code == e.Code)
		text := strings.ToLower(fmt.Sprintf("%d %s %s %s %s", e.Code, e.Name, e.Summary, e.Fault, e.Retry.Class))
		if !exact && slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			continue
		}
		entry := ops.Entry{
			Code: e.Code, Name: e.Name, Summary: e.Summary, Fault: string(e.Fault), Class: string(e.Retry.Class), Auto: string(e.Retry.Auto), Retryable: s.redials(e),
			Exact: exact, Fields: fields(e), Data: e,
		}
		if exact {
			found = append(found, entry)
		} else {
			others = append(others, entry)
		}
	}
	return append(found, others...)
}

// fields is what an entry says beyond its summary.
func fields(e *catalog.Entry) []ops.Field {
	r := &e.Retry
	all := []ops.Field{{Name: "what to do", Text: e.Remedy}}
	say := func(name, text string) {
		if text != "" && text != "0" && text != "0s" {
			all = append(all, ops.Field{Name: name, Text: text})
		}
	}
	say("sources", list(e.Sources, func(s catalog.SourceRef) string {
		if s.When != "" {
			return fmt.Sprintf("%s (%s)", s.By, s.When)
		}
		return string(s.By)
	}))
	say("directions", list(e.Directions, word))
	say("call states", list(e.States, word))
	say("surfaces", list(e.Surfaces, word))
	say("redial by machine", string(r.Auto))
	say("why", r.Why)
	say("first wait, at most", seconds(r.InitialS))
	say("longest wait", seconds(r.CapS))
	say("most redials", strconv.Itoa(r.MaxRetries))
	say("dial", string(r.Target))
	say("to mend first", string(r.Fix))
	say("affects", string(r.Scope))
	say("nearest SIP code", strconv.Itoa(e.Nearest.SIP))
	say("nearest Q.850 code", strconv.Itoa(e.Nearest.Q850))
	say("flags", list(e.Flags, word))
	say("provisional, seen at", e.Source)
	say("changed by the configuration", strings.Join(e.Overrides, "; "))
	return all
}

func list[T any](items []T, name func(T) string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = name(item)
	}
	return strings.Join(words, ", ")
}

func word[T ~string](w T) string { return string(w) }

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

const (
	commitTimes = "enricher_commit_duration_seconds"
	lateTimes   = "enricher_retry_late_seconds"
)

// durations returns the times of commits by role, and how late redials came due by tier.
func (s *status) durations() (commits, late map[string]ops.Histogram) {
	commits, late = map[string]ops.Histogram{}, map[string]ops.Histogram{}
	families, err := s.times.Gather()
	if err != nil {
		return commits, late // two histograms of our own cannot disagree; /metrics would say so too
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			times := ops.Histogram{Count: m.GetHistogram().GetSampleCount()}
			for _, b := range m.GetHistogram().GetBucket() {
				times.Bounds, times.Counts = append(times.Bounds, b.GetUpperBound()), append(times.Counts, b.GetCumulativeCount())
			}
			for _, label := range m.GetLabel() {
				switch {
				case f.GetName() == commitTimes && label.GetName() == "role":
					commits[label.GetValue()] = times
				case f.GetName() == lateTimes && label.GetName() == "tier":
					late[label.GetValue()] = times
				}
			}
		}
	}
	return commits, late
}
