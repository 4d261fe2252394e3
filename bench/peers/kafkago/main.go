// Kafkago is the enricher's work done with kafka-go's Reader and Writer, as its README shows them: FetchMessage,
// WriteMessages, CommitMessages. It knows at_least_once alone, since a Writer has no transactions.
//
// What was tuned, and why:
//
//   - Messages are written as many at a time as have been fetched, up to 5,000; the README's one
//     message for each call would wait for an acknowledgement each time. A Writer sends each partition's
//     batches one after the other, so order holds.
//   - The Writer's batches have up to 1 MB and go at once when they are full; what is left of a call
//     waits 2 ms, the enricher's linger, where the default is a second.
//   - All replicas acknowledge; the default asks for no acknowledgement at all.
//   - The Reader asks for up to 4 MiB for each partition, and reads 10,000 messages ahead. It waits 10 ms for more, since
//     a longer wait would be a latency, and offsets are committed each second.
//   - The garbage collector lets the heap grow to five times what is in use: a seventh less CPU.
//
// What cannot be tuned away: the Reader makes a message of each record on its own, with its allocations, over a
// connection for each partition; the Writer takes a lock and copies for each message. A value of no bytes
// (or a header's) comes out of the Reader like a null one: the event passes as a tombstone instead of being a dead letter.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/callstream/enricher/bench/internal/peer"
)

const (
	fetchBytes     = 4 << 20
	fetchWait      = 10 * time.Millisecond
	queue          = 10_000 // messages
	commitInterval = time.Second
	sessionTimeout = 10 * time.Second
	joinBackoff    = 200 * time.Millisecond
	writeMessages  = 5_000 // in one call, and so in one batch
	writeBytes     = 1_000_000
	linger         = 2 * time.Millisecond
)

// gcPercent is the heap's growth between collections.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	peer.Exec("kafkago", run)
}

func run(ctx context.Context, f peer.Flags, t *peer.Table, first func()) error {
	if f.Delivery != peer.AtLeastOnce {
		return fmt.Errorf("start: -delivery %s: kafka-go's Writer knows %s alone", f.Delivery, peer.AtLeastOnce)
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: f.Brokers, GroupID: f.Group, Topic: f.In, StartOffset: kafka.FirstOffset,
		MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait, QueueCapacity: queue,
		ReadBackoffMin: time.Millisecond, ReadBackoffMax: fetchWait,
		CommitInterval: commitInterval, SessionTimeout: sessionTimeout, JoinGroupBackoff: joinBackoff,
	})
	conns := &kafka.Transport{} // not the one that all writers of a process share, which remembers the topics there were
	defer conns.CloseIdleConnections()
	w := &kafka.Writer{
		Transport: conns,
		Addr:      kafka.TCP(f.Brokers...), Balancer: kafka.BalancerFunc(samePartition), RequiredAcks: kafka.RequireAll,
		BatchSize: writeMessages, BatchBytes: writeBytes, BatchTimeout: linger, Compression: compression(f.Compression),
	}
	err := copyMessages(ctx, r, w, change{table: t, out: f.Out, dead: f.Dead}, first)
	return errors.Join(err, w.Close(), r.Close()) // the reader commits what is left
}

// samePartition keeps the partition of the input, which a message to be written cannot have in its own field.
func samePartition(m kafka.Message, partitions ...int) int {
	if p, ok := m.WriterData.(int); ok {
		return p
	}
	return partitions[0]
}

func compression(name string) kafka.Compression {
	switch name {
	case "lz4":
		return kafka.Lz4
	case "zstd":
		return kafka.Zstd
	default:
		return 0
	}
}

// copyMessages works until ctx ends. Offsets are given to the reader when their messages are acknowledged: the
// last one of each partition, which stands for those before it.
func copyMessages(ctx context.Context, r *kafka.Reader, w *kafka.Writer, c change, first func()) error {
	fetched, fetchErr := fetch(ctx, r, first)
	last := map[int]kafka.Message{} // by partition
	out := make([]kafka.Message, 0, writeMessages)
	for m := range fetched {
		clear(last)
		out = out[:0]
		for more := true; more; {
			last[m.Partition] = m
			if out = append(out, c.of(m)); len(out) == writeMessages {
				break
			}
			select {
			case m, more = <-fetched:
			default:
				more = false
			}
		}
		if err := w.WriteMessages(context.WithoutCancel(ctx), out...); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := r.CommitMessages(context.WithoutCancel(ctx), slices.Collect(maps.Values(last))...); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return <-fetchErr
}

// fetch passes messages on until ctx ends, so that they can be taken as many at a time as there are.
func fetch(ctx context.Context, r *kafka.Reader, first func()) (<-chan kafka.Message, <-chan error) {
	fetched := make(chan kafka.Message, writeMessages)
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		defer close(fetched)
		for {
			m, err := r.FetchMessage(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				failed <- fmt.Errorf("fetch: %w", err)
				return
			}
			first()
			select {
			case fetched <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	return fetched, failed
}

// change is what becomes of a message.
type change struct {
	table     *peer.Table
	out, dead string
}

func (c change) of(m kafka.Message) kafka.Message {
	n := kafka.Message{Topic: c.out, Key: m.Key, Value: m.Value, Headers: m.Headers, Time: m.Time, WriterData: m.Partition}
	if m.Value == nil {
		return n
	}
	splice, sound := c.table.Find(m.Value)
	switch {
	case !sound:
		n.Topic = c.dead
	case splice != nil:
		n.Value = splice.Append(make([]byte, 0, len(m.Value)+len(splice.Tail)), m.Value)
		n.Headers = append(n.Headers, kafka.Header{Key: c.table.Header, Value: splice.Code})
	}
	return n
}
