package kafkatest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
)

func TestStartFake(t *testing.T) {
	var addr string
	t.Run("works", func(t *testing.T) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(3, "calls.raw"))
		addr = c.ListenAddrs()[0]
		client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("calls.raw"))
		require.NoError(t, err)
		defer client.Close()
		_, err = client.ProduceSync(t.Context(), &kgo.Record{Topic: "calls.raw", Value: []byte("x")}).First()
		require.NoError(t, err)
		fetched := client.PollRecords(t.Context(), 1).Records()
		require.Len(t, fetched, 1)
		require.Equal(t, "x", string(fetched[0].Value))
		require.Len(t, c.PartitionInfos("calls.raw"), 3)
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	require.NoError(t, err)
	defer client.Close()
	require.Error(t, client.Ping(t.Context()), "it ended with its test")
}
