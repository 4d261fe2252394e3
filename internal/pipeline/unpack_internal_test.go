package pipeline

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// packed is a batch of which only the payload counts: n bytes that unpack from some thousand.
func packed(t *testing.T, n int) *recordbatch.Batch {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return &recordbatch.Batch{Attributes: int16(recordbatch.Zstd), Payload: w.EncodeAll(bytes.Repeat([]byte("a"), n), nil)}
}

// Workers that wait for room in the output hold what they have unpacked. However many they are, all of it is bounded.
func TestUnpackedIsBoundedForAllWorkers(t *testing.T) {
	const usual, large = 6 << 20, 60 << 20
	u := newUnpacker()
	// hold unpacks as long as it need not wait.
	hold := func(n int) (held []unpacked) {
		b, room := packed(t, n), int64(usualUnpacked)
		if n > usualUnpacked {
			room = u.all
		}
		for len(held) < 200 && u.room.TryAcquire(room) {
			u.room.Release(room)
			of, err := u.unpack(t.Context(), b)
			require.NoError(t, err)
			require.Len(t, of.records, n)
			held = append(held, of)
		}
		return held
	}

	held := hold(usual)
	require.GreaterOrEqual(t, len(held), max(leastUnpackers, runtime.GOMAXPROCS(0)), "a processor does not wait for another's batch")
	require.LessOrEqual(t, len(held)*usual, int(u.all))
	require.Empty(t, hold(1), "nothing more until room is given back")
	require.Empty(t, hold(large))
	u.release(held[0])
	require.Empty(t, hold(large))
	again := hold(usual)
	require.Len(t, again, 1)
	for _, of := range append(again, held[1:]...) {
		u.release(of)
	}

	of, err := u.unpack(t.Context(), packed(t, large))
	require.NoError(t, err)
	require.Len(t, of.records, large)
	require.Empty(t, hold(large), "a large one is alone")
	require.Empty(t, hold(usual))
	u.release(of)
	require.Len(t, hold(usual), len(held), "all is given back")
}

// Nobody is passed over: a large batch gets its turn among usual ones that come all the time.
func TestLargeBatchGetsItsTurn(t *testing.T) {
	u := newUnpacker()
	small, large := packed(t, 1<<20), packed(t, 60<<20)
	stop, ended := context.WithCancel(t.Context())
	done := make(chan struct{})
	for range 8 {
		go func() {
			for stop.Err() == nil {
				of, err := u.unpack(stop, small)
				if err == nil {
					u.release(of)
				}
			}
			done <- struct{}{}
		}()
	}
	for range 5 {
		of, err := u.unpack(t.Context(), large)
		require.NoError(t, err)
		require.Len(t, of.records, 60<<20)
		u.release(of)
	}
	ended()
	for range 8 {
		<-done
	}
}

func TestUnpackErrors(t *testing.T) {
	u := newUnpacker()
	for name, b := range map[string]*recordbatch.Batch{
		"over all limits": packed(t, recordbatch.DefaultMaxDecompressed+1),
		"not zstd":        {Attributes: int16(recordbatch.Zstd), Payload: []byte("not zstd")},
		"broken and large": func() *recordbatch.Batch {
			b := packed(t, 60<<20)
			b.Payload = slices.Concat(b.Payload, []byte("and more"))
			return b
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := u.unpack(t.Context(), b)
			var unreadable *unreadableError
			require.ErrorAs(t, err, &unreadable)
			require.True(t, u.room.TryAcquire(u.all), "all room is there again")
			u.room.Release(u.all)
		})
	}
	of, err := u.unpack(t.Context(), &recordbatch.Batch{Payload: []byte("as it is")})
	require.NoError(t, err)
	require.Equal(t, "as it is", string(of.records))
	u.release(of)
}
