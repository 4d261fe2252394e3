package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker"
)

// answered replaces an answer's body.
func answered(body []byte) func([]byte) io.Reader {
	return func(frame []byte) io.Reader {
		out := slices.Clone(frame[:8])
		binary.BigEndian.PutUint32(out, uint32(len(body)+4))
		return bytes.NewReader(append(out, body...))
	}
}

// What kafka-go's group reads is held to the same: an assignment may even be another member's doing.
func TestHostileGroup(t *testing.T) {
	all := map[string]struct {
		key  kmsg.Key
		lie  func([]byte) io.Reader
		says string
	}{
		"an assignment of two billion topics":     {kmsg.SyncGroup, answered([]byte{0, 0, 0, 0, 0, 6, 0, 0, 0x7f, 0xff, 0xff, 0xff}), "SyncGroup of 12 bytes has lengths or counts"},
		"an assignment of two billion partitions": {kmsg.SyncGroup, answered([]byte{0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 1, 0, 1, 'a', 0x7f, 0xff, 0xff, 0xff}), "SyncGroup of 19 bytes has lengths or counts"},
		"two billion members":                     {kmsg.JoinGroup, answered([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}), "JoinGroup of 20 bytes has lengths or counts"},
		"a protocol that nobody offered":          {kmsg.JoinGroup, answered([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'x', 0, 1, 'm', 0, 1, 'm', 0, 0, 0, 0}), "join group"},
		"a code out of range":                     {kmsg.JoinGroup, answered([]byte{0, 0, 0, 0, 0x7f, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), "32767"},
		"a coordinator nowhere":                   {kmsg.FindCoordinator, answered([]byte{0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff}), "join group"},
	}
	for name, lie := range lies() {
		for _, key := range []kmsg.Key{kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.SyncGroup} {
			if lie.says != "" {
				all[kmsg.NameForKey(int16(key))+": "+name] = struct {
					key  kmsg.Key
					lie  func([]byte) io.Reader
					says string
				}{key, lie.lie, "join group"}
			}
		}
	}
	for name, tc := range all {
		t.Run(name, func(t *testing.T) {
			client := lying(t, tc.key, tc.lie)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			g, err := client.JoinGroup(broker.GroupConfig{Group: "g", Topics: []string{"in"}, SessionTimeout: 6 * time.Second, RevokeTimeout: time.Second})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			_, err = g.Next(ctx)
			runtime.ReadMemStats(&after)
			require.NoError(t, ctx.Err(), "answered late: %v", err)
			require.ErrorContains(t, err, tc.says)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<20))
			_ = g.Close() // leaving may fail as well
		})
	}
}

// A broker that answers produce requests wrongly in every way, and then comes to its senses: each
// record is there once, and in order.
func TestProducerOutlivesLies(t *testing.T) {
	for name, lie := range lies() {
		t.Run(name, func(t *testing.T) {
			var left atomic.Int64
			left.Store(3)
			client := lying(t, kmsg.Produce, func(frame []byte) io.Reader {
				if left.Add(-1) >= 0 {
					return lie.lie(frame)
				}
				return bytes.NewReader(frame)
			})
			p, q, acked := one(t, client, 1<<20)
			for i := range 10 {
				require.NoError(t, q.Append(deadline(t), record(i)))
			}
			require.NoError(t, p.Drained(deadline(t), p.Cut()))
			require.EqualValues(t, 10, acked.Load())
			require.Negative(t, left.Load())
		})
	}
}

// Codes that no Kafka has are shown as they are, and end what cannot be tried again.
func TestCodesOutOfRange(t *testing.T) {
	for _, code := range []int16{math.MinInt16, -2, 9999, math.MaxInt16} {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			unknown := &kerr.Error{Code: code}
			c, client := cluster(t, 1, 1, "in", "out")
			answerProduce(c, -1, unknown)
			p, q, _ := one(t, client, 1<<20)
			require.NoError(t, q.Append(deadline(t), record(1)))
			require.ErrorContains(t, p.Drained(deadline(t), p.Cut()), fmt.Sprintf("produce to out/0: [%d]", code))

			metadata(c, func(resp *kmsg.MetadataResponse) {
				for i := range resp.Topics {
					resp.Topics[i].ErrorCode = code
				}
			})
			_, err := client.Topics(deadline(t), []string{"in"})
			require.ErrorContains(t, err, fmt.Sprintf(`topic "in": [%d]`, code))
			layout, err := client.Layout(deadline(t))
			require.NoError(t, err)
			require.Equal(t, int32(-1), broker.Leader(layout, "missing", 0))
		})
	}
}

// metadata changes each metadata answer on its way out.
func metadata(c *kfake.Cluster, change func(*kmsg.MetadataResponse)) {
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 0, Host: "127.0.0.1", Port: port(c)}}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = new("in")
		p := kmsg.NewMetadataResponseTopicPartition()
		topic.Partitions = []kmsg.MetadataResponseTopicPartition{p}
		resp.Topics = append(resp.Topics, topic)
		change(resp)
		return resp, nil, true
	})
}

func port(c *kfake.Cluster) int32 {
	var n int32
	_, _ = fmt.Sscanf(c.ListenAddrs()[0], "127.0.0.1:%d", &n)
	return n
}
