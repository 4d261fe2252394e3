//go:build kafka

package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// secureSite is topics on a cluster with all kinds of listeners, and a configuration that names them. Whoever logs in
// has the filter's rights on them. The events come and are read by the plain listener.
type secureSite struct {
	t    *testing.T
	c    *kafkatest.Cluster
	cfg  *config.Config
	open *kgo.Client
	sent int
}

func newSecureSite(t *testing.T, c *kafkatest.Secure, prefix string) *secureSite {
	t.Helper()
	cfg := configFor()
	cfg.Input.Topics, cfg.Input.Group = []string{prefix + "raw"}, prefix+"enricher"
	cfg.Output.Topic, cfg.DeadLetter.Topic, cfg.Routes[0].Topic = prefix+"enriched", prefix+"dead", prefix+"retry"
	cfg.Kafka.Instance = "one"
	cfg.Ops.Listen, cfg.Ops.Page = "", ""
	for _, name := range []string{prefix + "raw", cfg.Output.Topic, cfg.DeadLetter.Topic, cfg.Routes[0].Topic} {
		c.CreateTopic(t, name, 2)
	}
	for _, user := range []string{kafkatest.User, "enricher", "CN=enricher"} { // by a password, a token, a certificate
		c.Give(t, user, kafkatest.Filter, kafkatest.Names{
			"calls.raw": cfg.Input.Topics, "calls.enriched": {cfg.Output.Topic}, "calls.dead": {cfg.DeadLetter.Topic}, "calls.gave-up": nil,
			"calls.retry.": {cfg.Routes[0].Topic}, "calls.": {prefix}, "enricher": {cfg.Input.Group}, "enricher/filter/": {cfg.Input.Group + "/filter/"},
		})
	}
	open, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(t, err)
	t.Cleanup(open.Close)
	return &secureSite{t: t, c: c.Cluster, cfg: cfg, open: open}
}

// send produces events, each with a number of its own.
func (s *secureSite) send(n int) {
	s.t.Helper()
	var records []*kgo.Record
	for range n {
		s.sent++
		records = append(records, &kgo.Record{
			Topic: s.cfg.Input.Topics[0], Key: fmt.Append(nil, s.sent),
			Value: fmt.Appendf(nil, `{"CallUUID":"%d","HangupCauseCode":"3010","Direction":"outbound"}`, s.sent),
		})
	}
	require.NoError(s.t, s.open.ProduceSync(s.t.Context(), records...).FirstErr())
}

// atWork is the program at work.
type atWork struct {
	t    *testing.T
	stop func()
	done chan error
	logs *observer.ObservedLogs
}

func (s *secureSite) run() *atWork {
	s.t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	a, err := app.New(s.cfg, zap.New(core))
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.t.Context())
	r := &atWork{t: s.t, stop: cancel, done: make(chan error, 1), logs: logs}
	go func() { r.done <- a.Run(ctx) }()
	s.t.Cleanup(cancel)
	return r
}

func (r *atWork) finish() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.done:
		require.NoError(r.t, err)
	case <-time.After(time.Minute):
		require.Fail(r.t, "does not stop")
	}
}

// failure waits for the program to end by itself.
func (r *atWork) failure() string {
	r.t.Helper()
	select {
	case err := <-r.done:
		require.Error(r.t, err)
		return err.Error()
	case <-time.After(time.Minute):
		require.Fail(r.t, "does not end")
		return ""
	}
}

// text is all that was logged.
func text(logs *observer.ObservedLogs, least zapcore.Level) string {
	var b strings.Builder
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, e := range logs.All() {
		if e.Level >= least {
			line, _ := enc.EncodeEntry(e.Entry, e.Context)
			b.Write(line.Bytes())
		}
	}
	return b.String()
}

// complete waits until every event sent has come out, once, and is committed.
func (s *secureSite) complete() {
	s.t.Helper()
	seen := map[string]int{}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.c.Addrs()...), kgo.ConsumeTopics(s.cfg.Output.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(s.t, err)
	defer cl.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for len(seen) < s.sent || !s.committed() {
		poll, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		cl.PollFetches(poll).EachRecord(func(r *kgo.Record) { seen[string(r.Key)]++ })
		stop()
		require.NoError(s.t, ctx.Err(), "%d of %d came out", len(seen), s.sent)
	}
	for key, n := range seen {
		require.Equal(s.t, 1, n, key)
	}
}

