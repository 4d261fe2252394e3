package pipeline

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A cut waits for who is inside, but not beyond its context; then everybody may pass again.
func TestTurnstileCutGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := newTurnstile()
		turn.enter()
		ctx, cancel := context.WithCancel(t.Context())
		cut := make(chan bool)
		go func() { cut <- turn.cut(ctx, func() { t.Error("somebody is inside") }) }()
		synctest.Wait() // until it waits
		cancel()
		require.False(t, <-cut)

		turn.enter() // not shut out
		turn.leave()
		go func() { cut <- turn.cut(t.Context(), func() {}) }()
		synctest.Wait()
		turn.leave()
		require.True(t, <-cut)
	})
}
