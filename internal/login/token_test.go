package login_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
)

func TestToken(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}
	address := b.start(t, nil)
	file := secretFile(t, "bad.hunter2")
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, TokenFile: file}})
	require.NoError(t, err)
	clock := login.Clock(d)
	_, err = d.DialContext(t.Context(), "tcp", address)
	require.ErrorContains(t, err, `refuses the login by OAUTHBEARER (kafka.sasl.token_file or kafka.sasl.oauth): invalid credentials: {"status":"invalid_token"}`)
	require.NotContains(t, err.Error(), "hunter2")

	// A moment later the file has another one. Until then the refusal stands, and the broker is left alone.
	require.NoError(t, os.WriteFile(file, []byte("good.hunter2\n"), 0o600))
	clock.Add(int64(99 * time.Millisecond))
	_, again := d.DialContext(t.Context(), "tcp", address)
	require.Same(t, err, again)
	require.Len(t, b.seen(), 1)
	clock.Add(int64(time.Millisecond))
	c, err := d.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, []string{oauthText("bad.hunter2"), oauthText("good.hunter2")}, b.seen())

	require.NoError(t, os.WriteFile(file, []byte("good\x01auth=evil"), 0o600))
	_, err = d.DialContext(t.Context(), "tcp", address)
	require.ErrorContains(t, err, "the token has characters that no token has")
}

// tokens is a token endpoint.
func tokens(t *testing.T, life time.Duration) (url string, given *atomic.Int32) {
	t.Helper()
	given = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		if id != "client" || secret != "client-secret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka read" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","debug":"`+secret+`"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": "good." + strconv.Itoa(int(given.Add(1))), "token_type": "Bearer", "expires_in": life.Seconds(),
		})
	}))
	t.Cleanup(s.Close)
	return s.URL, given
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}
	address := b.start(t, nil)
	url, given := tokens(t, time.Hour)
	file := secretFile(t, "hunter2")
	sasl := config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
		TokenURL: url, ClientID: "client", ClientSecretFile: file, Scopes: []string{"kafka", "read"},
	}}
	d, err := login.New(config.Kafka{SASL: sasl})
	require.NoError(t, err)
	_, err = d.DialContext(t.Context(), "tcp", address)
	require.ErrorContains(t, err, "401 Unauthorized (invalid_client): check kafka.sasl.oauth.client_id, client_secret and scopes")
	require.NotContains(t, err.Error(), "hunter2")

	require.NoError(t, os.WriteFile(file, []byte("client-secret"), 0o600))
	for range 3 {
		c, err := d.DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		require.NoError(t, ask(c))
		require.NoError(t, c.Close())
	}
	require.EqualValues(t, 1, given.Load(), "a token is used until it is about to expire")

	sasl.OAuth.TokenURL = "http://127.0.0.1:1/token"
	_, err = open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "kafka.sasl.oauth.token_url http://127.0.0.1:1/token")
}

// A short token is fetched anew for each login.
func TestShortTokens(t *testing.T) {
	t.Parallel()
	address := (&fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}).start(t, nil)
	url, given := tokens(t, 5*time.Second)
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
		TokenURL: url, ClientID: "client", ClientSecret: "client-secret", Scopes: []string{"kafka", "read"},
	}}})
	require.NoError(t, err)
	for range 2 {
		c, err := d.DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.EqualValues(t, 2, given.Load())
}

// freeTokens is an endpoint that gives the tokens token.1, token.2 and so on, and says for how long if told to.
func freeTokens(t *testing.T, more string) (sasl config.SASL, given *atomic.Int32) {
	t.Helper()
	given = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"token.`+strconv.Itoa(int(given.Add(1)))+`","token_type":"Bearer"`+more+`}`)
	}))
	t.Cleanup(s.Close)
	return config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{TokenURL: s.URL, ClientID: "client", ClientSecret: "client-secret"}}, given
}

// Of a token without expires_in nobody knows when it ends.
func TestTokenWithoutExpiry(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("token")}
	address := b.start(t, nil)
	sasl, given := freeTokens(t, "")
	d, err := login.New(config.Kafka{SASL: sasl})
	require.NoError(t, err)
	for range 2 {
		c, err := d.DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.EqualValues(t, 2, given.Load())
	require.Equal(t, []string{oauthText("token.1"), oauthText("token.2")}, b.seen())
}

// A token that is refused before its end, because it was revoked, is not used again.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("token.2")}
	address := b.start(t, nil)
	sasl, given := freeTokens(t, `,"expires_in":3600`)
	d, err := login.New(config.Kafka{SASL: sasl})
	require.NoError(t, err)
	clock := login.Clock(d)
	_, err = d.DialContext(t.Context(), "tcp", address)
	require.True(t, login.Refused(err), "%v", err)
	clock.Add(int64(time.Second))
	for range 3 {
		c, err := d.DialContext(t.Context(), "tcp", address)
		require.NoError(t, err)
		require.NoError(t, c.Close())
	}
	require.EqualValues(t, 2, given.Load(), "the one that was taken is used again")
	require.Equal(t, []string{oauthText("token.1"), oauthText("token.2"), oauthText("token.2"), oauthText("token.2")}, b.seen())
}

// The secret is for the endpoint that is named, wherever that points.
func TestRedirectedEndpoint(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	named := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(named.Close)
	address := (&fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}).start(t, nil)
	_, err := open(t, config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
		TokenURL: named.URL, ClientID: "client", ClientSecret: "hunter2",
	}}}, address)
	require.ErrorContains(t, err, "kafka.sasl.oauth.token_url "+named.URL+" answers 307 Temporary Redirect")
	require.Zero(t, asked.Load())
}

// The secret and the token go to an endpoint that proves who it is, to the system's authorities or those of the brokers.
func TestEndpointByTLS(t *testing.T) {
	t.Parallel()
	ca, other := kafkatest.NewAuthority(t, "right"), kafkatest.NewAuthority(t, "wrong")
	var asked atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"good","token_type":"Bearer"}`)
	}))
	s.TLS = serverTLS(t, ca.Issue(t, "endpoint", "127.0.0.1"))
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // the handshakes that fail are meant to
	s.StartTLS()
	t.Cleanup(s.Close)
	elsewhere := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // which its certificate does not name
	address := (&fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}).start(t, nil)
	for _, test := range []struct{ url, caFile, want string }{
		{s.URL, "", "certificate signed by unknown authority"},
		{s.URL, other.File, "certificate signed by unknown authority"},
		{s.URL, "/nowhere/ca.pem", "kafka.tls.ca_file: open /nowhere/ca.pem"},
		{elsewhere, ca.File, "certificate is not valid for any names, but wanted to match localhost"},
		{s.URL, ca.File, ""},
	} {
		_, err := open(t, config.Kafka{TLS: config.TLS{CAFile: test.caFile}, SASL: config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
			TokenURL: test.url, ClientID: "client", ClientSecret: "hunter2",
		}}}, address)
		if test.want == "" {
			require.NoError(t, err)
			require.EqualValues(t, 1, asked.Load())
			continue
		}
		require.ErrorContains(t, err, test.want)
		require.Zero(t, asked.Load())
	}
}
