// Package ops serves health and metrics over HTTP, and a status page.
//
// Health and metrics ([Listen]) show no payload and take no orders, so they may be on any
// address. The page ([ListenPage], [Server.AddPage]) shows the configuration and takes pasted
// events, so beyond loopback addresses it wants a token or certificates of its visitors, and
// it refuses what a browser sends for a site that is not the page itself.
//
// It knows nothing of Kafka or of call events: what it shows comes from a [Source].
package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Health is an answer to "is it well"; Reason says why not.
type Health struct {
	OK     bool   `json:"ok"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Server answers on one address.
type Server struct {
	listener net.Listener
	host     string // as configured
	mux      *http.ServeMux
	server   *http.Server
	live     *live // nil: no page
	secure   bool  // by TLS; net/http makes itself a TLSConfig in any case
}

// Bounds of the server: it answers small requests of probes, scrapers and one browser.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = time.Minute
	stopTimeout  = 2 * time.Second
	maxHeader    = 32 << 10
)

// Listen opens the address for /livez, /readyz and /metrics; Serve answers. live says whether the process
// works at all, ready whether it does its job now.
func Listen(addr string, metrics prometheus.Gatherer, live, ready func() Health) (*Server, error) {
	s, err := open(addr, "ops.listen")
	if err != nil {
		return nil, err
	}
	s.mux.Handle("GET /livez", healthHandler(live))
	s.mux.Handle("GET /readyz", healthHandler(ready))
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return s, nil
}

// ListenPage opens the address for the page; Serve answers. ErrExposed is in the error if anybody could
// reach it, ErrTLS if p.TLS cannot be read.
func ListenPage(addr string, p Page) (*Server, error) {
	var secure *tls.Config
	if p.Log == nil {
		p.Log = zap.NewNop()
	}
	if p.TLS.CertFile != "" {
		var err error
		if secure, err = p.TLS.load(p.Log); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTLS, err)
		}
	}
	s, err := open(addr, "ops.page")
	if err != nil {
		return nil, err
	}
	s.server.TLSConfig, s.secure = secure, secure != nil
	// That somebody does not get in is for debugging: whoever can reach the port could fill the log with it.
	if s.server.ErrorLog, err = zap.NewStdLogAt(p.Log, zap.DebugLevel); err != nil {
		return nil, errors.Join(fmt.Errorf("log for ops.page: %w", err), s.Close())
	}
	if err := s.AddPage(p); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ErrTLS says that what ops.tls asks for cannot be had.
var ErrTLS = errors.New("ops.tls")

// AddressError says that an address cannot be listened on: mostly another process does.
type AddressError struct {
	Setting string // that has the address: ops.listen or ops.page
	Err     error
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("listen for %s: %v (set %[1]s to a free address, or to \"\" to turn it off)", e.Setting, e.Err)
}

// Unwrap returns what the system says.
func (e *AddressError) Unwrap() error { return e.Err }

func open(addr, setting string) (*Server, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", setting, err)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, &AddressError{Setting: setting, Err: err}
	}
	mux := http.NewServeMux()
	return &Server{listener: l, host: host, mux: mux, server: &http.Server{
		Handler: mux, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}}, nil
}

// Addr is the address that is listened on, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// HasPage tells whether the page is served here.
func (s *Server) HasPage() bool { return s.live != nil }

// URL is the page's address for a browser on this machine.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.Addr())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		host = "localhost" // an address to listen on, and not to go to
	}
	return map[bool]string{false: "http", true: "https"}[s.secure] + "://" + net.JoinHostPort(host, port) + "/"
}

// Close gives the address up; it is for a server that does not come to Serve.
func (s *Server) Close() error {
	if err := s.listener.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.Addr(), err)
	}
	return nil
}

// Serve answers until ctx ends, and then for a moment lets requests that are under way end too.
func (s *Server) Serve(ctx context.Context) error {
	var looking sync.WaitGroup
	defer looking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.live != nil {
		looking.Go(func() { s.live.run(ctx) })
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := s.server.Shutdown(last); err != nil {
			_ = s.server.Close() // a scrape that does not end is not waited for
		}
	})
	defer stop()
	serve := s.server.Serve
	if s.secure {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	<-ended
	return nil
}

func healthHandler(check func() Health) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := check()
		code := http.StatusOK
		if !h.OK {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, h)
	})
}