func (s *secureSite) committed() bool {
	offsets, err := kadm.NewClient(s.open).FetchOffsets(s.t.Context(), s.cfg.Input.Group)
	require.NoError(s.t, err)
	sum := 0
	offsets.Each(func(o kadm.OffsetResponse) { sum += int(o.At) })
	return sum >= s.sent
}

// way is a way to reach the cluster.
type way struct {
	listener string
	tls      config.TLS
	sasl     config.SASL
}

func (w way) use(t *testing.T, c *kafkatest.Secure, cfg *config.Config) {
	t.Helper()
	cfg.Kafka.Brokers = c.Addrs()
	if w.listener != "" {
		cfg.Kafka.Brokers = c.AddrsOf(t, w.listener)
	}
	cfg.Kafka.TLS, cfg.Kafka.SASL = w.tls, w.sasl
}

// endpoint gives out tokens for the cluster.
func endpoint(t *testing.T, life time.Duration) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if id, secret, _ := r.BasicAuth(); id != "enricher" || secret != "the-secret-of-the-client" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": kafkatest.Token(t, "enricher", life), "token_type": "Bearer", "expires_in": life.Seconds()})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func ways(t *testing.T, c *kafkatest.Secure) map[string]way {
	t.Helper()
	sealed := config.TLS{Enabled: true, CAFile: c.CA.File}
	mine := c.CA.Issue(t, "enricher")
	mutual := sealed
	mutual.CertFile, mutual.KeyFile = mine.File, mine.KeyFile
	byPassword := func(m config.Mechanism) config.SASL {
		return config.SASL{Mechanism: m, Username: kafkatest.User, PasswordFile: kafkatest.Secret(t, kafkatest.Password+"\n")}
	}
	return map[string]way{
		"TLS":           {kafkatest.TLS, sealed, config.SASL{}},
		"mTLS":          {kafkatest.MTLS, mutual, config.SASL{}},
		"PLAIN":         {kafkatest.Login, sealed, byPassword(config.Plain)},
		"SCRAM-SHA-256": {kafkatest.Login, sealed, byPassword(config.ScramSHA256)},
		"SCRAM-SHA-512": {kafkatest.Login, sealed, byPassword(config.ScramSHA512)},
		"OAUTHBEARER, file": {kafkatest.Login, sealed, config.SASL{
			Mechanism: config.OAuthBearer, TokenFile: kafkatest.Secret(t, kafkatest.Token(t, "enricher", time.Hour)),
		}},
		"OAUTHBEARER, endpoint": {kafkatest.Login, sealed, config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
			TokenURL: endpoint(t, time.Hour), ClientID: "enricher", ClientSecret: "the-secret-of-the-client",
		}}},
	}
}

// TestKafkaLogin runs the program through each kind of listener, exactly once, and the verbs' client too.
func TestKafkaLogin(t *testing.T) {
	c := kafkatest.StartSecure(t, nil)
	i := 0
	for name, w := range ways(t, c) {
		i++
		prefix := fmt.Sprintf("way%d.", i)
		t.Run(name, func(t *testing.T) {
			s := newSecureSite(t, c, prefix)
			w.use(t, c, s.cfg)
			s.send(500)
			r := s.run()
			s.complete()
			r.finish()
			require.Empty(t, text(r.logs, zap.WarnLevel))

			client, err := topic.Dial(t.Context(), s.cfg.Kafka)
			require.NoError(t, err)
			client.Close()
		})
	}
	t.Run("refused", func(t *testing.T) { refusedLogins(t, c) })
	t.Run("password changes", func(t *testing.T) { passwordChanges(t, c) })
}

