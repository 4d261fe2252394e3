package ops_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/ops"
)

const token = "correct-horse-battery-staple"

func basic(password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("somebody:"+password))
}

// Without the token there is nothing but the way to give it, whatever is asked for.
func TestTokenIsAskedForEverywhere(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}, Pprof: true, Token: token})
	for _, path := range []string{"/", "/?q=busy", "/api/status", "/api/catalog", "/api/config", "/page.css", "/page.js", "/icon.svg", "/debug/pprof/", "/nowhere"} {
		for name, headers := range map[string][]string{
			"nothing":            nil,
			"another":            {"Authorization", basic("wrong")},
			"none":               {"Authorization", basic("")},
			"the beginning":      {"Authorization", basic(token[:10])},
			"more":               {"Authorization", basic(token + "x")},
			"another bearer":     {"Authorization", "Bearer wrong"},
			"an empty bearer":    {"Authorization", "Bearer "},
			"another scheme":     {"Authorization", "Digest " + token},
			"no scheme":          {"Authorization", token},
			"as a cookie":        {"Cookie", "token=" + token},
			"as the user's name": {"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(token+":"))},
		} {
			got := s.get(path, headers...)
			require.Equal(t, http.StatusUnauthorized, got.code, path+" "+name)
			require.Contains(t, got.header.Get("WWW-Authenticate"), "Basic realm=")
			require.NotEmpty(t, got.header.Get("Content-Security-Policy"))
			require.NotContains(t, got.body, "kafka")
		}
	}
	require.Equal(t, http.StatusUnauthorized, s.get("/?token="+token).code, "an address is logged and kept")
	for _, path := range []string{"/", "/api/explain", "/debug/pprof/symbol"} {
		got := s.post(path, pasted("{}"), "Content-Type", form)
		require.Equal(t, http.StatusUnauthorized, got.code, path)
		require.NotContains(t, got.body, "saw")
	}
}

func TestTokenLetsIn(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}, Token: token})
	for _, header := range []string{basic(token), "Bearer " + token, "bearer " + token} {
		require.Equal(t, http.StatusOK, s.get("/", "Authorization", header).code)
		require.Contains(t, s.post("/api/explain", "{}", "Authorization", header).body, "saw")
		got := s.post("/api/explain", "{}", "Authorization", header, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
		require.Equal(t, http.StatusForbidden, got.code, "another site's page does not use it")
		require.Equal(t, http.StatusMisdirectedRequest, s.get("/", "Authorization", header, "Host", "evil.example").code, "the address is a loopback one")
	}
}

func TestPageElsewhereWantsToKnowWho(t *testing.T) {
	server, err := ops.ListenPage("0.0.0.0:0", ops.Page{Source: made{}, Token: token})
	require.NoError(t, err)
	run(t, server)
	_, port, err := net.SplitHostPort(server.Addr())
	require.NoError(t, err)
	require.Equal(t, "http://localhost:"+port+"/", server.URL())
	s := &site{server, t}
	require.Equal(t, http.StatusUnauthorized, s.get("/", "Host", "calls.example").code)
	require.Equal(t, http.StatusOK, s.get("/", "Host", "calls.example", "Authorization", basic(token)).code, "it may have any name")
	require.Equal(t, "http://localhost:"+port+"/", server.URL(), "nor does it change")
}

// Probes and scrapes come without a token where both are on one port.
func TestTokenIsForThePageAlone(t *testing.T) {
	well := func() ops.Health { return ops.Health{OK: true, State: "running"} }
	server, err := ops.Listen("0.0.0.0:0", prometheus.NewRegistry(), well, well)
	require.NoError(t, err)
	require.ErrorIs(t, server.AddPage(ops.Page{Source: made{}}), ops.ErrExposed)
	require.ErrorIs(t, server.AddPage(ops.Page{Source: made{}, Token: token, TLS: ops.TLS{CertFile: "c"}}), ops.ErrTLS)
	require.NoError(t, server.AddPage(ops.Page{Source: made{}, Token: token}))
	run(t, server)
	s := &site{server, t}
	require.Equal(t, http.StatusOK, s.get("/livez").code)
	require.Equal(t, http.StatusOK, s.get("/metrics").code)
	require.Equal(t, http.StatusUnauthorized, s.get("/").code)
}

