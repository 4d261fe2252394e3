package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/lab"
	"github.com/callstream/enricher/bench/internal/progress"
	"github.com/callstream/enricher/bench/internal/result"
)

func TestChoose(t *testing.T) {
	all, err := Choose("")
	require.NoError(t, err)
	require.Equal(t, Parts(), all)
	some, err := Choose("micro,throughput")
	require.NoError(t, err)
	require.Equal(t, []string{Micro, Throughput}, some)
	_, err = Choose("micro,thruput")
	require.ErrorContains(t, err, `no part "thruput"; there are throughput, `)
}

func bench(size Size) (*Bench, *bytes.Buffer) {
	var out bytes.Buffer
	return &Bench{
		Size: size, Contestants: contest.All(), Pipes: contest.Pipes(), Result: &result.Result{},
		Bar: func(steps []progress.Step) *progress.Bar { return progress.New(&out, false, steps, time.Now) },
	}, &out
}

// The whole has to have each contestant in each round, and not to take much longer than it should.
func TestWhole(t *testing.T) {
	b, _ := bench(Whole(5))
	counts, all := map[result.Key]int{}, time.Duration(0)
	for _, part := range Parts() {
		for _, s := range b.steps(part) {
			all += s.estimate
			require.Positive(t, s.estimate, s.label)
			if s.run.Contestant != "" {
				counts[result.Key{Part: s.run.Part, Case: s.run.Case, Contestant: s.run.Contestant}]++
			}
		}
	}
	require.Less(t, all, 55*time.Minute)
	for _, codec := range []string{"none", "lz4", "zstd"} {
		for _, c := range b.Contestants {
			want := 5
			if c.Slow {
				want = 3
			}
			if c.ID == StreamsTree && codec != "none" {
				want = 0
			}
			require.Equal(t, want, counts[result.Key{Part: Throughput, Case: codec, Contestant: c.ID}], c.ID)
		}
	}
	for _, p := range b.Pipes {
		require.Equal(t, 3, counts[result.Key{Part: Pipe, Contestant: p.ID}])
	}
	require.Equal(t, 5, counts[result.Key{Part: Latency, Contestant: EnricherALO}])
	require.Equal(t, 3, counts[result.Key{Part: Latency, Contestant: StreamsALO}])
	require.Equal(t, 3, counts[result.Key{Part: Latency, Contestant: StreamsEO}])
	require.Equal(t, 5, counts[result.Key{Part: Latency, Contestant: Nobody}])
	require.Equal(t, 3, counts[result.Key{Part: Partitions, Case: "256", Contestant: EnricherALO}])
	require.Equal(t, 3, counts[result.Key{Part: Processes, Case: "3", Contestant: EnricherEO}])
	require.Equal(t, 1, counts[result.Key{Part: Backlog, Case: "10000000", Contestant: EnricherEO}])
	require.Equal(t, 1, counts[result.Key{Part: Allocations, Contestant: EnricherALO}])
	require.Equal(t, 3, counts[result.Key{Part: Micro, Contestant: Enrich}])
}

// The smoke test runs every contestant, and every part.
func TestSmoke(t *testing.T) {
	b, _ := bench(Smoke())
	ran := map[string]bool{}
	for _, part := range Parts() {
		steps := b.steps(part)
		require.NotEmpty(t, steps, part)
		for _, s := range steps {
			ran[s.run.Contestant] = true
		}
	}
	for _, c := range b.Contestants {
		require.True(t, ran[c.ID], c.ID)
	}
	for _, p := range b.Pipes {
		require.True(t, ran[p.ID], p.ID)
	}
}

// Contestants of the parts are named by id; a wrong one would silently be nobody.
func TestSome(t *testing.T) {
	b, _ := bench(Smoke())
	ids := []string{EnricherALO, EnricherEO, EnricherFull, FranzALO, FranzEO, Copier, StreamsALO, StreamsEO, StreamsTree}
	require.Len(t, b.some(ids...), len(ids))
	for _, p := range b.Pipes {
		if p.ID == EnricherPipe {
			return
		}
	}
	require.Fail(t, "there is no enricher pipe")
}

