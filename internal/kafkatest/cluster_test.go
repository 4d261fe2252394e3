//go:build kafka

package kafkatest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/kafkatest"
)

// waitTime is for what takes a broker's session to end, 9 s by default.
const waitTime = time.Minute

func TestKafkaOneNode(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Properties: map[string]string{"message.max.bytes": "12345"}})
	c.CreateTopic(t, "calls.raw", 2, "cleanup.policy", "compact")
	described := c.Run(t, kafkatest.TopicCommand, "", "--describe", "--topic", "calls.raw")
	require.Contains(t, described, "PartitionCount: 2")
	require.Contains(t, described, "cleanup.policy=compact")
	require.Contains(t, described, "max.message.bytes=12345")

	c.Run(t, kafkatest.ConsoleProducer, "k1\tv1\nk1\tv2\n", "--topic", "calls.raw", "--reader-property", "parse.key=true")
	read := c.Run(t, kafkatest.ConsoleConsumer, "", "--topic", "calls.raw", "--from-beginning", "--max-messages", "2", "--group", "g")
	require.Equal(t, "v1\nv2\n", read, "nothing but the records on standard output")
	groups := c.Run(t, kafkatest.ConsumerGroupCommand, "", "--describe", "--group", "g")
	require.Contains(t, groups, "calls.raw")

	c.Shutdown(t, 1)
	require.Contains(t, c.Log(t, 1), "shut down completed")
	c.Restart(t, 1)
	require.Contains(t, c.Run(t, kafkatest.TopicCommand, "", "--list"), "calls.raw")
}

func TestKafkaThreeNodesOutliveOne(t *testing.T) {
	c := kafkatest.Start(t, kafkatest.Options{Nodes: 3, HeapMB: 384})
	require.Len(t, c.Addrs(), 3)
	c.CreateTopic(t, "calls.raw", 3)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("calls.raw"))
	require.NoError(t, err)
	defer client.Close()
	produce := func() {
		ctx, cancel := context.WithTimeout(t.Context(), waitTime)
		defer cancel()
		for p := range 3 {
			r := &kgo.Record{Key: []byte(strings.Repeat("k", p+1)), Value: []byte("v")}
			require.NoError(t, client.ProduceSync(ctx, r).FirstErr())
		}
	}
	produce()
	c.Kill(t, 2)
	produce() // to the partition that node 2 led as well, once another leads it
	c.Restart(t, 2)
	produce()
}
