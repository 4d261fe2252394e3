package retry

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // an image without an operating system has no zones of its own
)

// maxZones bounds what is kept by name: there are some 600 names, and events can invent more.
const maxZones = 2048

// maxZoneName is beyond the longest name there is, of 32 bytes.
const maxZoneName = 64

// zones are locations by name. Loading one costs thousands of times what a look-up does.
type zones struct {
	fallback *zone
	unknown  atomic.Int64

	mu     sync.RWMutex
	byName map[string]*zone // unknown names have the fallback
}

// zone is a location, and the span that was last asked for.
type zone struct {
	loc  *time.Location
	last atomic.Pointer[span]
}

func newZones(fallback *time.Location) *zones {
	return &zones{fallback: &zone{loc: fallback}, byName: map[string]*zone{}}
}

func (z *zones) get(name []byte) *zone {
	if len(name) == 0 {
		return z.fallback
	}
	z.mu.RLock()
	found := z.byName[string(name)]
	z.mu.RUnlock()
	if found == nil {
		found = z.load(name)
	}
	if found == z.fallback {
		z.unknown.Add(1)
	}
	return found
}

// load keeps what it finds. When there is no more room everything is forgotten: only
// invented names can fill it, and what is in use comes back.
func (z *zones) load(name []byte) *zone {
	if len(name) > maxZoneName {
		return z.fallback
	}
	found := z.fallback
	if loc, err := loadZone(string(name)); err == nil {
		found = &zone{loc: loc}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if len(z.byName) >= maxZones {
		clear(z.byName)
	}
	z.byName[string(name)] = found
	return found
}

// loadZone finds a zone by its name in the tz database. What time.LoadLocation takes
// besides, the machine's own zone and UTC for no name, nobody can mean here.
func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || strings.Contains(name, ".") {
		return nil, fmt.Errorf("time zone %q is not in the tz database: want a name like Europe/Berlin", name)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is not in the tz database: want a name like Europe/Berlin", name)
	}
	return loc, nil
}
