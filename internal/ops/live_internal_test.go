package ops

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// steady is a source that counts on from look to look, a second each.
type steady struct {
	at      time.Time
	events  int64
	perLook int64
	unknown int64
	commits Histogram
	gone    bool // of two partitions one is not owned any more
}

func (s *steady) Status() *Status {
	s.at = s.at.Add(time.Second)
	s.events += s.perLook
	lag := 2 * s.events
	st := &Status{At: s.at, Codes: []Code{{Code: 1, Name: "known", N: s.events}, {Code: 2, N: s.unknown}}, Routes: []Count{{Name: "r", N: s.events}}}
	st.Roles = []Role{{
		Name: "filter", Events: Count{N: s.events}, Became: []Count{{Name: "enriched", N: s.events}, {Name: "malformed"}},
		Partitions: []Partition{{Topic: "in", Number: 1, Events: s.events, Lag: &lag}}, Commits: Latency{Times: s.commits},
	}}
	if !s.gone {
		st.Roles[0].Partitions = append(st.Roles[0].Partitions, Partition{Topic: "in", Number: 2})
	}
	return st
}

func (*steady) Search(string) []Entry          { return nil }
func (*steady) Explain([]byte) Explanation     { return Explanation{} }
func (*steady) Config() (text []byte, _ error) { return nil, nil }

func TestRatesAreThoseOfTheLastSeconds(t *testing.T) {
	src := &steady{perLook: 1000}
	l := newLive(src)
	st, past := l.status()
	require.Zero(t, st.Roles[0].Events.PerS, "nothing to compare with")
	require.Zero(t, st.WindowS)
	require.Empty(t, past)

	for range 30 {
		l.look()
	}
	src.perLook = 50
	for range 10 {
		l.look()
	}
	st, past = l.status()
	require.Len(t, past, 40)
	require.InDelta(t, 11, st.WindowS, 0)
	r := st.Roles[0]
	require.InDelta(t, 50, r.Events.PerS, 0, "what was faster is forgotten")
	require.InDelta(t, 50, r.Became[0].PerS, 0)
	require.Zero(t, r.Became[1].PerS)
	require.InDelta(t, 50, r.Partitions[0].PerS, 0)
	require.InDelta(t, 50, st.Routes[0].PerS, 0)
}

func TestPartitionThatCameJustNowHasNoRate(t *testing.T) {
	src := &steady{perLook: 10, gone: true}
	l := newLive(src)
	l.look()
	l.look()
	src.gone = false
	st, _ := l.status()
	require.Zero(t, st.Roles[0].Partitions[1].PerS)
	require.InDelta(t, 10, st.Roles[0].Partitions[0].PerS, 0)
}

func TestPastIsBounded(t *testing.T) {
	l := newLive(&steady{perLook: 1})
	for range 600 {
		l.look()
	}
	_, past := l.status()
	require.Len(t, past, 181, "a value at each second, and one at the left edge")
	require.Equal(t, time.Second, past[1].at.Sub(past[0].at))
	require.LessOrEqual(t, len(l.recent), 11)
}

func TestUnknownCodesTellWhenTheyCame(t *testing.T) {
	src := &steady{unknown: 1}
	l := newLive(src)
	l.look()
	first := src.at
	l.look()
	st, _ := l.status()
	require.Nil(t, st.Codes[0].LastSeen, "known")
	require.Equal(t, first, *st.Codes[1].LastSeen, "not seen again since")
	require.Equal(t, "2 s ago", ago(st.At, st.Codes[1].LastSeen))
	src.unknown++
	st, _ = l.status()
	require.Equal(t, src.at, *st.Codes[1].LastSeen)
}

func TestCommitsAreThoseOfTheLastSeconds(t *testing.T) {
	bounds := []float64{0.001, 0.1, 1}
	src := &steady{commits: Histogram{bounds, []uint64{100, 100, 100}, 100}}
	l := newLive(src)
	l.look()
	l.look()
	st, _ := l.status()
	require.Nil(t, st.Roles[0].Commits.P99, "none lately")
	require.Equal(t, uint64(100), st.Roles[0].Commits.Count)
	src.commits = Histogram{bounds, []uint64{100, 110, 110}, 110}
	st, _ = l.status()
	require.InDelta(t, 0.0505, *st.Roles[0].Commits.P50, 1e-9, "the fast ones before do not count")
	require.InDelta(t, 0.1, *st.Roles[0].Commits.P99, 0.001)
}

