// Package ops serves health and metrics over HTTP. It shows no payload and takes no
// orders, so it may listen on any address.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health is an answer to "is it well"; Reason says why not.
type Health struct {
	OK     bool   `json:"ok"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Server answers /livez, /readyz and /metrics.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Time-outs of the server: it answers small requests of probes and scrapers.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	stopTimeout  = 2 * time.Second
)

// Listen opens the address; Serve answers. live says whether the process works at all, ready whether
// it does its job now.
func Listen(addr string, metrics prometheus.Gatherer, live, ready func() Health) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for ops.listen: %w (set ops.listen to a free address, or to \"\" to turn it off)", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /livez", healthHandler(live))
	mux.Handle("GET /readyz", healthHandler(ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return &Server{listener: l, server: &http.Server{Handler: mux, ReadTimeout: readTimeout, WriteTimeout: writeTimeout}}, nil
}

// Addr is the address that is listened on, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := s.server.Shutdown(last); err != nil {
			_ = s.server.Close() // a scrape that does not end is not waited for
		}
	})
	defer stop()
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	return nil
}

func healthHandler(check func() Health) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := check()
		w.Header().Set("Content-Type", "application/json")
		if !h.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(h) // the prober hung up: nobody to tell
	})
}
