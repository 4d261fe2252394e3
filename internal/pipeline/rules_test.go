package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/retry"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// overlaid is an enricher whose catalog has a name of its own for 3010.
func overlaid(t *testing.T, name string) *enrich.Enricher {
	t.Helper()
	file := filepath.Join(t.TempDir(), "overlay.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "entries:\n  - {code: 3010, name: Busy %s}\n", name), 0o600))
	snap, err := catalog.Load(file)
	require.NoError(t, err)
	e, err := enrich.New(snap, enrich.DefaultOptions())
	require.NoError(t, err)
	return e
}

func toRoute(t *testing.T, name, topic string, rule route.Rule) pipeline.Route {
	t.Helper()
	m, err := route.Compile(rule)
	require.NoError(t, err)
	return pipeline.Route{Name: name, Match: m, Topic: topic}
}

// batchEnds gives the offset behind each batch of a partition, as they lie there.
func (w *world) batchEnds(topic string, partition int32) (ends []int64) {
	w.t.Helper()
	cl := w.client()
	listed, err := kadm.NewClient(cl).ListEndOffsets(w.t.Context(), topic)
	require.NoError(w.t, err)
	details, err := kadm.NewClient(cl).ListTopics(w.t.Context(), topic)
	require.NoError(w.t, err)
	end, _ := listed.Lookup(topic, partition)
	for at := int64(0); at < end.Offset; at = ends[len(ends)-1] {
		req, of, from := kmsg.NewPtrFetchRequest(), kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		from.Partition, from.FetchOffset, from.PartitionMaxBytes = partition, at, 1<<20
		of.Topic, of.TopicID, of.Partitions = topic, details[topic].ID, append(of.Partitions, from)
		req.MaxBytes, req.Topics = 1<<20, append(req.Topics, of)
		resp, err := req.RequestWith(w.t.Context(), cl.Broker(int(details[topic].Partitions[partition].Leader)))
		require.NoError(w.t, err)
		require.Zero(w.t, resp.Topics[0].Partitions[0].ErrorCode)
		for rest := resp.Topics[0].Partitions[0].RecordBatches; len(rest) > 0; {
			var b recordbatch.Batch
			rest, err = recordbatch.Next(rest, &b)
			require.NoError(w.t, err)
			ends = append(ends, b.NextOffset())
		}
	}
	return ends
}

// Rules are swapped under way, again and again: each batch is worked through by one set of them, and nothing is lost.
func TestRulesChangeBetweenBatches(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		w := newWorld(t, map[string]int32{"in": 2, "out": 2, "dead": 1, "retry": 1, "other": 3})
		w.cfg.ExactlyOnce = exactly
		busyRule := route.Rule{Codes: []route.CodeRange{{From: 3010, To: 3010}}}
		sets := []pipeline.Rules{
			{Enricher: overlaid(t, "a"), Routes: []pipeline.Route{toRoute(t, "retry", "retry", busyRule)}},
			{Enricher: overlaid(t, "b"), Routes: []pipeline.Route{toRoute(t, "first", "other", busyRule), toRoute(t, "retry", "other", busyRule), toRoute(t, "last", "retry", busyRule)}},
			{Enricher: overlaid(t, "c")},
		}
		w.cfg.Rules = sets[0]
		f := w.start(w.cfg)

		const batches, perBatch = 150, 40
		cl := w.client(kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ManualFlushing())
		for b := range batches {
			for i := range perBatch {
				cl.Produce(t.Context(), &kgo.Record{Partition: int32(b % 2), Value: fmt.Appendf(nil, `{"Direction":"outbound","HangupCauseCode":"3010","partition":%d,"offset":%d}`, b%2, b/2*perBatch+i)}, nil)
			}
			require.NoError(t, cl.Flush(t.Context()))
			swap, err := f.Stage(t.Context(), sets[(b+1)%len(sets)])
			require.NoError(t, err)
			swap()
		}
		w.until("all read", func() bool { return f.Ledger.Totals().In == batches*perBatch })
		require.NoError(t, f.stop())

		totals := f.Ledger.Totals()
		require.True(t, totals.Conserved(), "%v, acknowledged %v, routes %v", totals, totals.Acked, totals.Routes)
		ends := [2][]int64{w.batchEnds("in", 0), w.batchEnds("in", 1)} // the client makes two of one now and then
		of, names := map[[2]int64]string{}, map[string]int64{}
		for _, r := range w.read("out", batches*perBatch) {
			name := gjson.GetBytes(r.Value, "hangup.name").Str
			names[name]++
			p := gjson.GetBytes(r.Value, "partition").Int()
			n, _ := slices.BinarySearch(ends[p], gjson.GetBytes(r.Value, "offset").Int()+1)
			if before, ok := of[[2]int64{p, ends[p][n]}]; ok {
				require.Equal(t, before, name, "the batch up to %d of partition %d was worked through by two catalogs", ends[p][n], p)
			}
			of[[2]int64{p, ends[p][n]}] = name
		}
		t.Logf("events by catalog: %v", names)
		require.Greater(t, len(names), 1, "the rules never changed")
		require.Equal(t, map[string]int64{
			"retry": names["Busy a"] + names["Busy b"], "first": names["Busy b"], "last": names["Busy b"],
		}, totals.Routes)
		require.Equal(t, names["Busy a"]+names["Busy b"], totals.Acked["retry"])
		require.Equal(t, 2*names["Busy b"], totals.Acked["other"])
	})
}

