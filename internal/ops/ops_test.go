package ops_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/callstream/enricher/internal/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerAnswersHealthAndMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "answer", Help: "h"}, func() float64 { return 42 }))
	ready := ops.Health{State: "joining", Reason: "not in the group yet"}
	s, err := ops.Listen("127.0.0.1:0", reg, func() ops.Health { return ops.Health{OK: true, State: "joining"} }, func() ops.Health { return ready })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	code, body := get(t, client, "http://"+s.Addr()+"/livez")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"ok":true,"state":"joining"}`, body)

	code, body = get(t, client, "http://"+s.Addr()+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	var h ops.Health
	require.NoError(t, json.Unmarshal([]byte(body), &h))
	require.Equal(t, ready, h)

	code, body = get(t, client, "http://"+s.Addr()+"/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "answer 42")

	code, _ = get(t, client, "http://"+s.Addr()+"/elsewhere")
	require.Equal(t, http.StatusNotFound, code)

	cancel()
	require.NoError(t, <-done)
}

func TestListenNamesTheSettingWhenTheAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	_, err = ops.Listen(l.Addr().String(), prometheus.NewRegistry(), nil, nil)
	require.ErrorContains(t, err, `(set ops.listen to a free address, or to "" to turn it off)`)
	var taken *ops.AddressError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, "ops.listen", taken.Setting)
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := c.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, string(body)
}

func TestServeSaysWhyItEnded(t *testing.T) {
	s, err := ops.Listen("127.0.0.1:0", prometheus.NewRegistry(), nil, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.ErrorContains(t, s.Serve(t.Context()), "serve 127.0.0.1:")
}

// A scrape that does not end is not waited for.
func TestServeEndsAlthoughARequestDoesNot(t *testing.T) {
	asked, free := make(chan struct{}), make(chan struct{})
	s, err := ops.Listen("127.0.0.1:0", prometheus.NewRegistry(), func() ops.Health {
		close(asked)
		<-free
		return ops.Health{}
	}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	hung := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+s.Addr()+"/livez", nil)
		if err == nil {
			var resp *http.Response
			if resp, err = (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req); err == nil {
				err = resp.Body.Close()
			}
		}
		hung <- err
	}()
	<-asked
	begun := time.Now()
	cancel()
	require.NoError(t, <-done)
	require.GreaterOrEqual(t, time.Since(begun), 2*time.Second, "it had its time")
	require.Error(t, <-hung)
	close(free)
}
