package progress_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/progress"
)

func TestBar(t *testing.T) {
	now := time.Unix(0, 0)
	steps := []progress.Step{
		{Kind: "a", Label: "a one", Estimate: 10 * time.Second},
		{Kind: "b", Label: "b one", Estimate: 100 * time.Second},
		{Kind: "a", Label: "a two", Estimate: 10 * time.Second},
		{Kind: "b", Label: "b two", Estimate: 100 * time.Second},
	}
	var out bytes.Buffer
	b := progress.New(&out, false, steps, func() time.Time { return now })
	require.Equal(t, 220*time.Second, b.Left())
	b.Begin()
	now = now.Add(20 * time.Second)
	b.End("good", true)
	require.Equal(t, 220*time.Second, b.Left(), "the other a takes as long, and b is not known better")
	b.Begin()
	b.End("skipped", false)
	require.Equal(t, 120*time.Second, b.Left(), "what was skipped is no measure")
	require.Contains(t, out.String(), "1/4  a one")
	require.Contains(t, out.String(), "good  (20.0 s, 4 min left)")
	require.Contains(t, out.String(), "2 min left")
	require.NotContains(t, out.String(), "\r")
}

func TestLive(t *testing.T) {
	var out bytes.Buffer
	b := progress.New(&out, true, []progress.Step{{Kind: "a", Label: "a one"}, {Kind: "a", Label: "a two", Estimate: 5 * time.Second}}, time.Now)
	b.Begin()
	require.Equal(t, "\r\x1b[K[........................] 1/2  5 s left  a one", out.String())
	b.End("good", true)
	out.Reset()
	b.Begin()
	require.Contains(t, out.String(), "[############............] 2/2")
}
