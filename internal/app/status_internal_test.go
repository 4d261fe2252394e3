package app

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
)

// What the page costs while nobody looks is a tenth of this each second.
func BenchmarkLook(b *testing.B) {
	cluster := kafkatest.StartFake(b, kfake.SeedTopics(256, "calls.raw", "calls.enriched"))
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Input.Topics, cfg.Input.Group, cfg.Output.Topic = cluster.ListenAddrs(), []string{"calls.raw"}, "g", "calls.enriched"
	cfg.Ops.Listen, cfg.Ops.Page = "", ""
	a, err := New(cfg, zap.NewNop())
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	s := newStatus(a)
	deadline := time.Now().Add(time.Minute)
	for len(s.Status().Roles[0].Partitions) < 256 {
		require.True(b, time.Now().Before(deadline))
		runtime.Gosched()
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Status()
	}
	b.StopTimer()
	cancel()
	require.NoError(b, <-done)
}
