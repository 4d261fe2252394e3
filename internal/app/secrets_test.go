package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// planted is in each secret of TestNoSecretComesOut.
const planted = "pl4nted"

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (*logBuffer) Sync() error { return nil }

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// secretsSite is a cluster that wants TLS and a login, and files with secrets.
type secretsSite struct {
	dir, broker, tokens, ca string
}

func newSecretsSite(t *testing.T) *secretsSite {
	t.Helper()
	ca := kafkatest.NewAuthority(t, "cluster")
	cert := ca.Issue(t, "broker", "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert.File, cert.KeyFile)
	require.NoError(t, err)
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "calls.raw", "calls.enriched"), kfake.EnableSASL(),
		kfake.User("PLAIN", "alice", planted+"-right"), kfake.User("SCRAM-SHA-256", "alice", planted+"-right"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
	// A token endpoint that says too much.
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","you_said":%q}`, secret)
	}))
	t.Cleanup(tokens.Close)
	s := &secretsSite{dir: t.TempDir(), broker: c.ListenAddrs()[0], tokens: tokens.URL, ca: ca.File}
	for name, text := range map[string]string{
		"page": planted + "-page-token\n", "right": planted + "-right\n", "wrong": planted + "-wrong\n", "token": planted + ".token",
		"key": "-----BEGIN PRIVATE KEY-----\n" + planted + "\n-----END PRIVATE KEY-----\n", "unfit": planted + "\x07",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
	}
	cert = ca.Issue(t, "enricher")
	require.NoError(t, os.Rename(cert.File, filepath.Join(s.dir, "cert")))
	return s
}

// TestNoSecretComesOut plants secrets, and looks for them in all that the program says: logs at debug, errors,
// `config show`, the page, profiles, and what a panic would print.
func TestNoSecretComesOut(t *testing.T) {
	t.Setenv("PLANTED_RIGHT", planted+"-right")
	t.Setenv("PLANTED_WRONG", planted+"-wrong")
	s := newSecretsSite(t)
	for name, test := range map[string]struct {
		tls, sasl string
		works     bool
	}{
		"password by file":     {"", `{mechanism: plain, username: alice, password: "${file:right}"}`, true},
		"password by variable": {"", `{mechanism: scram-sha-256, username: alice, password: "${PLANTED_RIGHT}"}`, true},
		"password_file":        {"", `{mechanism: plain, username: alice, password_file: right}`, true},
		"wrong password":       {"", `{mechanism: plain, username: alice, password: "${PLANTED_WRONG}"}`, false},
		"wrong SCRAM":          {"", `{mechanism: scram-sha-256, username: alice, password_file: wrong}`, false},
		"unfit password":       {"", `{mechanism: scram-sha-256, username: alice, password_file: unfit}`, false},
		"token":                {"", `{mechanism: oauthbearer, token_file: token}`, false},
		"client secret":        {"", `{mechanism: oauthbearer, oauth: {token_url: "` + s.tokens + `", client_id: c, client_secret_file: wrong}}`, false},
		"client secret by file": {
			"", `{mechanism: oauthbearer, oauth: {token_url: "` + s.tokens + `", client_id: c, client_secret: "${file:right}"}}`, false,
		},
		"key file": {", cert_file: cert, key_file: key", `{mechanism: plain, username: alice, password_file: right}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			said := s.said(t, test.tls, test.sasl, test.works)
			for what, text := range said {
				for _, form := range []string{planted, base64.StdEncoding.EncodeToString([]byte(planted)), hex.EncodeToString([]byte(planted))} {
					require.NotContains(t, text, form, what)
				}
			}
			require.NotEmpty(t, said["logs"])
		})
	}
}

// said is all that comes out of a configuration, by what it came from.
func (s *secretsSite) said(t *testing.T, tlsKeys, sasl string, works bool) map[string]string {
	t.Helper()
	file := filepath.Join(s.dir, "enricher.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `
kafka: {brokers: [%q], tls: {enabled: true, ca_file: %q%s}, sasl: %s}
input: {topics: [calls.raw], group: enricher}
output: {topic: calls.enriched}
ops: {listen: "127.0.0.1:0", page: "127.0.0.1:0", pprof: true, token: "${file:page}"}
`, s.broker, s.ca, tlsKeys, sasl), 0o600))
	cfg, err := config.Load(file)
	require.NoError(t, err)
	shown, err := cfg.YAML()
	require.NoError(t, err)
	js, err := cfg.JSON()
	require.NoError(t, err)
	said := map[string]string{
		"show": string(shown), "json": string(js), "print": fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg),
		"panic": printed(func() { panic(cfg.Kafka.SASL.Password) }), "panic of the page": printed(func() { panic(cfg.Ops) }),
	}
	log := &logBuffer{}
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), log, zapcore.DebugLevel), zap.WithCaller(true), zap.AddStacktrace(zap.WarnLevel))
	a, err := app.New(cfg, logger)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	r := &running{t: t, app: a}
	if works {
		r.until("it works", func() bool { code, _ := r.get("/readyz"); return code == http.StatusOK })
		code, _ := r.get("/api/config") // both are on one port
		require.Equal(t, http.StatusUnauthorized, code)
		for _, path := range []string{"/", "/api/config", "/api/status", "/metrics", "/debug/pprof/goroutine?debug=1", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
			said[path] = s.page(t, a.PageAddr(), path)
		}
		require.Contains(t, said["/api/config"], "sasl")
		client, err := topic.Dial(t.Context(), cfg.Kafka)
		require.NoError(t, err)
		client.Close()
		cancel()
		require.NoError(t, <-done)
	} else {
		err := <-done
		require.Error(t, err)
		said["error"] = fmt.Sprintf("%v %+v", err, err)
		_, err = topic.Dial(t.Context(), cfg.Kafka)
		require.Error(t, err)
		said["verb"] = fmt.Sprintf("%v %+v", err, err)
		require.NotContains(t, strings.TrimSpace(err.Error()), "\n")
	}
	said["logs"] = log.String()
	return said
}

// page asks for something on the status page, as one who knows its token.
func (*secretsSite) page(t *testing.T, address, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+planted+"-page-token")
	resp, err := client.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, string(text))
	return string(text)
}

// printed is what somebody who recovers a panic prints of it.
func printed(fn func()) (text string) {
	defer func() {
		v := recover()
		text = fmt.Sprintf("%v %+v %#v %q", v, v, v, v)
	}()
	fn()
	return ""
}
