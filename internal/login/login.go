// Package login opens connections to brokers as the configuration says: plain or TLS, and logged in by SASL. A
// connection that Dialer gives out may be used as if there were no login; where brokers let a login
// expire, it is renewed on the same connection.
//
// Both of the program's clients, the data path's and that of the verbs, dial by it, so they log in alike and
// fail with the same words. It is not a Kafka client: it knows the frames of the protocol, and
// of requests only the two that log in.
package login

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/callstream/enricher/internal/config"
)

const (
	// loginTimeout is how long one connection may take, TLS and login included: a token may have to be fetched
	// for it.
	loginTimeout = 10 * time.Second

	// handshakeTimeout is how long of that TLS may take. kafka-go tries twice within the ten seconds of a request, and
	// what did not come in time should be said, and not only that it did not.
	handshakeTimeout = 4 * time.Second

	dialTimeout = 3 * time.Second
	keepAlive   = 15 * time.Second
)

// Dialer opens connections. It is safe for concurrent use.
type Dialer struct {
	tls       config.TLS
	user      string // for messages
	mechanism sasl.Mechanism
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	refusals  *refusals
}

// New prepares a dialer. It reads no file and connects to nothing, so an error can only come of what the
// configuration itself says.
func New(k config.Kafka) (*Dialer, error) {
	d := &Dialer{
		tls: k.TLS, user: k.SASL.Username,
		dial:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
		refusals: newRefusals(),
	}
	var err error
	if d.mechanism, err = mechanism(k); err != nil {
		return nil, err
	}
	return d, nil
}

// Timeout is how long a connection may take to be ready for requests.
func (d *Dialer) Timeout() time.Duration {
	if d.mechanism == nil && !d.tls.Enabled {
		return dialTimeout
	}
	return loginTimeout
}

// DialContext connects, and logs in if that is configured. What fails after the connection is there is an
// *Error.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if err := d.refusals.still(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout())
	defer cancel()
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, tidied(err)
	}
	c := &conn{Conn: raw, dialer: d, address: address, opened: time.Now()}
	if err := d.open(ctx, c); err != nil {
		_ = raw.Close() // it is of no use
		return nil, err
	}
	return c, nil
}

// open does what comes before the first request.
func (d *Dialer) open(ctx context.Context, c *conn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.Conn.SetDeadline(time.Now()) }) // wakes who reads or writes
	defer stop()
	if d.tls.Enabled {
		cfg, err := d.tlsConfig(c.address)
		if err != nil {
			return err
		}
		secured := tls.Client(c.Conn, cfg)
		short, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		if err := secured.HandshakeContext(short); err != nil {
			return d.handshakeError(c.address, err)
		}
		c.Conn = secured
	}
	if d.mechanism == nil {
		return nil
	}
	if err := d.login(ctx, c); err != nil {
		d.refusals.note(c.address, err)
		return err
	}
	d.refusals.forget(c.address)
	if !stop() { // the deadline is, or will be, in the past
		return &Error{Address: c.address, Text: "the login took too long", Err: ctx.Err()}
	}
	return nil
}

// login runs the mechanism over a connection on which no answer is outstanding.
func (d *Dialer) login(ctx context.Context, c *conn) error {
	host, port := split(c.address)
	ctx = sasl.WithMetadata(ctx, &sasl.Metadata{Host: host, Port: port})
	session, text, err := d.mechanism.Start(ctx)
	if err != nil {
		return &Error{Address: c.address, Text: "cannot log in by " + d.mechanism.Name(), Err: errStart{err}}
	}
	offered, err := handshake(c.Conn, d.mechanism.Name())
	if err != nil {
		return d.loginError(c.address, false, offered, err)
	}
	for done := false; !done; {
		answer, err := authenticate(c.Conn, text)
		if err != nil {
			err = d.loginError(c.address, true, nil, explained(session, err))
			if s, ok := session.(interface{ refused() }); ok && Refused(err) {
				s.refused()
			}
			return err
		}
		c.renewAfter(answer.lifetime)
		if done, text, err = session.Next(ctx, answer.bytes); err != nil {
			return d.loginError(c.address, true, nil, err)
		}
	}
	return nil
}

// errStart is an error of the mechanism before it has said anything to the broker.
type errStart struct{ error }

func (e errStart) Unwrap() error { return e.error }

// renewAt is when a login of some lifetime is renewed: when four fifths of it are over, or a bit
// later, so that not all connections do so at once. Brokers do not take it within a second of the last.
func renewAt(lifetime time.Duration) time.Duration {
	const leastPause = 1100 * time.Millisecond
	return max(lifetime*8/10+rand.N(lifetime/10+1), leastPause) //nolint:gosec,mnd // no secret; as said above
}

// refusals keeps clients that try again and again from doing so with a password that has just been
// refused: brokers may lock the user out. Each broker has its own, since one that hangs up in mid-login says nothing of
// the others.
type refusals struct {
	now func() time.Time

	mu sync.Mutex
	of map[string]*lastRefusal // by address
}

// lastRefusal is the last one of a broker that has taken no login since.
type lastRefusal struct {
	err   error
	until time.Time
	pause time.Duration
}

const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
	// keepRefusal is for how long a broker that nobody dials any more is remembered.
	keepRefusal = time.Minute
)

func newRefusals() *refusals { return &refusals{now: time.Now, of: map[string]*lastRefusal{}} }

// still is a broker's last refusal while it is too early for another try.
func (r *refusals) still(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last := r.of[address]; last != nil && r.now().Before(last.until) {
		return last.err
	}
	return nil
}

func (r *refusals) note(address string, err error) {
	if !Refused(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	maps.DeleteFunc(r.of, func(_ string, last *lastRefusal) bool { return now.Sub(last.until) > keepRefusal })
	last := r.of[address]
	if last == nil {
		last = &lastRefusal{}
		r.of[address] = last
	}
	last.pause = min(max(2*last.pause, firstPause), mostPause) //nolint:mnd // doubles
	last.err, last.until = err, now.Add(last.pause)
}

func (r *refusals) forget(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, address)
}

// Refused tells whether an error says that the brokers do not take the login: the next try will fare no
// better unless somebody changes something.
func Refused(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.refused
}

// Error says in one line why a connection cannot be used, and which setting mends it. The words of brokers and
// others stand in its fields as they come; Error and Reason make them fit to print.
type Error struct {
	Address string // of the broker
	Text    string
	Err     error // nil, or what Text leaves out
	refused bool
	gone    bool // the broker closed the connection, which may pass
}

// Error is one line.
func (e *Error) Error() string {
	return fmt.Sprintf("broker %s: %s", oneLine(cut(e.Address, mostHeard)), e.Reason())
}

// Reason is the line without the broker.
func (e *Error) Reason() string {
	if e.Err == nil || e.gone { // EOF says nothing to a person
		return oneLine(e.Text)
	}
	return oneLine(e.Text + ": " + cut(e.Err.Error(), mostCause))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
