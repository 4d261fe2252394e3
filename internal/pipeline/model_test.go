package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/pipeline"
	"github.com/callstream/enricher/internal/route"
)

// The model test: random operations on a cluster and up to three filters, from a seed, in
// virtual time. Whatever happens on the way, in the end every event must have come out, in
// exactly_once exactly once, each in its place and in its order. A failing seed replays:
//
//	MODEL_SEED=17 go test ./internal/pipeline -run TestModel -v
//
// MODEL_RUNS sets how many seeds are tried.
func TestModel(t *testing.T) {
	runs := 60
	if n, err := strconv.Atoi(os.Getenv("MODEL_RUNS")); err == nil {
		runs = n
	}
	first := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("MODEL_SEED"), 10, 64); err == nil {
		first, runs = n, 1
	}
	t.Logf("seeds %d to %d", first, first+uint64(runs)-1)
	for i := range runs {
		seed := first + uint64(i)
		exactly := seed%4 != 0 // three of four
		t.Run(fmt.Sprintf("seed %d, exactly once %v", seed, exactly), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newModel(t, seed, exactly).run() })
		})
	}
}

// model is one run: the cluster, the filters, and what must come out.
type model struct {
	t       *testing.T
	rng     *rand.Rand
	exactly bool
	network *kfake.VirtualNetwork
	cluster *kfake.Cluster
	source  *kgo.Client
	log     []string
	logged  *observer.ObservedLogs
	zap     *zap.Logger

	events  []string // ids, in the order produced
	filters map[string]*process
}

// process is one filter with a network that can fail.
type process struct {
	name   string
	p      *pipeline.Pipeline
	wire   *wire
	cancel context.CancelFunc
	done   chan error
}

func newModel(t *testing.T, seed uint64, exactly bool) *model {
	t.Helper()
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), exactly: exactly, network: new(kfake.VirtualNetwork), filters: map[string]*process{}}
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ListenFn(m.network.Listen), kfake.Ports(9001, 9002, 9003),
		kfake.SeedTopics(3, "in", "out"), kfake.SeedTopics(1, "dead"), kfake.SeedTopics(2, "retry"))
	require.NoError(t, err)
	m.cluster = c
	m.source = m.client(kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	core, logged := observer.New(zapcore.InfoLevel)
	m.zap, m.logged = zap.New(core), logged
	return m
}

func (m *model) client(opts ...kgo.Opt) *kgo.Client {
	m.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(m.cluster.ListenAddrs()...), kgo.Dialer(m.network.DialContext)}, opts...)...)
	require.NoError(m.t, err)
	return cl
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%8v ", time.Since(synctestEpoch).Truncate(time.Millisecond))+fmt.Sprintf(format, args...))
}

// synctestEpoch is when virtual time begins.
var synctestEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *model) run() {
	defer func() {
		if m.t.Failed() {
			m.t.Logf("what was done:\n%s", strings.Join(m.log, "\n"))
			for _, e := range m.logged.All() {
				m.t.Logf("%v %s %s %v", e.Time.Sub(synctestEpoch).Truncate(time.Millisecond), e.LoggerName, e.Message, e.ContextMap())
			}
		}
	}()
	m.produce(20)
	m.start()
	for range 25 {
		m.step()
	}
	m.finish()
}

// step does one random thing.
func (m *model) step() {
	running := m.running()
	one := func() *process { return running[m.rng.IntN(len(running))] }
	switch n := m.rng.IntN(100); {
	case n < 30:
		m.produce(1 + m.rng.IntN(40))
	case n < 45:
		m.start()
	case n < 50 && len(running) > 0:
		m.stop(one())
	case n < 60 && len(running) > 0:
		p := one()
		after := m.rng.IntN(60)
		m.note("crash %s after %d more requests", p.name, after)
		p.wire.dieAfter(after, m.rng.IntN(2) == 0)
	case n < 66 && len(running) > 0:
		p := one()
		m.note("cut %s", p.name)
		p.wire.cut()
	case n < 70 && len(running) > 0:
		p := one()
		d := time.Duration(1+m.rng.IntN(12)) * time.Second
		m.note("stall %s for %v", p.name, d)
		p.wire.stall(d)
	case n < 84:
		m.fault()
	case n < 88:
		m.note("move leaders")
		m.cluster.ShufflePartitionLeaders()
	case n < 91:
		m.note("move coordinators")
		m.cluster.RehashCoordinators()
	}
	time.Sleep(time.Duration(m.rng.IntN(1500)) * time.Millisecond)
	m.bury()
}

