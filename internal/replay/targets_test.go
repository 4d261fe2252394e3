package replay_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

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
