package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/login"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open dials, and asks something if that succeeds.
func open(t *testing.T, k config.Kafka, address string) (net.Conn, error) {
	t.Helper()
	d, err := login.New(k)
	require.NoError(t, err)
	c, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	return c, ask(c)
}

func serverTLS(t *testing.T, c kafkatest.Certificate) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.File, c.KeyFile)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func withTLS(ca string) config.TLS { return config.TLS{Enabled: true, CAFile: ca} }

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, other := kafkatest.NewAuthority(t, "right"), kafkatest.NewAuthority(t, "wrong")
	good := ca.Issue(t, "broker", "127.0.0.1", "kafka.example")
	now := time.Now()
	tests := map[string]struct {
		server *tls.Config
		client config.TLS
		want   string // "" for none
	}{
		"good":              {serverTLS(t, good), withTLS(ca.File), ""},
		"another name":      {serverTLS(t, good), config.TLS{Enabled: true, CAFile: ca.File, ServerName: "kafka.example"}, ""},
		"unknown authority": {serverTLS(t, good), withTLS(other.File), `its certificate is signed by an unknown authority, "CN=right": it is not in kafka.tls.ca_file`},
		"system's":          {serverTLS(t, good), withTLS(""), "set kafka.tls.ca_file to its certificate"},
		"expired": {
			serverTLS(t, ca.IssueFor(t, "broker", now.Add(-2*time.Hour), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "127.0.0.1")), withTLS(ca.File),
			"its certificate expired at 2026-01-02T03:04:05Z: renew it on the broker",
		},
		"not yet": {
			serverTLS(t, ca.IssueFor(t, "broker", now.Add(time.Hour), now.Add(2*time.Hour), "127.0.0.1")), withTLS(ca.File), "its certificate is not valid before",
		},
		"wrong host": {
			serverTLS(t, ca.Issue(t, "broker", "kafka-1.example", "10.0.0.1")), withTLS(ca.File),
			`its certificate is for kafka-1.example, 10.0.0.1, not for "127.0.0.1": dial it by that name (kafka.brokers, the broker's advertised.listeners), or set kafka.tls.server_name`,
		},
		"wrong server_name": {serverTLS(t, good), config.TLS{Enabled: true, CAFile: ca.File, ServerName: "x.example"}, `not for "x.example"`},
		"no names":          {serverTLS(t, ca.Issue(t, "broker")), withTLS(ca.File), "its certificate is for no host"},
		"plaintext":         {nil, withTLS(ca.File), "it may not speak TLS; set kafka.tls.enabled to false"},
		"TLS 1.1": {
			&tls.Config{Certificates: serverTLS(t, good).Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			withTLS(ca.File), "has no protocol version or cipher in common",
		},
		"no such file": {serverTLS(t, good), withTLS("/nowhere/ca.pem"), "kafka.tls.ca_file: open /nowhere/ca.pem"},
		"no PEM":       {serverTLS(t, good), withTLS(secretFile(t, "ca")), "has no certificate in PEM form"},
		"not a key":    {serverTLS(t, good), config.TLS{Enabled: true, CAFile: ca.File, CertFile: good.File, KeyFile: good.File}, "kafka.tls.key_file"},
		"TLS wanted":   {serverTLS(t, good), config.TLS{}, "kafka.tls.enabled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := (&fakeBroker{}).start(t, test.server)
			_, err := open(t, config.Kafka{TLS: test.client}, address)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "\n")
			require.False(t, login.Refused(err))
		})
	}
}

