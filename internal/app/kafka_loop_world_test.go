//go:build kafka

package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// loopWorld is a retry loop's topics on a real cluster, with who feeds and who watches them.
type loopWorld struct {
	t      *testing.T
	c      *kafkatest.Cluster
	cfg    *config.Config // of both roles, whose user has the rights of both
	source *kgo.Client
	admin  *kadm.Client

	mu   sync.Mutex
	seen map[string][]sighting // by topic
}

// sighting is a record, and when a read_committed reader saw it.
type sighting struct {
	*kgo.Record
	at time.Time
}

// newLoopWorld makes the topics of a loop; their names begin with prefix, which ends with a dot, so that several
// loops have room on one cluster.
func newLoopWorld(t *testing.T, c *kafkatest.Cluster, prefix string, waits []time.Duration) *loopWorld {
	t.Helper()
	const partitions = 4
	cfg := configFor()
	logInAs(t, cfg, c, kafkatest.Both)
	cfg.Routes = nil
	cfg.Kafka.Instance, cfg.Kafka.TransactionTimeout = "one", 10*time.Second
	cfg.Input.Topics, cfg.Input.Group = []string{prefix + "raw"}, prefix+"enricher"
	cfg.Output.Topic, cfg.DeadLetter.Topic = prefix+"enriched", prefix+"dead"
	cfg.Retry.Due, cfg.Retry.GaveUp = prefix+"due", prefix+"gave-up"
	cfg.Limits.SessionTimeout = 6 * time.Second // the least that brokers allow by default
	for _, topic := range []string{prefix + "raw", cfg.Output.Topic, cfg.DeadLetter.Topic, cfg.Retry.Due, cfg.Retry.GaveUp} {
		c.CreateTopic(t, topic, partitions, "retention.ms", "-1")
	}
	for _, wait := range waits {
		tier := config.Tier{Topic: prefix + "wait-" + wait.String(), Wait: wait}
		cfg.Retry.Tiers = append(cfg.Retry.Tiers, tier)
		c.CreateTopic(t, tier.Topic, partitions)
	}
	for _, role := range []string{kafkatest.Filter, kafkatest.Delay} {
		c.Give(t, kafkatest.Both, role, kafkatest.Names{
			"calls.raw": cfg.Input.Topics, "calls.enriched": {cfg.Output.Topic}, "calls.dead": {cfg.DeadLetter.Topic},
			"calls.gave-up": {cfg.Retry.GaveUp}, "calls.due": {cfg.Retry.Due}, "calls.cancel": {prefix + "cancels"},
			"calls.retry.": {prefix + "wait-"}, "calls.": {prefix},
			"enricher": {cfg.Input.Group}, "enricher/filter/": {cfg.Input.Group + "/filter/"},
			"enricher.delay": {cfg.DelayGroup()}, "enricher.delay/delay/": {cfg.DelayGroup() + "/delay/"},
		})
	}
	source, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic(prefix+"raw"), kgo.ProducerLinger(5*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(source.Close)
	return &loopWorld{t: t, c: c, cfg: cfg, source: source, admin: kadm.NewClient(source), seen: map[string][]sighting{}}
}

// watch reads topics until the end of the test, and notes when each record can be seen.
func (w *loopWorld) watch(topics ...string) {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.c.Addrs()...), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			fetches := cl.PollFetches(ctx)
			at := time.Now()
			w.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) { w.seen[r.Topic] = append(w.seen[r.Topic], sighting{r, at}) })
			w.mu.Unlock()
		}
	})
	w.t.Cleanup(func() { cancel(); reading.Wait(); cl.Close() })
}

func (w *loopWorld) count(topic string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen[topic])
}

func (w *loopWorld) all(topic string) []sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen[topic])
}

// until polls: what the brokers show is only known by asking.
func (w *loopWorld) until(what string, limit time.Duration, cond func() bool) {
	w.t.Helper()
	for begun := time.Now(); !cond(); time.Sleep(20 * time.Millisecond) {
		require.Less(w.t, time.Since(begun), limit, what)
	}
}

// drained tells whether the delay role has committed everything on the tiers.
func (w *loopWorld) drained() bool {
	var tiers []string
	for _, tier := range w.cfg.Retry.Tiers {
		tiers = append(tiers, tier.Topic)
	}
	ends, err := w.admin.ListCommittedOffsets(w.t.Context(), tiers...)
	require.NoError(w.t, err)
	committed, err := w.admin.FetchOffsets(w.t.Context(), w.cfg.DelayGroup())
	require.NoError(w.t, err)
	missing := 0
	ends.Each(func(end kadm.ListedOffset) {
		if at, ok := committed.Lookup(end.Topic, end.Partition); !ok || at.At < end.Offset {
			missing++
		}
	})
	return missing == 0
}

