package lab

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/kafka"
	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/verify"
	"github.com/callstream/enricher/internal/kafkatest"
)

func newLab(t *testing.T) *Lab {
	t.Helper()
	l, err := on(kafkatest.StartFake(t).ListenAddrs(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func load(t *testing.T, l *Lab, n int64) *Input {
	t.Helper()
	in, err := l.Load(t.Context(), InputSpec{
		Seed: 1, Events: n, MeanBytes: 581, Compression: "lz4", Partitions: 3, Works: []contest.Work{contest.Same, contest.Copy},
	})
	require.NoError(t, err)
	return in
}

func contestant(fault string) *contest.Contestant {
	return &contest.Contestant{ID: "stub", Delivery: contest.AtLeastOnce, Program: program{fault}}
}

func TestRun(t *testing.T) {
	l := newLab(t)
	in := load(t, l, 2000)
	atEnd := false
	f, err := l.Run(t.Context(), &Trial{
		Contestant: contestant("none"), Input: in, Limit: 30 * time.Second, SampleEvery: time.Nanosecond,
		AtEnd: func() error { atEnd = true; return nil },
	})
	require.NoError(t, err)
	require.True(t, atEnd)
	require.EqualValues(t, 2000, f.Events)
	require.Positive(t, f.Wall)
	require.Positive(t, f.CPU)
	require.Positive(t, f.Start)
	require.Positive(t, f.StartCPU)
	require.GreaterOrEqual(t, f.FirstOut, f.Start)
	require.Greater(t, f.PeakRSS, int64(1<<20))
	require.Greater(t, f.Sent, 2000*int64(100), "compressed, and then some")
	require.Greater(t, f.Received, 2000*int64(100))
	require.NotEmpty(t, f.RSS)
	require.InDelta(t, f.CPU/2000*1e6, f.PerMillion(), 1e-9)
	require.InDelta(t, 2000/f.Wall, f.Rate(), 1e-9)
}

// What is written before the end of the warm-up counts for nothing but the check.
func TestWarmUp(t *testing.T) {
	l := newLab(t)
	in := load(t, l, 20_000)
	trial := &Trial{Contestant: contestant("slow start"), Input: in, Limit: 30 * time.Second, WarmUp: 1}
	f, err := l.Run(t.Context(), trial)
	require.NoError(t, err)
	require.EqualValues(t, 20_000, f.Events)
	require.Less(t, f.Counted(), f.Events)
	require.Positive(t, f.Counted())
	require.Positive(t, f.ColdCPU)
	require.InDelta(t, f.ColdCPU*1e6/float64(f.ColdEvents), f.Cold(), 1e-9)
	require.InDelta(t, f.CPU*1e6/float64(f.Counted()), f.PerMillion(), 1e-9)
	require.InDelta(t, float64(f.Counted())/f.Wall, f.Rate(), 1e-9)
	require.Less(t, f.Start, f.FirstOut)

	trial.WarmUp = in.want[contest.Same].Len() // is over with the last event: then all of them count
	f, err = l.Run(t.Context(), trial)
	require.NoError(t, err)
	require.Equal(t, f.Events, f.Counted())
	require.Zero(t, f.Cold())
}

// Of what cannot be loaded, nothing is left.
func TestLoadFails(t *testing.T) {
	l := newLab(t)
	spec := InputSpec{Seed: 1, Events: 10, MeanBytes: 581, Compression: "brotli", Partitions: 3}
	_, err := l.Load(t.Context(), spec)
	require.ErrorContains(t, err, "brotli")
	spec.Gated = true
	_, err = l.Load(t.Context(), spec)
	require.ErrorContains(t, err, "brotli")
	_, err = l.Client.Ends(t.Context(), kafka.Topic{Name: "in-1", Partitions: 3})
	require.Error(t, err, "the topic is gone")
	_, err = l.Client.Ends(t.Context(), kafka.Topic{Name: "in-2", Partitions: 3})
	require.Error(t, err, "the gated one too")
}

func TestAlive(t *testing.T) {
	l := newLab(t)
	require.NoError(t, l.Alive(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, l.Alive(ctx), "see whether the broker is alive")
}

// Long backlogs begin long ago, and none of their events is in the future, which brokers refuse.
func TestTimes(t *testing.T) {
	l := newLab(t)
	in := load(t, l, 2000)
	first, last := time.Now(), time.Time{}
	require.NoError(t, l.Client.ReadAll(t.Context(), func(r *kgo.Record) {
		if r.Timestamp.Before(first) {
			first = r.Timestamp
		}
		if r.Timestamp.After(last) {
			last = r.Timestamp
		}
	}, in.Topic))
	require.WithinDuration(t, last, first, 3*time.Second, "about one each millisecond")
	require.False(t, last.After(time.Now()))
}

// A check that cannot fail is none.
func TestRunFindsFaults(t *testing.T) {
	l := newLab(t)
	in := load(t, l, 2000)
	for fault, want := range map[string]string{
		"missing":            "does not belong there",
		"duplicate":          "duplicate",
		"swapped":            "out of order",
		"changed":            "not what it should be",
		"time":               "not what it should be",
		"header":             "not what it should be",
		"dies":               "ended before it had begun",
		"dies in the middle": "ended by itself",
		"ends badly":         "did not end well",
	} {
		t.Run(fault, func(t *testing.T) {
			f, err := l.Run(t.Context(), &Trial{Contestant: contestant(fault), Input: in, Limit: 30 * time.Second})
			require.ErrorContains(t, err, want)
			require.Nil(t, f)
		})
	}
	for fault, want := range map[string]string{
		"partition":    "in time", // too few in one partition
		"dropped":      "in time",
		"never begins": "not begun in time",
	} {
		t.Run(fault, func(t *testing.T) {
			_, err := l.Run(t.Context(), &Trial{Contestant: contestant(fault), Input: in, Limit: 3 * time.Second})
			require.ErrorContains(t, err, want)
		})
	}
}

func TestCopy(t *testing.T) {
	l := newLab(t)
	in := load(t, l, 500)
	c := contestant("none")
	c.Work = contest.Copy
	_, err := l.Run(t.Context(), &Trial{Contestant: c, Input: in, Limit: 2 * time.Second})
	require.Error(t, err, "it enriches, which is not what a copier does")

	table, err := peer.Load(l.table)
	require.NoError(t, err)
	constant := table.Constant()
	for name, tc := range map[string]struct {
		wrote, want string
	}{
		"spliced":     {`{"a":1` + string(constant), `{"a":1}`},
		"not spliced": {`{"a":1}`, `without the constant: {"a":1}`},
		"no brace":    {`{"a":1`, `{"a":1`},
		"space":       {`{"a":1` + string(constant) + " \n", "{\"a\":1} \n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, string(withoutConstant([]byte(tc.wrote))))
		})
	}
}

func TestLatency(t *testing.T) {
	l := newLab(t)
	trial := &LatencyTrial{Rates: []int{500, 1000}, Warm: 20 * time.Millisecond, Measure: 200 * time.Millisecond, Partitions: 2, MeanBytes: 581}
	check := func(found map[int]Latencies) {
		for _, rate := range trial.Rates {
			require.InDelta(t, rate, found[rate].Offered, float64(rate)/4)
			require.Len(t, found[rate].Sorted, rate/5)
			require.IsNonDecreasing(t, found[rate].Sorted)
			require.Positive(t, found[rate].Sorted[0])
		}
	}
	found, err := l.Latency(t.Context(), trial)
	require.NoError(t, err)
	check(found)

	trial.Contestant, trial.WarmUp = contestant("none"), 50*time.Millisecond
	found, err = l.Latency(t.Context(), trial)
	require.NoError(t, err)
	check(found)

	for fault, want := range map[string]string{"duplicate": "where", "changed": "not what it should be", "dropped": "where", "dies": "ended by itself"} {
		trial.Contestant = contestant(fault)
		_, err = l.Latency(t.Context(), trial)
		require.ErrorContains(t, err, want, fault)
	}
}

func TestStamp(t *testing.T) {
	s := stamp{phase: 2, warm: true, event: 4999, seq: 1 << 40, at: time.Hour}
	got, err := parseStamp(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "a"}, {Key: sentHeader, Value: s.bytes()}}})
	require.NoError(t, err)
	require.Equal(t, s, got)
	_, err = parseStamp(&kgo.Record{Headers: []kgo.RecordHeader{{Key: sentHeader, Value: []byte("short")}}})
	require.ErrorContains(t, err, "without the header")
}