func TestHeadIsBounded(t *testing.T) {
	s := serve(t, ops.Page{Source: made{}})
	require.Equal(t, http.StatusOK, s.get("/api/status", "X-Long", strings.Repeat("x", 30<<10)).code)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, s.get("/api/status", "X-Long", strings.Repeat("x", 64<<10)).code)
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, ca(), ca(), &a.key.PublicKey, a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func ca() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

// sign gives a certificate and its key as PEM.
func (a *authority) sign(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &k.PublicKey, a.key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// secured is a page with TLS files that a test may change.
type secured struct {
	*ops.Server
	t     *testing.T
	files ops.TLS
	roots *x509.CertPool
	logs  *observer.ObservedLogs
}

func serveTLS(t *testing.T, server, clients *authority) *secured {
	t.Helper()
	dir := t.TempDir()
	s := &secured{t: t, files: ops.TLS{CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}, roots: x509.NewCertPool()}
	s.roots.AddCert(server.cert)
	s.renew(server, "first")
	core, logs := observer.New(zap.InfoLevel)
	s.logs = logs
	p := ops.Page{Source: made{}, Log: zap.New(core)}
	addr := "127.0.0.1:0"
	if clients != nil {
		s.files.ClientCAFile = filepath.Join(dir, "ca")
		require.NoError(t, os.WriteFile(s.files.ClientCAFile, clients.pem, 0o600))
		addr = "0.0.0.0:0"
	}
	p.TLS = s.files
	var err error
	s.Server, err = ops.ListenPage(addr, p)
	require.NoError(t, err)
	require.Contains(t, s.URL(), "https://")
	run(t, s.Server)
	return s
}

func (s *secured) renew(a *authority, name string) {
	s.t.Helper()
	cert, key := a.sign(s.t, name)
	require.NoError(s.t, os.WriteFile(s.files.CertFile, cert, 0o600))
	require.NoError(s.t, os.WriteFile(s.files.KeyFile, key, 0o600))
}

// get asks for a path, with a client's certificate if there is one. It tells the name in the server's.
func (s *secured) get(path string, client *authority, version uint16) (code int, name string, err error) {
	s.t.Helper()
	config := &tls.Config{RootCAs: s.roots, MaxVersion: version, MinVersion: tls.VersionTLS10}
	if client != nil {
		pair, err := tls.X509KeyPair(client.sign(s.t, "visitor"))
		require.NoError(s.t, err)
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	_, port, err := net.SplitHostPort(s.Addr())
	require.NoError(s.t, err)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://127.0.0.1:"+port+path, nil)
	require.NoError(s.t, err)
	resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	return resp.StatusCode, resp.TLS.PeerCertificates[0].Subject.CommonName, nil
}

func TestClientCertificates(t *testing.T) {
	server, clients := newAuthority(t), newAuthority(t)
	s := serveTLS(t, server, clients)
	code, _, err := s.get("/", clients, 0)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	_, _, err = s.get("/api/status", nil, 0)
	require.Error(t, err, "without one")
	_, _, err = s.get("/api/status", server, 0)
	require.Error(t, err, "of another authority")
	require.Zero(t, s.logs.Len(), "who does not get in does not fill the log")
	_, _, err = s.get("/", clients, tls.VersionTLS11)
	require.Error(t, err)
	require.Empty(t, (&site{s.Server, t}).plain(), "nothing in the clear")
}

// plain asks in the clear, and gives what of the page comes back.
func (s *site) plain() string {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Addr())
	require.NoError(s.t, err)
	c, err := (&net.Dialer{}).DialContext(s.t.Context(), "tcp", "127.0.0.1:"+port)
	require.NoError(s.t, err)
	defer c.Close() //nolint:errcheck // only read
	_, err = io.WriteString(c, "GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n")
	require.NoError(s.t, err)
	text, err := io.ReadAll(c)
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), "400 Bad Request")
	_, found, _ := strings.Cut(string(text), "ledger")
	return found
}

