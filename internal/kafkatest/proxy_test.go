package kafkatest

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// throughProxy is a client's connection through a proxy, and the server's end of it.
func throughProxy(t *testing.T) (p *Proxy, client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	p, err = StartProxy(l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	s, err := l.Accept()
	require.NoError(t, err)
	client, server = c.(*net.TCPConn), s.(*net.TCPConn)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	for _, end := range []*net.TCPConn{client, server} {
		require.NoError(t, end.SetDeadline(time.Now().Add(5*time.Second)))
	}
	say(t, client, server, "hello")
	say(t, server, client, "welcome")
	return p, client, server
}

func say(t *testing.T, from io.Writer, to io.Reader, text string) {
	t.Helper()
	_, err := io.WriteString(from, text)
	require.NoError(t, err)
	heard := make([]byte, len(text))
	_, err = io.ReadFull(to, heard)
	require.NoError(t, err)
	require.Equal(t, text, string(heard))
}

func TestProxyCuts(t *testing.T) {
	p, client, server := throughProxy(t)
	require.Equal(t, 1, p.Cut())
	for _, end := range []*net.TCPConn{client, server} {
		_, err := end.Read(make([]byte, 1))
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	again, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err, "new connections are taken")
	require.NoError(t, again.Close())
}

func TestProxyHalfCloses(t *testing.T) {
	p, client, server := throughProxy(t)
	require.Equal(t, 1, p.HalfClose())
	_, err := client.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	say(t, client, server, "still there?")
	_, err = io.WriteString(server, "yes")
	require.NoError(t, err, "the server does not notice")
}

func TestProxyDelays(t *testing.T) {
	const delay = 50 * time.Millisecond
	p, client, server := throughProxy(t)
	p.Delay(delay)
	begun := time.Now()
	say(t, client, server, "slow") // a byte that was being waited for is held as well
	say(t, client, server, "slow")
	require.GreaterOrEqual(t, time.Since(begun), delay)
	p.Delay(0)
	say(t, server, client, "fast")
}

func TestProxyPassesEnds(t *testing.T) {
	_, client, server := throughProxy(t)
	require.NoError(t, client.CloseWrite())
	_, err := server.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	say(t, server, client, "the other way is open")
	require.NoError(t, server.SetLinger(0))
	require.NoError(t, server.Close())
	_, err = client.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestProxyWithoutServer(t *testing.T) {
	p, err := StartProxy("127.0.0.1:1")
	require.NoError(t, err)
	conn, err := net.Dial("tcp", p.Addr()) // or at once
	if err == nil {
		require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
		_, err = conn.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
	p.Close()
	_, err = net.Dial("tcp", p.Addr())
	require.Error(t, err)
}