func (m *model) running() []*process {
	var all []*process
	for _, name := range []string{"a", "b", "c"} {
		if p, ok := m.filters[name]; ok {
			all = append(all, p)
		}
	}
	return all
}

// produce makes events: retryable ones, broken ones, ones without a code, tombstones.
func (m *model) produce(n int) {
	m.note("produce %d", n)
	for range n {
		id := strconv.Itoa(len(m.events))
		value := []byte(busy)
		switch len(m.events) % 5 {
		case 1:
			value = []byte("{broken")
		case 2:
			value = []byte(`{"Event":"Ring"}`)
		case 3:
			value = nil
		}
		m.events = append(m.events, id)
		m.source.Produce(context.Background(), &kgo.Record{Key: []byte("key" + strconv.Itoa(len(m.events)%7)), Value: value, Headers: []kgo.RecordHeader{{Key: "id", Value: []byte(id)}}},
			func(_ *kgo.Record, err error) {
				if err != nil {
					m.t.Errorf("produce %s: %v", id, err)
				}
			})
	}
}

// start starts an instance whose name is free: a new one, or one that crashed before.
func (m *model) start() {
	for _, name := range []string{"a", "b", "c"} {
		if _, ok := m.filters[name]; ok {
			continue
		}
		m.note("start %s", name)
		retryable := true
		match, err := route.Compile(route.Rule{Retryable: &retryable})
		require.NoError(m.t, err)
		cfg := pipeline.Config{
			Topics: []string{"in"}, Group: "g", Start: broker.Earliest, ReadCommitted: true,
			Output: "out", DeadLetter: "dead",
			Rules: pipeline.Rules{Enricher: enricher(m.t), Routes: []pipeline.Route{{Name: "retry", Match: match, Topic: "retry"}}},
			Codec: recordbatch.None, FetchBytes: 1 << 20, BatchBytes: 64 << 10, BufferBytes: 1 << 20, Linger: time.Millisecond,
			CommitInterval: 100 * time.Millisecond, SessionTimeout: 6 * time.Second, ShutdownTimeout: 15 * time.Second,
			ExactlyOnce: m.exactly, Instance: name, TransactionTimeout: 10 * time.Second,
		}
		w := &wire{dialer: m.network.DialContext, conns: map[*wireConn]struct{}{}, budget: -1}
		client := broker.NewClient(broker.Config{Brokers: m.cluster.ListenAddrs(), ClientID: name, Topics: cfg.AllTopics(), Dial: w.dial})
		p := pipeline.New(cfg, client, m.zap.Named(name))
		ctx, cancel := context.WithCancel(context.Background())
		f := &process{name: name, p: p, wire: w, cancel: cancel, done: make(chan error, 1)}
		go func() {
			err := p.Run(ctx)
			client.Close()
			f.done <- err
		}()
		m.filters[name] = f
		return
	}
}

func (m *model) stop(p *process) {
	m.note("stop %s", p.name)
	p.cancel()
	m.note("stopped %s: %v", p.name, <-p.done)
	if totals := p.p.Ledger.Totals(); !totals.Conserved() {
		m.t.Errorf("%s does not conserve: %v, acknowledged %v, abandoned %d", p.name, totals, totals.Acked, totals.Abandoned)
	}
	delete(m.filters, p.name)
}

// bury takes away processes that have crashed: a dead process does nothing any more, so its
// network is closed and its goroutines are waited for.
func (m *model) bury() {
	for _, p := range m.running() {
		select {
		case err := <-p.done:
			m.note("%s ended by itself: %v", p.name, err)
			delete(m.filters, p.name)
			continue
		default:
		}
		if p.wire.dead() {
			m.note("bury %s", p.name)
			p.cancel()
			m.note("buried: %v", <-p.done)
			delete(m.filters, p.name)
		}
	}
}

