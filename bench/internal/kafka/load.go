package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BatchBytes is the size of the batches that topics are loaded with, before compression: what a busy producer
// with a batch.size of 128 KiB fills.
const BatchBytes = 128 << 10

// codecs by the names that all contestants take.
func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "none":
		return kgo.NoCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	default:
		return kgo.CompressionCodec{}, fmt.Errorf("unknown compression %q", name)
	}
}

// Loader writes records to topics.
type Loader struct {
	client *kgo.Client
	mu     sync.Mutex
	err    error
}

// NewLoader makes a Loader. Records wait for linger before they are sent, so that batches fill.
func NewLoader(addrs []string, compression string, linger time.Duration) (*Loader, error) {
	c, err := codec(compression)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ProducerBatchCompression(c), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(BatchBytes), kgo.ProducerLinger(linger), kgo.MaxBufferedRecords(50_000), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Loader{client: client}, nil
}

// Put sends a record. Its slices must stay as they are; done, if not nil, is called when it has been written.
// It waits while too much is on its way.
func (l *Loader) Put(ctx context.Context, r *kgo.Record) {
	l.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
		if err == nil {
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err == nil {
			l.err = fmt.Errorf("produce: %w", err)
		}
	})
}

// Flush waits until all has been written, and tells what went wrong.
func (l *Loader) Flush(ctx context.Context) error {
	if err := l.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close gives up what has not been written.
func (l *Loader) Close() { l.client.Close() }
