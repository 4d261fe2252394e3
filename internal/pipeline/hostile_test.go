package pipeline_test

import (
	"encoding/binary"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatest"
)

// answerFetches gives the answers for in/0; nil leaves one to the cluster.
func answerFetches(c *kfake.Cluster, answer func(from int64) []kmsg.FetchResponseTopicPartition) {
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		fr := req.(*kmsg.FetchRequest)
		if len(fr.Topics) == 0 || fr.Topics[0].Topic != "in" { // the test's own reader
			return nil, nil, false
		}
		resp := fr.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "in"
		rt.Partitions = answer(fr.Topics[0].Partitions[0].FetchOffset)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
}

func answerOf(end int64, batches ...[]byte) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.PreferredReadReplica = end, end, -1
	for _, b := range batches {
		p.RecordBatches = append(p.RecordBatches, b...)
	}
	return p
}

// A broker that answers with batches over and over, of before, in two answers at once, or for partitions that nobody
// asked for: each event comes out once, and nothing waits for ever.
func TestBatchesThatComeAgain(t *testing.T) {
	one, two := wireBatch(0, busy, busy), wireBatch(2, busy)
	stranger := answerOf(3, one)
	stranger.Partition = 7
	for name, answer := range map[string]func(from int64) []kmsg.FetchResponseTopicPartition{
		"twice in an answer":      func(int64) []kmsg.FetchResponseTopicPartition { return parts(answerOf(3, one, one, two, one, two)) },
		"the partition ten times": func(int64) []kmsg.FetchResponseTopicPartition { return repeated(10, answerOf(3, one, two)) },
		"the partition ten times, each time further on": func(from int64) (out []kmsg.FetchResponseTopicPartition) {
			for i := range int64(10) {
				out = append(out, answerOf(3, wireBatch(from+i, busy)))
			}
			return out
		},
		"a partition not asked for": func(int64) []kmsg.FetchResponseTopicPartition {
			return append(repeated(5, stranger), answerOf(3, one, two))
		},
		"of before, now and then": func() func(from int64) []kmsg.FetchResponseTopicPartition {
			var n atomic.Int64
			return func(from int64) []kmsg.FetchResponseTopicPartition {
				if from == 0 {
					return parts(answerOf(3, one))
				}
				if n.Add(1) < 4 {
					return parts(answerOf(3, one))
				}
				return parts(answerOf(3, two))
			}
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, exactly bool) {
				c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
				w := worldOf(t, c.ListenAddrs())
				w.cfg.ExactlyOnce = exactly
				answerFetches(c, func(from int64) []kmsg.FetchResponseTopicPartition {
					if from >= 3 {
						return parts(answerOf(3))
					}
					return answer(from)
				})
				f := w.start(w.cfg)
				w.until("all committed", func() bool { return w.committed() == 3 })
				require.NoError(t, f.stop())
				require.EqualValues(t, 3, f.Ledger.Totals().In)
				require.Len(t, w.read("out", 3), 3)
			})
		})
	}
}

func parts(p ...kmsg.FetchResponseTopicPartition) []kmsg.FetchResponseTopicPartition { return p }

func repeated(n int, p kmsg.FetchResponseTopicPartition) (out []kmsg.FetchResponseTopicPartition) {
	for range n {
		out = append(out, p)
	}
	return out
}

// A batch that says it is longer than all that ever comes, and a broker that never goes on: the error says which, and
// the filter stops where it is. input.on_corrupt: skip has nowhere to skip to.
func TestAnswersThatDoNotLeadOn(t *testing.T) {
	one, two := wireBatch(0, busy, busy), wireBatch(2, busy)
	endless := append([]byte(nil), two...)
	binary.BigEndian.PutUint32(endless[8:], math.MaxInt32)
	for name, next := range map[string][]byte{"a length of 2 GB": endless, "always the same batch": one, "the first bytes of a batch": two[:40]} {
		t.Run(name, func(t *testing.T) {
			c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
			w := worldOf(t, c.ListenAddrs())
			w.cfg.SkipCorrupt = true
			var fetches atomic.Int64
			answerFetches(c, func(from int64) []kmsg.FetchResponseTopicPartition {
				if from == 0 {
					return parts(answerOf(3, one))
				}
				fetches.Add(1)
				return parts(answerOf(3, next))
			})
			f := w.watch(w.cfg)
			require.ErrorContains(t, w.failure(f), "read in/0: asked 50 times for offset 2, the broker sends")
			require.True(t, f.warned("does not lead on"))
			require.Less(t, fetches.Load(), int64(60), "with a pause between")
			require.LessOrEqual(t, w.committed(), int64(2))
			require.Len(t, w.read("out", 2), 2)
		})
	}
}
