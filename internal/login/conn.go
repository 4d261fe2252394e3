package login

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection that is logged in. It counts the frames that pass, for two things: to tell what
// kind of listener closed it so early, and to renew the login between two requests, when no
// answer is outstanding. It costs a few instructions for each read and write.
//
// Like a Kafka connection, it has at most one writer and one reader at a time.
type conn struct {
	net.Conn

	dialer  *Dialer
	address string
	opened  time.Time

	out, in frames
	reading atomic.Bool

	// Of the login in force; zero where it does not expire. The writer's.
	renew, expires time.Time

	mu          sync.Mutex // guards what the user of the connection wants
	read, write time.Time
}

const (
	// earlyFrames is more than a listener that wants a login answers without one: ApiVersions, which
	// anybody may ask, once by the client and once by who uses it.
	earlyFrames = 3
	earlyTime   = 10 * time.Second
)

// Read reads, and explains the end of a connection that has hardly begun.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Store(true)
	n, err := c.Conn.Read(p)
	c.reading.Store(false)
	if c.in.done.Load() == 0 && c.alert(p[:n]) {
		return 0, c.dialer.early(c.address, 0, errTLSAlert)
	}
	c.in.take(p[:n])
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

// alert tells whether the first bytes that came are a TLS alert.
func (c *conn) alert(p []byte) bool {
	return c.in.have == 0 && !c.dialer.tls.Enabled && isAlert(p)
}

// Write writes. If a request begins and the login is about to expire, it is renewed first.
func (c *conn) Write(p []byte) (int, error) {
	if !c.renew.IsZero() && time.Now().After(c.renew) && c.idle() {
		if err := c.relogin(); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Write(p)
	c.out.take(p[:n])
	if err != nil {
		err = c.explain(err)
	}
	return n, err
}

func (c *conn) explain(err error) error {
	answers := c.in.done.Load()
	if answers >= earlyFrames || time.Since(c.opened) > earlyTime {
		return err
	}
	return c.dialer.early(c.address, answers, err)
}

// idle tells whether a request begins while no answer is outstanding. With answers outstanding the
// renewal waits, in the worst case until the broker closes the connection and the client makes another.
func (c *conn) idle() bool {
	return c.out.have == 0 && c.out.done.Load() == c.in.done.Load() && !c.reading.Load()
}

func (c *conn) renewAfter(lifetime time.Duration) {
	c.renew, c.expires = time.Time{}, time.Time{}
	if lifetime > 0 {
		now := time.Now()
		c.renew, c.expires = now.Add(renewAt(lifetime)), now.Add(lifetime)
	}
}

// relogin logs in again. If what is needed for it cannot be had now (a token), the old login is used as
// long as it lasts.
func (c *conn) relogin() error {
	defer c.restore()
	ctx, cancel := contextFor(loginTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := c.Conn.SetDeadline(deadline); err != nil {
		return err //nolint:wrapcheck // the connection is closed
	}
	err := c.dialer.login(ctx, c)
	if err == nil {
		return nil
	}
	if _, unsaid := errors.AsType[errStart](err); unsaid {
		if left := time.Until(c.expires); left > 0 {
			c.renew = time.Now().Add(left / 4) //nolint:mnd // a few more tries
			return nil
		}
	}
	c.dialer.refusals.note(c.address, err)
	return err
}

// restore gives the connection the deadlines back that its user wants.
func (c *conn) restore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.Conn.SetReadDeadline(c.read)   // if it fails, so does what comes next
	_ = c.Conn.SetWriteDeadline(c.write) // as above
}

// SetDeadline is the connection's.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.write = t, t
	return c.Conn.SetDeadline(t) //nolint:wrapcheck // as the connection says it
}

// SetReadDeadline is the connection's.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = t
	return c.Conn.SetReadDeadline(t) //nolint:wrapcheck // as the connection says it
}

// SetWriteDeadline is the connection's.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write = t
	return c.Conn.SetWriteDeadline(t) //nolint:wrapcheck // as the connection says it
}

// frames counts requests or answers that have passed whole: a size of four bytes, and as many bytes.
type frames struct {
	head [4]byte
	have int // bytes of head
	left uint32
	done atomic.Uint64 // read by the other direction
}

func (f *frames) take(p []byte) {
	for len(p) > 0 {
		if f.have < len(f.head) {
			n := copy(f.head[f.have:], p)
			f.have += n
			p = p[n:]
			if f.have < len(f.head) {
				return
			}
			f.left = binary.BigEndian.Uint32(f.head[:])
		}
		n := min(uint64(f.left), uint64(len(p)))
		f.left -= uint32(n) //nolint:gosec // not more than left
		p = p[n:]
		if f.left == 0 {
			f.have = 0
			f.done.Add(1)
		}
	}
}
