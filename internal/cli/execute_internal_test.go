package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyUnread(t *testing.T) {
	unread, other := fmt.Errorf("write output: %w", &unreadError{syscall.EPIPE}), fmt.Errorf("read input: %w", syscall.EPIPE)

	require.True(t, onlyUnread(unread))
	require.True(t, onlyUnread(fmt.Errorf("replay: %w", errors.Join(unread, unread))))
	require.False(t, onlyUnread(other))
	require.False(t, onlyUnread(fmt.Errorf("replay: %w", errors.Join(unread, other))))
	require.False(t, onlyUnread(fmt.Errorf("%w, %w", other, unread)))
}

// What has something to finish is waited for, however long it takes.
func TestFinishingCommandIsNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{err: io.Discard}
		w.finishes()

		ended := make(chan int)

		go func() {
			time.Sleep(time.Hour)

			ended <- ExitOK
		}()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, ExitOK, w.await(ctx, ended))
	})
}

func TestDemoHasSomethingToFinish(t *testing.T) {
	w := &world{out: io.Discard, err: io.Discard, getenv: os.Getenv}
	require.Equal(t, ExitOK, w.command(t.Context(), []string{"version"}))
	require.False(t, w.finishing.Load())
	require.Equal(t, ExitOK, w.command(t.Context(), []string{"demo", "--events", "1"}))
	require.True(t, w.finishing.Load())
}
