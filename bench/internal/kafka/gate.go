package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Gate keeps what comes behind it in a topic from readers with read_committed: it is a transaction that has
// begun, with a record in each partition. Opening it aborts the transaction, so that its records are never seen.
// Then all that is behind it can be read at once.
type Gate struct{ client *kgo.Client }

// gateTime is when the broker opens a gate that nobody has opened.
const gateTime = 5 * time.Minute

// CloseGate puts a gate into each partition of a topic.
func CloseGate(ctx context.Context, addrs []string, t Topic) (*Gate, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.TransactionalID("gate-of-"+t.Name), kgo.TransactionTimeout(gateTime),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	if err := client.BeginTransaction(); err != nil {
		client.Close()
		return nil, fmt.Errorf("close gate: %w", err)
	}
	records := make([]*kgo.Record, t.Partitions)
	for p := range t.Partitions {
		records[p] = &kgo.Record{Topic: t.Name, Partition: p}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		client.Close()
		return nil, fmt.Errorf("close gate: %w", err)
	}
	return &Gate{client}, nil
}

// Abandon leaves the gate closed, for a topic that nobody is to read any more.
func (g *Gate) Abandon() { g.client.Close() }

// Open opens the gate.
func (g *Gate) Open(ctx context.Context) error {
	err := g.client.EndTransaction(ctx, kgo.TryAbort)
	g.client.Close()
	if err != nil {
		return fmt.Errorf("open gate: %w", err)
	}
	return nil
}
