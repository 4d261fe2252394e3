package pipeline

import (
	"context"
	"sync"
)

// turnstile lets workers pass one batch at a time, and stops them all between two batches for
// a cut. A sync.RWMutex would do the same, but a worker may wait inside for room in a
// queue, and virtual time in tests does not go on while somebody waits for a mutex.
type turnstile struct {
	mu      sync.Mutex
	changed sync.Cond
	inside  int
	closed  bool
}

func newTurnstile() *turnstile {
	t := &turnstile{}
	t.changed.L = &t.mu
	return t
}

// enter waits until no cut is being made.
func (t *turnstile) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.closed {
		t.changed.Wait()
	}
	t.inside++
}

func (t *turnstile) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside--; t.inside == 0 && t.closed {
		t.changed.Broadcast()
	}
}

// cut keeps everybody out while f runs. It reports false, and does not run f, if ctx ends while
// somebody is still inside: who waits there for room may do so for as long as a broker refuses.
func (t *turnstile) cut(ctx context.Context, f func()) bool {
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.changed.Broadcast()
	})
	defer stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.closed = true; t.inside > 0 && ctx.Err() == nil; {
		t.changed.Wait()
	}
	empty := t.inside == 0
	if empty {
		f()
	}
	t.closed = false
	t.changed.Broadcast()
	return empty
}
