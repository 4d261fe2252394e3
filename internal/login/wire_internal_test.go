package login

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"runtime/metrics"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/oauth2/clientcredentials"
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

// However long who connects, or who is to log us in, says nothing: it is given up.
func TestSilentDial(t *testing.T) {
	t.Parallel()
	plain := config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}
	hangs := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	silent := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		return ours, nil
	}
	for name, test := range map[string]struct {
		kafka config.Kafka
		dial  func(ctx context.Context, network, address string) (net.Conn, error)
		want  time.Duration
	}{
		"connection":         {config.Kafka{}, hangs, dialTimeout},
		"connection for TLS": {config.Kafka{TLS: config.TLS{Enabled: true}}, hangs, loginTimeout},
		"login":              {config.Kafka{SASL: plain}, silent, loginTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, err := New(test.kafka)
				require.NoError(t, err)
				d.dial = test.dial
				begun := time.Now()
				_, err = d.DialContext(t.Context(), "tcp", "broker:9092")
				require.True(t, expired(err), "%v", err)
				require.Equal(t, test.want, time.Since(begun))
			})
		})
	}
}

// A token endpoint that takes the request and says nothing is given up, and the login with it.
func TestSilentEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{
			cfg:    clientcredentials.Config{ClientID: "client", TokenURL: "http://127.0.0.1:1/token"},
			secret: secret{value: "client-secret"},
			dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, theirs) }()
				return ours, nil
			},
		}
		begun := time.Now()
		_, err := e.get()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, tokenTimeout, time.Since(begun))
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

// frame is a broker's answer to a request.
func frame(id uint32, resp kmsg.Response) []byte {
	resp.SetVersion(version)
	out := resp.AppendTo(binary.BigEndian.AppendUint32(make([]byte, 4), id))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// What is no answer to the request, or claims to be longer than one can be, is not read as one.
func TestFramesThatLie(t *testing.T) {
	t.Parallel()
	// filled is an answer of some size.
	filled := func(size int) []byte {
		resp := &kmsg.SASLAuthenticateResponse{}
		resp.SASLAuthBytes = make([]byte, size+len(frame(0, resp)[:8])-len(frame(0, resp)))
		return frame(correlationID, resp)
	}
	ours := frame(correlationID, &kmsg.SASLAuthenticateResponse{})
	for name, test := range map[string]struct {
		frame []byte
		want  error // nil for none
	}{
		"whole":                {ours, nil},
		"as large as may be":   {filled(maxAnswer), nil},
		"larger":               {filled(maxAnswer + 1), errAnswer},
		"another request's":    {frame(correlationID+1, &kmsg.SASLAuthenticateResponse{}), errAnswer},
		"no correlation id":    {append([]byte{0, 0, 0, 3}, ours[4:]...), errAnswer},
		"negative":             {append([]byte{0xff, 0xff, 0xff, 0xff}, ours[4:]...), errAnswer},
		"nothing in it":        {append([]byte{0, 0, 0, 4}, ours[4:8]...), errAnswer},
		"cut off":              {ours[:len(ours)-1], io.ErrUnexpectedEOF},
		"cut off in its head":  {ours[:7], io.ErrUnexpectedEOF},
		"none":                 {nil, io.EOF},
		"an alert of TLS":      {[]byte{0x15, 3, 3, 0, 2, 2, 0x46, 0}, errTLSAlert},
		"a count that is none": {append([]byte{0, 0, 0, 18, 0, 0, 0, correlationID, 0, 0, 0, 0}, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0), errAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := authenticate(said{bytes.NewReader(test.frame), io.Discard}, nil)
			require.ErrorIs(t, err, test.want)
		})
	}
}

// FuzzAnswer: whatever a broker answers to a login, it is read or refused, and costs no more memory than some of what it
// sent and what an answer may be.
func FuzzAnswer(f *testing.F) {
	words := "no\r\n\x1b]0;x\x07"
	for _, resp := range []kmsg.Response{
		&kmsg.SASLHandshakeResponse{},
		&kmsg.SASLHandshakeResponse{ErrorCode: unsupportedMechanism, SupportedMechanisms: []string{"PLAIN"}},
		&kmsg.SASLHandshakeResponse{ErrorCode: unsupportedMechanism, SupportedMechanisms: []string{"SCRAM-SHA-256", "", words, strings.Repeat("x", 400)}},
		&kmsg.SASLHandshakeResponse{ErrorCode: unsupportedMechanism, SupportedMechanisms: make([]string, 200)}, // many for little
		&kmsg.SASLHandshakeResponse{ErrorCode: illegalState},
		&kmsg.SASLAuthenticateResponse{SASLAuthBytes: []byte("x"), SessionLifetimeMillis: -1},
		&kmsg.SASLAuthenticateResponse{SessionLifetimeMillis: math.MaxInt64},
		&kmsg.SASLAuthenticateResponse{SASLAuthBytes: []byte("r=nonce,s=salt,i=4096"), SessionLifetimeMillis: 3_600_000},
		&kmsg.SASLAuthenticateResponse{SASLAuthBytes: []byte(`{"status":"invalid_token"}`)},
		&kmsg.SASLAuthenticateResponse{ErrorCode: 58, ErrorMessage: &words},
		&kmsg.SASLAuthenticateResponse{ErrorCode: 58},
	} {
		out := frame(correlationID, resp)
		f.Add(out)
		f.Add(out[:len(out)-1])
	}
	f.Add(frame(correlationID+1, &kmsg.SASLAuthenticateResponse{}))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 0x46, 0})
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, correlationID, 0x7f, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 14, 0, 0, 0, correlationID, 0, 33, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add([]byte{0x10, 0, 0, 0, 0, 0, 0, correlationID}) // 256 MiB that do not come
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func() (cost uint64) {
			before := allocated()
			_, err := handshake(said{bytes.NewReader(b), io.Discard}, "PLAIN")
			if err == nil {
				require.GreaterOrEqual(t, len(b), 8)
			}
			a, err := authenticate(said{bytes.NewReader(b), io.Discard}, nil)
			cost = allocated() - before
			if err == nil {
				require.GreaterOrEqual(t, a.lifetime, time.Duration(0))
				require.LessOrEqual(t, len(a.bytes), len(b))
			}
			return cost
		}
		// Each string of two bytes is one of sixteen here; the rest is the runtime's own. The fuzzer's goroutines
		// allocate beside it now and then, but not each time.
		most, cost := uint64(2*maxAnswer+16*len(b)+1<<20), read()
		for range 5 {
			if cost >= most {
				cost = read()
			}
		}
		require.Less(t, cost, most)
	})
}

// allocated are the bytes that have ever been, which costs less to know than to stop the world for.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
