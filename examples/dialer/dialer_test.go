package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/callstream/enricher/internal/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text is what a dialer prints.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

type world struct {
	t       *testing.T
	brokers string
	client  *kgo.Client
	out     *text
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.due", "calls.raw"))
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("calls.due"),
		kgo.ConsumeTopics("calls.raw"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &world{t, strings.Join(c.ListenAddrs(), ","), client, &text{}}
}

func (w *world) start(args ...string) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, append([]string{"-brokers", w.brokers}, args...), w.out) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

func due(id, number string, attempt int) *kgo.Record {
	return &kgo.Record{Key: []byte("key of " + number), Value: []byte(`{"To":"` + number + `"}`), Headers: []kgo.RecordHeader{
		{Key: headerRetryID, Value: []byte(id)}, {Key: headerAttempt, Value: []byte(strconv.Itoa(attempt))},
	}}
}

func (w *world) send(records ...*kgo.Record) {
	w.t.Helper()
	require.NoError(w.t, w.client.ProduceSync(w.t.Context(), records...).FirstErr())
}

func (w *world) says(what string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return strings.Contains(w.out.String(), what) }, 20*time.Second, 5*time.Millisecond, what)
}

// committed waits until the group has committed an offset.
func (w *world) committed(offset int64) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		all, err := kadm.NewClient(w.client).FetchOffsets(w.t.Context(), "dialer")
		at, ok := all.Lookup("calls.due", 0)
		return err == nil && ok && at.At == offset
	}, 20*time.Second, 5*time.Millisecond)
}

func TestEachOrderIsDialledOnceAndHandedBack(t *testing.T) {
	w := newWorld(t)
	stop := w.start("-events", "calls.raw", "-per-day", "2")
	w.send(
		due("a", "1555", 2), due("a", "1555", 2), due("b", "1555", 3), due("c", "1555", 4), due("d", "1666", 2),
		&kgo.Record{Value: []byte(`{"To":"1777"}`)}, due("e", "", 2), due("f", "1777", 1),
	)
	w.committed(8)
	require.NoError(t, stop())
	require.Equal(t, []string{
		"dial 1555, attempt 2 (a)",
		"pass over a: dialled already",
		"dial 1555, attempt 3 (b)",
		"pass over c: enough calls to 1555 today",
		"dial 1666, attempt 2 (d)",
		"pass over calls.due/0, offset 5: no hangup-retry-id: not a record of the retry loop",
		"pass over calls.due/0, offset 6: no To or to_number in the event",
		"pass over calls.due/0, offset 7: no number from 2 in hangup-attempt",
	}, strings.Split(strings.TrimSpace(w.out.String()), "\n"))

	var attempts []string
	for len(attempts) < 3 {
		for _, r := range w.client.PollFetches(t.Context()).Records() {
			require.Equal(t, headerAttempt, r.Headers[0].Key)
			attempts = append(attempts, string(r.Key)+": "+string(r.Headers[0].Value))
		}
	}
	require.Equal(t, []string{"key of 1555: 2", "key of 1555: 3", "key of 1666: 2"}, attempts)
}

// What lay on the due topic for too long is passed over, and takes nothing from the budget.
func TestLateOrdersAreNotDialled(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		older time.Duration
		late  bool
	}{
		{"a day by default", nil, 25 * time.Hour, true},
		{"within it", nil, 23 * time.Hour, false},
		{"a limit of one's own", []string{"-max-age", "10m"}, 11 * time.Minute, true},
		{"none", []string{"-max-age", "0"}, 100 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			stop := w.start(append(c.args, "-per-day", "2")...)
			old, another := due("a", "1555", 2), due("b", "1555", 2)
			ended := time.Now().Add(-c.older).Truncate(time.Second)
			old.Timestamp, another.Timestamp = ended, ended
			w.send(old, another, due("c", "1555", 2))
			w.committed(3)
			require.NoError(t, stop())
			if !c.late {
				require.NotContains(t, w.out.String(), "ended at")
				require.Contains(t, w.out.String(), "dial 1555, attempt 2 (a)")
				return
			}
			ago := ended.UTC().Format(time.RFC3339) + ", more than "
			require.Contains(t, w.out.String(), "pass over a: its call ended at "+ago)
			require.Contains(t, w.out.String(), "pass over b: its call ended at "+ago)
			require.Contains(t, w.out.String(), "(2 such so far)")
			require.Contains(t, w.out.String(), "dial 1555, attempt 2 (c)")
			require.Equal(t, 1, strings.Count(w.out.String(), "dial "), w.out.String())
		})
	}
}

// The event is sound whatever a number looks like.
func TestEventOfAnyNumber(t *testing.T) {
	for _, number := range []string{"1555", `sip:"Ann"@example.com`, `a\b`, "tab\tand\nline", "\x01", "ü"} {
		event, err := printing(io.Discard)(t.Context(), &order{retryID: `i"d`, attempt: 2, number: number})
		require.NoError(t, err)
		var got map[string]string
		require.NoError(t, json.Unmarshal(event, &got), string(event))
		require.Equal(t, map[string]string{"CallUUID": `i"d-2`, "Direction": "outbound", "To": number, "HangupCauseCode": "3010"}, got)
	}
}

// A dialer that ends without having dialled has not committed: the next one gets the order.
func TestWhatWasNotDialledComesAgain(t *testing.T) {
	w := newWorld(t)
	client, err := newClient([]string{w.brokers}, "dialer", "calls.due")
	require.NoError(t, err)
	down := errors.New("no line")
	d := &dialer{
		client: client, out: w.out, seen: newRecent(10), budget: newBudget(0), now: time.Now,
		dial: func(context.Context, *order) ([]byte, error) { return nil, down },
	}
	w.send(due("a", "1555", 2))
	require.ErrorIs(t, d.run(t.Context()), down)
	client.CloseAllowingRebalance()
	w.start()
	w.says("dial 1555, attempt 2 (a)")
	w.committed(1)
}

func TestArguments(t *testing.T) {
	require.ErrorContains(t, run(t.Context(), []string{"-nothing"}, &text{}), "-nothing")
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent(2)
	for _, id := range []string{"a", "b", "b", "c"} {
		r.add(id)
	}
	require.False(t, r.has("a"))
	require.True(t, r.has("b"))
	require.True(t, r.has("c"))
	require.Len(t, r.known, 2)
}

func TestBudgetBeginsAnewEachDay(t *testing.T) {
	b := newBudget(1)
	evening := time.Date(2026, 3, 28, 23, 59, 0, 0, time.UTC)
	require.True(t, b.take("1555", evening))
	require.False(t, b.take("1555", evening))
	require.True(t, b.take("1666", evening), "another number")
	require.True(t, b.take("1555", evening.Add(2*time.Minute)))
}
