package kafkatest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The listeners of a cluster that StartSecure has started, besides the plain one.
const (
	TLS      = "TLS"      // encrypted, no login
	MTLS     = "MTLS"     // encrypted, with client certificates
	Login    = "LOGIN"    // encrypted, with each of the mechanisms
	Unsealed = "UNSEALED" // PLAIN in the clear
	Expired  = "EXPIRED"  // encrypted, by a certificate whose time is over
)

// User is who may log in by a password, at a cluster that StartSecure has started. The subject of a
// token or certificate may be anybody.
const (
	User     = "alice"
	Password = "the-password-of-alice"
)

// Secure is a cluster that may be reached in several ways. The plain listener is for the test itself.
type Secure struct {
	*Cluster

	CA *Authority
}

// StartSecure starts a cluster of one node with the listeners above. It looks at rights, and nobody who logs in has one.
func StartSecure(tb testing.TB, properties map[string]string) *Secure {
	tb.Helper()
	ca := NewAuthority(tb, "cluster")
	broker := ca.Issue(tb, "broker", "127.0.0.1", "localhost")
	expired := ca.IssueFor(tb, "broker", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour), "127.0.0.1", "localhost")
	const (
		modules = "org.apache.kafka.common.security."
		login   = "listener.name.login."
	)
	plain := modules + `plain.PlainLoginModule required user_` + User + `="` + Password + `";`
	all := map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": broker.Both,
		"ssl.truststore.type": "PEM", "ssl.truststore.location": ca.File,
		"listener.name.expired.ssl.keystore.location":            expired.Both,
		"listener.name.mtls.ssl.client.auth":                     "required",
		"listener.name.unsealed.sasl.enabled.mechanisms":         "PLAIN",
		"listener.name.unsealed.plain.sasl.jaas.config":          plain,
		login + "sasl.enabled.mechanisms":                        "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		login + "plain.sasl.jaas.config":                         plain,
		login + "scram-sha-256.sasl.jaas.config":                 modules + "scram.ScramLoginModule required;",
		login + "scram-sha-512.sasl.jaas.config":                 modules + "scram.ScramLoginModule required;",
		login + "oauthbearer.sasl.jaas.config":                   modules + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		login + "oauthbearer.sasl.server.callback.handler.class": modules + "oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
		login + "oauthbearer.sasl.login.callback.handler.class":  modules + "oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
	}
	maps.Copy(all, properties)
	s := &Secure{CA: ca, Cluster: Start(tb, Options{Properties: all, Roles: true, Listeners: []Listener{
		{TLS, "SSL"}, {MTLS, "SSL"}, {Login, "SASL_SSL"}, {Unsealed, "SASL_PLAINTEXT"}, {Expired, "SSL"},
	}})}
	s.SetPassword(tb, kadm.ScramSha256, Password)
	s.SetPassword(tb, kadm.ScramSha512, Password)
	return s
}

// SetPassword changes the password of User for a mechanism.
func (s *Secure) SetPassword(tb testing.TB, mechanism kadm.ScramMechanism, password string) {
	tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Addrs()...))
	require.NoError(tb, err)
	defer client.Close()
	ctx := context.WithoutCancel(tb.Context()) // also for a clean-up
	done, err := kadm.NewClient(client).AlterUserSCRAMs(ctx, nil,
		[]kadm.UpsertSCRAM{{User: User, Mechanism: mechanism, Iterations: 4096, Password: password}})
	require.NoError(tb, err)
	require.NoError(tb, done.Error())
}

// Token is one that the cluster takes: unsigned, as no real cluster does.
func Token(tb testing.TB, subject string, life time.Duration) string {
	tb.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		require.NoError(tb, err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := float64(time.Now().UnixMilli()) / 1000 //nolint:mnd // milliseconds in a second
	return strings.Join([]string{part(map[string]any{"alg": "none"}), part(map[string]any{
		"sub": subject, "iat": now - 1, "exp": now + life.Seconds(),
	}), ""}, ".")
}

// Secret is a file with a text.
func Secret(tb testing.TB, text string) string {
	tb.Helper()
	f, err := os.CreateTemp(tb.TempDir(), "secret")
	require.NoError(tb, err)
	_, err = f.WriteString(text)
	require.NoError(tb, err)
	require.NoError(tb, f.Close())
	return f.Name()
}
