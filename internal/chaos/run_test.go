//go:build kafka

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
)

// run is one run against a cluster.
type run struct {
	t       *testing.T
	c       *kafkatest.Cluster
	f       *fleet
	s       size
	seed    uint64
	suffix  string
	client  *kgo.Client // for looking
	admin   *kadm.Client
	ledger  *ledger
	begun   time.Time
	brokers sync.Mutex // held while one broker is down

	mu       sync.Mutex
	timeline []string
	progress progress // of the committed offsets of the input
	visible  progress // of what read_committed readers may see of the output
}

// Deadlines of what has to happen.
const (
	rejoinTime = 60 * time.Second  // a woken process has partitions again
	drainTime  = 120 * time.Second // everything is committed after the load has ended
	stableTime = 60 * time.Second  // no transaction is open after the last process has ended
	readTime   = 180 * time.Second // the readers have read all
	lookEvery  = 50 * time.Millisecond
)

func newRun(t *testing.T, c *kafkatest.Cluster, bin, suffix string, seed uint64, s size) *run {
	t.Helper()
	for _, topic := range []string{"in", "out", "dead", "retry"} {
		c.CreateTopic(t, topic+suffix, partitions, "retention.ms", "-1")
	}
	dir, err := os.MkdirTemp("", "enricher-chaos-") //nolint:usetesting // kept when the run fails
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			for id := range numBrokers {
				_ = os.WriteFile(filepath.Join(dir, "broker"+strconv.Itoa(id+1)+".log"), []byte(c.Log(t, id+1)), 0o600)
			}
			t.Logf("configurations and logs are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	l, err := newLedger(s.events, !s.atLeast)
	require.NoError(t, err)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.MetadataMinAge(250*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	c.Give(t, kafkatest.Filter, kafkatest.Filter, kafkatest.Names{
		"calls.raw": {"in" + suffix}, "calls.enriched": {"out" + suffix}, "calls.dead": {"dead" + suffix}, "calls.gave-up": nil,
		"calls.retry.": {"retry" + suffix}, "calls.": {"in" + suffix, "out" + suffix, "dead" + suffix, "retry" + suffix},
		"enricher": {"g" + suffix}, "enricher/filter/": {"g" + suffix + "/filter/"},
	})
	return &run{
		t: t, c: c, f: newFleet(t, bin, dir, suffix, c.RoleAddrs(t), s), s: s, seed: seed, suffix: suffix,
		client: client, admin: kadm.NewClient(client), ledger: l,
	}
}

func (r *run) tell(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timeline = append(r.timeline, fmt.Sprintf("%7.1fs  ", time.Since(r.begun).Seconds())+fmt.Sprintf(format, args...))
}

// chaos loads, breaks, drains and checks. It gives the report and whether all is as promised.
func (r *run) chaos(faults []fault) (report string, good bool) {
	return r.during(func(ctx context.Context) {
		var all sync.WaitGroup
		for _, f := range faults {
			all.Go(func() {
				if sleep(ctx, time.Until(r.begun.Add(f.at))) {
					r.inflict(ctx, f)
				}
			})
		}
		all.Wait()
	})
}

// during lets something happen while the load goes on.
func (r *run) during(what func(ctx context.Context)) (report string, good bool) {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	r.start(r.s.scale)
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(ctx) })

	var happening sync.WaitGroup
	happening.Go(func() { what(ctx) })
	r.load(ctx)
	r.tell("load ends")
	happening.Wait()
	r.tell("last fault is over")
	drained := r.drain(ctx)
	cancel()
	watching.Wait()
	r.f.stopAll()
	return r.conclude(drained)
}

// start starts the enrichers and waits until they have their first partitions.
func (r *run) start(one bool) {
	for _, name := range instances() {
		r.f.start(name)
		if one {
			break
		}
	}
	for _, name := range r.f.running() {
		require.NoError(r.t, r.member(r.t.Context(), name), "start")
	}
	r.begun = time.Now()
	r.progress.begin, r.visible.begin = r.begun, r.begun
}

