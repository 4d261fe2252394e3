package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/doctor"
	"github.com/callstream/enricher/internal/kafkatest"
)

// listen lets serve answer each connection until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })

	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}

			go serve(conn)
		}
	}()

	return l.Addr().String()
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)

	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

// Nobody to talk to: one line, which names the address and says why.
func TestUnreachable(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		address func(*testing.T) string
		found   string
	}{
		"refused": {func(*testing.T) string { return "127.0.0.1:1" }, "connection refused: nothing listens there"},
		"no such name": {
			func(*testing.T) string { return "kafka.invalid:9092" },
			`the name "kafka.invalid" cannot be resolved`,
		},
		"TLS": {
			func(t *testing.T) string {
				t.Helper()
				c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(certificate(t)))
				require.NoError(t, err)
				t.Cleanup(c.Close)

				return c.ListenAddrs()[0]
			},
			"it may expect TLS",
		},
		"TLS, and it says so": {
			func(t *testing.T) string {
				t.Helper()

				return listen(t, func(c net.Conn) {
					_, _ = c.Read(make([]byte, 1))
					_, _ = c.Write([]byte{0x15, 3, 3, 0, 2, 2, 0x46, 0}) // the alert "protocol version"
					_, _ = c.Read(make([]byte, 1<<10))
				})
			},
			"speaks TLS: set kafka.tls.enabled to true",
		},
		"hangs up": {
			func(t *testing.T) string {
				t.Helper()

				return listen(t, func(c net.Conn) { _ = c.Close() })
			},
			"closes the connection at once: it may expect TLS (kafka.tls.enabled: true), or is no Kafka broker",
		},
		"silent": {
			func(t *testing.T) string {
				t.Helper()

				return listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
			},
			"no answer in time",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := siteOf(t, []string{test.address(t)})
			begin := time.Now()
			r := s.run(doctor.Options{Timeout: time.Second})
			require.Less(t, time.Since(begin), 10*time.Second)
			require.Len(t, r.Checks, 1, list(r))
			require.Equal(t, doctor.Problem, r.Status)
			require.Equal(t, s.cfg.Kafka.Brokers[0], r.Checks[0].On)
			require.Contains(t, r.Checks[0].Found, test.found)
			require.NotEmpty(t, r.Checks[0].Fix)
		})
	}
}

// One address of several is wrong: that is said, and the rest is looked at.
func TestOneAddressIsWrong(t *testing.T) {
	t.Parallel()

	_, s := fake(t)
	s.cfg.Kafka.Brokers = append(s.cfg.Kafka.Brokers, "127.0.0.1:1")
	r := s.run()
	require.Equal(t, doctor.Warning, find(t, r, "connect", "127.0.0.1:1").Status)
	require.Equal(t, doctor.OK, find(t, r, "login", "").Status)
	require.Equal(t, doctor.OK, find(t, r, "rights", "calls.raw").Status)
}

// A broker that wants a login answers which versions it has, and hangs up then.
func TestLoginWanted(t *testing.T) {
	t.Parallel()

	_, s := fake(t, kfake.EnableSASL())
	r := s.run()
	login := find(t, r, "login", "")
	require.Equal(t, doctor.Problem, login.Status)
	require.Contains(t, login.Found, "it expects a login (SASL), and the configuration has none (kafka.sasl.mechanism)")
	require.Same(t, login, r.Checks[len(r.Checks)-1])
}