func TestTable(t *testing.T) {
	l := newLab(t)
	text, err := os.ReadFile(l.table)
	require.NoError(t, err)
	var f peer.File
	require.NoError(t, json.Unmarshal(text, &f))
	require.Equal(t, contest.Field, f.Field)
	require.Len(t, f.Codes, len(l.entries))
	require.Contains(t, string(f.Codes["3010"]), `"code":3010`)

	// An object that has more in it than the code decides must not become a table.
	l.oracle.enrichers[contest.Same] = l.oracle.enrichers[contest.Full]
	_, err = l.oracle.table(l.entries)
	require.ErrorIs(t, err, errTable)
}

func TestTree(t *testing.T) {
	record := func(key, value string) *verify.Record { return &verify.Record{Key: []byte(key), Value: []byte(value)} }
	require.Equal(t, sampled(record("0", `{"a": 1.0, "b":"é"}`)), sampled(record("0", `{"b":"\u00e9","a":1.0}`)))
	require.NotEqual(t, sampled(record("0", `{"a":1}`)), sampled(record("0", `{"a":2}`)))
	require.NotEqual(t, sampled(record("0", `{"a":1`)), sampled(record("0", `{"a":1}`)))
	require.Equal(t, sampled(record("1", `{"a":1}`)), sampled(record("1", `{"a":2}`)), "one in sixteen")
	require.Nil(t, sampled(&verify.Record{Key: []byte("1")}))
}

