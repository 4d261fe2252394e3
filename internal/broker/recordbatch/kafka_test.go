//go:build kafka

package recordbatch_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
)

// waitTime bounds each exchange with a broker.
const waitTime = 30 * time.Second

// TestKafkaItsBatches has a real broker check our batches and Java's consumer read them, and has
// us read what Java's producer wrote.
func TestKafkaItsBatches(t *testing.T) {
	cluster := kafkatest.Start(t, kafkatest.Options{})
	// Produce 8 and Fetch 11 name topics by name; later versions have ids instead.
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.MaxVersions(kversion.V2_4_0()))
	require.NoError(t, err)
	defer client.Close()

	testCodecs(t, func(t *testing.T, codec recordbatch.Codec) {
		t.Run("ours to Java", func(t *testing.T) { oursToJava(t, cluster, client, codec) })
		t.Run("Java to us", func(t *testing.T) { javaToUs(t, cluster, client, codec) })
	})
	t.Run("empty and null", func(t *testing.T) { nullsStayNull(t, cluster, client) })
	t.Run("no timestamp", func(t *testing.T) { noTimestamp(t, cluster, client) })
	t.Run("damaged", func(t *testing.T) { damaged(t, cluster, client) })
}

// printable are records whose values the console tools can print, of more than 64 KiB
// together, so that each codec needs several blocks.
func printable() []record {
	var out []record
	for i := range 300 {
		out = append(out, record{
			Offset: int64(i), Timestamp: 1_700_000_000_000 + int64(i%7)*1000 - 3000,
			Key: fmt.Appendf(nil, "call-%d", i), Value: event(i),
			Headers: []recordbatch.Header{{Name: "n", Value: strconv.AppendInt(nil, int64(i), 10)}, {Name: "source", Value: []byte("test")}},
		})
	}
	return out
}

func oursToJava(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client, codec recordbatch.Codec) {
	topic := "ours-" + codec.String()
	cluster.CreateTopic(t, topic, 1)
	records := printable()
	b := build(t, codec, records)
	b.Stamp(false, -1, -1, -1)
	require.NoError(t, produce(t, client, topic, b.Bytes()))

	t.Run("console consumer", func(t *testing.T) {
		var want strings.Builder
		for _, r := range records {
			fmt.Fprintf(&want, "CreateTime:%d\tOffset:%d\tn:%s,source:test\t%s\t%s\n", r.Timestamp, r.Offset, r.Headers[0].Value, r.Key, r.Value)
		}
		args := []string{"--topic", topic, "--from-beginning", "--max-messages", strconv.Itoa(len(records))}
		for _, p := range []string{"timestamp", "offset", "headers", "key"} {
			args = append(args, "--formatter-property", "print."+p+"=true")
		}
		require.Equal(t, want.String(), cluster.Run(t, kafkatest.ConsoleConsumer, "", args...))
	})
	t.Run("franz-go", func(t *testing.T) {
		consumer, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ConsumeTopics(topic))
		require.NoError(t, err)
		defer consumer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), waitTime)
		defer cancel()
		fetched := consumer.PollRecords(ctx, len(records))
		require.NoError(t, fetched.Err())
		got := fetched.Records()
		require.Len(t, got, len(records))
		for i, want := range records {
			require.Equal(t, string(want.Value), string(got[i].Value))
			require.Equal(t, string(want.Key), string(got[i].Key))
			require.Equal(t, want.Timestamp, got[i].Timestamp.UnixMilli())
		}
	})
	t.Run("kafka-go", func(t *testing.T) {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: cluster.Addrs(), Topic: topic, MaxWait: 100 * time.Millisecond})
		defer func() { require.NoError(t, reader.Close()) }()
		ctx, cancel := context.WithTimeout(t.Context(), waitTime)
		defer cancel()
		for _, want := range records {
			got, err := reader.ReadMessage(ctx)
			require.NoError(t, err)
			require.Equal(t, string(want.Value), string(got.Value))
			require.Equal(t, want.Offset, got.Offset)
		}
	})
	t.Run("ourselves", func(t *testing.T) {
		raw := fetch(t, client, topic)
		header, got := decode(t, raw)
		require.Equal(t, records, got)
		require.Equal(t, codec, header.Codec(), "the broker keeps what it was sent")
	})
}

