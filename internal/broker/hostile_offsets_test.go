package broker_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

// A committed offset that the answer leaves out is not 0: that would be all events once more.
func TestCommittedOffsetsThatAreLeftOut(t *testing.T) {
	c, client := cluster(t, 1, 2, "in")
	parts := []broker.TopicPartition{{Topic: "in"}, {Topic: "in", Partition: 1}}
	for name, offsets := range map[string][]int64{"one of two": {7}, "none": {}, "below none": {7, -2}} {
		t.Run(name, func(t *testing.T) {
			c.ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
				topic := kmsg.NewOffsetFetchResponseTopic()
				topic.Topic = "in"
				for i, o := range offsets {
					p := kmsg.NewOffsetFetchResponseTopicPartition()
					p.Partition, p.Offset = int32(i), o
					topic.Partitions = append(topic.Partitions, p)
				}
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
			_, err := broker.NewGroupCoordinator(client, "g").FetchOffsets(deadline(t), parts)
			require.ErrorContains(t, err, "it does not tell the committed offset of in/")
		})
	}
}

// Offsets of partitions that nobody asked about are not passed on, and what is left out is asked for again.
func TestListedOffsetsThatAreOfOthers(t *testing.T) {
	c, client := cluster(t, 1, 2, "in")
	var lied atomic.Int64
	c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		lied.Add(1)
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = "in"
		for _, partition := range []int32{0, 7, -1} {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.Offset = partition, 5
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true // the next one is the cluster's own
	})
	in1 := broker.TopicPartition{Topic: "in", Partition: 1}
	got, err := client.ListOffsets(deadline(t), []broker.TopicPartition{{Topic: "in"}, in1}, broker.Latest, true)
	require.NoError(t, err)
	require.Equal(t, map[broker.TopicPartition]int64{{Topic: "in"}: 5, in1: 0}, got)
	require.EqualValues(t, 1, lied.Load())
}
