package login

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The two requests of a login, at the one version that says how long it lasts (KIP-368); Kafka 2.2 and
// later have them.
const version = 1

// The error codes that say something of their own; any other is a refusal too.
const (
	unsupportedMechanism = 33
	illegalState         = 34
)

const (
	clientID      = "enricher"
	correlationID = 7
	// maxAnswer bounds what an answer may claim to be: the brokers' words, or a challenge.
	maxAnswer = 64 << 10
	// longest is the longest life of a login; one that is meant to last for longer is renewed sooner.
	longest = 30 * 24 * time.Hour
)

// refusal is an error code, with the broker's words, which may be any.
type refusal struct {
	code    int16
	message string
}

func (r *refusal) Error() string {
	if r.message != "" {
		return cut(r.message, mostHeard)
	}
	return fmt.Sprintf("error code %d", r.code)
}

// handshake names the mechanism. If the broker does not take it, it says which it does.
func handshake(rw io.ReadWriter, mechanism string) (offered []string, err error) {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Mechanism = mechanism
	resp := kmsg.NewPtrSASLHandshakeResponse()
	if err := exchange(rw, req, resp); err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return resp.SupportedMechanisms, &refusal{code: resp.ErrorCode}
	}
	return nil, nil
}

// answer is what a broker says to a step of a mechanism.
type answer struct {
	bytes    []byte
	lifetime time.Duration // of the login; 0: for ever
}

func authenticate(rw io.ReadWriter, text []byte) (answer, error) {
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SASLAuthBytes = text
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	if err := exchange(rw, req, resp); err != nil {
		return answer{}, err
	}
	if resp.ErrorCode != 0 {
		r := &refusal{code: resp.ErrorCode}
		if resp.ErrorMessage != nil {
			r.message = *resp.ErrorMessage
		}
		return answer{}, r
	}
	lifetime := min(max(resp.SessionLifetimeMillis, 0), longest.Milliseconds()) // also so that it fits a Duration
	return answer{resp.SASLAuthBytes, time.Duration(lifetime) * time.Millisecond}, nil
}

var (
	errAnswer = errors.New("the answer is no Kafka broker's")
	// errTLSAlert is what a TLS listener says to who does not speak it.
	errTLSAlert = errors.New("the answer is a TLS alert")
)

func exchange(rw io.ReadWriter, req kmsg.Request, resp kmsg.Response) error {
	req.SetVersion(version)
	resp.SetVersion(version)
	if _, err := rw.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, correlationID)); err != nil {
		return fmt.Errorf("write %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return fmt.Errorf("read answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	if isAlert(head[:]) {
		return errTLSAlert
	}
	size := int64(binary.BigEndian.Uint32(head[:])) - int64(len(head)/2) //nolint:mnd // the correlation id is one half
	if id := binary.BigEndian.Uint32(head[4:]); id != correlationID || size < 0 || size > maxAnswer {
		return fmt.Errorf("%w: correlation id %d, %d bytes", errAnswer, id, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(rw, body); err != nil {
		return fmt.Errorf("read answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	if err := resp.ReadFrom(body); err != nil {
		return fmt.Errorf("%w: %w", errAnswer, err)
	}
	return nil
}

// isAlert tells whether an answer begins as a TLS record of the type alert. As a size that would be
// over 350 MB.
func isAlert(head []byte) bool {
	const alert, major = 0x15, 0x03
	return len(head) > 1 && head[0] == alert && head[1] == major
}
