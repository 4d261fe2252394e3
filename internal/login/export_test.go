package login

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Clock stops the clock by which a dialer waits after refusals. What is returned are the nanoseconds that have passed.
func Clock(d *Dialer) *atomic.Int64 {
	begun, passed := time.Now(), &atomic.Int64{}
	d.refusals.now = func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	return passed
}

// DialBy has a dialer connect by something else than the network.
func DialBy(d *Dialer, dial func(ctx context.Context) (net.Conn, error)) {
	d.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
}

// Refusing is how many brokers a dialer remembers a refusal of.
func Refusing(d *Dialer) int {
	d.refusals.mu.Lock()
	defer d.refusals.mu.Unlock()
	return len(d.refusals.of)
}
