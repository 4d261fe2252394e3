package login

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/config"
)

// Who is silent where a handshake is due is given up in time to be said: kafka-go tries twice within the ten
// seconds of a request.
func TestSilentHandshake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, err := New(config.Kafka{TLS: config.TLS{Enabled: true}})
		require.NoError(t, err)
		d.dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}
		begun := time.Now()
		_, err = d.DialContext(t.Context(), "tcp", "broker:9093")
		require.ErrorContains(t, err, "broker broker:9093: does not answer the TLS handshake in time: it may not speak TLS (kafka.tls.enabled)")
		require.Less(t, 2*time.Since(begun), 10*time.Second)
	})
}

// However a stream is cut into reads, the frames in it are counted.
func TestFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		sizes := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 20).Draw(t, "sizes")
		for _, n := range sizes {
			stream = binary.BigEndian.AppendUint32(stream, uint32(n))
			stream = append(stream, make([]byte, n)...)
		}
		whole := rapid.Bool().Draw(t, "whole")
		if !whole {
			stream = stream[:len(stream)-1]
		}
		var f frames
		for rest := stream; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			f.take(rest[:n])
			rest = rest[n:]
		}
		want := len(sizes)
		if !whole {
			want--
		}
		require.EqualValues(t, want, f.done.Load())
		require.Equal(t, whole, f.have == 0, "at a boundary")
	})
}

func TestRenewAt(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{10 * time.Second, time.Hour, math.MaxInt64 / 10} {
		for range 100 {
			at := renewAt(lifetime)
			require.GreaterOrEqual(t, at, lifetime/10*8)
			require.LessOrEqual(t, at, lifetime/10*9+10)
		}
	}
	require.Greater(t, renewAt(time.Millisecond), time.Second, "brokers do not take it sooner")
}

// said is a connection on which the broker says what it says.
type said struct {
	io.Reader
	io.Writer
}

// FuzzAnswer: whatever a broker answers to a login, it is read or refused, and costs no more memory than it
// sent.
func FuzzAnswer(f *testing.F) {
	for _, resp := range []kmsg.Response{&kmsg.SASLHandshakeResponse{ErrorCode: 33, SupportedMechanisms: []string{"PLAIN"}}, &kmsg.SASLAuthenticateResponse{SASLAuthBytes: []byte("x"), SessionLifetimeMillis: -1}} {
		resp.SetVersion(version)
		out := binary.BigEndian.AppendUint32(make([]byte, 4), correlationID)
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		f.Add(out)
	}
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 0x46, 0})
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, correlationID, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := handshake(said{bytes.NewReader(b), io.Discard}, "PLAIN"); err == nil {
			require.GreaterOrEqual(t, len(b), 8)
		}
		if a, err := authenticate(said{bytes.NewReader(b), io.Discard}, nil); err == nil {
			require.GreaterOrEqual(t, a.lifetime, time.Duration(0))
			require.LessOrEqual(t, len(a.bytes), len(b))
		}
	})
}
