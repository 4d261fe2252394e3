package broker_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zaptest"

	"github.com/callstream/enricher/internal/broker"
	"github.com/callstream/enricher/internal/broker/recordbatch"
)

// answerProduce makes the cluster answer the next n Produce requests with a code instead of
// taking them; n < 0 means all.
func answerProduce(c *kfake.Cluster, n int, code *kerr.Error) *atomic.Int64 {
	var answered atomic.Int64
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if n >= 0 && answered.Load() >= int64(n) {
			return nil, nil, false
		}
		answered.Add(1)
		pr := req.(*kmsg.ProduceRequest)
		resp := pr.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range pr.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	return &answered
}

// one makes a running producer with one queue.
func one(t *testing.T, client *broker.Client, batchBytes int) (*broker.Producer, *broker.Queue, *atomic.Int64) {
	t.Helper()
	p := broker.NewProducer(client, broker.ProducerConfig{Codec: recordbatch.None, BatchBytes: batchBytes, BufferBytes: 64 << 20, Log: zaptest.NewLogger(t)})
	acked := new(atomic.Int64)
	q := p.Queue(broker.TopicPartition{Topic: "out"}, acked)
	running(t, p)
	return p, q, acked
}

func TestProduceIsTriedAgainUntilItIsTaken(t *testing.T) {
	for _, code := range []*kerr.Error{
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, kerr.LeaderNotAvailable,
		kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch,
	} {
		t.Run(code.Message, func(t *testing.T) {
			c, client := cluster(t, 3, 1, "out")
			answered := answerProduce(c, 3, code)
			p, q, acked := one(t, client, 1<<20)
			for i := range 100 {
				require.NoError(t, q.Append(deadline(t), record(i)))
			}
			require.NoError(t, p.Drained(deadline(t), p.Cut()))
			require.EqualValues(t, 100, acked.Load())
			require.EqualValues(t, 3, answered.Load())
			for i, r := range consume(t, c, "out", 100) {
				require.Equal(t, fmt.Sprintf("k%d", i), string(r.Key))
			}
		})
	}
}

// A batch that was taken but whose answer was lost is sent again, and is there once.
func TestLostAcknowledgementMakesNoDuplicate(t *testing.T) {
	c, client := cluster(t, 1, 1, "out")
	var lost atomic.Int64
	// The first answers are replaced by an error after the broker has taken the batch: the
	// request is let through to a second, direct client first.
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if lost.Add(1) > 1 {
			return nil, nil, false
		}
		direct, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
		require.NoError(t, err)
		defer direct.Close()
		pr := *req.(*kmsg.ProduceRequest)
		c.SleepControl(func() {
			_, err = direct.Request(t.Context(), &pr)
		})
		require.NoError(t, err)
		return nil, errors.New("connection cut before the answer"), true
	})
	p, q, acked := one(t, client, 1<<20)
	for i := range 10 {
		require.NoError(t, q.Append(deadline(t), record(i)))
	}
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	require.EqualValues(t, 10, acked.Load())
	require.NoError(t, q.Append(deadline(t), record(10)))
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	got := consume(t, c, "out", 11)
	require.Len(t, got, 11)
	for i, r := range got {
		require.Equal(t, fmt.Sprintf("k%d", i), string(r.Key))
	}
}

func TestTooLargeBatchIsSplit(t *testing.T) {
	c, client := cluster(t, 1, 1, "out")
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		pr := req.(*kmsg.ProduceRequest)
		if len(pr.Topics[0].Partitions[0].Records) <= 1000 {
			return nil, nil, false
		}
		resp := pr.ResponseKind().(*kmsg.ProduceResponse)
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = "out"
		rp := kmsg.NewProduceResponseTopicPartition()
		rp.ErrorCode = kerr.MessageTooLarge.Code
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	p, q, acked := one(t, client, 1<<20)
	const n = 500 // some 20 kB in one batch
	for i := range n {
		require.NoError(t, q.Append(deadline(t), record(i)))
	}
	require.NoError(t, p.Drained(deadline(t), p.Cut()))
	require.EqualValues(t, n, acked.Load())
	for i, r := range consume(t, c, "out", n) {
		require.Equal(t, fmt.Sprintf("k%d", i), string(r.Key))
	}
}

func TestWhatCannotBeMendedStopsTheProducer(t *testing.T) {
	for name, tc := range map[string]struct {
		code *kerr.Error
		says string
	}{
		"no right to write":   {kerr.TopicAuthorizationFailed, `allow WRITE on topic "out"`},
		"refused for a cause": {kerr.InvalidRecord, "produce to out/0"},
	} {
		t.Run(name, func(t *testing.T) {
			c, client := cluster(t, 1, 1, "out")
			answerProduce(c, -1, tc.code)
			p, q, _ := one(t, client, 1<<20)
			require.NoError(t, q.Append(deadline(t), record(1)))
			require.ErrorContains(t, p.Drained(deadline(t), p.Cut()), tc.says)
			<-p.Failed()
			require.ErrorContains(t, p.Err(), tc.says)
		})
	}
}

// A transaction that the broker does not accept any more is void as a whole; after Recover
// work goes on.
func TestTransactionThatIsOverInterrupts(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidTxnState} {
		t.Run(code.Message, func(t *testing.T) {
			c, client := cluster(t, 1, 1, "out")
			txn := client.NewTransaction("id", testTimeout)
			require.NoError(t, txn.Begin(deadline(t)))
			p := broker.NewProducer(client, broker.ProducerConfig{BatchBytes: 1 << 20, BufferBytes: 1 << 20, Transaction: txn, Log: zaptest.NewLogger(t)})
			var acked atomic.Int64
			q := p.Queue(broker.TopicPartition{Topic: "out"}, &acked)
			running(t, p)
			answerProduce(c, 1, code)
			require.NoError(t, q.Append(deadline(t), record(1)))
			require.ErrorIs(t, p.Drained(deadline(t), p.Cut()), broker.ErrInterrupted)
			<-p.Interrupted()
			forgotten, err := p.Recover(deadline(t))
			require.NoError(t, err)
			require.EqualValues(t, 1, forgotten)

			require.NoError(t, q.Append(deadline(t), record(2)))
			epoch := p.Cut()
			require.NoError(t, p.Drained(deadline(t), epoch))
			require.NoError(t, txn.Commit(deadline(t), nil, broker.Membership{}, nil))
			got := consume(t, c, "out", 1, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			require.Equal(t, "k2", string(got[0].Key))
		})
	}
}

// A single record that a topic does not take any more voids the work since the last commit;
// its size is kept, for a limit to be held against.
func TestRefusedRecordInterrupts(t *testing.T) {
	c, client := cluster(t, 1, 1, "out")
	answerProduce(c, -1, kerr.MessageTooLarge)
	p, q, _ := one(t, client, 1<<20)
	require.NoError(t, q.Append(deadline(t), record(1)))
	require.NoError(t, q.Append(deadline(t), record(2)))
	require.ErrorIs(t, p.Drained(deadline(t), p.Cut()), broker.ErrInterrupted)
	require.Positive(t, p.Refused("out"))
	require.Less(t, p.Refused("out"), 150)
	require.Zero(t, p.Refused("in"))
}
