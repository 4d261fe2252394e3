package broker

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnswerThatNobodyAskedFor ends the connection, and not the process.
func TestAnswerThatNobodyAskedFor(t *testing.T) {
	client, server := net.Pipe()
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	go func() { _, _ = server.Write([]byte{0, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4}) }() // the guard closes before all is read
	g := &guard{Conn: client}
	_, err := g.Read(make([]byte, 100))
	require.ErrorIs(t, err, errFrame)
	require.ErrorContains(t, err, "nothing was asked for")
	_, again := g.Read(make([]byte, 100))
	require.Equal(t, err, again)
}