// mTLS: with TLS 1.3 a client learns only by the first answer that its certificate is not taken.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca, other := kafkatest.NewAuthority(t, "right"), kafkatest.NewAuthority(t, "wrong")
	server := serverTLS(t, ca.Issue(t, "broker", "127.0.0.1"))
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	pem, err := os.ReadFile(ca.File)
	require.NoError(t, err)
	server.ClientCAs.AppendCertsFromPEM(pem)
	old := server.Clone()
	old.MaxVersion = tls.VersionTLS12

	for name, server := range map[string]*tls.Config{"TLS 1.3": server, "TLS 1.2": old} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := (&fakeBroker{}).start(t, server)
			mine, foreign := ca.Issue(t, "client"), other.Issue(t, "client")

			client := withTLS(ca.File)
			_, err := open(t, config.Kafka{TLS: client}, address)
			// The broker's alert, or, where its reset was faster, what may be the cause.
			require.ErrorContains(t, err, " a client certificate")
			require.ErrorContains(t, err, "kafka.tls.cert_file")

			client.CertFile, client.KeyFile = foreign.File, foreign.KeyFile
			d, err := login.New(config.Kafka{TLS: client})
			require.NoError(t, err)
			c, err := d.DialContext(t.Context(), "tcp", address)
			if err == nil {
				err = ask(c)
				_ = c.Close() // the broker may have, and then taking leave fails
			}
			require.ErrorContains(t, err, "kafka.tls.cert_file")
			if name == "TLS 1.2" { // its handshake ends with the broker's word
				require.ErrorContains(t, err, "does not take the certificate in kafka.tls.cert_file "+foreign.File)
			}

			// The files are exchanged: the same dialer takes those that are there now.
			require.NoError(t, os.Rename(mine.File, foreign.File))
			require.NoError(t, os.Rename(mine.KeyFile, foreign.KeyFile))
			c, err = d.DialContext(t.Context(), "tcp", address)
			require.NoError(t, err)
			require.NoError(t, ask(c))
			require.NoError(t, c.Close())
		})
	}
}

// The authorities are exchanged while the program runs.
func TestAuthorityIsReadAgain(t *testing.T) {
	t.Parallel()
	ca, other := kafkatest.NewAuthority(t, "right"), kafkatest.NewAuthority(t, "wrong")
	address := (&fakeBroker{}).start(t, serverTLS(t, ca.Issue(t, "broker", "127.0.0.1")))
	d, err := login.New(config.Kafka{TLS: withTLS(other.File)})
	require.NoError(t, err)
	_, err = d.DialContext(t.Context(), "tcp", address)
	require.ErrorContains(t, err, "unknown authority")
	require.NoError(t, os.Rename(ca.File, other.File))
	c, err := d.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// The mechanisms with a password, against franz-go's broker.
func TestPassword(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.User("PLAIN", "alice", "plain words"),
		kfake.User("SCRAM-SHA-256", "alice", "secret 256"), kfake.User("SCRAM-SHA-512", "bob", "secret 512"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	address := cluster.ListenAddrs()[0]
	tests := map[string]struct {
		sasl config.SASL
		want string
	}{
		"plain":          {config.SASL{Mechanism: config.Plain, Username: "alice", Password: "plain words"}, ""},
		"file":           {config.SASL{Mechanism: config.Plain, Username: "alice", PasswordFile: secretFile(t, "plain words\r\n")}, ""},
		"scram 256":      {config.SASL{Mechanism: config.ScramSHA256, Username: "alice", Password: "secret 256"}, ""},
		"scram 512":      {config.SASL{Mechanism: config.ScramSHA512, Username: "bob", Password: "secret 512"}, ""},
		"wrong password": {config.SASL{Mechanism: config.Plain, Username: "alice", Password: "hunter2"}, `login of "alice" by PLAIN (kafka.sasl`},
		"wrong scram":    {config.SASL{Mechanism: config.ScramSHA256, Username: "alice", Password: "hunter2"}, `login of "alice" by SCRAM-SHA-256 (kafka.sasl`},
		"unknown user":   {config.SASL{Mechanism: config.ScramSHA512, Username: "mallory", Password: "hunter2"}, `login of "mallory" by SCRAM-SHA-512 (kafka.sasl`},
		"no file":        {config.SASL{Mechanism: config.Plain, Username: "alice", PasswordFile: "/nowhere/password"}, "kafka.sasl.password_file: open /nowhere/password"},
		"empty file":     {config.SASL{Mechanism: config.Plain, Username: "alice", PasswordFile: secretFile(t, "\n")}, "is empty"},
		"large file":     {config.SASL{Mechanism: config.Plain, Username: "alice", PasswordFile: secretFile(t, strings.Repeat("x", 70_000))}, ": too large: more than 65536 bytes"},
		"unfit":          {config.SASL{Mechanism: config.ScramSHA256, Username: "alice", Password: "hunter2\x00"}, "SCRAM takes no control characters"},
		"token":          {config.SASL{Mechanism: config.OAuthBearer, TokenFile: secretFile(t, "hunter2")}, "does not take OAUTHBEARER"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, config.Kafka{SASL: test.sasl}, address)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestListenerOfAnotherKind(t *testing.T) {
	t.Parallel()
	sasl := config.SASL{Mechanism: config.OAuthBearer, TokenFile: secretFile(t, "good")}
	ca := kafkatest.NewAuthority(t, "right")

	address := (&fakeBroker{}).start(t, nil)
	_, err := open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "its listener has no login: leave kafka.sasl.mechanism out")

	address = (&fakeBroker{mechanism: "PLAIN"}).start(t, nil)
	_, err = open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "does not take OAUTHBEARER, only plain: change kafka.sasl.mechanism")
	require.True(t, login.Refused(err))

	address = (&fakeBroker{mechanism: "OAUTHBEARER", check: takes("good")}).start(t, serverTLS(t, ca.Issue(t, "broker", "127.0.0.1")))
	_, err = open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "it may expect TLS (kafka.tls.enabled: true)")
	_, err = open(t, config.Kafka{SASL: sasl, TLS: withTLS(ca.File)}, address)
	require.NoError(t, err)
}

// A broker that is killed ends a young connection like one that wants a login: neither is said as a fact.
func TestEndOfAYoungConnection(t *testing.T) {
	t.Parallel()
	address := (&fakeBroker{dies: true}).start(t, nil)
	c, err := open(t, config.Kafka{}, address)
	require.NoError(t, err)
	require.ErrorContains(t, ask(c), "broker "+address+": closes the connection at the first request: "+
		"either it expects a login (SASL), and the configuration has none (kafka.sasl.mechanism), or the broker went away")
}

// Who hangs up at once may expect TLS. kafka-go's client hands that on as it is said.
func TestListenerThatHangsUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var hanging sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); hanging.Wait() })
	hanging.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, _ = c.Read(make([]byte, 1<<10)) // else the end would be a reset
			_ = c.Close()
		}
	})
	d, err := login.New(config.Kafka{})
	require.NoError(t, err)
	transport := &kafka.Transport{Dial: d.DialContext}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: l.Addr(), Transport: transport}
	_, err = client.Metadata(t.Context(), &kafka.MetadataRequest{})
	require.ErrorContains(t, err, "broker "+l.Addr().String()+": closes the connection at once: it may expect TLS (kafka.tls.enabled: true), or is no Kafka broker")
}