// fault makes the next requests of one kind fail with an error that a client has to bear.
func (m *model) fault() {
	type kind struct {
		keys []kmsg.Key
		errs []*kerr.Error
	}
	leader := []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError}
	coordinator := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress}
	kinds := []kind{
		{[]kmsg.Key{kmsg.Produce}, append(slices.Clone(leader), kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut)},
		{[]kmsg.Key{kmsg.Fetch}, append(slices.Clone(leader), kerr.OffsetNotAvailable, kerr.UnknownLeaderEpoch)},
		{[]kmsg.Key{kmsg.OffsetFetch}, append(slices.Clone(coordinator), kerr.UnstableOffsetCommit)},
		{[]kmsg.Key{kmsg.OffsetCommit, kmsg.TxnOffsetCommit}, append(slices.Clone(coordinator), kerr.RequestTimedOut)},
		{[]kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.EndTxn, kmsg.InitProducerID}, append(slices.Clone(coordinator), kerr.ConcurrentTransactions)},
		{[]kmsg.Key{kmsg.Heartbeat}, append(slices.Clone(coordinator), kerr.RebalanceInProgress, kerr.UnknownMemberID)},
		{[]kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup}, append(slices.Clone(coordinator), kerr.RebalanceInProgress)},
		{[]kmsg.Key{kmsg.ListOffsets}, leader},
	}
	k := kinds[m.rng.IntN(len(kinds))]
	f := kfake.Fault{Keys: []kmsg.Key{k.keys[m.rng.IntN(len(k.keys))]}, Err: k.errs[m.rng.IntN(len(k.errs))], Count: 1 + m.rng.IntN(4)}
	if f.Keys[0] == kmsg.Produce { // the source is not on trial
		f.When = func(r kmsg.Request) bool {
			pr, ok := r.(*kmsg.ProduceRequest)
			return ok && len(pr.Topics) > 0 && pr.Topics[0].Topic != "in"
		}
	}
	if f.Keys[0] == kmsg.InitProducerID { // as above
		f.When = func(r kmsg.Request) bool {
			ir, ok := r.(*kmsg.InitProducerIDRequest)
			return ok && ir.TransactionalID != nil
		}
	}
	m.note("fault %v: %v, %d times", f.Keys[0].Name(), f.Err.Message, f.Count)
	m.cluster.Fault(f)
}

// finish lets everything come through, and compares with what had to.
func (m *model) finish() {
	m.note("finish")
	if err := m.source.Flush(context.Background()); err != nil {
		m.t.Errorf("flush: %v", err)
	}
	deadline := time.Now().Add(10 * time.Minute)
	for i := 1; ; i++ {
		m.bury()
		if len(m.filters) == 0 {
			m.start()
		}
		time.Sleep(time.Second)
		if m.caughtUp() {
			break
		}
		if i%60 == 0 {
			m.evictGhosts()
		}
		if time.Now().After(deadline) {
			m.t.Errorf("not caught up after ten minutes")
			break
		}
	}
	for _, p := range m.running() {
		m.stop(p)
	}
	m.check()
	m.source.Close()
	m.cluster.Close()
}

// evictGhosts makes the group forget members that are no process any more. One whose answer
// to JoinGroup was lost never heartbeats: Kafka drops it after the session timeout, kfake
// keeps it, with partitions that nobody reads.
func (m *model) evictGhosts() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	groups, err := kadm.NewClient(m.source).DescribeGroups(ctx, "g")
	if err != nil || len(groups["g"].Members) <= len(m.filters) {
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = "g"
	for _, member := range groups["g"].Members { // all: which of two is the ghost cannot be seen, and the others rejoin
		lm := kmsg.NewLeaveGroupRequestMember()
		lm.MemberID = member.MemberID
		req.Members = append(req.Members, lm)
	}
	m.note("evict %d members of %d processes", len(req.Members), len(m.filters))
	_, err = m.source.Request(ctx, req)
	if err != nil {
		m.note("evict: %v", err)
	}
}