// What cannot be used is not taken, and the rules before it stay in force.
func TestRulesThatCannotBeUsed(t *testing.T) {
	w := newWorld(t, same(1))
	f := w.start(w.cfg)
	w.put(busy)
	w.until("the first is out", func() bool { return f.Ledger.Totals().Output == 1 })

	next := w.cfg.Rules
	next.Routes = append(next.Routes, toRoute(t, "more", "nowhere", route.Rule{Outcomes: []string{"enriched"}}))
	_, err := f.Stage(t.Context(), next)
	require.ErrorContains(t, err, `topic "nowhere" does not exist: create it with `+"`kafka-topics.sh ")
	require.ErrorContains(t, err, "--create --topic nowhere --partitions 1 ")
	w.put(busy)
	w.until("the second is out", func() bool { return f.Ledger.Totals().Output == 2 })
	require.NotContains(t, f.Ledger.Totals().Routes, "more")

	// Once the topic is there, they can.
	_, err = kadm.NewClient(w.client()).CreateTopic(t.Context(), 2, 1, nil, "nowhere")
	require.NoError(t, err)
	swap, err := f.Stage(t.Context(), next)
	require.NoError(t, err)
	w.put(busy)
	w.until("the third is out", func() bool { return f.Ledger.Totals().Output == 3 })
	require.NotContains(t, f.Ledger.Totals().Routes, "more", "staged is not swapped")
	swap()
	w.put(busy)
	w.until("the fourth is out", func() bool { return f.Ledger.Totals().Routes["more"] == 1 })
	require.NoError(t, f.stop())
	require.Len(t, w.read("nowhere", 1), 1)
	require.True(t, f.Ledger.Totals().Conserved())
}

// A topic that is missing is made where that is asked for.
func TestRulesMakeTheirTopics(t *testing.T) {
	w := newWorld(t, same(1))
	w.cfg.CreateTopics = true
	f := w.start(w.cfg)
	next := w.cfg.Rules
	next.Routes = []pipeline.Route{toRoute(t, "more", "made", route.Rule{Outcomes: []string{"enriched"}})}
	swap, err := f.Stage(t.Context(), next)
	require.NoError(t, err)
	swap()
	w.put(busy)
	require.Len(t, w.read("made", 1), 1)
	require.NoError(t, f.stop())
}

// Before the start is over there is nothing that rules could be checked with.
func TestRulesWaitForTheStart(t *testing.T) {
	w := newWorld(t, same(1))
	p := pipeline.New(w.cfg, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Stage(ctx, w.cfg.Rules)
	require.ErrorContains(t, err, "the filter is still starting")
}

// The loop's rules change for both roles; its topics do not.
func TestRulesOfTheLoop(t *testing.T) {
	inLoop(t, func(c *retry.Config, _ *retry.FieldsConfig, p *pipeline.Retry) {
		c.AssumeFirst, p.DuePerSecond = true, 1
	}, func(l *loop) {
		l.watch("due", "gave-up")
		f, _ := l.start(l.cfg)
		d, stop := l.start(l.delays("b"))
		unknown := func(id string) *kgo.Record { // does not tell its attempt
			return kgo.StringRecord(fmt.Sprintf(`{"Direction":"outbound","HangupCauseCode":"3010","CallUUID":%s}`, strconv.Quote(id)))
		}
		send := func(id string) {
			r := unknown(id)
			r.Topic, r.Timestamp = "in", time.Now().Add(-time.Hour)
			require.NoError(t, l.source.ProduceSync(context.Background(), r).FirstErr())
		}
		for i := range 3 {
			send(strconv.Itoa(i))
		}
		due := l.until("due", 3, time.Minute)
		require.GreaterOrEqual(t, due[2].at.Sub(due[0].at), 1900*time.Millisecond, "one a second")

		loop, err := retry.New(retry.Config{Tiers: loopTiers(), MaxAge: 24 * time.Hour})
		require.NoError(t, err)
		next := pipeline.Rules{Enricher: enricher(t), Retry: &pipeline.Retry{Loop: loop, Fields: l.retry.Fields, GaveUp: "elsewhere", DuePerSecond: 100}}
		for _, p := range []*pipeline.Pipeline{f, d} {
			swap, err := p.Stage(context.Background(), next)
			require.NoError(t, err)
			swap()
		}
		send("unknown")
		require.Equal(t, "attempt_unknown", header(l.until("gave-up", 1, time.Minute)[0].Record, "hangup-gave-up"))
		overdue := calls(20)
		for i := range overdue {
			overdue[i].ago = time.Hour
		}
		l.fail(overdue...)
		due = l.until("due", 23, 10*time.Minute)
		require.Less(t, due[22].at.Sub(due[3].at), 10*time.Second, "a hundred a second, and not one")
		require.NoError(t, stop())
		require.True(t, d.Ledger.Totals().Conserved())
	})
}