func TestInRounds(t *testing.T) {
	var order []string
	inRounds(3, []string{"a", "b", "c"}, func(round int, c string) step {
		order = append(order, c+string(rune('0'+round)))
		return step{}
	})
	require.Equal(t, []string{"a1", "b1", "c1", "b2", "c2", "a2", "c3", "a3", "b3"}, order)
}

var errTest = errors.New("does not work")

// fakeStep is a run of a contestant.
func fakeStep(who string, err error, ran *[]string) step {
	return step{run: result.Run{Part: "p", Case: "c", Contestant: who}, label: who, do: func(_ context.Context, run *result.Run) (string, error) {
		*ran = append(*ran, who)
		run.Values = map[string]float64{"v": 1}
		return "fine", err
	}}
}

func TestFailures(t *testing.T) {
	b, out := bench(Smoke())
	var ran []string
	steps := []step{fakeStep("good", nil, &ran), fakeStep("bad", errTest, &ran), fakeStep("bad", errTest, &ran), fakeStep("bad", errTest, &ran), fakeStep("good", nil, &ran)}
	saved := 0
	b.Save = func() { saved++ }
	require.NoError(t, b.run(t.Context(), steps))
	require.Equal(t, []string{"good", "bad", "bad", "bad", "bad", "good"}, ran, "each step is tried twice; after two failures it is left alone, and the others go on")
	require.Equal(t, len(steps), saved, "whatever happens, what is known is kept")
	require.True(t, b.Result.Failed())
	require.Len(t, b.Result.Runs, 4)
	k := result.Key{Part: "p", Case: "c", Contestant: "bad"}
	require.Equal(t, []string{errTest.Error(), errTest.Error()}, b.Result.Failures(k))
	require.Empty(t, b.Result.Values(k, "v"))
	require.Contains(t, out.String(), "FAILED: does not work")
}

// What cannot be prepared costs the runs that need it, and no others.
func TestPreparationFails(t *testing.T) {
	b, out := bench(Smoke())
	var ran []string
	in := new(*lab.Input)
	tries := 0
	require.NoError(t, b.run(t.Context(), []step{
		prepare("load", 0, func(context.Context) error { tries++; return errTest }),
		b.trial("p", "c", 1, &contest.Contestant{ID: "needs it"}, in, 0, nil),
		b.unload("p", "c", in),
		fakeStep("good", nil, &ran),
	}))
	require.Equal(t, 2, tries)
	require.Equal(t, []string{"good"}, ran)
	require.Equal(t, []result.Trouble{{Step: "load", Failure: errTest.Error()}}, b.Result.Troubles)
	require.Equal(t, []string{errNoInput.Error()}, b.Result.Failures(result.Key{Part: "p", Case: "c", Contestant: "needs it"}))
	require.True(t, b.Result.Failed())
	require.Contains(t, out.String(), "FAILED: its input could not be loaded")
}

// failing fails so often before it works.
func failing(times int) func(context.Context) error {
	return func(context.Context) error {
		if times--; times >= 0 {
			return fmt.Errorf("%w, %d left", errTest, times)
		}
		return nil
	}
}

func TestSecondTry(t *testing.T) {
	b, out := bench(Smoke())
	run := prepare("run", 0, failing(1))
	run.run.Contestant = "who"
	require.NoError(t, b.run(t.Context(), []step{prepare("load", 0, failing(1)), run}))
	require.False(t, b.Result.Failed(), "what was mended is told, but is no failure")
	const first = "does not work, 0 left"
	require.Equal(t, []result.Trouble{{Step: "load", Failure: first, Mended: true}, {Step: "run", Failure: first, Mended: true}}, b.Result.Troubles)
	require.Len(t, b.Result.Runs, 1)
	require.Contains(t, out.String(), "at the second try")

	run = prepare("run", 0, failing(2))
	run.run.Contestant = "who"
	require.NoError(t, b.run(t.Context(), []step{run}))
	require.Equal(t, "does not work, 0 left; and before: does not work, 1 left", b.Result.Runs[1].Failure, "both reasons")
}

