package pipeline

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callstream/enricher/pkg/enrich"
)

// Metrics are the pipeline's own; the ledger's figures are read when they are collected.
type Metrics struct {
	rebalances     prometheus.Counter
	outOfRange     prometheus.Counter
	fetchedBytes   prometheus.Counter
	commitFailures prometheus.Counter
	fetches        prometheus.Histogram
	commits        prometheus.Histogram
	produces       prometheus.Histogram
	late           *prometheus.HistogramVec // by tier
}

const namespace = "enricher"

func newMetrics() *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), NativeHistogramBucketFactor: 1.1, //nolint:mnd // 1 ms to 8 s
		})
	}
	late := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "retry_late_seconds", Help: "How long after its time a redial came due, by the tier that it waited in last.",
		Buckets: prometheus.ExponentialBuckets(0.01, 4, 10), NativeHistogramBucketFactor: 1.1, //nolint:mnd // 10 ms to 44 minutes
	}, []string{"tier"})
	return &Metrics{
		late:           late,
		rebalances:     counter("group_generations_total", "Generations of the consumer group that this process took part in."),
		outOfRange:     counter("offset_resets_total", "Partitions whose offset was not in the log any more and that went on elsewhere."),
		fetchedBytes:   counter("fetched_bytes_total", "Bytes of whole record batches fetched, as compressed on the wire."),
		commitFailures: counter("commit_failures_total", "Commits that failed; the next one covers the same offsets."),
		fetches:        histogram("fetch_duration_seconds", "Time of fetch requests, the broker's waiting included."),
		commits:        histogram("commit_duration_seconds", "Time of offset commits."),
		produces:       histogram("produce_duration_seconds", "Time of produce requests until the brokers acknowledged or refused them."),
	}
}

// Register registers everything that the pipeline measures, labelled with its role.
func (p *Pipeline) Register(r prometheus.Registerer) {
	m := p.Metrics
	r = prometheus.WrapRegistererWith(prometheus.Labels{"role": p.cfg.Role.String()}, r)
	r.MustRegister(m.rebalances, m.outOfRange, m.fetchedBytes, m.commitFailures, m.fetches, m.commits, m.produces, &collector{p})
	if p.cfg.Role == Delay {
		r.MustRegister(m.late)
	}
}

// Durations are the histograms that the status page reads: the times of commits, and how late redials came due by tier.
func (m *Metrics) Durations() []prometheus.Collector {
	return []prometheus.Collector{m.commits, m.late}
}

// collector reports the ledger and the partitions as they are at the moment.
type collector struct{ p *Pipeline }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Describe sends nothing: the collector is unchecked, its labels come with the traffic.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	t := c.p.Ledger.Totals()
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	events := desc("events_total", "Events read, by outcome.", "outcome")
	for o, n := range t.Outcomes {
		counter(events, n, o)
	}
	inputs := desc("partition_events_total", "Events read of an input partition, by outcome; for the delay role, waited.", "topic", "partition", "outcome")
	places := desc("partition_results_total", "Where the events of an input partition went: output, dead_letter or filtered; of the delay role: output (due), moved, gave_up, cancelled or dead_letter. Their sum is that of enricher_partition_events_total.", "topic", "partition", "to")
	for tp, a := range t.Partitions {
		number := strconv.Itoa(int(tp.Partition))
		for o, n := range a.Outcomes {
			counter(inputs, n, tp.Topic, number, enrich.Outcome(o).String())
		}
		counter(places, a.Output, tp.Topic, number, "output")
		counter(places, a.Dead, tp.Topic, number, "dead_letter")
		if c.p.cfg.Role == Filter {
			counter(places, a.Filtered, tp.Topic, number, "filtered")
			continue
		}
		counter(inputs, a.Retries, tp.Topic, number, "waited")
		counter(places, a.Moved, tp.Topic, number, "moved")
		counter(places, a.GaveUp, tp.Topic, number, "gave_up")
		counter(places, a.Cancelled, tp.Topic, number, "cancelled")
	}
	codes := desc("events_by_code_total", "Events by hangup-cause code; codes beyond the first 512 different ones, and unknown ones of seven digits or more, count as other.", "code")
	for code, n := range t.Codes {
		counter(codes, n, strconv.Itoa(int(code)))
	}
	if t.OtherCodes > 0 {
		counter(codes, t.OtherCodes, "other")
	}
	counter(desc("output_records_total", "Events handed to the output topic."), t.Output)
	counter(desc("filtered_events_total", "Events left out of the output because output.drop says so."), t.Filtered)
	counter(desc("replaced_objects_total", "Events that had an object under enrich.field already, which was replaced."), t.Replaced)
	counter(desc("abandoned_records_total", "Records given up unacknowledged when partitions were revoked; their input is processed again by the next owner."), t.Abandoned)
	reasons := desc("dead_letters_total", "Dead letters, by reason.", "reason")
	for r, n := range t.Reasons {
		counter(reasons, n, r)
	}
	routes := desc("route_records_total", "Copies made for routes, by route.", "route")
	for r, n := range t.Routes {
		counter(routes, n, r)
	}
	c.loop(t, counter, gauge)
	acked := desc("acknowledged_records_total", "Records acknowledged by all in-sync replicas, by topic.", "topic")
	for topic, n := range t.Acked {
		counter(acked, n, topic)
	}
	lags := c.p.Lags()
	c.behind(lags, ch)
	if txn := c.p.transaction(); txn != nil {
		counter(desc("transaction_aborts_total", "Transactions given up; their input is processed again."), txn.Aborts())
		counter(desc("transaction_fences_total", "Times that brokers refused a transaction because another process has its id, which is this process's instance name."), txn.Fences())
	}
	gauge(desc("assigned_partitions", "Input partitions that this process owns."), int64(len(lags)))
}