// load sends the events at the rate of the run.
func (r *run) load(ctx context.Context) {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.c.Addrs()...), kgo.DefaultProduceTopic("in"+r.suffix),
		kgo.MetadataMinAge(250*time.Millisecond), kgo.ProducerLinger(5*time.Millisecond), kgo.RecordRetries(1<<30))
	require.NoError(r.t, err)
	defer client.Close()
	src := newSource(r.seed)
	for i := range r.s.events {
		if i%50 == 0 {
			due := r.begun.Add(time.Duration(i) * time.Second / time.Duration(r.s.rate))
			if !sleep(ctx, time.Until(due)) {
				return
			}
		}
		rec := src.next()
		r.ledger.expect(i, rec)
		client.Produce(ctx, rec, func(rec *kgo.Record, err error) {
			if err != nil {
				r.f.complain("loader: event %d: %v", i, err)
				return
			}
			r.ledger.acked(i, rec)
		})
	}
	limit, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := client.Flush(limit); err != nil {
		r.f.complain("loader: flush: %v", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// inflict does one thing and takes it back.
func (r *run) inflict(ctx context.Context, f fault) {
	switch f.do {
	case killEnricher, stopEnricher, scaleUp, scaleDown:
		r.f.locks[f.instance].Lock()
		defer r.f.locks[f.instance].Unlock()
	case killBroker:
		r.brokers.Lock()
		defer r.brokers.Unlock()
	case cutBroker, halfClose, delayBroker:
	}
	switch f.do {
	case killEnricher:
		r.tell("%v", f)
		r.f.kill(f.instance)
		sleep(ctx, f.length)
		r.f.start(f.instance)
	case stopEnricher:
		r.stop(ctx, f)
	case killBroker:
		r.tell("%v", f)
		r.c.Kill(r.t, f.broker)
		sleep(ctx, f.length)
		r.c.Restart(r.t, f.broker)
		r.c.AwaitInSync(r.t)
		r.tell("broker %d is back, all replicas in sync", f.broker)
	case cutBroker:
		r.tell("%-30s broker %-3d %d of them", f.do, f.broker, r.some(ctx, r.c.Proxy(r.t, f.broker).Cut))
	case halfClose:
		r.tell("%-30s broker %-3d %d of them", f.do, f.broker, r.some(ctx, r.c.Proxy(r.t, f.broker).HalfClose))
	case delayBroker:
		r.tell("%v, 100 ms each way", f)
		r.c.Proxy(r.t, f.broker).Delay(100 * time.Millisecond)
		sleep(ctx, f.length)
		r.c.Proxy(r.t, f.broker).Delay(0)
	case scaleUp:
		r.tell("%-30s enricher %s", f.do, f.instance)
		r.f.start(f.instance)
	case scaleDown:
		r.tell("%-30s enricher %s", f.do, f.instance)
		r.f.terminate(f.instance)
		r.tell("enricher %s has ended", f.instance)
	}
}

// some does a thing to connections as soon as there are any: the broker may be down.
func (r *run) some(ctx context.Context, do func() int) (n int) {
	ctx, cancel := context.WithTimeout(ctx, rejoinTime)
	defer cancel()
	for n = do(); n == 0 && sleep(ctx, lookEvery); {
		n = do()
	}
	return n
}

// stop pauses an enricher until the group has given it up, wakes it, and sees that it takes
// part again by itself.
func (r *run) stop(ctx context.Context, f fault) {
	p := r.f.get(f.instance)
	if p == nil {
		return
	}
	r.tell("%v", f)
	if err := p.Pause(); err != nil {
		r.f.complain("SIGSTOP of enricher %s: %v", f.instance, err)
		return
	}
	sleep(ctx, f.length)
	held, _ := r.assigned(ctx, f.instance)
	if err := p.Resume(); err != nil {
		r.f.complain("SIGCONT of enricher %s: %v", f.instance, err)
		return
	}
	woken := time.Now()
	err := r.member(ctx, f.instance)
	if err != nil || !p.Running() {
		r.f.complain("enricher %s did not take part again after SIGCONT: %v", f.instance, err)
		return
	}
	r.tell("enricher %s woken, given up by then: %v; took part again after %.1fs", f.instance, held == 0, time.Since(woken).Seconds())
}

// member waits until an enricher has partitions.
func (r *run) member(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, rejoinTime)
	defer cancel()
	for {
		n, err := r.assigned(ctx, name)
		if n > 0 {
			return nil
		}
		if !sleep(ctx, lookEvery) {
			return fmt.Errorf("enricher %s has no partitions: %w (%w)", name, ctx.Err(), err)
		}
	}
}

// assigned counts the partitions that the group has given to an enricher.
func (r *run) assigned(ctx context.Context, name string) (int, error) {
	groups, err := r.admin.DescribeGroups(ctx, "g"+r.suffix)
	if err != nil {
		return 0, err
	}
	g := groups["g"+r.suffix]
	if g.Err != nil || g.State != "Stable" {
		return 0, g.Err
	}
	for _, m := range g.Members {
		if c, ok := m.Assigned.AsConsumer(); ok && m.ClientID == "enricher-"+name+"/"+name { // client_id and instance
			n := 0
			for _, t := range c.Topics {
				n += len(t.Partitions)
			}
			return n, nil
		}
	}
	return 0, nil
}

// watch follows the committed offsets and the visible ends of the output until ctx ends.
func (r *run) watch(ctx context.Context) {
	look := func(p *progress, at func(context.Context) ([partitions]int64, bool)) {
		for sleep(ctx, lookEvery) {
			if offsets, ok := at(ctx); ok {
				r.mu.Lock()
				p.note(time.Now(), offsets)
				r.mu.Unlock()
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() { r.guard(ctx) })
	both.Go(func() { look(&r.progress, r.committed) })
	both.Go(func() { look(&r.visible, r.ends) })
	both.Wait()
}

// guard sees that every enricher that runs has partitions again and again. One that hangs
// would not be missed: the others do its work.
func (r *run) guard(ctx context.Context) {
	last := map[string]time.Time{}
	for sleep(ctx, time.Second) {
		for _, name := range instances() {
			p := r.f.get(name)
			n, _ := r.assigned(ctx, name)
			switch {
			case p == nil || n > 0 || last[name].IsZero():
				last[name] = time.Now()
			case time.Since(last[name]) > rejoinTime:
				last[name] = time.Now()
				r.tell("enricher %s hangs", name)
				r.f.complain("enricher %s has had no partitions for %v; what it was at is in its log", name, rejoinTime)
				_ = p.Dump() // it is started again by its fleet
			}
		}
	}
}

// ends are those of the output for read_committed readers; -1 where they cannot be had now.
func (r *run) ends(ctx context.Context) (at [partitions]int64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	offsets, _ := r.admin.ListCommittedOffsets(ctx, "out"+r.suffix) // what there is of it
	for p := range at {
		at[p] = -1
		if o, found := offsets.Lookup("out"+r.suffix, int32(p)); found && o.Err == nil {
			at[p], ok = o.Offset, true
		}
	}
	return at, ok
}

func (r *run) committed(ctx context.Context) (at [partitions]int64, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	offsets, err := r.admin.FetchOffsets(ctx, "g"+r.suffix)
	if err != nil || offsets.Error() != nil {
		return at, false
	}
	for p := range at {
		at[p] = -1
		if o, ok := offsets.Lookup("in"+r.suffix, int32(p)); ok {
			at[p] = o.At
		}
	}
	return at, true
}

// drain waits until all input is committed.
func (r *run) drain(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for {
		ends, err := r.admin.ListEndOffsets(ctx, "in"+r.suffix)
		committed, ok := r.committed(ctx)
		var lag, end int64
		for p := range committed {
			o, found := ends.Lookup("in"+r.suffix, int32(p))
			ok = ok && found && o.Err == nil && err == nil
			end += o.Offset
			lag += o.Offset - max(committed[p], 0)
		}
		switch {
		case ok && lag == 0 && end == int64(r.s.events):
			r.tell("all input is committed")
			return true
		case ok && lag == 0 && end != int64(r.s.events):
			r.f.complain("the input has %d records, not %d: the loader is at fault", end, r.s.events)
			return false
		}
		if !sleep(ctx, lookEvery) {
			r.f.complain("input was not committed within %v of the last fault: %d left, in order of partitions at %v", drainTime, lag, committed)
			return false
		}
	}
}

// conclude reads everything that came out, and writes the report.
func (r *run) conclude(drained bool) (report string, good bool) {
	t := r.t
	for p := range places {
		if err := r.read(p); err != nil {
			r.f.complain("read %s: %v", p, err)
		}
	}
	trouble, warnings := r.f.judge()
	good = r.ledger.close() && drained && len(trouble) == 0
	var b strings.Builder
	delivery := "exactly_once"
	if r.s.atLeast {
		delivery = "at_least_once"
	}
	fmt.Fprintf(&b, "seed %d, %s, %d events at %d a second, %d brokers (replication %d, min ISR 2), %d partitions\n", r.seed, delivery, r.s.events, r.s.rate, numBrokers, numBrokers, partitions)
	fmt.Fprintf(&b, "session_timeout %v, commit_interval %v, transaction_timeout %v\n", sessionTimeout, commitInterval, transactionTimeout)
	if r.s.mutation != "" {
		fmt.Fprintf(&b, "broken on purpose: %s\n", r.s.mutation)
	}
	for _, line := range r.timeline {
		fmt.Fprintf(&b, "%s\n", line)
	}
	for _, of := range []struct {
		what string
		p    *progress
	}{{"a commit of input", &r.progress}, {"new output for readers", &r.visible}} {
		whole, one := of.p.longest(0), of.p.slowest(0)
		fmt.Fprintf(&b, "longest time without %s: of all partitions %.1fs (from %.1fs), of one %.1fs (from %.1fs)\n", of.what, whole.length().Seconds(), whole.from.Seconds(), one.length().Seconds(), one.from.Seconds())
	}
	fmt.Fprintf(&b, "enrichers started: %v\n", r.f.began)
	for _, msg := range slices.Sorted(maps.Keys(warnings)) {
		fmt.Fprintf(&b, "  %5d × %s\n", warnings[msg], msg)
	}
	b.WriteString(r.ledger.String())
	for _, line := range trouble {
		fmt.Fprintf(&b, "TROUBLE: %s\n", line)
	}
	verdict := "as promised"
	if !good {
		verdict = "BROKEN"
	}
	fmt.Fprintf(&b, "verdict: %s\n", verdict)
	t.Logf("chaos report\n%s", b.String())
	return b.String(), good
}

// read gives the ledger everything that a read_committed reader finds in a topic, from its
// beginning to its end.
func (r *run) read(p place) error {
	topic := p.String() + r.suffix
	ctx, cancel := context.WithTimeout(r.t.Context(), readTime)
	defer cancel()
	left, err := r.stable(ctx, topic)
	if err != nil {
		return err
	}
	maps.DeleteFunc(left, func(_ int32, end int64) bool { return end == 0 })
	client, err := kgo.NewClient(kgo.SeedBrokers(r.c.Addrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	for len(left) > 0 {
		fetched := client.PollFetches(ctx)
		if err := fetched.Err0(); err != nil {
			return fmt.Errorf("not read to the ends %v: %w", left, err)
		}
		fetched.EachRecord(func(rec *kgo.Record) {
			if !rec.Attrs.IsControl() {
				r.ledger.see(p, rec)
			}
			if rec.Offset+1 >= left[rec.Partition] {
				delete(left, rec.Partition)
			}
		})
	}
	return nil
}

// stable waits until no transaction is open, and gives the ends of the partitions.
func (r *run) stable(ctx context.Context, topic string) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, stableTime)
	defer cancel()
	for {
		committed, err1 := r.admin.ListCommittedOffsets(ctx, topic)
		ends, err2 := r.admin.ListEndOffsets(ctx, topic)
		at := map[int32]int64{}
		open := err1 != nil || err2 != nil
		for p := range int32(partitions) {
			c, ok1 := committed.Lookup(topic, p)
			e, ok2 := ends.Lookup(topic, p)
			open = open || !ok1 || !ok2 || c.Err != nil || e.Err != nil || c.Offset != e.Offset
			at[p] = e.Offset
		}
		if !open {
			return at, nil
		}
		if !sleep(ctx, lookEvery) {
			return nil, errors.New("a transaction stays open")
		}
	}
}
