package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/replay"
)

// One run holds a transaction open while another of the same kind takes over.
func TestTakenOver(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 100)...)
	first := w.open(replay.Options{})
	held := false
	rep, err := first.Run(t.Context(), func(p replay.Progress) {
		if p.Replayed > 0 && !held { // produced, and not committed
			held = true
			require.Empty(t, w.values("in"))
			require.EqualValues(t, 100, w.run(replay.Options{}).Replayed)
		}
	})
	require.True(t, held)
	require.ErrorIs(t, err, replay.ErrTakenOver)
	require.Zero(t, rep.Replayed, "nothing of it counts")
	require.Len(t, w.values("in"), 100)
	require.Equal(t, map[int32]int64{0: 50, 1: 50}, w.offsets(rep.Group))
}

func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 100)...)
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := w.open(replay.Options{}).Run(ctx, func(p replay.Progress) {
		if p.Replayed > 0 && ctx.Err() == nil {
			w.produce(letters(100, 110)...) // behind the end
			cancel()
		}
	})
	require.NoError(t, err)
	require.EqualValues(t, 100, rep.Replayed, "what is in hand is committed")
	rep = w.run(replay.Options{})
	require.EqualValues(t, 100, rep.Already)
	require.EqualValues(t, 10, rep.Replayed)

	_, err = w.open(replay.Options{}).Run(ctx, nil)
	require.ErrorIs(t, err, context.Canceled, "nothing can be begun any more")
	rep, err = w.open(replay.Options{To: "other"}).Plan(t.Context(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 110, rep.Replayed)
}

// An interrupt in the midst ends the reading; what has been read is committed.
func TestInterruptWhileReading(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 10)...)
	ctx, cancel := context.WithCancel(t.Context())
	var fetched atomic.Int32
	w.fake.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.fake.KeepControl()
		fetched.Add(1)
		return nil, nil, false
	})
	rep, err := w.open(replay.Options{}).Run(ctx, func(p replay.Progress) {
		if p.Done == 0 {
			cancel()
		}
	})
	require.NoError(t, err)
	require.True(t, rep.Interrupted)
	require.Zero(t, rep.Replayed)
	require.EqualValues(t, 10, w.run(replay.Options{}).Replayed)
	require.NotZero(t, fetched.Load())
}

// Each request that can be refused, refused once: the run fails and says what helps, and the next one
// completes it.
func TestRefusals(t *testing.T) {
	initID := func(code int16) kmsg.Response {
		r := kmsg.NewPtrInitProducerIDResponse()
		r.ErrorCode = code
		return r
	}
	for _, c := range []struct {
		name   string
		key    kmsg.Key
		answer func(req kmsg.Request) kmsg.Response
		is     error
		says   string
	}{
		{
			"the transactional id", kmsg.InitProducerID, func(kmsg.Request) kmsg.Response { return initID(kerr.TransactionalIDAuthorizationFailed.Code) },
			kerr.TransactionalIDAuthorizationFailed, "allow WRITE and DESCRIBE on the transactional id",
		},
		{"reading the positions", kmsg.OffsetFetch, func(req kmsg.Request) kmsg.Response {
			r := req.ResponseKind().(*kmsg.OffsetFetchResponse)
			r.ErrorCode = kerr.GroupAuthorizationFailed.Code
			g := kmsg.NewOffsetFetchResponseGroup()
			g.Group, g.ErrorCode = req.(*kmsg.OffsetFetchRequest).Groups[0].Group, kerr.GroupAuthorizationFailed.Code
			r.Groups = append(r.Groups, g)
			return r
		}, kerr.GroupAuthorizationFailed, "allow READ on the group"},
		{"producing", kmsg.Produce, produceRefusal(kerr.TopicAuthorizationFailed.Code), kerr.TopicAuthorizationFailed, "WRITE where letters go"},
		{"producing what is too large after all", kmsg.Produce, produceRefusal(kerr.MessageTooLarge.Code), kerr.MessageTooLarge, "allow DESCRIBE_CONFIGS"},
		{"the positions for the transaction", kmsg.AddOffsetsToTxn, func(req kmsg.Request) kmsg.Response {
			r := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
			r.ErrorCode = kerr.GroupAuthorizationFailed.Code
			return r
		}, kerr.GroupAuthorizationFailed, "allow READ on the group"},
		{"the positions", kmsg.TxnOffsetCommit, func(req kmsg.Request) kmsg.Response {
			return offsetRefusal(req, kerr.ProducerFenced.Code)
		}, replay.ErrTakenOver, "took longer than kafka.transaction_timeout"},
		{"the commit", kmsg.EndTxn, func(req kmsg.Request) kmsg.Response {
			r := req.ResponseKind().(*kmsg.EndTxnResponse)
			r.ErrorCode = kerr.InvalidProducerEpoch.Code
			return r
		}, replay.ErrTakenOver, "commit transaction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.produce(letters(0, 10)...)
			refused := false
			r := w.open(replay.Options{})
			w.fake.ControlKey(int16(c.key), func(req kmsg.Request) (kmsg.Response, error, bool) {
				refused = true
				resp := c.answer(req)
				resp.SetVersion(req.GetVersion())
				return resp, nil, true
			})
			rep, err := r.Run(t.Context(), nil)
			require.True(t, refused)
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.says)
			if rep != nil {
				require.Zero(t, rep.Replayed)
			}
			require.Empty(t, w.values("in"))
			require.EqualValues(t, 10, w.run(replay.Options{}).Replayed)
			require.Len(t, w.values("in"), 10)
		})
	}
}