// readAll counts the records that a read_committed reader finds in topics.
func (w *loopWorld) readAll(topics []string) map[string]int {
	w.t.Helper()
	ends, err := w.admin.ListCommittedOffsets(w.t.Context(), topics...)
	require.NoError(w.t, err)
	left := 0
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left++
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.c.Addrs()...), kgo.ConsumeTopics(topics...), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(w.t, err)
	defer cl.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	counts := map[string]int{}
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		require.NoError(w.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				counts[r.Topic]++
			}
			if end, _ := ends.Lookup(r.Topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
		})
	}
	return counts
}

// failure is a call that has failed, and what the loop has to make of it.
type failure struct {
	id, to    string
	code      int32
	attempt   int
	inHeader  bool  // where the attempt is said
	endedMS   int64 // the event's timestamp
	notBefore time.Time
	late      bool // notBefore had passed when it was produced
	retryID   string
}

func (f *failure) record() *kgo.Record {
	r := &kgo.Record{
		Key: []byte(f.id), Timestamp: time.UnixMilli(f.endedMS),
		Value:   fmt.Appendf(nil, `{"CallUUID":"%s","Direction":"outbound","HangupCauseCode":"%d","To":"%s"`, f.id, f.code, f.to),
		Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(f.id)}},
	}
	if f.inHeader {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "hangup-attempt", Value: []byte(strconv.Itoa(f.attempt))})
	} else {
		r.Value = fmt.Appendf(r.Value, `,"hangup_attempt":%d`, f.attempt)
	}
	r.Value = append(r.Value, '}')
	return r
}

// maker makes failures that come due when the test wants them to, whatever the catalog's delays: it asks
// for the advice first and chooses the time of the call by it.
type maker struct {
	enricher *enrich.Enricher
	result   enrich.Result
	rand     *rand.Rand
	codes    []int32
	n        int
}

func newMaker(t *testing.T, cfg *config.Config, seed uint64) *maker {
	t.Helper()
	e, err := enrich.New(catalog.Default(), app.EnrichOptions(cfg))
	require.NoError(t, err)
	m := &maker{enricher: e, rand: rand.New(rand.NewPCG(seed, 1))}
	for _, entry := range catalog.Default().Entries() {
		f := failure{id: "x", code: entry.Code, attempt: 1}
		if advice := m.advice(&f); advice.Retryable && advice.DelayS < int64(cfg.Retry.MaxAge.Seconds())/2 {
			m.codes = append(m.codes, entry.Code)
		}
	}
	require.NotEmpty(t, m.codes)
	return m
}

func (m *maker) advice(f *failure) enrich.Advice {
	r := f.record()
	rec := enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: f.endedMS}
	if f.inHeader {
		rec.HeaderAttempt = r.Headers[1].Value
	}
	m.enricher.Enrich(&rec, &m.result)
	return m.result.Advice
}

// failing makes a failure that may be dialled again at a time.
func (m *maker) failing(at time.Time) failure {
	m.n++
	f := failure{
		id: fmt.Sprintf("call-%d-%d", m.n, m.rand.Uint32()), to: strconv.Itoa(15_550_000 + m.n), code: m.codes[m.rand.IntN(len(m.codes))],
		attempt: 1 + m.rand.IntN(2), inHeader: m.rand.IntN(2) == 0, notBefore: at, late: at.Before(time.Now()),
	}
	advice := m.advice(&f)
	if !advice.Retryable { // twice is too often for this code
		f.attempt = 1
		advice = m.advice(&f)
	}
	f.endedMS = at.UnixMilli() - 1000*advice.DelayS
	f.retryID = string(m.result.RetryID)
	f.notBefore = time.UnixMilli(at.UnixMilli()) // as Kafka's timestamps have it
	return f
}

// send produces failures, and returns when all are acknowledged.
func (w *loopWorld) send(failures ...failure) error {
	records := make([]*kgo.Record, len(failures))
	for i := range failures {
		records[i] = failures[i].record()
	}
	return w.source.ProduceSync(context.Background(), records...).FirstErr()
}

func headersOf(t *testing.T, r *kgo.Record) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, h := range r.Headers {
		require.NotContains(t, all, h.Key, "a header stands twice")
		all[h.Key] = string(h.Value)
	}
	return all
}