// Certificates are exchanged while the program runs, and bad files leave the good ones in force.
func TestCertificatesAreReadAgain(t *testing.T) {
	server := newAuthority(t)
	s := serveTLS(t, server, nil)
	name := func() string {
		_, name, err := s.get("/", nil, 0)
		require.NoError(t, err)
		return name
	}
	require.Equal(t, "first", name())
	require.NoError(t, os.WriteFile(s.files.CertFile, []byte("nothing"), 0o600))
	require.Equal(t, "first", name())
	s.renew(server, "second one")
	require.Equal(t, "second one", name())
	require.Equal(t, "second one", name())
	require.Equal(t, 1, s.logs.FilterMessageSnippet("the last good ones stay in force").Len(), "said once")
}

// Authorities are exchanged as well: who was let in by the former ones no longer is.
func TestAuthoritiesAreReadAgain(t *testing.T) {
	server, former, next := newAuthority(t), newAuthority(t), newAuthority(t)
	s := serveTLS(t, server, former)
	lets := func(client *authority) bool {
		_, _, err := s.get("/", client, 0)
		return err == nil
	}
	written := time.Now()
	exchange := func(text []byte) {
		require.NoError(t, os.WriteFile(s.files.ClientCAFile, text, 0o600))
		written = written.Add(time.Second) // files have a time that may be as coarse as a clock's tick
		require.NoError(t, os.Chtimes(s.files.ClientCAFile, written, written))
	}
	require.True(t, lets(former))
	require.False(t, lets(next))
	exchange([]byte("nothing"))
	require.True(t, lets(former), "bad ones leave the good ones in force")
	require.False(t, lets(next))
	exchange(next.pem)
	require.True(t, lets(next))
	require.False(t, lets(former))
	require.Equal(t, 1, s.logs.FilterMessageSnippet("the last good ones stay in force").Len(), "said once")
}

func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	cert, key := newAuthority(t).sign(t, "x")
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	good := ops.TLS{CertFile: file("cert", cert), KeyFile: file("key", key)}
	for name, tc := range map[string]struct {
		cert, key, ca, want string
	}{
		"no certificate":      {"missing", good.KeyFile, "", "read ops.tls.cert_file and key_file: "},
		"key of none":         {good.CertFile, good.CertFile, "", "read ops.tls.cert_file and key_file: "},
		"no authorities":      {good.CertFile, good.KeyFile, "missing", "read ops.tls.client_ca_file: "},
		"authorities of none": {good.CertFile, good.KeyFile, good.KeyFile, "has no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ops.ListenPage("127.0.0.1:0", ops.Page{Source: made{}, TLS: ops.TLS{CertFile: tc.cert, KeyFile: tc.key, ClientCAFile: tc.ca}})
			require.ErrorIs(t, err, ops.ErrTLS)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// TLS without asking who is there keeps nobody out.
func TestTLSAloneIsNoAccessControl(t *testing.T) {
	dir := t.TempDir()
	cert, key := newAuthority(t).sign(t, "x")
	files := ops.TLS{CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}
	require.NoError(t, os.WriteFile(files.CertFile, cert, 0o600))
	require.NoError(t, os.WriteFile(files.KeyFile, key, 0o600))
	_, err := ops.ListenPage("0.0.0.0:0", ops.Page{Source: made{}, TLS: files})
	require.ErrorIs(t, err, ops.ErrExposed)
}

// broken is a source with a mistake in it.
type broken struct{ made }

func (broken) Explain([]byte) ops.Explanation { panic("15555550100") }

func TestMistakeOfOursIsLogged(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	s := serve(t, ops.Page{Source: broken{}, Log: zap.New(core)})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/api/explain", strings.NewReader("{}"))
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	require.Error(t, err)
	require.Equal(t, http.StatusOK, s.get("/").code, "it goes on")
	require.Equal(t, 1, logs.FilterMessage("the status page made a mistake").Len())
	require.NotContains(t, fmt.Sprint(logs.All()), "15555550100")
}
