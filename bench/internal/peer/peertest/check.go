package peertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Contestant is one program to be held to the contract.
type Contestant struct {
	// Run runs it with these arguments, until ctx ends. It returns an error if the program does not end cleanly then.
	Run func(ctx context.Context, args []string, stdout io.Writer) error
	// Expect is what has to become of a record, nil for what pkg/enrich makes of it.
	Expect func(r *kgo.Record, out, dead string) *kgo.Record
	// Equal compares the value written with the one expected, nil for byte by byte.
	Equal func(tb testing.TB, want, got []byte, msg string)
	// Forgets is set if it begins at the start every time.
	Forgets bool
}

const (
	// events are as many as to have each kind of value in each partition several times with each kind of headers.
	events = 900
	// batchBytes makes several batches of them.
	batchBytes = 8 << 10
	// limit is for one program to do its work, with a Java machine to start.
	limit = 2 * time.Minute
)

// Check runs a contestant on a cluster: once with the first half of the events, then again
// with the rest. Events come in the compression that is asked for. extra are arguments besides the contract's.
func Check(tb testing.TB, brokers []string, c Contestant, delivery, compression string, extra ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	o := NewOracle(tb)
	if c.Expect == nil {
		c.Expect = o.Expect
	}
	s := newSetting(ctx, tb, brokers, compression)
	args := append([]string{
		"-brokers", strings.Join(brokers, ","), "-in", s.in, "-out", s.out, "-dead", s.dead,
		"-group", s.in + "-group", "-table", o.WriteTable(tb),
		"-delivery", delivery, "-compression", compression,
	}, extra...)

	all := Events(s.in, events)
	halves := [][]*kgo.Record{all[:events/2], all[events/2:]}
	if c.Forgets {
		halves = [][]*kgo.Record{all}
	}
	for _, half := range halves {
		for _, r := range half {
			s.want = append(s.want, c.Expect(r, s.out, s.dead))
		}
		s.run(ctx, tb, c, args, half)
	}
	s.readRest(ctx, tb)
	s.compare(tb, c)
}

// setting is one run's topics and what is read from them.
type setting struct {
	in, out, dead string
	client        *kgo.Client // produces events, reads results
	want          []*kgo.Record
	got           []*kgo.Record
}

func newSetting(ctx context.Context, tb testing.TB, brokers []string, compression string) *setting {
	tb.Helper()
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	name := fmt.Sprintf("t%d", time.Now().UnixNano()) // several tests share a cluster
	s := &setting{in: name + "-in", out: name + "-out", dead: name + "-dead"}
	var err error
	s.client, err = kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[compression]), kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ConsumeTopics(s.out, s.dead), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	require.NoError(tb, err)
	tb.Cleanup(s.client.Close)
	keep := "-1" // events have times of their own, which a broker would find old
	resp, err := kadm.NewClient(s.client).CreateTopics(ctx, Partitions, 1, map[string]*string{"retention.ms": &keep}, s.in, s.out, s.dead)
	require.NoError(tb, err)
	require.NoError(tb, resp.Error())
	return s
}

// run produces records, starts the program, and stops it when all results are there.
func (s *setting) run(ctx context.Context, tb testing.TB, c Contestant, args []string, records []*kgo.Record) {
	tb.Helper()
	require.NoError(tb, s.client.ProduceSync(ctx, records...).FirstErr())
	programCtx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	var stdout bytes.Buffer
	go func() { ended <- c.Run(programCtx, args, &stdout) }()
	readCtx, giveUp := context.WithCancel(ctx)
	var runErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		runErr = <-ended
		giveUp()
	})
	s.read(readCtx, func() bool { return len(s.got) >= len(s.want) })
	stop()
	wg.Wait()
	require.NoError(tb, runErr, "the program; %d of %d results were there", len(s.got), len(s.want))
	require.Equal(tb, "first\n", stdout.String(), "standard output")
}

// read takes results until they are enough or ctx ends.
func (s *setting) read(ctx context.Context, enough func() bool) {
	for !enough() && ctx.Err() == nil {
		s.client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { s.got = append(s.got, r) })
	}
}

// readRest reads to the end: up to a record that is put there.
func (s *setting) readRest(ctx context.Context, tb testing.TB) {
	tb.Helper()
	last := []byte("the end")
	for _, topic := range []string{s.out, s.dead} {
		for p := range int32(Partitions) {
			require.NoError(tb, s.client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: p, Value: last}).FirstErr())
		}
	}
	ends, seen := 0, 0
	s.read(ctx, func() bool {
		for ; seen < len(s.got); seen++ {
			if bytes.Equal(s.got[seen].Value, last) {
				ends++
			}
		}
		return ends == 2*Partitions
	})
	require.Equal(tb, 2*Partitions, ends, "partitions read to their end")
}

// compare compares partition by partition, in order.
func (s *setting) compare(tb testing.TB, c Contestant) {
	tb.Helper()
	type place struct {
		topic     string
		partition int32
	}
	want, got := map[place][]*kgo.Record{}, map[place][]*kgo.Record{}
	for _, r := range s.want {
		want[place{r.Topic, r.Partition}] = append(want[place{r.Topic, r.Partition}], r)
	}
	for _, r := range s.got {
		got[place{r.Topic, r.Partition}] = append(got[place{r.Topic, r.Partition}], r)
	}
	for at, written := range got {
		written = written[:len(written)-1] // what readRest put there
		require.Len(tb, written, len(want[at]), "records in %s/%d", at.topic, at.partition)
		for i, w := range want[at] {
			msg := fmt.Sprintf("record %d of %s/%d: %s", i, at.topic, at.partition, written[i].Value)
			s.compareRecord(tb, c, w, written[i], msg)
		}
	}
}

func (s *setting) compareRecord(tb testing.TB, c Contestant, w, g *kgo.Record, msg string) {
	tb.Helper()
	require.Equal(tb, w.Key, g.Key, msg)
	require.Equal(tb, w.Timestamp.UnixMilli(), g.Timestamp.UnixMilli(), msg)
	require.GreaterOrEqual(tb, len(g.Headers), len(w.Headers), msg)
	headers := g.Headers
	if w.Topic == s.dead { // a program may add some there
		headers = headers[:len(w.Headers)]
	}
	if len(w.Headers)+len(headers) > 0 {
		require.Equal(tb, w.Headers, headers, msg)
	}
	if c.Equal == nil || w.Topic == s.dead || w.Value == nil {
		require.Equal(tb, w.Value, g.Value, msg)
		return
	}
	c.Equal(tb, w.Value, g.Value, msg)
}
