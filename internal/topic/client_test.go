package topic_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects to a fake cluster.
func dial(t *testing.T, addrs []string) *kgo.Client {
	t.Helper()

	k := config.Default().Kafka
	k.Brokers = addrs

	return dialAs(t, k)
}

func dialAs(t *testing.T, k config.Kafka) *kgo.Client {
	t.Helper()

	client, err := topic.Dial(t.Context(), k)
	require.NoError(t, err)
	t.Cleanup(client.Close)

	return client
}

func TestDialTakesTheConfiguration(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	client := dial(t, c.ListenAddrs())
	require.Equal(t, "enricher", client.OptValue(kgo.ClientID))
	require.Equal(t, c.ListenAddrs(), client.OptValue(kgo.SeedBrokers))
	require.Equal(t, true, client.OptValue(kgo.DisableClientMetrics))
}

func TestDialLetsTheCallerAddOptions(t *testing.T) {
	c := kafkatest.StartFake(t)
	k := config.Default().Kafka
	k.Brokers = c.ListenAddrs()

	client, err := topic.Dial(t.Context(), k, kgo.DefaultProduceTopic("dead"))
	require.NoError(t, err)
	defer client.Close()
	require.Equal(t, "dead", client.OptValue(kgo.DefaultProduceTopic))

	_, err = topic.Dial(t.Context(), k, kgo.DisableIdempotentWrite(), kgo.TransactionalID("x"))
	require.ErrorContains(t, err, "make Kafka client")
}

func TestDialSaysThatNoBrokerAnswers(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	addr := closed.Addr().String()
	require.NoError(t, closed.Close())

	k := config.Default().Kafka
	k.Brokers = []string{addr, addr}

	_, err = topic.Dial(t.Context(), k)
	require.ErrorContains(t, err, "kafka.brokers: none of "+addr+", "+addr+" answers: ")
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "\n")
}

// A port that takes connections and says nothing must not hold a person up for long, and not at all if another
// broker answers.
func TestDialAndASilentBroker(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts; nobody reads
	require.NoError(t, err)

	k := config.Default().Kafka
	k.Brokers = []string{silent.Addr().String()}

	begun := time.Now()
	_, err = topic.Dial(t.Context(), k)
	require.ErrorContains(t, err, "kafka.brokers: none of "+silent.Addr().String()+" answers: nothing came within 5s")
	require.Less(t, time.Since(begun), 8*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err = topic.Dial(ctx, k)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "connect to Kafka")

	k.Brokers = append(k.Brokers, kafkatest.StartFake(t).ListenAddrs()...)
	begun = time.Now()
	client, err := topic.Dial(t.Context(), k)
	require.NoError(t, err)
	require.Less(t, time.Since(begun), 4*time.Second)
	client.Close()

	// What waits for the silent one ends now, and not when its time is over.
	require.NoError(t, silent.Close())
}

// An answer that says it is larger than any may be is refused at its head. Else there would be room made for it, and the
// wait for the rest of it.
func TestDialRefusesAnAnswerThatIsTooLarge(t *testing.T) {
	const size = 72<<20 + 1

	liar, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, liar.Close()) })

	go func() {
		for {
			conn, err := liar.Accept()
			if err != nil {
				return
			}

			_, _ = conn.Write(binary.BigEndian.AppendUint32(nil, size))
			_, _ = io.Copy(io.Discard, conn) // until the client has had enough
			_ = conn.Close()
		}
	}()

	k := config.Default().Kafka
	k.Brokers = []string{liar.Addr().String()}

	_, err = topic.Dial(t.Context(), k)
	require.ErrorContains(t, err, fmt.Sprintf("invalid large response size %d > limit %d", size, size-1))
}
