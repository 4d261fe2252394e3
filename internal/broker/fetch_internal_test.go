package broker

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestFetchBuffersWait: who asks for more waits while the budget is spent, and all who wait go on once
// there is room, however few answers come back.
func TestFetchBuffersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewFetchBuffers(100)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.True(t, s.Wait(ctx))

		first, second := make([]byte, 60), make([]byte, 60)
		s.hold(first)
		require.True(t, s.Wait(ctx), "60 of 100")
		s.hold(second)

		passed := make(chan bool, 3)
		for range 3 {
			go func() { passed <- s.Wait(ctx) }()
		}
		synctest.Wait()
		require.Empty(t, passed, "120 of 100")

		s.put(first)
		synctest.Wait()
		require.Len(t, passed, 3)
		for range 3 {
			require.True(t, <-passed)
		}

		s.hold(first)
		go func() { passed <- s.Wait(ctx) }()
		synctest.Wait()
		require.Empty(t, passed)
		cancel()
		require.False(t, <-passed, "the end interrupts")
	})
}

// TestReadInto: buffers are used again and come in few sizes; what claims to be huge gets memory as it
// arrives.
func TestReadInto(t *testing.T) {
	got, err := readInto(bytes.NewReader(make([]byte, 70<<10)), nil, 70<<10)
	require.NoError(t, err)
	require.Len(t, got, 70<<10)
	require.Equal(t, 70<<10, cap(got))

	got, err = readInto(bytes.NewReader(make([]byte, 270<<10)), got, 270<<10)
	require.NoError(t, err)
	require.Len(t, got, 270<<10)
	require.Equal(t, 512<<10, cap(got))

	again, err := readInto(bytes.NewReader([]byte("abc")), got, 3)
	require.NoError(t, err)
	require.Equal(t, "abc", string(again))
	require.Same(t, &got[0], &again[0])

	short, err := readInto(bytes.NewReader([]byte("abc")), nil, 200<<20)
	require.Error(t, err)
	require.LessOrEqual(t, cap(short), trusted)

	large := bytes.Repeat([]byte("x"), 2*trusted+5)
	whole, err := readInto(bytes.NewReader(large), nil, len(large))
	require.NoError(t, err)
	require.Equal(t, large, whole)
}

// TestFetchBuffersAreUsedAgain: the last one given back first, and as many as the budget has room for.
func TestFetchBuffersAreUsedAgain(t *testing.T) {
	s := NewFetchBuffers(100)
	require.Nil(t, s.get())
	first, second, third := make([]byte, 40), make([]byte, 50), make([]byte, 60)
	for _, b := range [][]byte{first, second, third} {
		s.hold(b)
	}
	for _, b := range [][]byte{first, second, third} {
		s.put(b) // the third would be too much
	}
	require.Same(t, &second[0], &s.get()[0])
	require.Same(t, &first[0], &s.get()[0])
	require.Nil(t, s.get())
	s.hold(third)
	s.put(third)
	require.Same(t, &third[0], &s.get()[0])
	require.Zero(t, s.held.Load())
	require.Zero(t, s.idle)
}
