//go:build browser

package app_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/demo"
)

// busyDemo runs the demo for as long as the test. It gives its page's address, and waits until the charts are full.
func busyDemo(t *testing.T) (address string, wait func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = l.Addr().String()
	require.NoError(t, l.Close())

	cfg := configFor()
	cfg.Routes = []config.Route{}
	cfg.Ops.Listen, cfg.Ops.Page = address, address
	demo.RetryLoop(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	full := make(chan struct{})
	tell := sync.OnceFunc(func() { close(full) })
	go func() {
		_, err := demo.Run(ctx, cfg, demo.Options{For: 10 * time.Minute, Rate: 300, Seed: 1, Retry: true}, zap.NewNop(), func(p demo.Progress) {
			if p.Elapsed > 3*time.Minute {
				tell()
			}
		})
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return "http://" + address + "/", func() { <-full }
}
