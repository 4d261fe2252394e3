package pipeline

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func unknown(t *testing.T, code, from int) *enrich.Result {
	t.Helper()
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)
	res := &enrich.Result{}
	e.Enrich(&enrich.Record{Value: fmt.Appendf(nil, `{"HangupCauseCode":%d,"From":%d}`, code, from)}, res)
	require.Equal(t, enrich.UnknownCode, res.Outcome)
	return res
}

func TestSamplesKeepTheFirstEventOfEachCode(t *testing.T) {
	shown := 0
	s := samples{show: func(event []byte) string {
		shown++
		return string(event[:40])
	}}
	require.Empty(t, s.all())
	s.take(unknown(t, 9001, 1))
	before := s.all()
	s.take(unknown(t, 9001, 2))
	s.take(unknown(t, 9002, 3))
	require.Equal(t, 2, shown, "what is not kept is not shown either")
	require.Len(t, s.all(), 2)
	require.Contains(t, s.all()[9001], `"From":1`)
	require.Len(t, before, 1, "who reads it is not disturbed")
	for code := range 2 * maxSamples {
		s.take(unknown(t, 10_000+code, 1))
	}
	require.Len(t, s.all(), maxSamples)
	require.Equal(t, maxSamples, shown)
}

func TestSamplesThatNobodyWants(t *testing.T) {
	var s samples
	s.take(unknown(t, 9001, 1))
	require.Empty(t, s.all())
}

func TestSamplesOfManyWorkers(t *testing.T) {
	s := samples{show: func([]byte) string { return "x" }}
	var workers sync.WaitGroup
	for range 4 {
		all := make([]*enrich.Result, 50)
		for i := range all {
			all[i] = unknown(t, 9001+i, i)
		}
		workers.Go(func() {
			for _, res := range all {
				s.take(res)
			}
		})
	}
	workers.Wait()
	require.Len(t, s.all(), 50)
}

// The data path must not pay for it: an event whose code has its sample allocates nothing.
func TestSamplesCostNothing(t *testing.T) {
	s := samples{show: func([]byte) string { return "x" }}
	res := unknown(t, 9001, 1)
	s.take(res)
	require.Zero(t, testing.AllocsPerRun(100, func() { s.take(res) }))
}

func BenchmarkSamples(b *testing.B) {
	s := samples{show: func([]byte) string { return "x" }}
	res := &enrich.Result{Code: 9001}
	s.take(res)
	for b.Loop() {
		s.take(res)
	}
}
