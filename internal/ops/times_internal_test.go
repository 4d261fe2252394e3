package ops

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections are within the process, so that a test's clock holds for their deadlines.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// end is the server's end of a connection.
type end struct {
	net.Conn
	closed chan struct{}
	close  sync.Once
}

func (e *end) Close() error {
	e.close.Do(func() { close(e.closed) })
	return e.Conn.Close()
}

// still is a source that has nothing to tell.
type still struct{ Source }

func (still) Status() *Status { return &Status{At: time.Now()} }

// A request that does not come is not waited for, nor that an answer is read, nor for long that there is another request.
func TestSlowBodyIsNotWaitedFor(t *testing.T) {
	const host = " HTTP/1.1\r\nHost: localhost\r\n"
	for name, tc := range map[string]struct {
		sent string
		deaf bool // the client does not read
		want time.Duration
		code string
	}{
		"nothing":   {"", false, 5 * time.Second, ""},
		"head":      {"POST /api/explain" + host, false, 5 * time.Second, ""},
		"body":      {"POST /api/explain" + host + "Content-Length: 10\r\n\r\n{", false, 5 * time.Second, "HTTP/1.1 400 "},
		"answer":    {"GET /api/status" + host + "\r\n", true, 30 * time.Second, ""},
		"next":      {"GET /api/status" + host + "\r\n", false, time.Minute, "HTTP/1.1 200 "},
		"next head": {"GET /api/status" + host + "\r\nGET /api", false, 5 * time.Second, "HTTP/1.1 200 "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := ListenPage("127.0.0.1:0", Page{Source: still{}})
				require.NoError(t, err)
				require.NoError(t, s.Close())
				p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				s.listener = p
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- s.Serve(ctx) }()

				client, server := net.Pipe()
				e := &end{Conn: server, closed: make(chan struct{})}
				begun := time.Now()
				p.conns <- e
				_, err = io.WriteString(client, tc.sent)
				require.NoError(t, err)
				var answer strings.Builder
				heard := make(chan struct{})
				go func() {
					defer close(heard)
					if !tc.deaf {
						_, _ = io.Copy(&answer, client) // until the server ends it
					}
				}()
				select {
				case <-e.closed:
				case <-time.After(time.Hour):
				}
				require.InDelta(t, tc.want.Seconds(), time.Since(begun).Seconds(), 0.9, "net/http gives an answer half a second to arrive")

				cancel()
				require.NoError(t, client.Close())
				<-heard
				require.True(t, strings.HasPrefix(answer.String(), tc.code), answer.String())
				require.NoError(t, <-done)
			})
		})
	}
}
