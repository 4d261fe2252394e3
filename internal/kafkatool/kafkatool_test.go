package kafkatool_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/internal/kafkatool"
)

func TestCreate(t *testing.T) {
	t.Parallel()

	brokers := []string{"a:9092", "b:9092"}

	const create = "kafka-topics.sh --bootstrap-server a:9092,b:9092 --create --topic calls.dead --partitions "

	for name, tc := range map[string]struct {
		topic kafkatool.Topic
		want  string
	}{
		"nothing known":    {kafkatool.Topic{}, "12"},
		"one broker":       {kafkatool.Topic{Partitions: 6, Brokers: 1}, "6 --replication-factor 1"},
		"two brokers":      {kafkatool.Topic{Partitions: 6, Brokers: 2}, "6 --replication-factor 2"},
		"five brokers":     {kafkatool.Topic{Partitions: 6, Brokers: 5}, "6 --replication-factor 3 --config min.insync.replicas=2"},
		"kept for a day":   {kafkatool.Topic{Brokers: 1, Keep: 24 * time.Hour}, "12 --replication-factor 1 --config retention.ms=604800000"},
		"kept for a month": {kafkatool.Topic{Brokers: 3, Keep: 30 * 24 * time.Hour}, "12 --replication-factor 3 --config min.insync.replicas=2 --config retention.ms=2592000000"},
		"compacted":        {kafkatool.Topic{Brokers: 1, Keep: 24 * time.Hour, Compacted: true}, "12 --replication-factor 1 --config cleanup.policy=compact"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tc.topic.Name = "calls.dead"
			require.Equal(t, create+tc.want, kafkatool.Create(brokers, tc.topic))
		})
	}
}

func TestAlter(t *testing.T) {
	t.Parallel()

	require.Equal(t, "kafka-configs.sh --bootstrap-server a:9092 --entity-type topics --entity-name calls.1h --alter --add-config retention.ms=5",
		kafkatool.Alter([]string{"a:9092"}, "calls.1h", "retention.ms", 5))
}

// A word comes out of a shell as it went in.
func TestQuote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ -~\n]{0,20}`).Draw(t, "word")
		out, err := exec.CommandContext(context.Background(), "sh", "-c", "printf %s "+kafkatool.Quote(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	})
}
