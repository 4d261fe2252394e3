package topic_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/callstream/enricher/internal/kafkatest"
	"github.com/callstream/enricher/internal/topic"
)

// Retention may take what the scan has not read yet.
func TestScanGoesOnBehindWhatRetentionTook(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	seen, err := scanWhileRetentionTakes(t, c)
	require.NoError(t, err)
	require.Equal(t, "4", seen[len(seen)-1])
	require.NotContains(t, seen, "3")
}

func TestScanCannotFindWhereTheLogBegins(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(1, "t"))
	asked := 0

	c.ControlKey(int16(kmsg.ListOffsets), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		if asked++; asked <= 2 { // the end and the start, when the scan begins
			return nil, nil, false
		}

		req, ok := kreq.(*kmsg.ListOffsetsRequest)
		require.True(t, ok)

		resp, _ := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		p := kmsg.NewListOffsetsResponseTopicPartition()
		p.ErrorCode = kerr.UnknownServerError.Code
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic, rt.Partitions = req.Topics[0].Topic, append(rt.Partitions, p)
		resp.Topics = append(resp.Topics, rt)

		return resp, nil, true
	})

	_, err := scanWhileRetentionTakes(t, c)
	require.ErrorContains(t, err, `read topic "t": broker 0: find the start of partition 0: UNKNOWN_SERVER_ERROR`)
}

// scanWhileRetentionTakes scans four records, of which three are deleted after the first has been read. The broker answers
// as Kafka does, which does not say where the log begins now.
func scanWhileRetentionTakes(t *testing.T, c *kfake.Cluster) ([]string, error) {
	t.Helper()

	large := strings.Repeat("x", 700_000)
	put(t, c.ListenAddrs(), record(0, "1"+large), record(0, "2"+large), record(0, "3"+large), record(0, "4"+large))

	const begins = 3

	var gone atomic.Bool

	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		f, ok := req.(*kmsg.FetchRequest)
		require.True(t, ok)

		if !gone.Load() || f.Topics[0].Partitions[0].FetchOffset >= begins {
			return nil, nil, false
		}

		return fetched(f, func(p *kmsg.FetchResponseTopicPartition) {
			p.ErrorCode, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = kerr.OffsetOutOfRange.Code, -1, -1, -1
		}), nil, true
	})

	client := dial(t, c.ListenAddrs())

	var seen []string

	err := topic.Scan(t.Context(), client, topic.ScanConfig{Topic: "t"}, func(r *kgo.Record) error {
		if seen = append(seen, string(r.Value[:1])); len(seen) == 1 {
			_, err := kadm.NewClient(client).DeleteRecords(t.Context(), kadm.Offsets{"t": {0: {Topic: "t", Partition: 0, At: begins}}})
			require.NoError(t, err)
			gone.Store(true)
		}

		return nil
	})

	return seen, err
}

// What lies before the offsets to begin at is not even fetched.
func TestScanBeginsAtOffsets(t *testing.T) {
	c := kafkatest.StartFake(t, kfake.SeedTopics(3, "t"))
	put(t, c.ListenAddrs(),
		at(0, "a1", 1000), at(0, "a2", 2000), at(0, "a3", 3000),
		at(1, "b1", 1000), at(1, "b2", 2000),
		at(2, "c1", 1000), at(2, "c2", 2000),
	)

	client := dial(t, c.ListenAddrs())
	_, err := kadm.NewClient(client).DeleteRecords(t.Context(), kadm.Offsets{"t": {2: {Topic: "t", Partition: 2, At: 1}}})
	require.NoError(t, err)

	var mu sync.Mutex

	first := map[int32]int64{}

	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()

		f, ok := req.(*kmsg.FetchRequest)
		require.True(t, ok)
		mu.Lock()
		defer mu.Unlock()

		for _, p := range f.Topics[0].Partitions {
			if _, again := first[p.Partition]; !again {
				first[p.Partition] = p.FetchOffset
			}
		}

		return nil, nil, false
	})

	for _, tt := range []struct {
		name  string
		from  map[int32]int64
		since int64 // milliseconds; 0: none
		want  []string
		first map[int32]int64 // offset of the first fetch
	}{
		{"none", nil, 0, []string{"a1", "a2", "a3", "b1", "b2", "c2"}, map[int32]int64{0: 0, 1: 0, 2: 1}},
		{"some", map[int32]int64{0: 2, 1: 1}, 0, []string{"a3", "b2", "c2"}, map[int32]int64{0: 2, 1: 1, 2: 1}},
		{"before the log begins", map[int32]int64{1: 1, 2: 0}, 0, []string{"a1", "a2", "a3", "b2", "c2"}, map[int32]int64{0: 0, 1: 1, 2: 1}},
		{"at and behind the end", map[int32]int64{0: 3, 1: 9}, 0, []string{"c2"}, map[int32]int64{2: 1}},
		{"of no partition", map[int32]int64{7: 1}, 0, []string{"a1", "a2", "a3", "b1", "b2", "c2"}, map[int32]int64{0: 0, 1: 0, 2: 1}},
		{"and since", map[int32]int64{0: 2, 1: 0}, 2000, []string{"a3", "b2", "c2"}, map[int32]int64{0: 2, 1: 1, 2: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mu.Lock()
			clear(first)
			mu.Unlock()

			cfg := topic.ScanConfig{Topic: "t", From: tt.from}
			if tt.since > 0 {
				cfg.Since = time.UnixMilli(tt.since)
			}

			require.Equal(t, tt.want, scan(t, client, cfg))
			mu.Lock()
			defer mu.Unlock()
			require.Equal(t, tt.first, first)
		})
	}
}

