package retry

import (
	"hash/maphash"
	"maps"
	"sync"
	"time"
)

// Cancels are keys whose retries have been called off, each with the time of its latest
// cancel. It is safe for concurrent use.
//
// Instead of a key its 64-bit hash is kept, with a seed of the process's own, so that
// nobody can choose keys that collide. A key takes 20 to 40 bytes, whatever its length
// (BenchmarkCancels measures it). The price: with ten million cancelled keys, one retry
// in two million millions is dropped for another's cancel.
type Cancels struct {
	maxAgeMS int64
	seed     maphash.Seed

	mu   sync.RWMutex
	at   map[uint64]int64
	most int // that at has held since it was made; a map does not shrink by itself
}

// NewCancels makes an empty set. maxAge is the Loop's: a retry older than that expires anyway.
func NewCancels(maxAge time.Duration) *Cancels {
	return &Cancels{maxAgeMS: maxAge.Milliseconds(), seed: maphash.MakeSeed(), at: map[uint64]int64{}}
}

// Put notes a cancel: retries of calls that failed before atMS are off. An earlier cancel
// than the one that is known changes nothing. An empty key names nobody.
func (c *Cancels) Put(key []byte, atMS int64) {
	if len(key) == 0 {
		return
	}
	h := maphash.Bytes(c.seed, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.at[h]; !ok || known < atMS {
		c.at[h] = atMS
	}
	c.most = max(c.most, len(c.at))
}

// Remove takes a cancel back, as a tombstone on the topic does.
func (c *Cancels) Remove(key []byte) {
	h := maphash.Bytes(c.seed, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.at, h)
}

// Cancelled says whether o's call failed before the latest cancel of its key. An order
// without a key is never cancelled.
func (c *Cancels) Cancelled(o *Order) bool {
	if len(o.Key) == 0 {
		return false
	}
	h := maphash.Bytes(c.seed, o.Key)
	c.mu.RLock()
	defer c.mu.RUnlock()
	at, ok := c.at[h]
	return ok && o.FailedMS < at
}

// Prune forgets cancels that only retries too old to be dialled are older than. Others
// wait meanwhile; once a minute is plenty.
func (c *Cancels) Prune(nowMS int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h, at := range c.at {
		if at <= nowMS-c.maxAgeMS {
			delete(c.at, h)
		}
	}
	if len(c.at) >= c.most/4 {
		return
	}
	smaller := make(map[uint64]int64, len(c.at))
	maps.Copy(smaller, c.at)
	c.at, c.most = smaller, len(smaller)
}

// Len is the number of keys.
func (c *Cancels) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.at)
}
