//go:build kafka

package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
)

// TestKafkaLoginExpires: the brokers want each login renewed within three seconds, and tokens live for
// four. The program goes on as if nothing were, on the same connections; and while there is no token to be
// had it waits, says so now and then, and loses nothing.
func TestKafkaLoginExpires(t *testing.T) {
	c := kafkatest.StartSecure(t, map[string]string{"connections.max.reauth.ms": "3000"})
	var down atomic.Bool
	given := atomic.Int32{}
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		given.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": kafkatest.Token(t, "enricher", 4*time.Second), "token_type": "Bearer", "expires_in": 4})
	}))
	t.Cleanup(tokens.Close)
	all := ways(t, c)
	all["OAUTHBEARER"] = way{kafkatest.Login, all["TLS"].tls, config.SASL{Mechanism: config.OAuthBearer, OAuth: config.OAuth{
		TokenURL: tokens.URL, ClientID: "enricher", ClientSecret: "the-secret-of-the-client",
	}}}
	for name, prefix := range map[string]string{"PLAIN": "plain.", "SCRAM-SHA-256": "scram.", "OAUTHBEARER": "token."} {
		t.Run(name, func(t *testing.T) {
			s := newSecureSite(t, c, prefix)
			all[name].use(t, c, s.cfg)
			r := s.run()
			for range 40 { // each 250 ms: several lifetimes, with pauses shorter than one
				s.send(5)
				time.Sleep(250 * time.Millisecond)
			}
			s.complete()
			if name == "OAUTHBEARER" {
				require.Empty(t, text(r.logs, zap.WarnLevel))
				require.Greater(t, given.Load(), int32(4), "tokens were fetched")
				down.Store(true)
				s.send(50)
				time.Sleep(8 * time.Second) // the outage: longer than a login lasts
				down.Store(false)
				s.send(50)
				s.complete()
				warnings := r.logs.FilterLevelExact(zap.WarnLevel).Len()
				require.NotZero(t, warnings)
				require.Less(t, warnings, 20, text(r.logs, zap.WarnLevel))
				require.Contains(t, text(r.logs, zap.WarnLevel), "500 Internal Server Error")
				t.Log(text(r.logs, zap.WarnLevel))
				r.finish()
				return
			}
			r.finish()
			require.Empty(t, text(r.logs, zap.WarnLevel))
		})
	}
}