// A broker that does not say where a partition begins or ends does not make it an empty one.
func TestScanReportsOffsetsThatAreNotTold(t *testing.T) {
	since := topic.ScanConfig{Topic: "t", Since: time.UnixMilli(1000)}
	until := topic.ScanConfig{Topic: "t", Until: time.UnixMilli(5000)}

	for _, tt := range []struct {
		name   string
		of     int64 // the timestamp of the question
		offset int64
		cfg    topic.ScanConfig
		says   string
	}{
		{"the end", -1, -1, topic.ScanConfig{Topic: "t"}, "find its end"},
		{"the start", -2, -2, topic.ScanConfig{Topic: "t"}, "find its start"}, // of -1, kadm asks for the end in its place
		{"since", 1000, -1, since, "find the offsets of " + since.Since.String()},
		{"until", 5000, -1, until, "find the offsets of " + until.Until.String()},
	} {
		for _, answer := range []struct {
			name string
			keep bool
			says string
		}{
			{"left out", false, "partition 1: the broker's answer leaves it out"},
			{"no offset", true, fmt.Sprintf("partition 1: the broker's answer is %d, which is no offset", tt.offset)},
		} {
			t.Run(tt.name+" "+answer.name, func(t *testing.T) {
				c := kafkatest.StartFake(t, kfake.SeedTopics(2, "t"))
				put(t, c.ListenAddrs(), at(0, "a", 2000), at(1, "b", 2000))

				client := dial(t, c.ListenAddrs())

				c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()

					l, ok := req.(*kmsg.ListOffsetsRequest)
					require.True(t, ok)

					return listed(l, func(p *kmsg.ListOffsetsResponseTopicPartition, timestamp int64) bool {
						if p.Offset = 0; timestamp == -1 {
							p.Offset = 1
						}

						// What a time has no offset for kadm asks the end of, uncommitted records with it.
						if p.Partition == 1 && (timestamp == tt.of || tt.of > 0 && timestamp == -1 && l.IsolationLevel == 0) {
							p.Offset = tt.offset

							return answer.keep
						}

						return true
					}), nil, true
				})

				err := topic.Scan(t.Context(), client, tt.cfg, func(*kgo.Record) error { return nil })
				require.EqualError(t, err, `read topic "t": `+tt.says+": "+answer.says)
			})
		}
	}
}

// listed is an answer on offsets, of those partitions that are filled in.
func listed(l *kmsg.ListOffsetsRequest, fill func(p *kmsg.ListOffsetsResponseTopicPartition, timestamp int64) bool) kmsg.Response {
	resp, _ := l.ResponseKind().(*kmsg.ListOffsetsResponse)
	resp.SetVersion(l.Version)

	for _, t := range l.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic

		for _, asked := range t.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition = asked.Partition

			if fill(&p, asked.Timestamp) {
				rt.Partitions = append(rt.Partitions, p)
			}
		}

		resp.Topics = append(resp.Topics, rt)
	}

	return resp
}
