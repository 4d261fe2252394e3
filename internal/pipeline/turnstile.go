package pipeline

import "sync"

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

// cut keeps everybody out while f runs.
func (t *turnstile) cut(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.closed = true; t.inside > 0; {
		t.changed.Wait()
	}
	f()
	t.closed = false
	t.changed.Broadcast()
}