// When the broker is gone, hours of time-outs are of no use.
func TestDead(t *testing.T) {
	b, _ := bench(Smoke())
	var ran []string
	asked, errDead := 0, errors.New("no broker")
	b.Alive = func(context.Context) error { asked++; return errDead }
	good, bad := fakeStep("good", nil, &ran), fakeStep("bad", errTest, &ran)
	require.NoError(t, b.run(t.Context(), []step{good}))
	require.Zero(t, asked)
	err := b.run(t.Context(), []step{bad, good})
	require.ErrorIs(t, err, errTest)
	require.ErrorIs(t, err, errDead)
	require.Equal(t, []string{"good", "bad", "bad"}, ran)
	require.Len(t, b.Result.Runs, 2, "what failed is noted")
}

func TestTooFew(t *testing.T) {
	b, _ := bench(Whole(5))
	require.NoError(t, b.tooFew(map[int]lab.Latencies{100: {Offered: 99.5}}))
	require.ErrorContains(t, b.tooFew(map[int]lab.Latencies{100: {Offered: 98}}), "only 98 of 100 events/s")
	b, _ = bench(Smoke())
	require.NoError(t, b.tooFew(map[int]lab.Latencies{100: {Offered: 10}}), "no time is asserted there")
}

func TestInterrupted(t *testing.T) {
	b, _ := bench(Smoke())
	ctx, cancel := context.WithCancel(t.Context())
	var ran []string
	stop := fakeStep("stops", nil, &ran)
	stop.do = func(context.Context, *result.Run) (string, error) { cancel(); return "", errTest }
	require.ErrorIs(t, b.run(ctx, []step{stop, fakeStep("good", nil, &ran)}), context.Canceled)
	require.Empty(t, b.Result.Runs, "nobody has failed")
	require.Empty(t, ran)
}

func TestParseGoBench(t *testing.T) {
	got, err := ParseGoBench([]byte(`goos: linux
BenchmarkBeside/outbound683-2   	     944	       598.7 ns/op	1140.80 MB/s	         1.459 of-gjson.Get
BenchmarkBeside/text_2k-16      	     100	       851.2 ns/op
BenchmarkOther                  	     100	       1 ns/op
PASS
ok  	github.com/callstream/enricher/pkg/enrich	8.961s
`))
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]float64{
		"outbound683": {"ns/op": 598.7, "MB/s": 1140.8, "of-gjson.Get": 1.459},
		"text_2k":     {"ns/op": 851.2}, "": {"ns/op": 1},
	}, got)
	_, err = ParseGoBench([]byte("PASS\n"))
	require.ErrorIs(t, err, errNoBench)
	_, err = ParseGoBench([]byte("BenchmarkX 1 fast ns/op\n"))
	require.ErrorContains(t, err, "fast")
}

func TestGoBench(t *testing.T) {
	_, err := goBench(t.Context(), t.TempDir(), "BenchmarkX", ".", time.Millisecond)
	require.ErrorContains(t, err, "go test -bench")
}

func TestScrape(t *testing.T) {
	metrics := http.NewServeMux()
	metrics.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP a_total x\na_total_more 1\na_total 1.5e+06\nb_total x\n"))
	})
	s := httptest.NewServer(metrics)
	defer s.Close()
	v, err := scrape(t.Context(), s.URL+"/metrics", "a_total")
	require.NoError(t, err)
	require.InDelta(t, 1.5e6, v, 0)
	_, err = scrape(t.Context(), s.URL+"/metrics", "c_total")
	require.ErrorContains(t, err, "no c_total")
	_, err = scrape(t.Context(), s.URL+"/metrics", "b_total")
	require.ErrorContains(t, err, "read metrics")
	addr, err := freeAddr(t.Context())
	require.NoError(t, err)
	_, err = scrape(t.Context(), "http://"+addr, "a_total")
	require.Error(t, err)
}

func TestLatencyValues(t *testing.T) {
	v := latencyValues(&lab.Latencies{Sorted: []float64{1, 2, 3, 4}, Offered: 99})
	require.Equal(t, map[string]float64{
		result.Events: 4, result.Offered: 99, result.P50: 2, result.P99: 4, result.P999: 4, result.MaxLatency: 4,
	}, v)
}