// A broker that dies in mid-login keeps nobody from the others.
func TestRefusalOfOneBroker(t *testing.T) {
	t.Parallel()
	dying := &fakeBroker{mechanism: "PLAIN", check: hangsUp}
	well := &fakeBroker{mechanism: "PLAIN", check: func(string) (string, string) { return "", "" }}
	dyingAt, wellAt := dying.start(t, nil), well.start(t, nil)
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}})
	require.NoError(t, err)
	clock := login.Clock(d)

	_, err = d.DialContext(t.Context(), "tcp", dyingAt)
	require.ErrorContains(t, err, "broker "+dyingAt+": closes the connection at the login")
	c, err := d.DialContext(t.Context(), "tcp", wellAt)
	require.NoError(t, err)
	require.NoError(t, c.Close())

	// What the other broker takes does not end the pause of the first, which grows from refusal to refusal: 200 ms, and so on.
	for pause := 100 * time.Millisecond; pause <= 10*time.Second; pause *= 2 {
		tries := len(dying.seen())
		clock.Add(int64(min(pause, 5*time.Second) - 1))
		_, err = d.DialContext(t.Context(), "tcp", dyingAt)
		require.Error(t, err)
		require.Len(t, dying.seen(), tries)
		clock.Add(1)
		_, err = d.DialContext(t.Context(), "tcp", dyingAt)
		require.Error(t, err)
		require.Len(t, dying.seen(), tries+1)
	}
	require.Equal(t, 1, login.Refusing(d))

	// Who nobody dials any more is forgotten.
	clock.Add(int64(2 * time.Minute))
	other := (&fakeBroker{mechanism: "PLAIN", check: hangsUp}).start(t, nil)
	_, err = d.DialContext(t.Context(), "tcp", other)
	require.Error(t, err)
	require.Equal(t, 1, login.Refusing(d))
}

