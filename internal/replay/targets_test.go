package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/replay"
)

// A topic that letters go to and that cannot be looked up ends the run; nothing is passed over.
func TestTargetsThatCannotBeLookedUp(t *testing.T) {
	for _, c := range []struct {
		name string
		code int16
		says string
	}{
		{"no right to see it", kerr.TopicAuthorizationFailed.Code, `topic "in": this user may not see it: allow DESCRIBE and WRITE on it`},
		{"anything else", kerr.UnknownServerError.Code, `read metadata of topic "in"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.produce(letters(0, 4)...)
			r := w.open(replay.Options{})
			w.fake.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
				w.fake.KeepControl()
				req := kreq.(*kmsg.MetadataRequest)
				if len(req.Topics) != 1 || req.Topics[0].Topic == nil || *req.Topics[0].Topic != "in" {
					return nil, nil, false
				}
				resp := req.ResponseKind().(*kmsg.MetadataResponse)
				topic := kmsg.NewMetadataResponseTopic()
				topic.Topic, topic.ErrorCode = req.Topics[0].Topic, c.code
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
			_, err := r.Plan(t.Context(), nil)
			require.ErrorContains(t, err, c.says)
			_, err = r.Run(t.Context(), nil)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// Without the right to read settings, Kafka's default stands for max.message.bytes.
func TestSettingsThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	large := dead(0)
	large.Value = make([]byte, 990_000)
	w.produce(large)
	r := w.open(replay.Options{})
	asked := false
	w.fake.ControlKey(int16(kmsg.DescribeConfigs), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		asked = true
		req := kreq.(*kmsg.DescribeConfigsRequest)
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, res := range req.Resources {
			got := kmsg.NewDescribeConfigsResponseResource()
			got.ResourceType, got.ResourceName, got.ErrorCode = res.ResourceType, res.ResourceName, kerr.TopicAuthorizationFailed.Code
			resp.Resources = append(resp.Resources, got)
		}
		return resp, nil, true
	})
	rep, err := r.Run(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, asked)
	require.EqualValues(t, 1, rep.Replayed)
}

// More letters than one transaction holds are committed in several, and a reader sees the first ones meanwhile.
func TestManyTransactions(t *testing.T) {
	const n = 5000
	w := newWorld(t)
	w.produce(letters(0, n)...)
	ended := 0
	w.fake.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		ended++
		return nil, nil, false
	})
	require.EqualValues(t, n, w.run(replay.Options{}).Replayed)
	require.GreaterOrEqual(t, ended, 3)
	onceInOrder(t, w.read("in"), n)
}

// The retry loop's topics: no letter comes from those that nothing reads, and none is sent to any by choice.
func TestTopicsOfTheRetryLoop(t *testing.T) {
	loop := []string{"5s", "30s", "due", "gave-up", "cancel"}
	for _, c := range []struct {
		origin, key string
		want        replay.Why // of a letter that names it; "": replayed
	}{
		{"due", "retry.due", replay.OriginRefused},
		{"gave-up", "retry.gave_up", replay.OriginRefused},
		{"cancel", "retry.cancel.topic", replay.OriginRefused},
		{"5s", "retry.tiers[0].topic", ""},
		{"30s", "retry.tiers[1].topic", ""},
		{"in", "", ""},
	} {
		t.Run(c.origin, func(t *testing.T) {
			w := newWorld(t, kfake.SeedTopics(1, loop...))
			w.cfg.Retry.Tiers = []config.Tier{{Topic: "5s", Wait: 5 * time.Second}, {Topic: "30s", Wait: 30 * time.Second}}
			w.cfg.Retry.Due, w.cfg.Retry.GaveUp, w.cfg.Retry.Cancel.Topic = "due", "gave-up", "cancel"
			w.produce(dead(0, "dlq-topic", c.origin))
			rep := w.run(replay.Options{})
			if c.want == "" {
				require.EqualValues(t, 1, rep.Replayed)
				require.Len(t, w.read(c.origin), 1)
			} else {
				require.Equal(t, map[replay.Why]int64{c.want: 1}, rep.Left)
				require.Empty(t, w.read(c.origin))
			}
			require.EqualValues(t, 1, w.run(replay.Options{To: "other"}).Replayed, "to a topic of choice it may go")

			require.Equal(t, c.key, replay.LoopTopic(w.cfg, c.origin))
			if c.key != "" {
				_, err := replay.Open(t.Context(), w.cfg, replay.Options{From: "dead", To: c.origin, MaxReplays: 1})
				require.ErrorContains(t, err, fmt.Sprintf("topic %q is %s: the retry loop alone writes there", c.origin, c.key))
			}
			w.cfg.Retry.Tiers = nil
			require.Empty(t, replay.LoopTopic(w.cfg, c.origin), "no loop, and the names mean nothing")
			require.Empty(t, replay.LoopTopic(w.cfg, ""))
		})
	}
}
