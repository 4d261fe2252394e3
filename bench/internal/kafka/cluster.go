// Package kafka is the benchmark's side of Kafka: a real broker to run on, topics, loading them
// and reading them back. It measures nothing.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/callstream/enricher/internal/kafkatest"
)

// Version is the Apache Kafka that is started, unless ENRICHER_KAFKA_VERSION says otherwise.
func Version() string {
	if v := os.Getenv("ENRICHER_KAFKA_VERSION"); v != "" {
		return v
	}
	return kafkatest.DefaultVersion
}

// HeapMB is the broker's Java heap. It keeps little there: records stay in the page cache.
const HeapMB = 1024

// properties are those of the broker that differ from what tests have; all else is Kafka's
// default. See docs/benchmarks.md, which lists them.
func properties() map[string]string {
	return map[string]string{
		"message.max.bytes":           "8388608",
		"log.retention.ms":            "-1",   // events keep their times, and some are an hour old
		"log.segment.delete.delay.ms": "1000", // outputs of a run go before the next needs the room
		"log.initial.task.delay.ms":   "1000",
	}
}

// Properties describes the broker for the report, one setting a line, sorted by name.
func Properties() map[string]string { return properties() }

// Broker is a running Apache Kafka: one broker, which is its own controller.
type Broker struct {
	addrs []string
	tb    *tb
}

// Start starts a broker that keeps its logs under dir, and waits until it answers. It is
// killed when this process ends, however that happens.
func Start(ctx context.Context, dir string) (*Broker, error) {
	t := &tb{ctx: ctx, dir: dir}
	var cluster *kafkatest.Cluster
	if err := t.run(func() {
		cluster = kafkatest.Start(t, kafkatest.Options{Nodes: 1, HeapMB: HeapMB, Properties: properties()})
	}); err != nil {
		t.cleanUp()
		return nil, fmt.Errorf("start Apache Kafka: %w", err)
	}
	return &Broker{addrs: cluster.Addrs(), tb: t}, nil
}

// Addrs are the broker's addresses, host:port.
func (b *Broker) Addrs() []string { return b.addrs }

// Close kills the broker and removes its logs.
func (b *Broker) Close() { b.tb.cleanUp() }

// tb lets kafkatest, which is made for tests, be used by a program: what a test would report is an
// error here.
type tb struct {
	testing.TB // nil: kafkatest uses no more than the methods below

	ctx      context.Context //nolint:containedctx // that is what testing.TB has
	dir      string
	cleanups []func()
	messages []string
}

// errFailed is thrown by FailNow, which does not return.
var errFailed = errors.New("failed")

// run calls f and returns what it failed with.
func (t *tb) run(f func()) (err error) {
	defer func() {
		switch r := recover(); r {
		case nil:
		case errFailed:
			err = fmt.Errorf("%w: %s", errFailed, strings.TrimSpace(strings.Join(t.messages, "\n")))
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func (t *tb) cleanUp() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
	t.cleanups = nil
}

// Name is what testify puts into its messages.
func (t *tb) Name() string { return "benchmark" }

// Helper is for a test's line numbers.
func (t *tb) Helper() {}

// Context ends with the program's.
func (t *tb) Context() context.Context { return t.ctx }

// Cleanup keeps f for Close.
func (t *tb) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// TempDir makes a directory that Close removes.
func (t *tb) TempDir() string {
	dir, err := os.MkdirTemp(t.dir, "kafka-")
	if err != nil {
		t.Errorf("%v", err)
		t.FailNow()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // only litter would be left
	return dir
}

// Errorf keeps what is wrong.
func (t *tb) Errorf(format string, args ...any) {
	t.messages = append(t.messages, fmt.Sprintf(format, args...))
}

// FailNow ends what run called.
func (t *tb) FailNow() { panic(errFailed) }