// behind reports the backlog, and how old the filter's is; the delay role's records are meant to wait.
func (c *collector) behind(lags []Lag, ch chan<- prometheus.Metric) {
	records := desc("partition_lag_records", "Records between the committed offset and the end of an owned partition.", "topic", "partition")
	for _, l := range lags {
		if l.Records >= 0 { // else not known yet: 0 would read as caught up, and scale to zero
			ch <- prometheus.MustNewConstMetric(records, prometheus.GaugeValue, float64(l.Records), l.Topic, strconv.Itoa(int(l.Partition)))
		}
	}
	if c.p.cfg.Role != Filter {
		return
	}
	age := desc("partition_lag_seconds", "Age of the newest record of an owned partition that has been worked through, where later ones wait; 0: none does.", "topic", "partition")
	for _, l := range lags {
		if l.Records > 0 && l.Behind < 0 || l.Records < 0 {
			continue // not known yet
		}
		behind := 0.0
		if l.Records > 0 {
			behind = l.Behind.Seconds()
		}
		ch <- prometheus.MustNewConstMetric(age, prometheus.GaugeValue, behind, l.Topic, strconv.Itoa(int(l.Partition)))
	}
}

// loop reports the retry loop.
func (c *collector) loop(t Totals, counter, gauge func(d *prometheus.Desc, v int64, labels ...string)) {
	entered := desc("retry_entered_total", "Redials written to a tier: by the filter when they begin to wait, by the delay role when they move on.", "tier")
	for _, tier := range t.Tiers {
		counter(entered, tier.Entered, tier.Topic)
	}
	gaveUp := desc("retry_gave_up_total", "Calls that will not be dialled again, by reason.", "reason")
	for reason, n := range t.GaveUp {
		counter(gaveUp, n, reason)
	}
	if c.p.cfg.Role != Delay {
		return
	}
	now, tiers := time.Now().UnixMilli(), map[string]Account{}
	for tp, a := range t.Partitions {
		sum := tiers[tp.Topic]
		sum.add(&a)
		tiers[tp.Topic] = sum
	}
	due := desc("retry_due_total", "Redials that came due, by the tier that they waited in last.", "tier")
	cancelled := desc("retry_cancelled_total", "Redials dropped because of a cancel record, by the tier that they waited in.", "tier")
	over := desc("retry_tier_gave_up_total", "Calls given up when their wait was over, by the tier that they waited in.", "tier")
	for tier, sum := range tiers {
		counter(over, sum.GaveUp, tier)
		counter(due, sum.Output, tier)
		counter(cancelled, sum.Cancelled, tier)
	}
	gauge(desc("retry_cancel_keys", "Cancel records in memory."), int64(c.p.cancels.Len()))
	gauge(desc("retry_cancels_behind_seconds", "For how long the topic of cancel records could not be read; from 30 on nothing comes due."), c.p.cancelsBehind(now)/1000)
	c.waiting(now, gauge)
}

// waiting reports what stands in the tiers. A tier of which something is not known yet is left out: 0
// would read as empty.
func (c *collector) waiting(now int64, gauge func(d *prometheus.Desc, v int64, labels ...string)) {
	waiting, oldest, unknown := map[string]int64{}, map[string]int64{}, map[string]bool{}
	for _, l := range c.p.Lags() {
		waiting[l.Topic] += l.Records
		unknown[l.Topic] = unknown[l.Topic] || l.Records < 0
		if l.WaitingSince > 0 {
			oldest[l.Topic] = max(oldest[l.Topic], now-l.WaitingSince)
		}
	}
	records := desc("retry_waiting_records", "Records of a tier's owned partitions that wait, markers of transactions among them.", "tier")
	age := desc("retry_oldest_waiting_seconds", "Time that the oldest waiting record of a tier's owned partitions has been there.", "tier")
	for tier, n := range waiting {
		if unknown[tier] {
			continue
		}
		gauge(records, n, tier)
		gauge(age, oldest[tier]/1000, tier)
	}
}

// Lag is how far one owned partition is behind.
type Lag struct {
	Topic        string
	Partition    int32
	WaitingSince int64         // timestamp of the record that a tier's partition waits for, milliseconds since the epoch; 0: it does not wait
	Records      int64         // end of what may be read, less the committed offset; -1: not known yet
	Behind       time.Duration // since the newest record that was worked through was written; -1: none was
	Committed    int64         // -1: nothing committed yet
}

// Lags lists the owned partitions.
func (p *Pipeline) Lags() []Lag {
	s := p.current.Load()
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	lags := make([]Lag, 0, len(s.order))
	for _, part := range s.order {
		l := Lag{Topic: part.Topic, Partition: part.Partition, WaitingSince: part.waiting, Committed: part.committed, Behind: -1}
		if at := part.newest.Load(); at > 0 {
			l.Behind = max(time.Since(time.UnixMilli(at)), 0)
		}
		if l.Records = -1; part.highWater >= 0 {
			l.Records = max(part.highWater-max(part.committed, part.start), 0)
		}
		lags = append(lags, l)
	}
	return lags
}
