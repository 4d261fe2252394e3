package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWithin: of reads that block one is left behind, not one for each try.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, unblock, reads := newTurn(), make(chan struct{}), 0
		try := func() (int, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return within(ctx, reading, func() (int, error) {
				reads++
				<-unblock
				return reads, nil
			})
		}
		for range 3 {
			_, err := try()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "is one a pipe, or on a file system that hangs?")
		}
		synctest.Wait()
		require.Equal(t, 1, reads)
		close(unblock)
		n, err := try()
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}
