package demo_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func demoConfig() *config.Config {
	cfg := config.Default()
	yes := true
	cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic, cfg.DeadLetter.Topic = []string{"calls.raw"}, "enricher", "calls.enriched", "calls.dead"
	cfg.Routes = []config.Route{{Name: "retry", Match: config.Match{Retryable: &yes}, Topic: "calls.retry"}}
	cfg.Ops.Listen = ""
	cfg.Limits.CommitInterval = 100 * time.Millisecond
	return cfg
}

func TestDemoConserves(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var views int
	rep, err := demo.Run(ctx, demoConfig(), demo.Options{Events: 20_000, Seed: 1}, zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)), func(demo.Progress) { views++ })
	require.NoError(t, err)
	require.True(t, rep.Conserved, "%+v", rep)
	require.EqualValues(t, 20_000, rep.In)
	require.EqualValues(t, 20_000, rep.Made)
	require.Equal(t, rep.In, rep.Out+rep.DeadLettered)
	for _, o := range []string{"enriched", "unknown_code", "no_code", "malformed", "tombstone"} {
		require.Positive(t, rep.Outcomes[o], o)
	}
	require.InDelta(t, 0.6, float64(rep.Outcomes["enriched"]+rep.Outcomes["unknown_code"])/20_000, 0.02)
	require.Positive(t, rep.Routes["retry"])
	require.Greater(t, len(rep.Codes), 50)
	require.NotEmpty(t, rep.Samples["to be retried"])
	require.Contains(t, rep.Samples, "ended normally")
	require.NotContains(t, rep.Samples, "")
	ended := gjson.GetMany(rep.Samples["ended normally"], "BillDuration", "bill_duration")
	require.Positive(t, ended[0].Int()+ended[1].Int(), "somebody has talked: %s", rep.Samples["ended normally"])
	require.Positive(t, rep.LatencyMS.P99)
	require.Positive(t, views)
	_, err = json.Marshal(rep)
	require.NoError(t, err)
}

// A rate and a time: about as many events as they give, and all of them come through.
func TestDemoForATime(t *testing.T) {
	rep, err := demo.Run(t.Context(), demoConfig(), demo.Options{For: 300 * time.Millisecond, Rate: 1000, Seed: 2}, zap.NewNop(), nil)
	require.NoError(t, err)
	require.True(t, rep.Conserved)
	require.Positive(t, rep.In)
	require.LessOrEqual(t, rep.In, int64(400))
}

// Asked to stop, the source ends early and the rest comes through.
func TestDemoStopsInOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := demo.Run(ctx, demoConfig(), demo.Options{Rate: 2000, For: time.Minute, Seed: 3}, zap.NewNop(), func(p demo.Progress) {
		if p.Made > 100 {
			cancel()
		}
	})
	require.NoError(t, err)
	require.True(t, rep.Conserved)
	require.Less(t, rep.In, int64(100_000))
}
