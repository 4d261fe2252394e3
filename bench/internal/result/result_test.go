package result_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/measure"
	"github.com/callstream/enricher/bench/internal/result"
)

func some() *result.Result {
	return &result.Result{
		Rounds: 2,
		Who:    []result.Contestant{{ID: "a", Title: "A"}, {ID: "b", Title: "B"}, {ID: "c", Title: "C", Skipped: "missing"}},
		Runs: []result.Run{
			{Part: "p", Case: "y", Contestant: "b", Round: 1, Values: map[string]float64{"v": 4}},
			{Part: "p", Case: "x", Contestant: "a", Round: 1, Values: map[string]float64{"v": 1}},
			{Part: "p", Case: "x", Contestant: "a", Round: 2, Values: map[string]float64{"v": 3}, Samples: []result.Sample{{At: 1, Done: 2, RSS: 3}}},
			{Part: "q", Case: "x", Contestant: "a", Round: 1, Values: map[string]float64{"v": 9}},
		},
	}
}

func TestValues(t *testing.T) {
	r := some()
	k := result.Key{Part: "p", Case: "x", Contestant: "a"}
	require.Equal(t, map[int]float64{1: 1, 2: 3}, r.Values(k, "v"))
	require.Equal(t, measure.Range{Median: 2, Min: 1, Max: 3, N: 2}, r.Summary(k, "v"))
	require.Empty(t, r.Values(k, "w"))
	require.Equal(t, []string{"y", "x"}, r.Cases("p"))
	require.Equal(t, r.Who[:2], r.Contestants("p"))
	require.Equal(t, r.Who[:1], r.Contestants("q"))
	require.False(t, r.Failed(), "to be skipped is no failure")

	r.Runs = append(r.Runs, result.Run{Part: "p", Case: "x", Contestant: "a", Round: 3, Values: map[string]float64{"v": 100}, Failure: "why"})
	require.Len(t, r.Values(k, "v"), 2, "a run that failed has no figure")
	require.Equal(t, []string{"why"}, r.Failures(k))
	require.True(t, r.Failed())
	r = some()
	r.Who[1].Failed = "cannot be built"
	require.True(t, r.Failed())
	r = some()
	r.Troubles = []result.Trouble{{Step: "load", Failure: "why", Mended: true}}
	require.False(t, r.Failed(), "a second try mended it")
	r.Troubles[0].Mended = false
	require.True(t, r.Failed())
}

func TestAdd(t *testing.T) {
	var r result.Result
	r.Add(result.Run{Contestant: "good", Values: map[string]float64{"v": 1}})
	r.Add(result.Run{Contestant: "none", Values: map[string]float64{"a": 1, "v": math.NaN()}})
	r.Add(result.Run{Contestant: "endless", Values: map[string]float64{"v": math.Inf(1)}, Samples: []result.Sample{{}}})
	r.Add(result.Run{Contestant: "failed", Values: map[string]float64{"v": math.Inf(1)}, Failure: "why"})
	require.Equal(t, []result.Run{
		{Contestant: "good", Values: map[string]float64{"v": 1}},
		{Contestant: "none", Failure: "its v is NaN"},
		{Contestant: "endless", Failure: "its v is +Inf"},
		{Contestant: "failed", Failure: "why"},
	}, r.Runs)
	require.NoError(t, r.Write(filepath.Join(t.TempDir(), "r.json")), "JSON could not have those")
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	require.NoError(t, some().Write(path))
	got, err := result.Read(path)
	require.NoError(t, err)
	require.Equal(t, some(), got)

	require.Error(t, some().Write(filepath.Join(path, "below a file")))
	_, err = result.Read("none")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = result.Read(path)
	require.ErrorContains(t, err, path)
}