// refusedLogins: each mistake ends the program at the start, with one line that names the cause and
// the setting. The verbs say the same.
func refusedLogins(t *testing.T, c *kafkatest.Secure) {
	good := ways(t, c)
	stranger := kafkatest.NewAuthority(t, "stranger")
	theirs := stranger.Issue(t, "enricher")
	over := c.CA.IssueFor(t, "enricher", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	change := func(name string, edit func(*way)) way {
		w := good[name]
		edit(&w)
		return w
	}
	s := newSecureSite(t, c, "refused.")
	for name, test := range map[string]struct {
		way
		want []string
	}{
		"wrong CA":             {change("TLS", func(w *way) { w.tls.CAFile = stranger.File }), []string{`signed by an unknown authority, "CN=cluster"`, "kafka.tls.ca_file"}},
		"wrong host":           {change("TLS", func(w *way) { w.tls.ServerName = "kafka.example" }), []string{"its certificate is for localhost, 127.0.0.1, not for", "kafka.tls.server_name"}},
		"expired":              {change("TLS", func(w *way) { w.listener = kafkatest.Expired }), []string{"its certificate expired at ", "renew it on the broker"}},
		"no certificate":       {change("mTLS", func(w *way) { w.tls.CertFile, w.tls.KeyFile = "", "" }), []string{"client certificate", "kafka.tls.cert_file"}},
		"foreign certificate":  {change("mTLS", func(w *way) { w.tls.CertFile, w.tls.KeyFile = theirs.File, theirs.KeyFile }), []string{"does not take the certificate", "kafka.tls.cert_file"}},
		"expired certificate":  {change("mTLS", func(w *way) { w.tls.CertFile, w.tls.KeyFile = over.File, over.KeyFile }), []string{"does not take the certificate", "kafka.tls.cert_file"}},
		"wrong password":       {change("PLAIN", func(w *way) { w.sasl.PasswordFile = kafkatest.Secret(t, "hunter2") }), []string{`refuses the login of "alice" by PLAIN`, "kafka.sasl.password"}},
		"wrong SCRAM password": {change("SCRAM-SHA-512", func(w *way) { w.sasl.PasswordFile = kafkatest.Secret(t, "hunter2") }), []string{`refuses the login of "alice" by SCRAM-SHA-512`, "kafka.sasl.password"}},
		"expired token":        {change("OAUTHBEARER, file", func(w *way) { w.sasl.TokenFile = kafkatest.Secret(t, kafkatest.Token(t, "hunter2", -time.Hour)) }), []string{"refuses the login by OAUTHBEARER", "kafka.sasl.token_file", "invalid_token"}},
		"wrong secret":         {change("OAUTHBEARER, endpoint", func(w *way) { w.sasl.OAuth.ClientSecret = "hunter2" }), []string{"401 Unauthorized", "kafka.sasl.oauth.client_id"}},
		"not offered":          {way{kafkatest.Unsealed, config.TLS{}, good["SCRAM-SHA-256"].sasl}, []string{"does not take SCRAM-SHA-256, only plain", "kafka.sasl.mechanism"}},
		"login where none is":  {change("PLAIN", func(w *way) { w.listener = kafkatest.TLS }), []string{"its listener has no login", "kafka.sasl.mechanism"}},
		"no login":             {change("TLS", func(w *way) { w.listener = kafkatest.Login }), []string{"expects a login", "kafka.sasl.mechanism"}},
		"no login, clear":      {way{kafkatest.Unsealed, config.TLS{}, config.SASL{}}, []string{"expects a login", "kafka.sasl.mechanism"}},
		"plaintext to TLS":     {way{kafkatest.TLS, config.TLS{}, config.SASL{}}, []string{"TLS", "kafka.tls.enabled"}},
		"login to TLS, clear":  {way{kafkatest.Login, config.TLS{}, good["PLAIN"].sasl}, []string{"TLS", "kafka.tls.enabled"}},
		"TLS to plaintext":     {way{"", good["TLS"].tls, config.SASL{}}, []string{"TLS", "kafka.tls.enabled"}},
	} {
		t.Run(name, func(t *testing.T) {
			test.use(t, c, s.cfg)
			err := s.run().failure()
			_, verb := topic.Dial(t.Context(), s.cfg.Kafka)
			require.Error(t, verb)
			for _, got := range []string{err, verb.Error()} {
				t.Log(got)
				for _, want := range test.want {
					require.Contains(t, got, want)
				}
				require.NotContains(t, got, "\n")
				require.NotContains(t, got, "hunter2")
			}
		})
	}
}

// passwordChanges: while the program runs, the user's password changes at the brokers and in the file. What
// connects anew takes it up, and nothing is lost.
func passwordChanges(t *testing.T, c *kafkatest.Secure) {
	s := newSecureSite(t, c, "changed.")
	w := ways(t, c)["SCRAM-SHA-512"]
	w.use(t, c, s.cfg)
	s.send(100)
	first := s.run()
	s.complete()
	const fresh = "another-password"
	c.SetPassword(t, kadm.ScramSha512, fresh)
	t.Cleanup(func() { c.SetPassword(t, kadm.ScramSha512, kafkatest.Password) })
	require.NoError(t, os.WriteFile(w.sasl.PasswordFile, []byte(fresh), 0o600))
	c.Shutdown(t, 1)
	c.Restart(t, 1) // all connections have to be made anew
	s.send(100)
	s.complete()
	first.finish()
}
