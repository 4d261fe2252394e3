package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/callstream/enricher/internal/config"
)

// oauthMechanism is OAUTHBEARER, RFC 7628, with a token from a file or an endpoint.
type oauthMechanism struct {
	token func() (string, error)
	drop  func(token string) // says that the brokers refuse it
}

const (
	// tokenTimeout bounds one request for a token.
	tokenTimeout = 5 * time.Second
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 10 * time.Second
)

func newOAuth(s config.SASL, caFile string) *oauthMechanism {
	if s.TokenFile != "" {
		return &oauthMechanism{token: secret{file: s.TokenFile, key: "kafka.sasl.token_file"}.read, drop: func(string) {}}
	}
	e := &endpoint{
		cfg:    clientcredentials.Config{ClientID: s.OAuth.ClientID, TokenURL: s.OAuth.TokenURL, Scopes: s.OAuth.Scopes},
		secret: secret{value: string(s.OAuth.ClientSecret), file: s.OAuth.ClientSecretFile, key: "kafka.sasl.oauth.client_secret_file"},
		caFile: caFile,
	}
	return &oauthMechanism{token: e.get, drop: e.drop}
}

// Name is the one that brokers know.
func (*oauthMechanism) Name() string { return "OAUTHBEARER" }

var errToken = errors.New("the token has characters that no token has")

// Start takes a token and sends it.
func (m *oauthMechanism) Start(context.Context) (sasl.StateMachine, []byte, error) {
	token, err := m.token()
	if err != nil {
		return nil, nil, err
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, nil, errToken
	}
	return &oauthSession{drop: func() { m.drop(token) }}, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), nil
}

// oauthSession keeps what the broker says of a token that it does not take: a JSON object with a status,
// which it sends before it refuses.
type oauthSession struct {
	said string
	drop func()
}

// refused says that the token is, so that it is not used again.
func (s *oauthSession) refused() { s.drop() }

// Next answers the broker's complaint with what RFC 7628 wants, upon which it refuses.
func (s *oauthSession) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	if len(challenge) == 0 {
		return true, nil, nil
	}
	s.said = string(challenge)
	return false, []byte{1}, nil
}

// explained adds what a broker said of a token before it refused it.
func explained(session sasl.StateMachine, err error) error {
	s, ok := session.(*oauthSession)
	if !ok || s.said == "" {
		return err
	}
	said := cut(s.said, mostHeard)
	if strings.Contains(err.Error(), said) {
		return err
	}
	return fmt.Errorf("%w: %s", err, said)
}

// endpoint asks for a token when the last one is about to expire, does not say when it does, or has been refused; one
// request at a time.
type endpoint struct {
	cfg    clientcredentials.Config
	secret secret
	caFile string
	dial   func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network

	mu    sync.Mutex
	token *oauth2.Token // nil: there is none to use again
}

func (e *endpoint) get() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token != nil && time.Until(e.token.Expiry) > tokenMargin {
		return e.token.AccessToken, nil
	}
	cfg := e.cfg
	var err error
	if cfg.ClientSecret, err = e.secret.read(); err != nil {
		return "", err
	}
	client, err := e.client()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := contextFor(tokenTimeout)
	defer cancel()
	token, err := cfg.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return "", e.explain(err)
	}
	e.token = token // without an expires_in (RFC 6749, section 5.1) it may end at any time, and its Expiry is long ago
	return token.AccessToken, nil
}

// drop forgets a token unless another one has taken its place.
func (e *endpoint) drop(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token != nil && e.token.AccessToken == token {
		e.token = nil
	}
}

// explain leaves out the answer's body, in which anything may be.
func (e *endpoint) explain(err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return fmt.Errorf("kafka.sasl.oauth.token_url %s: %w", e.cfg.TokenURL, err)
	}
	hint := ""
	switch refused.Response.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		hint = ": check kafka.sasl.oauth.client_id, client_secret and scopes"
	}
	return fmt.Errorf("kafka.sasl.oauth.token_url %s %w %s%s%s", e.cfg.TokenURL, errEndpoint, cut(refused.Response.Status, mostHeard), described(refused), hint)
}

var errEndpoint = errors.New("answers")

// described are the error's code and description, by RFC 6749.
func described(r *oauth2.RetrieveError) string {
	if r.ErrorCode == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", cut(strings.TrimSpace(r.ErrorCode+" "+r.ErrorDescription), mostHeard))
}

// client trusts the system's authorities and those of the brokers: who has the one often signs the other.
func (e *endpoint) client() (*http.Client, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if e.caFile != "" {
		if err := addCertificates(pool, e.caFile); err != nil {
			return nil, err
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			DialContext:     e.dial,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
		},
		// The secret is for the endpoint that is named, and for no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// contextFor is for what belongs to the dialer and not to who waits for it.
func contextFor(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}
