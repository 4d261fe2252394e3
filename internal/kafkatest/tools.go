package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Tool is one of Kafka's command-line tools, by its Java class.
type Tool string

// The tools that tests use, by their classes in Kafka 4.
const (
	TopicCommand         Tool = "org.apache.kafka.tools.TopicCommand"
	ConsoleProducer      Tool = "org.apache.kafka.tools.ConsoleProducer"
	ConsoleConsumer      Tool = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	ConsumerGroupCommand Tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	ACLCommand           Tool = "org.apache.kafka.tools.AclCommand"
)

// toolTime bounds one run of a tool. Each starts a Java of its own, which takes 2 s or so.
const toolTime = 60 * time.Second

// Run runs a tool against the cluster and returns what it printed. stdin may be empty. The
// test fails if the tool does, or takes longer than a minute.
func (c *Cluster) Run(tb testing.TB, tool Tool, stdin string, args ...string) string {
	tb.Helper()
	out, err := c.run(tb.Context(), tool, stdin, args...)
	require.NoError(tb, err)
	return out
}

func (c *Cluster) run(ctx context.Context, tool Tool, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	if c.runtime.major() < 4 { //nolint:mnd // the version that moved it
		tool, args = before4(tool, args)
	}
	args = append([]string{"--bootstrap-server", strings.Join(c.Addrs(), ",")}, args...)
	cmd := c.runtime.command(ctx, string(tool), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", tool, strings.Join(args, " "), errors.Join(err, ctx.Err()), tail(stdout.Bytes()), tail(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// before4 names a tool and its options as Kafka 3 does.
func before4(tool Tool, args []string) (Tool, []string) {
	if tool != ConsoleProducer {
		return tool, args
	}
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--reader-property" {
			args[i] = "--property"
		}
	}
	return "kafka.tools.ConsoleProducer", args
}

// CreateTopic makes a topic with as many replicas as the cluster has nodes, and waits until
// each of its partitions has a leader. configs has pairs such as "cleanup.policy", "compact".
func (c *Cluster) CreateTopic(tb testing.TB, topic string, partitions int32, configs ...string) {
	tb.Helper()
	require.Zero(tb, len(configs)%2, "configs are pairs")
	ctx, cancel := context.WithTimeout(tb.Context(), toolTime)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	require.NoError(tb, err)
	defer client.Close()
	require.NoError(tb, createTopic(ctx, client, topic, partitions, int16(len(c.nodes)), configs)) // 1 or 3
	require.NoError(tb, awaitLeaders(ctx, client, topic, int(partitions)))
}

func createTopic(ctx context.Context, client *kgo.Client, topic string, partitions int32, replicas int16, configs []string) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, replicas
	for i := 0; i < len(configs); i += 2 {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("create topic %q: %w", topic, err)
	}
	for i := range resp.Topics {
		if err := kerr.ErrorForCode(resp.Topics[i].ErrorCode); err != nil {
			return fmt.Errorf("create topic %q: %w: %s", topic, err, message(resp.Topics[i].ErrorMessage))
		}
	}
	return nil
}

func message(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// awaitLeaders polls until each partition answers. That the metadata names a leader is not
// enough: the leader may learn of it later than the one who was asked.
func awaitLeaders(ctx context.Context, client *kgo.Client, topic string, partitions int) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	state := "no answer"
	for {
		if led, err := answering(ctx, client, topic, partitions); err == nil {
			if led == partitions {
				return nil
			}
			state = strconv.Itoa(led) + " of " + strconv.Itoa(partitions) + " partitions answer"
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for topic %q: %s: %w", topic, state, ctx.Err())
		case <-tick.C:
		}
	}
}

// answering counts the partitions whose leader tells their end.
func answering(ctx context.Context, client *kgo.Client, topic string, partitions int) (int, error) {
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for p := range partitions {
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = int32(p), -1 // the end
		t.Partitions = append(t.Partitions, part)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, fmt.Errorf("list offsets of %q: %w", topic, err)
	}
	led := 0
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				led++
			}
		}
	}
	return led, nil
}
