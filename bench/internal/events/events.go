// Package events makes the call events that the benchmark is loaded with: callbacks and call-detail
// records with the fields of the real ones under testdata/events, as JSON, in a mix like
// life's, of a given average size. The same seed gives the same events.
//
// It differs from internal/eventgen, which makes whatever may come, in that each event is one that all
// contestants treat alike: the code stands under HangupCauseCode and is in the catalog or not
// there at all, and what is broken is so for every JSON parser.
package events

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/callstream/enricher/pkg/catalog"
)

// Event is one event. Its slices are valid until the next call of Next.
type Event struct {
	Key   []byte
	Value []byte // nil: a tombstone
	Time  time.Time
	Kind  Kind
}

// Kind is what an event was made as.
type Kind uint8

// The kinds.
const (
	Callback  Kind = iota // hangup, the code as text
	Record                // call-detail record, the code as number
	Progress              // no code: ring, start, redirect
	Broken                // no JSON
	Tombstone             // no value
	numKinds
)

// shares are out of one thousand events: 60 % have a code.
func shares() [numKinds]int {
	return [numKinds]int{Callback: 510, Record: 90, Progress: 395, Broken: 3, Tombstone: 2}
}

// Sizes of events in relation to the average, so that all together have it: a call's end tells more
// than its beginning.
const (
	endSize      = 1.19
	progressSize = 0.72
	spread       = 0.2 // each is up to this much longer or shorter
)

// Generator makes events. It is not safe for concurrent use.
type Generator struct {
	rng   *rand.Rand
	kinds [numKinds]int
	codes []code
	sum   int // of weights
	mean  float64
	start time.Time
	n     int64

	value, key, scratch []byte
	fields              []field
}

type code struct {
	text, name, source string
	weight             int
	answered           bool
}

// New makes a generator of events whose values have mean bytes on average, at least 300. The first
// has the time start, and each is 1 ms later than the one before.
func New(seed uint64, entries []catalog.Entry, mean int, start time.Time) *Generator {
	g := &Generator{
		rng:   rand.New(rand.NewPCG(seed, 0x6a09e667f3bcc909)),
		kinds: shares(), mean: float64(mean), start: start.Truncate(time.Millisecond),
	}
	often := weights()
	for i := range entries {
		e := &entries[i]
		c := code{text: strconv.Itoa(int(e.Code)), name: e.Name, source: "Unknown", weight: max(1, often[e.Code])}
		if len(e.Sources) > 0 {
			c.source = string(e.Sources[0].By)
		}
		for _, s := range e.States {
			c.answered = c.answered || s == catalog.StateAnswered
		}
		g.codes = append(g.codes, c)
		g.sum += c.weight
	}
	return g
}

// weights are how often codes come, roughly as in outbound campaigns; all others now and then.
func weights() map[int32]int {
	return map[int32]int{
		4000: 360, 4010: 110, 3000: 150, 6010: 70, 3010: 90, 3020: 35, 9100: 40, 1000: 30, 9000: 15,
		3110: 12, 3050: 13, 2000: 9, 3080: 8, 3090: 7, 3070: 6,
	}
}

// Next makes the next event.
func (g *Generator) Next() Event {
	e := Event{Kind: g.kind(), Time: g.start.Add(time.Duration(g.n) * time.Millisecond)}
	g.n++
	g.key = g.uuid(g.key[:0])
	e.Key = g.key
	switch e.Kind {
	case Tombstone:
		return e
	case Progress:
		g.progress(g.size(progressSize))
	case Record:
		g.record(g.size(endSize))
	case Callback:
		g.callback(g.size(endSize))
	case Broken, numKinds:
		g.callback(g.size(endSize))
		if g.rng.IntN(2) == 0 {
			g.value = g.value[:len(g.value)*2/3] // cut off
		} else {
			g.value = append(g.value, g.value...) // two events in one record
		}
	}
	e.Value = g.value
	return e
}

func (g *Generator) kind() Kind {
	n := g.rng.IntN(1000)
	for k, share := range g.kinds {
		if n -= share; n < 0 {
			return Kind(k)
		}
	}
	return Callback
}

// size is what one event should have. A third of what may be missing at the end is added, which makes the average right.
func (g *Generator) size(relative float64) int {
	return slack/3 + int(g.mean*relative*(1-spread+2*spread*g.rng.Float64()))
}

func (g *Generator) code() *code {
	n := g.rng.IntN(g.sum)
	i := 0
	for n >= g.codes[i].weight {
		n -= g.codes[i].weight
		i++
	}
	return &g.codes[i]
}

// uuid appends a random id.
func (g *Generator) uuid(dst []byte) []byte {
	const hex = "0123456789abcdef"
	at := len(dst)
	for range 2 {
		for n, i := g.rng.Uint64(), 0; i < 18; i, n = i+1, n>>3^n<<61 {
			dst = append(dst, hex[n&15])
		}
	}
	dst[at+8], dst[at+13], dst[at+14], dst[at+18], dst[at+23] = '-', '-', '4', '-', '-'
	return dst
}
