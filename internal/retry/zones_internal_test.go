package retry

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestZonesAreBounded: events can invent names without end.
func TestZonesAreBounded(t *testing.T) {
	t.Parallel()

	z := newZones(time.UTC)
	for i := range maxZones {
		require.Same(t, z.fallback, z.get([]byte("x/"+strconv.Itoa(i))))
	}
	require.Len(t, z.byName, maxZones)
	require.Same(t, z.fallback, z.get([]byte(strings.Repeat("x", maxZoneName+1))))
	require.Len(t, z.byName, maxZones, "a name that long is not kept")
	loaded := z.get([]byte("Europe/Berlin"))
	require.Len(t, z.byName, 1)
	require.Same(t, loaded, z.get([]byte("Europe/Berlin")))
}

func TestZonesFromManySides(t *testing.T) {
	t.Parallel()

	w, err := NewWindow(WindowConfig{From: 540, To: 1020})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for side := range 4 {
		wg.Go(func() {
			for i := range int64(500) {
				for _, name := range []string{"Europe/Berlin", "Asia/Kolkata", "x/" + strconv.FormatInt(i, 10)} {
					at := w.Next(i*int64(time.Hour/time.Millisecond), []byte(name), []byte{byte(side)})
					if again := w.Next(at, []byte(name), nil); again != at {
						t.Errorf("%s: %d is inside, and then only %d", name, at, again)
					}
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(4*500*2), w.UnknownZones())
}
