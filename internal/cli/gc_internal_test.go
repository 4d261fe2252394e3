package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentFor(t *testing.T) {
	t.Parallel()

	for live, want := range map[uint64]int{0: 800, 1: 800, 4 << 20: 200, 16 << 20: 50, 32 << 20: 25, 64 << 20: 25, 1 << 40: 25} {
		require.Equal(t, want, percentFor(live), live)
	}
}

// TestTuneGC: the percentage follows what is in use, up and down.
func TestTuneGC(t *testing.T) { //nolint:paralleltest // it is about the whole process
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	tuneGC()

	percent := func() int {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)

		return int(s[0].Value.Uint64())
	}
	settles := func(at func(percent int) bool) {
		require.Eventually(t, func() bool {
			runtime.GC()

			return at(percent())
		}, time.Minute, time.Millisecond)
	}

	large := make([]byte, 128<<20)
	settles(func(p int) bool { return p == gcPercent })
	runtime.KeepAlive(large)
	settles(func(p int) bool { return p > gcPercent })
	t.Setenv("GOGC", "100") // ends the chain before other tests
	runtime.GC()
}
