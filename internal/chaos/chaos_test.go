//go:build kafka

package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/kafkatest"
)

// Environment variables.
const (
	envSeed = "CHAOS_SEED" // instead of one by the clock
	envSize = "CHAOS"      // "long": the runs of `make test-chaos` too
)

func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano()) % 1_000_000
	if text := os.Getenv(envSeed); text != "" {
		var err error
		s, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, envSeed)
	}
	t.Logf("%s=%d gives the same faults", envSeed, s)
	return s
}

func long() bool { return os.Getenv(envSize) == "long" }

func cluster(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	return kafkatest.Start(t, kafkatest.Options{Nodes: numBrokers, HeapMB: 400, Roles: true, Proxied: true})
}

// A hundred thousand events, with everything that can break broken at least once.
func TestChaosShort(t *testing.T) {
	s := seed(t)
	r := newRun(t, cluster(t), build(t, t.TempDir(), nil), "", s, shortSize())
	report, good := r.chaos(plan(s, r.s))
	require.True(t, good, report)
}

// Without transactions nothing is lost either; what comes twice is counted.
func TestChaosShortAtLeastOnce(t *testing.T) {
	s := seed(t)
	half := shortSize()
	half.events, half.atLeast = half.events/2, true
	r := newRun(t, cluster(t), build(t, t.TempDir(), nil), "", s, half)
	report, good := r.chaos(plan(s, r.s))
	require.True(t, good, report)
}

// A million events and two dozen faults.
func TestChaosLong(t *testing.T) {
	if !long() {
		t.Skipf("takes ten minutes: %s=long runs it", envSize)
	}
	s := seed(t)
	r := newRun(t, cluster(t), build(t, t.TempDir(), nil), "", s, longSize())
	report, good := r.chaos(plan(s, r.s))
	require.True(t, good, report)
}