// caughtUp asks the cluster, not the filters, whose view may be stale: everything that may be
// read is committed.
func (m *model) caughtUp() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	offsets, err := kadm.NewClient(m.source).FetchOffsets(ctx, "g")
	if err != nil {
		return false
	}
	for p := range int32(3) {
		o, ok := offsets.Lookup("in", p)
		if !ok || o.At != m.cluster.PartitionInfo("in", p).HighWatermark {
			return false
		}
	}
	return true
}

func (m *model) check() {
	seen := map[string]map[string]int{"out": {}, "dead": {}, "retry": {}}
	cl := m.client(kgo.ConsumeTopics("out", "dead", "retry"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	defer cl.Close()
	last := map[string]int{} // by key and topic
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		fs := cl.PollFetches(ctx)
		cancel()
		if fs.NumRecords() == 0 {
			break
		}
		fs.EachRecord(func(r *kgo.Record) {
			id := header(r, "id")
			seen[r.Topic][id]++
			n, err := strconv.Atoi(id)
			require.NoError(m.t, err)
			lane := r.Topic + string(r.Key)
			if m.exactly && n < last[lane] {
				m.t.Errorf("%s: id %d after %d of the same key", r.Topic, n, last[lane])
			}
			last[lane] = n
		})
	}
	want := func(topic, id string, n int) {
		got := seen[topic][id]
		if n == 0 && got > 0 || n > 0 && got == 0 || m.exactly && got != n {
			m.t.Errorf("%s: id %s came %d times, want %d", topic, id, got, n)
		}
	}
	for i, id := range m.events {
		broken := i%5 == 1
		retry := i%5 == 0 || i%5 == 4
		want("dead", id, btoi(broken))
		want("out", id, btoi(!broken))
		want("retry", id, btoi(retry))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// wire is a process's network: it can be cut, stalled, and can die at a given request.
type wire struct {
	dialer func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	conns   map[*wireConn]struct{}
	budget  int // writes until death; -1: none
	sendIt  bool
	gone    bool
	stalled time.Time // nothing moves before
}

var errDead = errors.New("the process is dead")

// wireConn never blocks in Write for longer than the broker does: kafka-go writes under a
// mutex, and virtual time stands still while another goroutine waits for that. What is
// written during a stall goes out at its end, as it would from a socket's buffer.
type wireConn struct {
	net.Conn
	w       *wire
	pending []byte // guarded by wire.mu
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	gone := w.gone
	w.mu.Unlock()
	if gone {
		return nil, errDead
	}
	c, err := w.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	wc := &wireConn{Conn: c, w: w}
	w.mu.Lock()
	w.conns[wc] = struct{}{}
	w.mu.Unlock()
	return wc, nil
}

// dieAfter lets n more writes through; then the process is dead, with the last request sent
// (its answer is lost) or not.
func (w *wire) dieAfter(n int, send bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget, w.sendIt = n, send
}

func (w *wire) dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

func (w *wire) stall(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = time.Now().Add(d)
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.w.mu.Lock()
	if c.w.gone {
		c.w.mu.Unlock()
		return 0, errDead
	}
	if c.w.budget == 0 {
		c.w.gone = true
		send := c.w.sendIt
		c.w.mu.Unlock()
		if send { // the broker acts on it; the answer finds nobody
			_, _ = c.Conn.Write(b)
		}
		time.AfterFunc(10*time.Millisecond, c.w.cut)
		return len(b), nil
	}
	if c.w.budget > 0 {
		c.w.budget--
	}
	wait := time.Until(c.w.stalled)
	if wait <= 0 && len(c.pending) == 0 {
		c.w.mu.Unlock()
		return c.Conn.Write(b)
	}
	if len(c.pending) == 0 {
		time.AfterFunc(wait, c.flush)
	}
	c.pending = append(c.pending, b...)
	c.w.mu.Unlock()
	return len(b), nil
}

func (c *wireConn) flush() {
	for {
		c.w.mu.Lock()
		out := c.pending
		c.pending = nil
		c.w.mu.Unlock()
		if len(out) == 0 {
			return
		}
		_, _ = c.Conn.Write(out)
	}
}
