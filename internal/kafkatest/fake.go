// Package kafkatest starts brokers for tests: kfake in this process ([StartFake]), and a
// real Apache Kafka from its jars ([Start]), with its command-line tools.
//
// It is not for anything else: the program itself does not import it. A real Kafka needs
// Java 17 and, the first time, Maven and a network; tests that start one have the build
// tag "kafka" and run by `make test-kafka`.
package kafkatest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

// StartFake starts a fake cluster of one broker on a free port, which ends with the test.
// Options are kfake's own: SeedTopics to begin with topics, NumBrokers for more brokers.
// Its addresses are those of ListenAddrs.
func StartFake(tb testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	require.NoError(tb, err, "start fake cluster")
	tb.Cleanup(c.Close)
	return c
}