// TestLogin: the doctor logs in as the filter does, names the user in commands, and says why it may not come in.
func TestLogin(t *testing.T) {
	t.Parallel()

	ca := kafkatest.NewAuthority(t, "cluster")
	cert := ca.Issue(t, "broker", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert.File, cert.KeyFile)
	require.NoError(t, err)

	users := []kfake.Opt{kfake.EnableSASL(), kfake.User("PLAIN", "alice", "right"), kfake.User("SCRAM-SHA-256", "alice", "right")}
	sealed := append(slices.Clone(users), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
	byPlain := config.SASL{Mechanism: config.Plain, Username: "alice", Password: "right"}

	for name, test := range map[string]struct {
		broker []kfake.Opt
		tls    config.TLS
		sasl   config.SASL
		check  string
		status doctor.Status
		found  string
	}{
		"scram":        {users, config.TLS{}, config.SASL{Mechanism: config.ScramSHA256, Username: "alice", Password: "right"}, "login", doctor.OK, "as User:alice by scram-sha-256"},
		"in the clear": {users, config.TLS{}, byPlain, "login", doctor.Warning, "as User:alice by plain, and what it is proved by goes over the network for all to read"},
		"sealed":       {sealed, config.TLS{Enabled: true, CAFile: ca.File}, byPlain, "login", doctor.OK, "as User:alice by plain"},
		"refused":      {users, config.TLS{}, config.SASL{Mechanism: config.Plain, Username: "alice", Password: "wrong"}, "login", doctor.Problem, "kafka.sasl.password"},
		"not offered":  {users, config.TLS{}, config.SASL{Mechanism: config.OAuthBearer, TokenFile: kafkatest.Secret(t, "token")}, "login", doctor.Problem, "does not take OAUTHBEARER"},
		"wrong CA":     {sealed, config.TLS{Enabled: true, CAFile: kafkatest.NewAuthority(t, "x").File}, byPlain, "connect", doctor.Problem, "kafka.tls.ca_file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, test.broker...)...)
			require.NoError(t, err)
			t.Cleanup(c.Close)

			s := siteOf(t, c.ListenAddrs())
			s.cfg.Kafka.TLS, s.cfg.Kafka.SASL = test.tls, test.sasl
			r := s.run()
			check := find(t, r, test.check, "")
			require.Equal(t, test.status, check.Status, list(r))
			require.Contains(t, check.Found, test.found)
			require.NotContains(t, list(r), "wrong\n")
		})
	}
}

// The cluster names an address that cannot be used from here.
func TestAdvertisedElsewhere(t *testing.T) {
	t.Parallel()

	c, s := fake(t)
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(req.GetVersion())

		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = 7, "kafka-7.invalid", 9092
		resp.Brokers, resp.ControllerID = append(resp.Brokers, b), 7

		c.KeepControl()

		return resp, nil, true
	})

	r := s.run(doctor.Options{Timeout: 5 * time.Second})
	broker := find(t, r, "broker", "broker 7")
	require.Equal(t, doctor.Problem, broker.Status)
	require.Contains(t, broker.Found, `at kafka-7.invalid:9092: the name "kafka-7.invalid" cannot be resolved`)
	require.Contains(t, broker.Fix[0], "advertised.listeners")
}

// A broker that lacks what the filter speaks.
func TestOldBroker(t *testing.T) {
	t.Parallel()

	_, s := fake(t, kfake.MaxVersions(kversion.V2_0_0()))
	broker := find(t, s.run(doctor.Options{Timeout: 5 * time.Second}), "broker", "broker 0")
	require.Equal(t, doctor.Problem, broker.Status)
	require.Contains(t, broker.Found, "does not know Produce v8, Fetch v11,")
	require.Contains(t, broker.Found, "TxnOffsetCommit v3")
}

// One that looks older than what is tested, and lacks nothing, is a warning: the fake does, for requests that nobody here makes.
func TestBrokerThatLooksOld(t *testing.T) {
	t.Parallel()

	_, s := fake(t)
	broker := find(t, s.run(), "broker", "broker 0")
	require.Equal(t, doctor.Warning, broker.Status)
	require.Contains(t, broker.Found, "it looks like Kafka ")
	require.Contains(t, broker.Fix[0], "2.8 or later")
}

// Time that is too short leaves things unchecked, and says so.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()

	c, s := good(t)
	c.ControlKey(int16(kmsg.DescribeConfigs), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		return nil, nil, true // never answered
	})

	r := s.run(doctor.Options{Timeout: time.Second})

	for check, on := range map[string]string{"settings": "calls.raw", "session timeout": "", "transaction timeout": ""} {
		c := find(t, r, check, on)
		require.Equal(t, doctor.NotChecked, c.Status)
		require.Empty(t, c.Fix, "no right would mend that")
	}

	require.Equal(t, doctor.NotChecked, find(t, r, "lag", "").Status)
}
