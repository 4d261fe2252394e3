package login_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
)

// evil is what somebody says who wants to write a line of his own, to rename the terminal, to turn what follows
// around, and so on; tame is how it is told.
const (
	evil = "no\r\nenricher: all is well\u2028\u0085\x1b]0;owned\x07\x7f\u009b2J\u202egnp\u2066\u200b\xff\xe2\x80"
	tame = `no enricher: all is well \x1b]0;owned\a\x7f\u009b2J\u202egnp\u2066\u200b\xff\xe2\x80`
)

func requireOneLine(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	require.Negative(t, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", text)
	require.NotContains(t, text, "  ")
	require.Less(t, len(text), 1200)
}

// Whatever brokers say, an error of theirs is one line of what can be seen, and not a long one.
func TestWordsOfBrokers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 10_000)
	plain := config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}
	token := config.SASL{Mechanism: config.OAuthBearer, TokenFile: secretFile(t, "bad")}
	refuses := func(words string) func(string) (string, string) {
		return func(string) (string, string) { return "", words }
	}
	challenges := func(words string) func(string) (string, string) {
		return func(string) (string, string) { return words, "" }
	}
	tests := map[string]struct {
		broker *fakeBroker
		sasl   config.SASL
		want   string
	}{
		"a mechanism":          {&fakeBroker{mechanism: "X\nenricher: all is ok!"}, plain, "does not take PLAIN, only x enricher: all is ok!: change kafka.sasl.mechanism"},
		"a long mechanism":     {&fakeBroker{mechanism: long}, plain, ", only " + long[:300] + "…: change kafka.sasl.mechanism"},
		"a refusal":            {&fakeBroker{mechanism: "PLAIN", check: refuses(evil)}, plain, "or password_file): " + tame},
		"a long refusal":       {&fakeBroker{mechanism: "PLAIN", check: refuses("x" + long)}, plain, "or password_file): x" + long[:298] + "…"},
		"what comes before it": {&fakeBroker{mechanism: "OAUTHBEARER", check: challenges(evil)}, token, "invalid credentials: " + tame},
		"a long one of these":  {&fakeBroker{mechanism: "OAUTHBEARER", check: challenges(long)}, token, "invalid credentials: " + long[:300] + "…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, config.Kafka{SASL: test.sasl}, test.broker.start(t, nil))
			require.ErrorContains(t, err, test.want)
			requireOneLine(t, err.Error())
			why, ok := errors.AsType[*login.Error](err)
			require.True(t, ok)
			requireOneLine(t, why.Reason())
		})
	}
}

func TestWordsOfCertificates(t *testing.T) {
	t.Parallel()
	ca, other := kafkatest.NewAuthority(t, "right"), kafkatest.NewAuthority(t, "wrong\x1b[2J\nenricher- ok")
	many := make([]string, 500)
	for i := range many {
		many[i] = "kafka-" + strconv.Itoa(i) + ".example"
	}
	tests := map[string]struct {
		certificate kafkatest.Certificate
		want        string
	}{
		"names":     {ca.Issue(t, "broker", "kafka\x1b]0;owned\x07\nenricher: ok"), `its certificate is for kafka\x1b]0;owned\a enricher: ok, not for "127.0.0.1"`},
		"many":      {ca.Issue(t, "broker", many...), "its certificate is for " + strings.Join(many, ", ")[:300] + "…, not for"},
		"authority": {other.Issue(t, "broker", "127.0.0.1"), `is signed by an unknown authority, "CN=wrong\x1b[2J\nenricher- ok"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, config.Kafka{TLS: withTLS(ca.File)}, (&fakeBroker{}).start(t, serverTLS(t, test.certificate)))
			require.ErrorContains(t, err, test.want)
			requireOneLine(t, err.Error())
		})
	}
}

func TestWordsOfTokenEndpoints(t *testing.T) {
	t.Parallel()
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	long := strings.Repeat("x", 100_000)
	address := (&fakeBroker{mechanism: "OAUTHBEARER"}).start(t, nil)
	tests := map[string]struct{ answer, want string }{
		"a status":           {"HTTP/1.1 400 \x1b]0;owned\x07\u202e\r\n\r\n", ` answers 400 \x1b]0;owned\a\u202e: check kafka.sasl.oauth.client_id`},
		"a long status":      {"HTTP/1.1 500 " + long[:2000] + "\r\n\r\n", " answers 500 " + long[:296] + "…"},
		"a description":      {"HTTP/1.1 400 no\r\n" + form + "\r\nerror=bad&error_description=a%0Aenricher:+ok%1b[2J", ` answers 400 no (bad a enricher: ok\x1b[2J): check`},
		"a long description": {"HTTP/1.1 400 no\r\n" + form + "\r\nerror=bad&error_description=" + long, "(bad " + long[:296] + "…): check"},
		"a long code":        {"HTTP/1.1 400 no\r\n" + form + "\r\nerror=" + long, "(" + long[:300] + "…): check"},
		"no HTTP":            {"\x1b]0;owned\x07" + long[:2000] + "\r\n\r\n", `/token`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = io.WriteString(c, test.answer)
					_ = c.Close()
				}
			}))
			t.Cleanup(s.Close)
			_, err := open(t, config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
				TokenURL: s.URL + "/token", ClientID: "client", ClientSecret: "hunter2",
			}}}, address)
			require.ErrorContains(t, err, "cannot log in by OAUTHBEARER: kafka.sasl.oauth.token_url "+s.URL)
			require.ErrorContains(t, err, test.want)
			requireOneLine(t, strings.TrimPrefix(err.Error(), "broker "+address))
		})
	}
}

// A broker's address is what another broker says that it is.
func TestWordsOfAddresses(t *testing.T) {
	t.Parallel()
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}})
	require.NoError(t, err)
	login.DialBy(d, func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: evil}}
	})
	_, err = d.DialContext(t.Context(), "tcp", evil+":9092")
	require.EqualError(t, err, "dial tcp: lookup "+tame+": no such host")
	_, ok := errors.AsType[*net.DNSError](err)
	require.True(t, ok, "who asks for the cause finds it")

	usual := &net.OpError{Op: "dial", Net: "tcp", Err: io.EOF}
	login.DialBy(d, func(context.Context) (net.Conn, error) { return nil, usual })
	_, err = d.DialContext(t.Context(), "tcp", "kafka:9092")
	require.Same(t, usual, err)

	login.DialBy(d, func(context.Context) (net.Conn, error) { c, _ := net.Pipe(); return c, c.Close() })
	for _, host := range []string{evil, strings.Repeat("x", 30_000)} {
		_, err = d.DialContext(t.Context(), "tcp", host+":9092")
		require.ErrorContains(t, err, "broker ")
		requireOneLine(t, err.Error())
	}
}
