package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// ErrExposed says that the page's address can be reached from elsewhere, by anybody.
var ErrExposed = errors.New("is not a loopback address; the page shows the configuration, so set ops.token or ops.tls.client_ca_file, or use 127.0.0.1, [::1] or localhost and reach it from elsewhere through `ssh -L` or `kubectl port-forward`")

// guarded tells whether the page asks who is there.
func (p *Page) guarded() bool { return p.Token != "" || p.TLS.ClientCAFile != "" }

// withToken lets through what brings the token: as a bearer, or as the password of any user name, for which browsers ask
// by themselves. There is no cookie that another site could make a browser send, and no state to keep.
func withToken(token string, page http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(given(r))) // of equal length, so that time tells nothing
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="enricher status, any user name", charset="UTF-8"`)
			http.Error(w, "refused: give the token (ops.token) as the password of any user name, or as a bearer token", http.StatusUnauthorized)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// given is the token that a request brings.
func given(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// TLS names PEM files. With ClientCAFile only who shows a certificate of one of these authorities gets an answer.
type TLS struct{ CertFile, KeyFile, ClientCAFile string }

// certificates are what the files hold, read again when they have changed: certificates are exchanged while the program runs.
type certificates struct {
	files TLS
	log   *zap.Logger

	mu     sync.Mutex
	stamp  [3]stamp
	config *tls.Config
}

// stamp tells whether a file is the one that it was.
type stamp struct {
	at   time.Time
	size int64
}

// load reads the files for the first time.
func (t TLS) load(log *zap.Logger) (*tls.Config, error) {
	c := &certificates{files: t, log: log, stamp: t.stamps()}
	var err error
	if c.config, err = t.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}, nil
}

// current is the configuration for a new connection. Files that cannot be used leave the last good ones in force.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.files.stamps(); now != c.stamp {
		c.stamp = now
		if next, err := c.files.read(); err == nil {
			c.config = next
		} else {
			c.log.Warn("the status page's new certificates cannot be used; the last good ones stay in force", zap.Error(err))
		}
	}
	return c.config
}

func (t TLS) stamps() (all [3]stamp) {
	for i, file := range []string{t.CertFile, t.KeyFile, t.ClientCAFile} {
		if info, err := os.Stat(file); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

func (t TLS) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read ops.tls.cert_file and key_file: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if t.ClientCAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("read ops.tls.client_ca_file: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read ops.tls.client_ca_file: %s has no certificate in PEM", t.ClientCAFile)
	}
	return config, nil
}
