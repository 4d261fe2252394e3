package pipeline_test

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/broker/recordbatch"
	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/pipeline"
)

// wireBatch is a record batch as it lies in a log.
func wireBatch(base int64, values ...string) []byte {
	b := recordbatch.NewBuilder()
	for i, v := range values {
		b.Append(int64(1000+i), nil, [3][]byte{[]byte(v)}, nil, nil, nil)
	}
	b.Stamp(false, -1, -1, -1)
	out := append([]byte(nil), b.Bytes()...)
	binary.BigEndian.PutUint64(out, uint64(base)) // not covered by the checksum
	return out
}

// serveLog answers fetches of in/0 with a log made by batch; it is asked with the number of
// the fetch that begins at its first offset.
func serveLog(c *kfake.Cluster, end int64, batches func(fetch int64) [][]byte) *atomic.Int64 {
	var fetches atomic.Int64
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		fr := req.(*kmsg.FetchRequest)
		if len(fr.Topics) == 0 || fr.Topics[0].Topic != "in" { // the test's own reader
			return nil, nil, false
		}
		resp := fr.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "in"
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark, rp.LastStableOffset, rp.PreferredReadReplica = end, end, -1
		from := fr.Topics[0].Partitions[0].FetchOffset
		if from < end {
			for _, b := range batches(fetches.Add(1)) {
				var h recordbatch.Batch
				_, next, err := recordbatch.First(b)
				if _, perr := recordbatch.Next(b, &h); err == nil && next > from || perr != nil && next > from {
					rp.RecordBatches = append(rp.RecordBatches, b...)
				}
			}
		}
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	return &fetches
}

func flip(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[len(out)-3] ^= 0x20
	return out
}

// A batch that was damaged on its way is fetched again, and then is whole.
func TestCorruptBatchIsFetchedAgain(t *testing.T) {
	both(t, func(t *testing.T, exactly bool) {
		c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
		w := worldOf(t, c.ListenAddrs())
		w.cfg.ExactlyOnce = exactly
		one, two, three := wireBatch(0, busy, busy), wireBatch(2, busy, busy), wireBatch(4, busy)
		serveLog(c, 5, func(fetch int64) [][]byte {
			if fetch <= 2 {
				return [][]byte{one, flip(two), three}
			}
			return [][]byte{one, two, three}
		})
		f := w.start(w.cfg)
		w.until("all committed", func() bool { return w.committed() == 5 })
		require.NoError(t, f.stop())
		require.EqualValues(t, 5, f.Ledger.Totals().In, "each event once, although its partition was set back")
		require.True(t, f.Ledger.Totals().Conserved())
		require.Len(t, w.read("out", 5), 5)
	})
}

func TestCorruptBatchStopsOrIsPutAside(t *testing.T) {
	good := wireBatch(0, busy)
	last := wireBatch(3, busy)
	wrongCount := wireBatch(1, busy, busy)
	binary.BigEndian.PutUint32(wrongCount[57:], 7)
	restamp(wrongCount)
	for name, tc := range map[string]struct {
		bad  []byte
		says string
		out  int // events enriched although the batch cannot be read to its end
	}{
		"checksum":       {flip(wireBatch(1, busy, busy)), "CRC", 2},
		"record count":   {wrongCount, "record", 4},
		"unknown codec":  {withCodec(wireBatch(1, busy, busy), 6), "codec", 2},
		"lies about lz4": {withCodec(wireBatch(1, busy, busy), 3), "lz4", 2},
	} {
		log := func(int64) [][]byte { return [][]byte{good, tc.bad, last} }
		t.Run(name+", stop", func(t *testing.T) {
			both(t, func(t *testing.T, exactly bool) {
				c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
				w := worldOf(t, c.ListenAddrs())
				w.cfg.ExactlyOnce = exactly
				serveLog(c, 4, log)
				f := w.start(w.cfg)
				w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
				err := f.stop()
				require.ErrorContains(t, err, "in/0: offsets 1 to 2:")
				require.ErrorContains(t, err, "input.on_corrupt: skip")
				require.Contains(t, strings.ToLower(err.Error()), strings.ToLower(tc.says))
				require.LessOrEqual(t, w.committed(), int64(1))
			})
		})
		t.Run(name+", skip", func(t *testing.T) {
			c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
			w := worldOf(t, c.ListenAddrs())
			w.cfg.SkipCorrupt = true
			serveLog(c, 4, log)
			f := w.start(w.cfg)
			w.until("all committed", func() bool { return w.committed() == 4 })
			require.NoError(t, f.stop())
			require.True(t, f.Ledger.Totals().Conserved())
			require.EqualValues(t, tc.out, f.Ledger.Totals().Output)
			dead := w.read("dead", 1)
			require.Equal(t, tc.bad, dead[0].Value, "as it came")
			require.Equal(t, "corrupt_batch", header(dead[0], "dlq-reason"))
			require.Equal(t, "1", header(dead[0], "dlq-offset"))
			require.Contains(t, header(dead[0], "dlq-error"), "offsets 1 to 2")
		})
	}
}

// Message sets of before 0.11 are named for what they are.
func TestOldMessageFormatIsNamed(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "in", "out", "dead", "retry"))
	w := worldOf(t, c.ListenAddrs())
	old := wireBatch(0, busy)
	old[16] = 1
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = "in"
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.HighWatermark, rp.LastStableOffset, rp.PreferredReadReplica, rp.RecordBatches = 1, 1, -1, old
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	f := w.start(w.cfg)
	w.until("stopped", func() bool { return f.State() == pipeline.Stopped })
	require.ErrorContains(t, f.stop(), "message format 1 (before Kafka 0.11) is not supported")
}

func withCodec(b []byte, codec byte) []byte {
	b[22] = codec
	restamp(b)
	return b
}

// restamp makes the checksum right again.
func restamp(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}