// A login that expires is renewed on the connection, between two requests.
func TestRenewal(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("good"), lifetime: 1500 * time.Millisecond}
	address := b.start(t, nil)
	c, err := open(t, config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, TokenFile: secretFile(t, "good")}}, address)
	require.NoError(t, err)
	for begun := time.Now(); time.Since(begun) < 4*time.Second; time.Sleep(10 * time.Millisecond) { // the lifetime is the broker's clock
		require.NoError(t, ask(c))
	}
	require.GreaterOrEqual(t, len(b.seen()), 3)
	require.Equal(t, 1, b.conns)
}

// What is needed for a renewal cannot be had: the old login is used as long as it lasts.
func TestRenewalWithoutToken(t *testing.T) {
	t.Parallel()
	b := &fakeBroker{mechanism: "OAUTHBEARER", check: takes("good"), lifetime: 2 * time.Second}
	address := b.start(t, nil)
	file := secretFile(t, "good")
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.OAuthBearer, TokenFile: file}})
	require.NoError(t, err)
	begun := time.Now() // before the login: its lifetime is not over earlier, however long anything here takes
	c, err := d.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(begun.Add(10*time.Second)))
	require.NoError(t, os.Remove(file)) // before the first request, so that no renewal sees it
	for err == nil {
		err = ask(c)
		time.Sleep(10 * time.Millisecond) // the lifetime is the broker's clock
	}
	require.GreaterOrEqual(t, time.Since(begun), b.lifetime)
	require.True(t, errors.Is(err, io.EOF) || strings.Contains(err.Error(), "token_file"), "%v", err)
	require.Len(t, b.seen(), 1)
}

func TestAWS(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	t.Setenv("AWS_REGION", "")
	b := &fakeBroker{mechanism: "AWS_MSK_IAM", check: func(string) (string, string) { return "", "" }}
	address := b.start(t, nil)
	sasl := config.SASL{Mechanism: config.AWSMSKIAM}
	_, err := open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "cannot log in by AWS_MSK_IAM: no region: set kafka.sasl.aws_region or AWS_REGION")

	sasl.AWSRegion = "eu-central-1"
	_, err = open(t, config.Kafka{SASL: sasl}, address)
	require.ErrorContains(t, err, "cannot log in by AWS_MSK_IAM: no AWS credentials (environment, shared files, web identity and role were tried)")

	t.Setenv("AWS_ACCESS_KEY_ID", "AKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	_, err = open(t, config.Kafka{SASL: sasl}, address)
	require.NoError(t, err)
	var said map[string]string
	require.NoError(t, json.Unmarshal([]byte(b.seen()[0]), &said))
	require.Equal(t, "kafka-cluster:Connect", said["action"])
	require.Equal(t, "127.0.0.1", said["host"])
	require.Contains(t, said["x-amz-credential"], "AKID/")
	require.Contains(t, said["x-amz-credential"], "/eu-central-1/kafka-cluster/aws4_request")
	require.NotContains(t, b.seen()[0], "hunter2")
}

func TestUnknownMechanism(t *testing.T) {
	t.Parallel()
	_, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: "gssapi"}})
	require.ErrorContains(t, err, `kafka.sasl.mechanism: is not known: "gssapi"`)
}

// Who dials may give up, whatever the broker does not say.
func TestSilence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	for name, k := range map[string]config.Kafka{
		"TLS":  {TLS: withTLS("")},
		"SASL": {SASL: config.SASL{Mechanism: config.Plain, Username: "u", Password: "p"}},
	} {
		d, err := login.New(k)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		begun := time.Now()
		_, err = d.DialContext(ctx, "tcp", l.Addr().String())
		cancel()
		require.Error(t, err, name)
		require.Less(t, time.Since(begun), 2*time.Second, name)
	}
}
