package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/callstream/enricher/internal/broker"
)

// A worker that stays at one batch without waiting for a broker is what only a restart helps against.
func TestWedged(t *testing.T) {
	p := New(Config{}, nil, zap.NewNop())
	p.producer = broker.NewProducer(nil, broker.ProducerConfig{Log: zap.NewNop()})
	now := time.Now()
	require.Empty(t, p.Wedged(now), "between generations")

	first, second := &partition{TopicPartition: broker.TopicPartition{Topic: "in"}}, &partition{TopicPartition: broker.TopicPartition{Topic: "in", Partition: 1}}
	p.current.Store(&session{order: []*partition{first, second}})
	require.Empty(t, p.Wedged(now))

	second.steps.Add(1)
	require.Empty(t, p.Wedged(now), "seen for the first time")
	require.Empty(t, p.Wedged(now.Add(wedgedAfter)), "not for long enough")
	require.Contains(t, p.Wedged(now.Add(wedgedAfter+time.Second)), "one batch of in/1 for 1m1s")
	require.Contains(t, p.Wedged(now.Add(time.Hour)), "one batch of in/1 for 1h0m0s")

	second.steps.Add(2) // at another one
	require.Empty(t, p.Wedged(now.Add(time.Hour)))
	require.Empty(t, p.Wedged(now.Add(time.Hour+wedgedAfter)))
	second.steps.Add(1) // done
	require.Empty(t, p.Wedged(now.Add(2*time.Hour)))
	first.steps.Add(1)
	require.Empty(t, p.Wedged(now.Add(3*time.Hour)), "an old glance does not count")
}
