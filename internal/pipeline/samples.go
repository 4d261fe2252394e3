package pipeline

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/callstream/enricher/pkg/enrich"
)

// maxSamples bounds the unknown codes of which an event is kept.
const maxSamples = 100

// samples keep of each unknown code the first event, as it may be shown to people.
type samples struct {
	show func(event []byte) string // nil: none are kept

	mu     sync.Mutex // of those who add
	byCode atomic.Pointer[map[int32]string]
}

// take keeps an event with an unknown code, if it is the first with that code. Mostly it is not, and then it costs a
// look-up without a lock.
func (s *samples) take(res *enrich.Result) {
	if s.show == nil || LongCode(res.Code) || s.has(res.Code) {
		return
	}
	shown := s.show(res.AppendValue(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.has(res.Code) {
		return // another worker was faster
	}
	next := maps.Clone(s.all())
	if next == nil {
		next = map[int32]string{}
	}
	next[res.Code] = shown
	s.byCode.Store(&next)
}

// has tells whether the code has its sample, or will not get one.
func (s *samples) has(code int32) bool {
	all := s.all()
	_, known := all[code]
	return known || len(all) >= maxSamples
}

// all are not changed any more.
func (s *samples) all() map[int32]string {
	if all := s.byCode.Load(); all != nil {
		return *all
	}
	return nil
}

// Samples are the first events with unknown codes, by code, of at most a hundred codes. Do not change them.
func (p *Pipeline) Samples() map[int32]string { return p.samples.all() }
