package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// size is how much of everything a run has.
type size struct {
	events   int
	rate     int  // events a second
	scale    bool // 1→3→1 enrichers; else three all the time
	kills    int  // kill -9 of enrichers, started again under the same name
	brokers  int  // kill -9 of brokers, started again
	stops    int  // SIGSTOP of enrichers for longer than the session timeout
	cuts     int  // all connections to a broker cut
	halves   int  // the same, half-closed
	delays   int  // everything to and from a broker delayed
	atLeast  bool // delivery: at_least_once
	mutation string
}

// load is how long the loader takes.
func (s size) load() time.Duration {
	return time.Duration(s.events) * time.Second / time.Duration(s.rate)
}

// What is done to the enrichers, and what the faults count on.
const (
	sessionTimeout     = 6 * time.Second
	commitInterval     = 100 * time.Millisecond
	transactionTimeout = 10 * time.Second
	numBrokers         = 3
	partitions         = 6
)

func instances() []string { return []string{"a", "b", "c"} }

// action is a kind of fault.
type action string

const (
	killEnricher action = "kill -9 of an enricher"
	killBroker   action = "kill -9 of a broker"
	stopEnricher action = "SIGSTOP of an enricher"
	cutBroker    action = "cut of all connections"
	halfClose    action = "half-close of all connections"
	delayBroker  action = "delay of all connections"
	scaleUp      action = "scale up"
	scaleDown    action = "scale down"
)

// fault is one thing that is done to the system.
type fault struct {
	at       time.Duration // since the loader began
	do       action
	instance string        // of an enricher
	broker   int           // 1 to numBrokers
	length   time.Duration // until it is taken back
}

func (f fault) String() string {
	whom := "enricher " + f.instance
	switch f.do {
	case killBroker, cutBroker, halfClose, delayBroker:
		whom = fmt.Sprintf("broker %d", f.broker)
	case killEnricher, stopEnricher, scaleUp, scaleDown:
	}
	return fmt.Sprintf("%-30s %-10s for %.1fs", f.do, whom, f.length.Seconds())
}

// plan draws the faults of a run: the same seed and size give the same.
func plan(seed uint64, s size) []fault {
	rng := rand.New(rand.NewPCG(seed, 4))
	from, to := 3*time.Second, s.load()-2*time.Second
	var faults []fault
	if s.scale {
		edge := s.load() / 12
		for _, name := range instances()[1:] {
			faults = append(faults, fault{at: edge / 2, do: scaleUp, instance: name}, fault{at: s.load() - edge/2, do: scaleDown, instance: name})
		}
		from, to = from+edge, to-edge
	}
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(rng.Int64N(int64(b-a))) }
	for _, kind := range []struct {
		do       action
		n        int
		min, max time.Duration
	}{
		{killEnricher, s.kills, 0, 2 * time.Second},
		{killBroker, s.brokers, 3 * time.Second, 6 * time.Second},
		{stopEnricher, s.stops, sessionTimeout + 2*time.Second, sessionTimeout + 6*time.Second},
		{cutBroker, s.cuts, 0, 1},
		{halfClose, s.halves, 0, 1},
		{delayBroker, s.delays, 2 * time.Second, 4 * time.Second},
	} {
		// One in each equal part of the time, so that they are not all at once.
		part := (to - from) / time.Duration(max(kind.n, 1))
		for i := range kind.n {
			at := from + part*time.Duration(i)
			faults = append(faults, fault{
				at: between(at, at+part), do: kind.do, length: between(kind.min, kind.max),
				instance: instances()[rng.IntN(len(instances()))], broker: 1 + rng.IntN(numBrokers),
			})
		}
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
	return faults
}

func TestPlan(t *testing.T) {
	s := longSize()
	again := plan(7, s)
	require.Equal(t, plan(7, s), again)
	require.NotEqual(t, plan(7, s), plan(8, s))
	count := map[action]int{}
	for _, f := range plan(7, s) {
		count[f.do]++
		require.Positive(t, f.at)
		require.Less(t, f.at, s.load())
		if f.do == stopEnricher {
			require.Greater(t, f.length, sessionTimeout)
		}
	}
	require.Equal(t, map[action]int{
		killEnricher: 10, killBroker: 4, stopEnricher: 3, cutBroker: 5, halfClose: 2, delayBroker: 2, scaleUp: 2, scaleDown: 2,
	}, count)
}

// shortSize is what runs with every change.
func shortSize() size {
	return size{events: 100_000, rate: 2000, kills: 3, brokers: 1, stops: 1, cuts: 2, halves: 1, delays: 1}
}

// longSize is what the issue of exactly-once asks for.
func longSize() size {
	return size{events: 1_000_000, rate: 3000, scale: true, kills: 10, brokers: 4, stops: 3, cuts: 5, halves: 2, delays: 2}
}