func TestLines(t *testing.T) {
	l := newLab(t)
	lines, err := l.WriteLines(1, 500, 581)
	require.NoError(t, err)
	want, err := os.ReadFile(lines.want)
	require.NoError(t, err)
	require.NoError(t, sameLines(lines.want, lines.want, true))
	require.NoError(t, sameLines(lines.want, lines.want, false))
	require.ErrorIs(t, sameLines(lines.want, lines.in, true), errLines)
	require.ErrorIs(t, sameLines(lines.want, lines.in, false), errLines)

	got := filepath.Join(t.TempDir(), "got")
	for name, text := range map[string][]byte{
		"too few":    want[:len(want)/2],
		"too many":   append(append([]byte(nil), want...), want...),
		"cut":        want[:len(want)-1],
		"more":       append(append([]byte(nil), want...), '{'),
		"first gone": want[len("x"):],
		"empty":      nil,
	} {
		require.NoError(t, os.WriteFile(got, text, 0o600))
		require.ErrorIs(t, sameLines(lines.want, got, true), errLines, name)
		require.ErrorIs(t, sameLines(lines.want, got, false), errLines, name)
	}
	require.ErrorIs(t, sameLines("none", got, true), os.ErrNotExist)
	require.ErrorIs(t, sameLines(got, "none", true), os.ErrNotExist)
}

func TestPipe(t *testing.T) {
	l := newLab(t)
	lines, err := l.WriteLines(1, 200, 581)
	require.NoError(t, err)
	f, err := runPipe(t.Context(), "/bin/cat", nil, lines.in, filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	require.Positive(t, f.Wall)
	require.Positive(t, f.CPU)
	f.Events = 200
	require.InDelta(t, 200/f.Wall, f.Rate(), 1e-6)
	_, err = runPipe(t.Context(), "/bin/false", nil, lines.in, filepath.Join(t.TempDir(), "out"))
	require.ErrorContains(t, err, "exit status 1")
	_, err = runPipe(t.Context(), "/bin/no-such-program", nil, lines.in, filepath.Join(t.TempDir(), "out"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = l.Pipe(t.Context(), &contest.Pipe{ID: "cat", Path: "/bin/cat"}, lines, time.Minute)
	require.Error(t, err, "what the enricher's arguments are to cat")
}
