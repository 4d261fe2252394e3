package broker

import "context"

// lock is a mutex for what takes a request's time: whoever waits for it can be told to stop
// waiting, and virtual time in tests goes on meanwhile. Its capacity is one.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

// acquire reports false if ctx ended first.
func (l lock) acquire(ctx context.Context) bool {
	select {
	case l <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l lock) release() { <-l }
