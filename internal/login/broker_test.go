package login_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hangUp is a refusal without a word.
const hangUp = "hang up"

func hangsUp(string) (challenge, refusal string) { return "", hangUp }

// fakeBroker speaks what a login needs, and answers ApiVersions to whoever is logged in. kfake knows
// neither OAUTHBEARER nor logins that expire.
type fakeBroker struct {
	t        *testing.T
	listener net.Listener

	mechanism string
	lifetime  time.Duration
	dies      bool // after its first answer to who is logged in
	// check answers the first text of a client: the challenge, and the words of a refusal.
	check func(text string) (challenge, refusal string)

	mu     sync.Mutex
	logins []string // the first texts
	conns  int
}

func (b *fakeBroker) start(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	b.t = t
	var err error
	b.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if cfg != nil {
		b.listener = tls.NewListener(b.listener, cfg)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = b.listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := b.listener.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns++
			b.mu.Unlock()
			serving.Go(func() { _ = c.SetDeadline(time.Now().Add(20 * time.Second)); b.serve(c); _ = c.Close() })
		}
	})
	return b.listener.Addr().String()
}

func (b *fakeBroker) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.logins...)
}

// serve answers one request after the other, as brokers do.
func (b *fakeBroker) serve(c net.Conn) {
	loggedIn := b.mechanism == ""
	var expires time.Time
	fresh, last := true, time.Time{}
	for {
		key, version, body, id, err := readRequest(c)
		if err != nil {
			return
		}
		switch key {
		case kmsg.SASLHandshake:
			if loggedIn && b.mechanism != "" && (b.lifetime == 0 || time.Since(last) < time.Second) {
				return // too early
			}
			req := kmsg.NewPtrSASLHandshakeRequest()
			resp := kmsg.NewPtrSASLHandshakeResponse()
			if req.SetVersion(version); req.ReadFrom(body) != nil {
				return
			}
			resp.SupportedMechanisms = []string{b.mechanism}
			if b.mechanism == "" {
				resp.ErrorCode, resp.SupportedMechanisms = 34, nil
			} else if req.Mechanism != b.mechanism {
				resp.ErrorCode = 33
			}
			fresh = true
			answer(c, resp, version, id)
		case kmsg.SASLAuthenticate:
			req := kmsg.NewPtrSASLAuthenticateRequest()
			resp := kmsg.NewPtrSASLAuthenticateResponse()
			if req.SetVersion(version); req.ReadFrom(body) != nil {
				return
			}
			text := string(req.SASLAuthBytes)
			refusal := "invalid credentials"
			if fresh {
				b.mu.Lock()
				b.logins = append(b.logins, text)
				b.mu.Unlock()
				var challenge string
				challenge, refusal = b.check(text)
				if refusal == hangUp {
					return
				}
				resp.SASLAuthBytes = []byte(challenge)
				if challenge != "" {
					refusal = ""
				}
			}
			fresh = false
			if refusal != "" {
				resp.ErrorCode, resp.ErrorMessage = 58, &refusal
			} else if len(resp.SASLAuthBytes) == 0 {
				loggedIn, last, expires = true, time.Now(), time.Now().Add(b.lifetime)
				resp.SessionLifetimeMillis = b.lifetime.Milliseconds()
			}
			answer(c, resp, version, id)
		case kmsg.ApiVersions:
			if !loggedIn || b.lifetime > 0 && time.Now().After(expires) {
				return
			}
			answer(c, kmsg.NewPtrApiVersionsResponse(), version, id)
			if b.dies {
				return
			}
		default:
			return
		}
	}
}

func readRequest(c io.Reader) (key kmsg.Key, version int16, body []byte, id uint32, err error) {
	var size [4]byte
	if _, err = io.ReadFull(c, size[:]); err != nil {
		return 0, 0, nil, 0, err
	}
	if binary.BigEndian.Uint32(size[:]) > 1<<20 {
		return 0, 0, nil, 0, io.ErrUnexpectedEOF // no Kafka
	}
	body = make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err = io.ReadFull(c, body); err != nil {
		return 0, 0, nil, 0, err
	}
	key, version, id = kmsg.Key(binary.BigEndian.Uint16(body)), int16(binary.BigEndian.Uint16(body[2:])), binary.BigEndian.Uint32(body[4:])
	client := int16(binary.BigEndian.Uint16(body[8:]))
	return key, version, body[10+max(client, 0):], id, nil
}

func answer(c io.Writer, resp kmsg.Response, version int16, id uint32) {
	resp.SetVersion(version)
	out := binary.BigEndian.AppendUint32(make([]byte, 4), id)
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, _ = c.Write(out)
}

// ask sends a request over a connection that is meant to be logged in, in pieces, and reads the answer.
func ask(c net.Conn) error {
	req := kmsg.NewPtrApiVersionsRequest()
	out := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, 3)
	for _, piece := range [][]byte{out[:3], out[3:7], out[7:]} {
		if _, err := c.Write(piece); err != nil {
			return err
		}
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))-4)
	return err
}

// oauthText is what a client says with a token.
func oauthText(token string) string { return "n,,\x01auth=Bearer " + token + "\x01\x01" }

// takes accepts the tokens that begin so.
func takes(prefix string) func(string) (string, string) {
	return func(text string) (string, string) {
		if strings.HasPrefix(text, strings.TrimSuffix(oauthText(prefix), "\x01\x01")) {
			return "", ""
		}
		return `{"status":"invalid_token"}`, ""
	}
}
