package kafkatest

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on and can treat them as bad networks do. It is this small
// because that is all that is asked of it: toxiproxy, as a library, would bring a command
// line, a router and a logger along, and cannot half-close.
type Proxy struct {
	listener net.Listener
	upstream string
	done     sync.WaitGroup

	mu    sync.Mutex
	delay time.Duration
	links map[*link]struct{} // nil: closed
}

// link is one connection through the proxy.
type link struct{ client, server *net.TCPConn }

// StartProxy listens on a free port of this host and passes what comes on to upstream.
func StartProxy(upstream string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, upstream: upstream, links: map[*link]struct{}{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where it listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut closes all connections at once, with a reset: what is on its way is lost. New ones pass.
// It returns how many there were.
func (p *Proxy) Cut() int {
	links := p.current()
	for _, l := range links {
		_ = l.client.SetLinger(0) // closing then resets
		_ = l.server.SetLinger(0)
		l.close()
	}
	return len(links)
}

// HalfClose ends the way from the servers to the clients of all connections; what clients
// send still arrives, and its answers do not. It returns how many connections there were.
func (p *Proxy) HalfClose() int {
	links := p.current()
	for _, l := range links {
		_ = l.client.CloseWrite()
	}
	return len(links)
}

// Delay holds everything that is passed on, each way, for a time; 0 ends it.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	links := p.current()
	p.mu.Lock()
	p.links = nil
	p.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	p.done.Wait()
}

func (p *Proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if client, ok := conn.(*net.TCPConn); ok && err == nil {
			p.done.Go(func() { p.pass(client) })
		}
	}
}

// pass connects a client to the server and moves bytes until both ways have ended.
func (p *Proxy) pass(client *net.TCPConn) {
	conn, err := net.DialTimeout("tcp", p.upstream, time.Second) //nolint:noctx // has its time-out
	server, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		_ = client.SetLinger(0) // as if nobody listened
		_ = client.Close()
		return
	}
	l := &link{client, server}
	defer l.close()
	p.mu.Lock()
	if p.links == nil {
		p.mu.Unlock()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	var ways sync.WaitGroup
	ways.Go(func() { p.move(client, server) })
	ways.Go(func() { p.move(server, client) })
	ways.Wait()
}

const moveSize = 64 << 10

// move passes one way on. When one end has gone for good, so does the other.
func (p *Proxy) move(from, to *net.TCPConn) {
	buf := make([]byte, moveSize)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		if delay > 0 {
			time.Sleep(delay)
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				_, _ = io.Copy(io.Discard, from) // until the other end notices, as after HalfClose
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite()
			return
		case err != nil:
			_ = to.Close()
			return
		}
	}
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}
