package kafkatest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestComplete(t *testing.T) {
	fake := StartFake(t, kfake.ClusterID("ours"))
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()

	running := func() *node { return &node{process: &Process{exited: make(chan struct{})}} }
	ours := Cluster{id: "ours", nodes: []*node{running()}}
	require.NoError(t, ours.complete(t.Context(), client))

	ours.nodes = append(ours.nodes, running())
	require.EqualError(t, ours.complete(t.Context(), client), "1 of 2 brokers are there")
	close(ours.nodes[1].process.exited)
	require.NoError(t, ours.complete(t.Context(), client), "a node that was killed is not waited for")

	other := Cluster{id: "other"}
	err = other.complete(t.Context(), client)
	require.ErrorIs(t, err, errPortTaken)
	require.ErrorContains(t, err, `a broker of cluster "ours" listens there, this one is "other"`)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, ours.complete(ended, client), "ask for metadata")
}

func TestAwait(t *testing.T) {
	fake := StartFake(t, kfake.ClusterID("ours"))
	n := &node{id: 1, addr: fake.ListenAddrs()[0], process: &Process{exited: make(chan struct{})}, logFile: filepath.Join(t.TempDir(), "server.log")}
	require.NoError(t, os.WriteFile(n.logFile, []byte("the reason"), 0o600))

	c := Cluster{id: "ours", nodes: []*node{n}}
	require.NoError(t, c.await(t.Context(), n))

	c.nodes = append(c.nodes, &node{process: &Process{exited: make(chan struct{})}}) // one that never comes
	short, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	err := c.await(short, n)
	require.ErrorContains(t, err, "not ready in time: ")
	require.ErrorContains(t, err, "the reason")

	close(n.process.exited)
	c.nodes = append(c.nodes, &node{process: &Process{exited: make(chan struct{})}})
	require.ErrorContains(t, c.await(t.Context(), n), "node 1: exited; its log ends:\nthe reason")

	c.id = "other"
	require.ErrorIs(t, c.await(t.Context(), n), errPortTaken)
}

func TestCreateTopicAndItsLeaders(t *testing.T) {
	fake := StartFake(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()

	require.NoError(t, createTopic(t.Context(), client, "a", 3, 1, []string{"cleanup.policy", "compact"}))
	require.NoError(t, awaitLeaders(t.Context(), client, "a", 3))
	require.Equal(t, "compact", *fake.TopicInfo("a").Configs["cleanup.policy"])

	err = createTopic(t.Context(), client, "a", 3, 1, nil)
	require.ErrorIs(t, err, kerr.TopicAlreadyExists)
	require.ErrorContains(t, err, `create topic "a"`)

	short, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	err = awaitLeaders(short, client, "a", 4)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, `wait for topic "a": `)

	fake.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl() // however often the client tries
		return nil, errors.New("broken"), true
	})
	short, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	require.ErrorContains(t, createTopic(short, client, "b", 1, 1, nil), `create topic "b"`)
}

func TestRunSaysWhatFailed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "java"), []byte("#!/bin/sh\ncat; echo \"$@\" >&2; exit 3\n"), 0o700))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	c := Cluster{runtime: javaRuntime{libs: "/jars", log4j: "/log4j2", heapMB: 64, level: "WARN"}, nodes: []*node{{addr: "127.0.0.1:1"}, {addr: "127.0.0.1:2"}}}
	_, err := c.run(t.Context(), TopicCommand, "from stdin\n", "--list")
	require.ErrorContains(t, err, "org.apache.kafka.tools.TopicCommand --bootstrap-server 127.0.0.1:1,127.0.0.1:2 --list: exit status 3\nfrom stdin\n")
	require.ErrorContains(t, err, "-Xmx64m -Dlog4j2.configurationFile=/log4j2 -Dkafkatest.level=WARN -cp /jars/* org.apache.kafka.tools.TopicCommand")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.run(ended, TopicCommand, "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestAwaitInSync(t *testing.T) {
	fake := StartFake(t, kfake.SeedTopics(2, "a"))
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, awaitInSync(t.Context(), client))

	fake.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(req.GetVersion())
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = new("a")
		part := kmsg.NewMetadataResponseTopicPartition()
		part.Replicas, part.ISR = []int32{1, 2, 3}, []int32{1, 3}
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	short, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	require.ErrorContains(t, awaitInSync(short, client), "wait for replicas: ")
}
