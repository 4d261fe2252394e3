package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/pipeline"
)

// Retry is what a demo of the retry loop found out.
type Retry struct {
	Entered   int64   `json:"entered"`     // calls that began to wait
	Waiting   int64   `json:"waiting"`     // of them still do
	Due       int64   `json:"due"`         // came due
	Redialled int64   `json:"redialled"`   // and were dialled again by the simulated dialer
	GaveUp    int64   `json:"gave_up"`     // calls that will not be dialled again
	Cancelled int64   `json:"cancelled"`   // redials dropped because somebody said no
	Early     int64   `json:"early"`       // came due before their time
	LateP99MS float64 `json:"late_p99_ms"` // from its time until the dialer had the redial, in milliseconds
}

// callMaker makes events of failed outbound calls, as a dialer's platform would report them. It is safe
// for concurrent use.
type callMaker struct {
	mu  sync.Mutex
	rng *rand.Rand
	n   int
}

// result is how a simulated call ends.
type result struct {
	share int // of a hundred
	code  int
	name  string
}

// results are how calls end, roughly as in outbound campaigns.
func results() []result {
	return []result{{30, 3010, "Busy Line"}, {35, 3000, "No Answer"}, {5, 3050, "Unallocated Number"}, {30, 4000, "Normal Hangup"}}
}

// Next makes the event of a first attempt.
func (m *callMaker) Next() eventgen.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	return m.call(strconv.Itoa(15_550_000_000+m.n), 1)
}

// again makes the event of a further attempt.
func (m *callMaker) again(to string, attempt int64) eventgen.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.call(to, attempt)
}

// refuses tells whether who is called wants no more calls.
func (m *callMaker) refuses() bool {
	const inHundred = 4
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(100) < inHundred
}

func (m *callMaker) call(to string, attempt int64) eventgen.Event {
	roll, res := m.rng.IntN(100), result{}
	for _, res = range results() {
		if roll -= res.share; roll < 0 {
			break
		}
	}
	value := fmt.Appendf(nil, `{"CallUUID":"%016x%016x","Direction":"outbound","From":"15559990000","To":"%s","Event":"Hangup","CallStatus":"completed","HangupCauseCode":"%d","HangupCauseName":"%s","hangup_attempt":%d`,
		m.rng.Uint64(), m.rng.Uint64(), to, res.code, res.name, attempt)
	if res.code == 4000 {
		value = append(value, `,"BillDuration":"60"`...)
	}
	return eventgen.Event{Key: []byte(to), Value: append(value, '}'), Kind: eventgen.Hangup}
}

// RetryLoop sets a configuration up for the demo of the retry loop: waits are seconds instead of minutes.
func RetryLoop(cfg *config.Config) {
	const second = time.Second
	cfg.Roles = []config.Role{config.RoleFilter, config.RoleDelay}
	cfg.Retry.Tiers = []config.Tier{
		{Topic: "calls.retry.250ms", Wait: second / 4}, {Topic: "calls.retry.1s", Wait: second}, {Topic: "calls.retry.4s", Wait: 4 * second},
	}
	cfg.Retry.Due, cfg.Retry.GaveUp, cfg.Retry.Cancel.Topic = "calls.due", "calls.gave-up", "calls.cancel"
	cfg.Retry.Policies = []config.Policy{{
		Match: config.PolicyMatch{Class: []string{"short_delay", "long_delay"}}, Delay: 2 * second, MaxDelay: 6 * second, MaxAttempts: 3, //nolint:mnd // seconds for minutes
	}}
}

// dialer is the simulated dialer: it reads the due topic, dials, and the calls' events come back as raw
// ones. Of those who answer some say no, which it puts on the cancel topic.
type dialer struct {
	client  *kgo.Client
	calls   *callMaker
	in      string
	cancel  string
	dialled atomic.Int64
	refused atomic.Int64

	mu    sync.Mutex
	early int64
	late  []float64 // milliseconds
}

func newDialer(brokers []string, cfg *config.Config, calls *callMaker) (*dialer, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(cfg.Retry.Due), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond), kgo.ProducerLinger(time.Millisecond)) // short, for the lateness figure
	if err != nil {
		return nil, fmt.Errorf("make the dialer: %w", err)
	}
	return &dialer{client: cl, calls: calls, in: cfg.Input.Topics[0], cancel: cfg.Retry.Cancel.Topic}, nil
}

func (d *dialer) close() { d.client.Close() }

func (d *dialer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		fs := d.client.PollFetches(ctx)
		if err := fs.Err(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("read what is due: %w", err)
		}
		now := time.Now()
		for _, rec := range fs.Records() {
			d.note(rec, now)
			if err := d.dial(ctx, rec); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// note measures how far from its time a redial came due.
func (d *dialer) note(rec *kgo.Record, now time.Time) {
	at, err := time.Parse(time.RFC3339, headerOf(rec, "hangup-not-before"))
	if err != nil {
		return
	}
	ms := float64(now.Sub(at).Microseconds()) / 1000
	d.mu.Lock()
	defer d.mu.Unlock()
	if ms < 0 {
		d.early++
	}
	d.late = append(d.late, ms)
}

// dial calls again, and hands the attempt back with the new call's event.
func (d *dialer) dial(ctx context.Context, rec *kgo.Record) error {
	to := gjson.GetBytes(rec.Value, "To").Str
	attempt, err := strconv.ParseInt(headerOf(rec, "hangup-attempt"), 10, 64)
	if err != nil {
		return fmt.Errorf("a due record without the number of its attempt: %w", err)
	}
	e := d.calls.again(to, attempt)
	ended := time.Now()
	records := []*kgo.Record{{Topic: d.in, Key: e.Key, Value: e.Value, Timestamp: ended}}
	if d.calls.refuses() {
		d.refused.Add(1)
		records = append(records, &kgo.Record{Topic: d.cancel, Key: []byte(to), Value: []byte("said no"), Timestamp: ended.Add(time.Millisecond)}) // after the call
	}
	if err := d.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("report a call: %w", err)
	}
	d.dialled.Add(1)
	return nil
}

// dated is how many due records said when their time was.
func (d *dialer) dated() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.late))
}

func headerOf(rec *kgo.Record, name string) string {
	for _, h := range rec.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// report gathers the loop's figures from both roles and the dialer.
func (d *dialer) report(filter, delay pipeline.Totals) *Retry {
	r := &Retry{Due: delay.Output, Redialled: d.dialled.Load(), Cancelled: delay.Cancelled}
	for _, tier := range filter.Tiers {
		r.Entered += tier.Entered
	}
	r.Waiting = r.Entered - delay.Output - delay.Cancelled - delay.Dead
	for _, n := range delay.GaveUp {
		r.GaveUp += n
		r.Waiting -= n
	}
	for _, n := range filter.GaveUp {
		r.GaveUp += n
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r.Early = d.early
	if n := len(d.late); n > 0 {
		sorted := slices.Sorted(slices.Values(d.late))
		r.LateP99MS = sorted[min(n*99/100, n-1)]
	}
	return r
}