func TestQuantile(t *testing.T) {
	bounds := []float64{1, 2, 4}
	for name, tc := range map[string]struct {
		h    Histogram
		q    float64
		want float64
	}{
		"in the first":        {Histogram{bounds, []uint64{10, 10, 10}, 10}, 0.5, 0.5},
		"at a bound":          {Histogram{bounds, []uint64{5, 10, 10}, 10}, 0.5, 1},
		"between bounds":      {Histogram{bounds, []uint64{0, 0, 10}, 10}, 0.5, 3},
		"beyond the last one": {Histogram{bounds, []uint64{0, 0, 0}, 10}, 0.99, 4},
		"all":                 {Histogram{bounds, []uint64{1, 2, 3}, 3}, 1, 4},
	} {
		require.InDelta(t, tc.want, *tc.h.Quantile(tc.q), 1e-9, name)
	}
	require.Nil(t, Histogram{}.Quantile(0.5))
	require.Nil(t, Histogram{Count: 1}.Quantile(0.5), "without classic buckets nothing is known")
}

// A share of all lies at or below the bucket that the quantile is in.
func TestQuantileLiesInItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Histogram{Bounds: []float64{0.5, 1, 2, 8}}
		for range h.Bounds {
			h.Count += rapid.Uint64Range(0, 1000).Draw(t, "in bucket")
			h.Counts = append(h.Counts, h.Count)
		}
		h.Count += rapid.Uint64Range(0, 1000).Draw(t, "beyond")
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		got := h.Quantile(q)
		if h.Count == 0 {
			require.Nil(t, got)
			return
		}
		for i, bound := range h.Bounds {
			if float64(h.Counts[i]) >= q*float64(h.Count) {
				require.LessOrEqual(t, *got, bound)
				break
			}
			require.GreaterOrEqual(t, *got, bound)
		}
	})
}

// A value is drawn as wide as the time that it stands for.
func TestChart(t *testing.T) {
	c := newChart("x", "X", []int{168, 178, 179, 180}, [][]float64{{1, 2, 3}, {0, 0, 0}, {1, 1, 1}})
	require.Equal(t, "5", c.Top)
	require.Equal(t, "M168 80.0H178V60.0H179V40.0H180V100.0H179V100.0H178V100.0H168Z", c.Areas[0])
	require.Empty(t, c.Areas[1], "nothing is not drawn")
	require.Equal(t, "M168 60.0H178V40.0H179V20.0H180V40.0H179V60.0H178V80.0H168Z", c.Areas[2], "on top of the first")
}

func TestChartSaysWhatThereIsNot(t *testing.T) {
	for at, want := range map[int]string{0: notYet, 1: notYet, 2: allZero} {
		c := newChart("x", "X", []int{179, 180}[:at], [][]float64{make([]float64, max(at-1, 0))})
		require.Equal(t, want, c.Top)
		require.Equal(t, []string{""}, c.Areas)
	}
	r, past := &Role{}, []sample{{roles: make([]roleSample, 1)}, {roles: make([]roleSample, 1)}}
	require.Equal(t, notYet, commitsChart(r, nil, 0).Top)
	require.Equal(t, notYet, commitsChart(r, past, 0).Top)
	r.Commits.Count = 1
	require.Equal(t, noneLately, commitsChart(r, past, 0).Top, "those before it has forgotten")
}

// Whatever comes, what is drawn stays in the picture.
func TestChartStaysInThePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOfN(rapid.IntRange(0, chartWide), 0, chartWide+1).Draw(t, "points")
		n := len(at)
		lines := make([][]float64, rapid.IntRange(1, 5).Draw(t, "lines"))
		for i := range lines {
			lines[i] = rapid.SliceOfN(rapid.Float64Range(0, 1e12), max(n-1, 0), max(n-1, 0)).Draw(t, "line")
		}
		for _, path := range newChart("x", "X", at, lines).Areas {
			for _, part := range regexp.MustCompile(`[MHV][^MHVZ]*`).FindAllString(path, -1) {
				x, y, both := strings.Cut(part[1:], " ")
				switch part[0] {
				case 'M':
					require.True(t, both, path)
				case 'H':
					y = "0"
				case 'V':
					x, y = "0", x
				}
				for _, at := range []struct {
					text string
					most float64
				}{{x, float64(chartWide)}, {y, chartHigh}} {
					f := number64(t, at.text)
					require.True(t, f >= 0 && f <= at.most && !math.IsNaN(f), path)
				}
			}
		}
	})
}

