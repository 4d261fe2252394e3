package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
)

// Whatever comes, nothing of it is in the logs, at no level, nor in the error that ends a process, nor in the metrics.
func TestLogsHaveNothingOfEvents(t *testing.T) {
	for name, deadLetter := range map[string]string{"goes on": "calls.dead", "stops at the first": ""} {
		t.Run(name, func(t *testing.T) {
			brokers := fake(t).ListenAddrs()
			cfg := withPage(configFor(brokers...))
			cfg.DeadLetter.Topic, cfg.Log.Level = deadLetter, config.LogDebug
			core, logs := observer.New(zap.DebugLevel)
			a, err := app.New(cfg, zap.New(core))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- a.Run(ctx) }()

			client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("calls.raw"))
			require.NoError(t, err)
			defer client.Close()
			for _, value := range []string{
				`{"HangupCauseCode":"3010","From":"+15555550100","Direction":"outbound"}`, `{"HangupCauseCode":"15555550100"}`, `{"HangupCauseCode":1555555010}`,
				`{"HangupCauseCode":9999,"To":"sip:alice@example.com"}`, `From=15555550100&To=sip:alice@example.com&HangupCause=15555550100`,
				`{"From":15555550100`, `15555550100 sip:alice@example.com`, "\x0015555550100", "", `{"a":"` + "\xff" + `15555550100"}`,
			} {
				require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{
					Key: []byte("15555550100"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "from", Value: []byte("15555550100")}},
				}).FirstErr())
			}
			r := &running{t: t, app: a}
			if deadLetter != "" {
				r.until("all is processed", func() bool { return r.status().Roles[0].Events.N == 10 })
				_, metrics := r.get("/metrics")
				require.NotContains(t, metrics, "555555010")
				require.NotContains(t, metrics, "alice")
				cancel()
			}
			select {
			case err = <-done:
			case <-time.After(testTimeout):
				require.Fail(t, "it does not end")
			}
			cancel()
			require.Equal(t, deadLetter == "", err != nil, err)
			require.NotZero(t, logs.Len())
			said := []string{fmt.Sprint(err)}
			for _, e := range logs.All() {
				said = append(said, fmt.Sprintln(e.Message, e.ContextMap()))
			}
			for _, text := range said {
				require.NotContains(t, text, "555555010")
				require.NotContains(t, text, "alice")
			}
		})
	}
}
