// Package eventgen makes call events for the demo, tests and benchmarks: the shapes of
// the masked real events under testdata/events with fresh ids, in a mix like
// life's. The same seed gives the same events.
package eventgen

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/callstream/enricher/pkg/catalog"
)

// Event is one made event. Its slices are valid until the next call of Next.
type Event struct {
	Key   []byte
	Value []byte // nil: a tombstone
	Kind  Kind
}

// Kind is what an event was made as.
type Kind uint8

// The kinds, with the outcome that each should have.
const (
	Hangup      Kind = iota // enriched: a code of the catalog
	Legacy                  // enriched: a name only
	Unknown                 // unknown_code: a code that the catalog lacks
	Progress                // no_code: ring, answer, digits, machine detection
	Trunk                   // no_code: a SIP-trunk record, whose codes mean other things
	Broken                  // malformed
	TombstoneOf             // tombstone
	numKinds
)

// Generator makes events. It is not safe for concurrent use.
type Generator struct {
	rng     *rand.Rand
	entries []catalog.Entry
	names   map[int32]string
	cum     []int // cumulative weights of entries
	kinds   [numKinds]int
	buf     []byte
	key     []byte
}

// In one thousand events. Hangups, legacy and unknown ones together are 60 %.
func mix() [numKinds]int {
	return [numKinds]int{Hangup: 578, Legacy: 12, Unknown: 10, Progress: 383, Trunk: 10, Broken: 5, TombstoneOf: 2}
}

// weights are how often codes come, roughly as in outbound campaigns: most calls end
// normally, ring out, are busy or meet a machine. Every other code comes now and then.
func weights() map[int32]int {
	return map[int32]int{
		4000: 3600, 4010: 1100, 3000: 1500, 6010: 700, 3010: 900, 3020: 350, 9100: 400, 1000: 300, 9000: 150,
		3110: 120, 3050: 130, 2000: 90, 3080: 80, 3090: 70, 3070: 60, 6000: 40, 6020: 40, 2020: 60, 1020: 30,
	}
}

const rareWeight = 8

// New makes a generator of events with the codes of the given entries.
func New(seed uint64, entries []catalog.Entry) *Generator {
	g := &Generator{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), entries: entries, kinds: mix(), names: map[int32]string{}} //nolint:gosec // reproducible on purpose
	sum := 0
	for _, e := range entries {
		w, ok := weights()[e.Code]
		if !ok {
			w = rareWeight
		}
		sum += w
		g.cum = append(g.cum, sum)
		g.names[e.Code] = e.Name
	}
	return g
}

// Next makes the next event.
func (g *Generator) Next() Event {
	kind := g.kind()
	c := g.call()
	g.key = append(g.key[:0], c.uuid...)
	g.buf = g.buf[:0]
	switch kind {
	case Hangup:
		g.hangup(&c)
	case Legacy:
		g.legacy(&c)
	case Unknown:
		c.code, c.name = 9900+g.rng.Int32N(40), "Not In Any Table" // codes that nobody has published
		g.hangupJSON(&c)
	case Progress:
		g.progress(&c)
	case Trunk:
		g.trunk(&c)
	case Broken:
		g.hangupJSON(&c)
		g.breakIt()
	case TombstoneOf, numKinds:
		return Event{Key: g.key, Kind: TombstoneOf}
	}
	return Event{Key: g.key, Value: g.buf, Kind: kind}
}

func (g *Generator) kind() Kind {
	n := g.rng.IntN(1000) // per mille
	for k, share := range g.kinds {
		if n -= share; n < 0 {
			return Kind(k)
		}
	}
	return Hangup
}

// call is what the events of one call have in common.
type call struct {
	uuid      string
	direction string
	from, to  string
	code      int32
	name      string
	fault     catalog.Fault
	source    string
	answered  bool
	seconds   int // talked
	day, sec  int
}

const (
	hex        = "0123456789abcdef"
	outboundOf = 85 // in a hundred
)

func (g *Generator) uuid() string {
	var b [36]byte
	for i := range b {
		b[i] = hex[g.rng.IntN(16)]
	}
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	b[14] = '4'
	return string(b[:])
}

func (g *Generator) call() call {
	c := call{
		uuid: g.uuid(), direction: "outbound", day: 1 + g.rng.IntN(28), sec: g.rng.IntN(86000),
		from: fmt.Sprintf("1555555%04d", g.rng.IntN(10000)), to: fmt.Sprintf("9155555%05d", g.rng.IntN(100000)),
	}
	if g.rng.IntN(100) >= outboundOf {
		c.direction = "inbound"
	}
	return c
}

func (g *Generator) cause(c *call) {
	n := g.rng.IntN(g.cum[len(g.cum)-1])
	i := 0
	for g.cum[i] <= n {
		i++
	}
	e := &g.entries[i]
	c.code, c.name, c.fault, c.source = e.Code, e.Name, e.Fault, "Unknown"
	if len(e.Sources) > 0 {
		c.source = strings.ReplaceAll(string(e.Sources[g.rng.IntN(len(e.Sources))].By), "_", " ")
	}
	for _, s := range e.States {
		switch s {
		case catalog.StateAnswered:
			c.answered = true
		case catalog.StateAny:
			c.answered = g.rng.IntN(10) == 0
		default: // not answered
		}
	}
	if c.answered && len(e.States) > 1 { // answered is one of several states
		c.answered = g.rng.IntN(10) < 8
	}
	if c.answered {
		c.seconds = 1 + g.rng.IntN(300)
	}
}

// time writes a moment of the call as callbacks do, without a zone.
func (c *call) time(offset int) string {
	s := c.sec + offset
	return fmt.Sprintf("2026-09-%02d %02d:%02d:%02d", c.day, s/3600%24, s/60%60, s%60)
}