func TestRatesChartShowsDifferences(t *testing.T) {
	src := &steady{perLook: 100}
	l := newLive(src)
	for range 3 {
		l.look()
	}
	st, past := l.status()
	c := ratesChart(&st.Roles[0], past, 0)
	require.Equal(t, "100", c.Top)
	require.Equal(t, "M178 0.0H179V0.0H180V100.0H179V100.0H178Z", c.Areas[0])
	require.Equal(t, "1,000", lagChart(&st.Roles[0], past, 0).Top, "600 and some")
}

// Nobody looks: a tenth of the work. Somebody does: each second.
func TestLooksAreRareWhileNobodyAsks(t *testing.T) {
	l := newLive(&steady{perLook: 1})
	now := time.Now()
	looks := func(seconds int) (n int) {
		looked := now
		for range seconds {
			now = now.Add(time.Second)
			if l.due(looked, now) {
				looked = now
				n++
			}
		}
		return n
	}
	require.True(t, l.due(time.Time{}, now), "the first at once")
	require.Equal(t, 6, looks(60))
	l.asked = now
	require.Equal(t, 14+4, looks(60), "for a while each second")
}

// What was seen rarely stands where it belongs in the chart, and is a rate of the time between.
func TestChartOfRareLooks(t *testing.T) {
	src := &steady{perLook: 100}
	l := newLive(src)
	for range 4 {
		l.look()
		src.at = src.at.Add(9 * time.Second) // and one by itself
	}
	l.look()
	l.look()
	st, past := l.status()
	c := ratesChart(&st.Roles[0], past, 0)
	require.Equal(t, "100", c.Top)
	require.True(t, strings.HasPrefix(c.Areas[0], "M139 90.0H149V90.0H159V90.0H169V90.0H179V0.0H180V"), c.Areas[0])
	require.InDelta(t, 12, st.WindowS, 0, "the last look that is ten seconds old or more, or all there is")
}

func TestCommitsChart(t *testing.T) {
	bounds := []float64{0.001, 0.1, 1}
	src := &steady{commits: Histogram{bounds, []uint64{100, 100, 100}, 100}}
	l := newLive(src)
	l.look()
	src.commits = Histogram{bounds, []uint64{100, 200, 200}, 200}
	l.look()
	l.look()
	st, past := l.status()
	c := commitsChart(&st.Roles[0], past, 0)
	require.Equal(t, "100 ms", c.Top)
	require.Equal(t, "M178 49.5H179V100.0H180V100.0H179V100.0H178Z", c.Areas[0], "none in the last second")
	require.Equal(t, "M178 1.0H179V100.0H180V100.0H179V49.5H178Z", c.Areas[1])
	require.Equal(t, []string{"half within", "99 of 100 within"}, c.Legend)
}

func TestFiguresInWords(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0 s", 0.0004: "0.4 ms", 0.012: "12 ms", 0.9994: "999 ms", 1: "1 s", 1.25: "1.3 s", 59: "59 s", 60: "1 min", 80: "1 min 20 s", 3600: "1 h",
		7500: "2 h 5 min", 86_400: "1 d", 100_000: "1 d 3 h",
	} {
		require.Equal(t, want, duration(s))
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		require.Equal(t, want, group(n))
	}
	for f, want := range map[float64]string{0: "0", 0.1: "0.1", 99.9: "99.9", 1234.5: "1,234"} {
		require.Equal(t, want, rate(f))
	}
	require.Equal(t, none, share(1, 0).Text)
	require.Equal(t, cell{Text: "12.5 %", Class: "n share", Bar: "12.5"}, share(1, 8))
}

func number64(t *rapid.T, text string) float64 {
	f, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return f
}
