package retry_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/retry"
)

func cancelled(c *retry.Cancels, key string, failedMS int64) bool {
	return c.Cancelled(&retry.Order{Key: []byte(key), FailedMS: failedMS})
}

func TestCancels(t *testing.T) {
	t.Parallel()

	c := retry.NewCancels(24 * time.Hour)
	require.False(t, cancelled(c, "a", 0))

	c.Put([]byte("a"), 1000)
	require.True(t, cancelled(c, "a", 999), "it failed before the cancel")
	require.False(t, cancelled(c, "a", 1000), "it did not fail before the cancel")
	require.False(t, cancelled(c, "a", 1001))
	require.False(t, cancelled(c, "b", 999), "another key")

	c.Put([]byte("a"), 500)
	require.True(t, cancelled(c, "a", 999), "the latest counts, in whatever order they come")
	c.Put([]byte("a"), 2000)
	require.True(t, cancelled(c, "a", 1999))
	require.Equal(t, 1, c.Len())

	c.Put(nil, 9000)
	c.Put([]byte{}, 9000)
	require.Equal(t, 1, c.Len(), "no key names nobody")
	require.False(t, c.Cancelled(&retry.Order{FailedMS: 1}))

	c.Put([]byte("negative"), -5)
	require.True(t, cancelled(c, "negative", -6))

	c.Remove([]byte("a"))
	c.Remove([]byte("a"))
	c.Remove([]byte("never there"))
	require.False(t, cancelled(c, "a", 1))
	require.Equal(t, 1, c.Len())
}

func TestPrune(t *testing.T) {
	t.Parallel()

	c := retry.NewCancels(time.Hour)
	for i := range 1000 {
		c.Put([]byte(strconv.Itoa(i)), now+int64(i))
	}
	c.Prune(now + hour - 1)
	require.Equal(t, 1000, c.Len())
	c.Prune(now + hour)
	require.Equal(t, 999, c.Len())
	require.False(t, cancelled(c, "0", now-1))
	require.True(t, cancelled(c, "1", now))
	c.Prune(now + hour + 900) // few are left: into a smaller map
	require.Equal(t, 99, c.Len())
	require.True(t, cancelled(c, "901", now+900))
	require.True(t, cancelled(c, "999", now+998))
	c.Prune(now + 2*hour)
	require.Zero(t, c.Len())
	c.Put([]byte("a"), now)
	require.Equal(t, 1, c.Len())
}

// TestPruneChangesNothing that a loop does: what it forgets, Release gives up anyway.
func TestPruneChangesNothing(t *testing.T) {
	t.Parallel()

	rapid.Check(t, func(t *rapid.T) {
		const maxAge = time.Hour
		l := newLoop(t, func(c *retry.Config) { c.MaxAge = maxAge })
		all, pruned := retry.NewCancels(maxAge), retry.NewCancels(maxAge)
		key := rapid.SampledFrom([]string{"a", "b", "c"})
		at := rapid.Int64Range(now-2*hour, now)
		for range rapid.IntRange(0, 20).Draw(t, "cancels") {
			k, ms := []byte(key.Draw(t, "key")), at.Draw(t, "at")
			all.Put(k, ms)
			pruned.Put(k, ms)
		}
		pruned.Prune(now)
		o := retry.Order{Key: []byte(key.Draw(t, "key")), FailedMS: at.Draw(t, "failed"), Attempt: 1}
		if l.Release(now, &o).Place != retry.GaveUp {
			require.Equal(t, all.Cancelled(&o), pruned.Cancelled(&o))
		}
	})
}

func TestCancelsFromManySides(t *testing.T) {
	t.Parallel()

	c := retry.NewCancels(time.Hour)
	var wg sync.WaitGroup
	for side := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				key := []byte(strconv.Itoa(i))
				c.Put(key, now+int64(side))
				c.Cancelled(&retry.Order{Key: key})
				if i%100 == 0 {
					c.Prune(now)
					c.Len()
				}
				c.Remove([]byte("x" + strconv.Itoa(i)))
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1000, c.Len())
	require.True(t, cancelled(c, "7", now+2))
}
