//go:build kafka

package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/kafkatest"
)

// Fencing by a time-out and fencing by another process look the same until the id is asked
// for with one's own epoch. kfake does not check the epoch there, so this needs Kafka.
func TestKafkaTwinIsToldFromATimeout(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{})
	client := broker.NewClient(broker.Config{Brokers: c.Addrs(), ClientID: "test"})
	t.Cleanup(client.Close)
	older := client.NewTransaction("g/filter/same", 10*time.Second)
	require.NoError(t, older.Begin(deadline(t)))
	require.NoError(t, older.Abort(deadline(t)), "nobody else has the id")

	younger := client.NewTransaction("g/filter/same", 10*time.Second)
	require.NoError(t, younger.Begin(deadline(t)))
	err := older.Abort(deadline(t))
	require.ErrorIs(t, err, broker.ErrTwin)
	require.ErrorContains(t, err, "--instance")
	require.NoError(t, younger.Abort(deadline(t)), "the older one did not take it back")
}
