package cli

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

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