func javaToUs(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client, codec recordbatch.Codec) {
	topic := "java-" + codec.String()
	cluster.CreateTopic(t, topic, 1)
	records := printable()
	var lines strings.Builder
	for _, r := range records {
		fmt.Fprintf(&lines, "n:%s,source:test\t%s\t%s\n", r.Headers[0].Value, r.Key, r.Value)
	}
	cluster.Run(t, kafkatest.ConsoleProducer, lines.String(), "--topic", topic, "--compression-codec", codec.String(),
		"--batch-size", "131072", "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true")

	var (
		b   recordbatch.Batch
		got []record
		d   = recordbatch.NewDecompressor(0)
	)
	raw := fetch(t, client, topic)
	next, complete, err := recordbatch.Skim(raw)
	require.NoError(t, err)
	require.Equal(t, int64(len(records)), next)
	require.Equal(t, len(raw), complete)
	for len(raw) > 0 {
		raw, err = recordbatch.Next(raw, &b)
		require.NoError(t, err)
		require.Equal(t, codec, b.Codec())
		payload, err := d.Decompress(b.Codec(), b.Payload, nil)
		require.NoError(t, err)
		part, err := readAll(&b, payload)
		require.NoError(t, err)
		got = append(got, part...)
	}
	require.Len(t, got, len(records))
	for i, want := range records {
		want.Timestamp = got[i].Timestamp // Java's clock
		require.WithinDuration(t, time.Now(), time.UnixMilli(want.Timestamp), time.Hour)
		require.Equal(t, want, got[i])
	}
}

// The shapes that the console tools cannot tell apart.
func nullsStayNull(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client) {
	cluster.CreateTopic(t, "nulls", 1)
	b := build(t, recordbatch.Snappy, plain())
	b.Stamp(false, -1, -1, -1)
	require.NoError(t, produce(t, client, "nulls", b.Bytes()))
	_, got := decode(t, fetch(t, client, "nulls"))
	require.Equal(t, plain(), got)

	marked := []string{"--formatter-property", "null.literal=NULL", "--formatter-property", "print.key=true"}
	read := cluster.Run(t, kafkatest.ConsoleConsumer, "", append(marked, "--topic", "nulls", "--from-beginning", "--max-messages", "3")...)
	require.Equal(t, "call-1\t{\"Event\":\"Hangup\"}\n"+"NULL\t\n"+"\tNULL\n", read)
}

func noTimestamp(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client) {
	cluster.CreateTopic(t, "timeless", 1)
	records := []record{{Timestamp: -1, Value: []byte("a")}, {Offset: 1, Timestamp: 5, Value: []byte("b")}, {Offset: 2, Timestamp: -1, Value: []byte("c")}}
	require.NoError(t, produce(t, client, "timeless", stamped(t, recordbatch.None, records)))
	_, got := decode(t, fetch(t, client, "timeless"))
	require.Equal(t, records, got)
}

// A broker refuses what was damaged on the way, so the checksum covers what it should.
func damaged(t *testing.T, cluster *kafkatest.Cluster, client *kgo.Client) {
	cluster.CreateTopic(t, "damaged", 1)
	raw := bytes.Clone(stamped(t, recordbatch.LZ4, printable()))
	raw[len(raw)-20] ^= 1
	require.ErrorIs(t, produce(t, client, "damaged", raw), kerr.CorruptMessage)
}

// produce sends bytes as they are.
func produce(t *testing.T, client *kgo.Client, topic string, raw []byte) error {
	t.Helper()
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = raw
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{part}}}
	ctx, cancel := context.WithTimeout(t.Context(), waitTime)
	defer cancel()
	resp, err := req.RequestWith(ctx, client.Broker(1))
	require.NoError(t, err)
	answer := resp.Topics[0].Partitions[0]
	return kerr.ErrorForCode(answer.ErrorCode)
}

// fetch reads a partition from its start, undecoded.
func fetch(t *testing.T, client *kgo.Client, topic string) []byte {
	t.Helper()
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 8 << 20
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic, ft.Partitions = topic, []kmsg.FetchRequestTopicPartition{part}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 5000, 1, 16<<20
	req.Topics = []kmsg.FetchRequestTopic{ft}
	ctx, cancel := context.WithTimeout(t.Context(), waitTime)
	defer cancel()
	resp, err := req.RequestWith(ctx, client.Broker(1))
	require.NoError(t, err)
	answer := resp.Topics[0].Partitions[0]
	require.NoError(t, kerr.ErrorForCode(answer.ErrorCode))
	return answer.RecordBatches
}