func produceRefusal(code int16) func(kmsg.Request) kmsg.Response {
	return func(kreq kmsg.Request) kmsg.Response {
		req := kreq.(*kmsg.ProduceRequest)
		r := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, code
				rt.Partitions = append(rt.Partitions, rp)
			}
			r.Topics = append(r.Topics, rt)
		}
		return r
	}
}

func offsetRefusal(kreq kmsg.Request, code int16) kmsg.Response {
	req := kreq.(*kmsg.TxnOffsetCommitRequest)
	r := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		r.Topics = append(r.Topics, rt)
	}
	return r
}

// A coordinator that is busy is asked again.
func TestBusyCoordinators(t *testing.T) {
	w := newWorld(t)
	w.produce(letters(0, 10)...)
	var asked atomic.Int32
	once := func(key kmsg.Key, answer func(kmsg.Request) kmsg.Response) {
		w.fake.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			asked.Add(1)
			resp := answer(req)
			resp.SetVersion(req.GetVersion())
			return resp, nil, true
		})
	}
	once(kmsg.AddOffsetsToTxn, func(req kmsg.Request) kmsg.Response {
		r := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
		r.ErrorCode = kerr.ConcurrentTransactions.Code
		return r
	})
	once(kmsg.TxnOffsetCommit, func(req kmsg.Request) kmsg.Response { return offsetRefusal(req, kerr.CoordinatorLoadInProgress.Code) })
	require.EqualValues(t, 10, w.run(replay.Options{}).Replayed)
	require.EqualValues(t, 2, asked.Load())
	require.Len(t, w.values("in"), 10)
}

// Whatever breaks between whatever runs, each letter arrives once, in the order of its partition.
func TestAnyInterruptions(t *testing.T) {
	t.Parallel()
	keys := []kmsg.Key{kmsg.InitProducerID, kmsg.OffsetFetch, kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.Fetch}
	for seed := range uint64(16) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel() // a run whose connection breaks waits a little before it tries again
			rng := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t)
			n := 1 + rng.IntN(60)
			w.produce(letters(0, n)...)
			var replayed int64
			for range rng.IntN(5) {
				key := keys[rng.IntN(len(keys))]
				ctx, cancel := context.WithCancel(t.Context())
				breaks := func(kmsg.Request) (kmsg.Response, error, bool) {
					cancel()
					return nil, errors.New("the connection breaks"), true
				}
				r := w.open(replay.Options{Limit: rng.Int64N(20)})
				w.fake.ControlKey(int16(key), breaks)
				if rep, err := r.Run(ctx, nil); err == nil {
					replayed += rep.Replayed
				}
				cancel()
				r.Close()
			}
			rep := w.run(replay.Options{})
			require.EqualValues(t, n, rep.Already+rep.Replayed)
			require.LessOrEqual(t, replayed, rep.Already, "what a run says it has replayed it has")
			onceInOrder(t, w.read("in"), n)
		})
	}
}

// onceInOrder holds what was read to letters 0 to n: each once, those of a partition in order, as they were.
func onceInOrder(t *testing.T, got []*kgo.Record, n int) {
	t.Helper()
	last := map[int32]int{}
	seen := map[int]bool{}
	for _, r := range got {
		i, err := strconv.Atoi(string(r.Value))
		require.NoError(t, err)
		require.False(t, seen[i], "letter %d comes twice", i)
		seen[i] = true
		was, ok := last[r.Partition]
		require.True(t, !ok || was < i, "letter %d after %d in partition %d", i, was, r.Partition)
		last[r.Partition] = i
		want := dead(i)
		require.EqualValues(t, i%4, r.Partition)
		require.Equal(t, want.Key, r.Key)
		require.Equal(t, want.Timestamp.UnixMilli(), r.Timestamp.UnixMilli())
		require.Equal(t, map[string]string{"id": strconv.Itoa(i), "dlq-replays": "1"}, headersOf(r))
	}
	require.Len(t, seen, n)
}
