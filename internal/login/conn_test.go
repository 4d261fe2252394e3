package login_test

import (
	"context"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
)

// openPipe dials a broker by a pipe, so that time is the test's.
func openPipe(t *testing.T, b *fakeBroker) net.Conn {
	t.Helper()
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}})
	require.NoError(t, err)
	login.DialBy(d, func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { b.serve(theirs); _ = theirs.Close() }()
		return ours, nil
	})
	c, err := d.DialContext(t.Context(), "tcp", "broker:9092")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A renewal has a deadline of its own, and leaves the user of the connection with those that he has set.
func TestDeadlinesOutliveRenewal(t *testing.T) {
	t.Parallel()
	takesAll := func(string) (string, string) { return "", "" }
	tests := map[string]struct {
		set  func(c net.Conn, renewed time.Time) error
		fail func(c net.Conn) error // how an expired one shows; nil for no deadline
	}{
		"none": {func(net.Conn, time.Time) error { return nil }, nil},
		"both": {func(c net.Conn, at time.Time) error { return c.SetDeadline(at.Add(time.Minute)) }, ask},
		"of reads": {func(c net.Conn, at time.Time) error { return c.SetReadDeadline(at.Add(time.Minute)) }, func(c net.Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		}},
		"of writes": {func(c net.Conn, at time.Time) error { return c.SetWriteDeadline(at.Add(time.Minute)) }, func(c net.Conn) error {
			_, err := c.Write(make([]byte, 1))
			return err
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &fakeBroker{mechanism: "PLAIN", check: takesAll, lifetime: 1000 * time.Second}
				c := openPipe(t, b)
				require.NoError(t, ask(c))
				time.Sleep(950 * time.Second)
				require.NoError(t, test.set(c, time.Now()))
				require.NoError(t, ask(c))
				require.Len(t, b.seen(), 2, "it has been renewed")

				time.Sleep(59 * time.Second) // more than a login may take
				require.NoError(t, ask(c))
				time.Sleep(2 * time.Second)
				if test.fail == nil {
					require.NoError(t, ask(c))
					return
				}
				require.ErrorIs(t, test.fail(c), os.ErrDeadlineExceeded)
			})
		})
	}
}
