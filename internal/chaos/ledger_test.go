package chaos

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// Where an event has to come out.
type place uint8

const (
	toOut place = iota
	toDead
	toRetry
	places
)

func (p place) String() string { return [...]string{"out", "dead", "retry"}[p] }

// ledger knows of every event what has to come of it, by pkg/enrich, and counts what does.
// It takes some 50 bytes for an event, so that a million is no matter.
type ledger struct {
	enricher *enrich.Enricher
	result   enrich.Result
	events   []entry
	faults   [places]tally
	examples []string
	last     map[[2]int32]int64 // input offset last seen, by place and output partition
	ordered  bool               // order and single occurrence are asked for
}

type entry struct {
	want      [places]bool
	seen      [places]uint16
	hash      uint64 // of the record in out and retry
	raw       uint64 // of the record in dead
	partition int32  // of the input, as acknowledged
	offset    int64
}

// tally counts what is wrong in one topic.
type tally struct{ found, missing, duplicates, strangers, wrong, disorder int }

func newLedger(n int, exactly bool) (*ledger, error) {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	if err != nil {
		return nil, err
	}
	return &ledger{enricher: e, events: make([]entry, n), last: map[[2]int32]int64{}, ordered: exactly}, nil
}

// expect notes event i before it is sent.
func (l *ledger) expect(i int, r *kgo.Record) {
	e, res := &l.events[i], &l.result
	l.enricher.Enrich(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli()}, res)
	e.want[toOut] = res.Outcome != enrich.Malformed
	e.want[toDead] = !e.want[toOut]
	e.want[toRetry] = res.Advice.Retryable
	value := res.AppendValue(nil)
	if r.Value == nil {
		value = nil
	}
	added := map[string]string{}
	for _, h := range res.Headers {
		added[h.Name] = string(h.Value)
	}
	e.hash, e.raw = digest(r, value, added), digest(r, r.Value, nil)
}

// digest is of what has to arrive: key, timestamp, value and the headers that are added.
func digest(r *kgo.Record, value []byte, added map[string]string) uint64 {
	h := fnv.New64a()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		if b == nil {
			n[0] = 1 // a null is no empty one
		}
		_, _ = h.Write(n[:])
		_, _ = h.Write(b)
	}
	part(r.Key)
	part(value)
	part([]byte(strconv.FormatInt(r.Timestamp.UnixMilli(), 10)))
	for _, name := range enrich.HeaderNames() {
		if v, ok := added[name]; ok {
			part([]byte(name))
			part([]byte(v))
		}
	}
	return h.Sum64()
}

// acked notes where event i is in the input.
func (l *ledger) acked(i int, r *kgo.Record) {
	l.events[i].partition, l.events[i].offset = r.Partition, r.Offset
}

// see checks a record that a read_committed reader has found.
func (l *ledger) see(p place, r *kgo.Record) {
	t := &l.faults[p]
	t.found++
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	i, err := strconv.Atoi(headers["id"])
	if err != nil || i < 0 || i >= len(l.events) || !l.events[i].want[p] {
		t.strangers++
		l.example("%s/%d@%d: %q does not belong here", p, r.Partition, r.Offset, headers["id"])
		return
	}
	e := &l.events[i]
	e.seen[p]++
	if e.seen[p] > 1 {
		t.duplicates++
		if l.ordered {
			l.example("%s/%d@%d: event %d (input %d@%d) for the %dth time, by producer %d epoch %d", p, r.Partition, r.Offset, i, e.partition, e.offset, e.seen[p], r.ProducerID, r.ProducerEpoch)
		}
	}
	want, got := e.hash, digest(r, r.Value, headers)
	if p == toDead {
		want, got = e.raw, digest(r, r.Value, nil)
		if headers["dlq-offset"] != strconv.FormatInt(e.offset, 10) || headers["dlq-partition"] != strconv.Itoa(int(e.partition)) {
			got++
		}
	}
	if got != want || r.Partition != e.partition { // all topics have as many partitions
		t.wrong++
		l.example("%s/%d@%d: event %d (input %d@%d) is not as pkg/enrich makes it", p, r.Partition, r.Offset, i, e.partition, e.offset)
	}
	// Events of one key are in one input partition, so this is order by key, and more.
	lane := [2]int32{int32(p), r.Partition}
	if last, ok := l.last[lane]; ok && e.offset < last && l.ordered {
		t.disorder++
		l.example("%s/%d@%d: event %d (input offset %d) after input offset %d", p, r.Partition, r.Offset, i, e.offset, last)
	}
	l.last[lane] = e.offset
}

func (l *ledger) example(format string, args ...any) {
	const enough = 12
	if len(l.examples) < enough {
		l.examples = append(l.examples, fmt.Sprintf(format, args...))
	}
}

// close counts what did not come, and tells whether all is as promised.
func (l *ledger) close() bool {
	for i := range l.events {
		e := &l.events[i]
		for p := range places {
			if e.want[p] && e.seen[p] == 0 {
				l.faults[p].missing++
				l.example("%s: event %d (input %d@%d) is missing", p, i, e.partition, e.offset)
			}
		}
	}
	good := true
	for _, t := range l.faults {
		good = good && t.missing+t.strangers+t.wrong+t.disorder == 0 && (!l.ordered || t.duplicates == 0)
	}
	return good
}

func (l *ledger) String() string {
	var b strings.Builder
	var want [places]int
	for i := range l.events {
		for p := range places {
			if l.events[i].want[p] {
				want[p]++
			}
		}
	}
	for p := range places {
		t := l.faults[p]
		fmt.Fprintf(&b, "  %-6s %8d expected %8d found   missing %d, duplicates %d, strangers %d, wrong %d, out of order %d\n", p, want[p], t.found, t.missing, t.duplicates, t.strangers, t.wrong, t.disorder)
	}
	for _, e := range l.examples {
		fmt.Fprintf(&b, "    %s\n", e)
	}
	return b.String()
}

// source makes the events: those of internal/eventgen with an id each, under keys of a pool.
type source struct {
	gen  *eventgen.Generator
	keys [][]byte
	n    int
}

func newSource(seed uint64) *source {
	s := &source{gen: eventgen.New(seed, catalog.Default().Entries())}
	const pool = 2000
	for range pool {
		s.keys = append(s.keys, append([]byte(nil), s.gen.Next().Key...))
	}
	return s
}

func (s *source) next() *kgo.Record {
	i := s.n
	s.n++
	e := s.gen.Next()
	r := &kgo.Record{
		Key: s.keys[(i*7919)%len(s.keys)], Timestamp: time.UnixMilli(1_790_000_000_000 + int64(i)),
		Headers: []kgo.RecordHeader{{Key: "id", Value: strconv.AppendInt(nil, int64(i), 10)}},
	}
	if i%50 == 0 {
		r.Key = nil
	}
	switch {
	case e.Value == nil:
	case len(e.Value) > 0 && e.Value[0] == '{':
		r.Value = fmt.Appendf(nil, `{"id":%d,%s`, i, e.Value[1:])
	case len(e.Value) > 0 && e.Value[0] == 0:
		r.Value = append([]byte(nil), e.Value...)
	default:
		r.Value = fmt.Appendf(nil, "%s&id=%d", e.Value, i)
	}
	return r
}

// output is what the filter should make of an event.
func output(t *testing.T, l *ledger, r *kgo.Record) (place, *kgo.Record) {
	t.Helper()
	l.enricher.Enrich(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli()}, &l.result)
	out := &kgo.Record{Key: r.Key, Timestamp: r.Timestamp, Headers: r.Headers[:1:1], Partition: r.Partition}
	if l.result.Outcome == enrich.Malformed {
		out.Value = r.Value
		for name, v := range map[string]int64{"dlq-offset": r.Offset, "dlq-partition": int64(r.Partition)} {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: name, Value: strconv.AppendInt(nil, v, 10)})
		}
		return toDead, out
	}
	if r.Value != nil {
		out.Value = l.result.AppendValue([]byte{})
	}
	for _, h := range l.result.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Name, Value: append([]byte(nil), h.Value...)})
	}
	return toOut, out
}

// The ledger has to be able to say no: each damage is done to an otherwise perfect output.
func TestLedgerFindsDamage(t *testing.T) {
	const n = 3000
	for _, c := range []struct {
		name    string
		exactly bool
		damage  func(recs []*kgo.Record) []*kgo.Record
		want    tally // of out
		good    bool
	}{
		{"none", true, func(r []*kgo.Record) []*kgo.Record { return r }, tally{}, true},
		{"one missing", true, func(r []*kgo.Record) []*kgo.Record { return append(r[:10:10], r[11:]...) }, tally{missing: 1}, false},
		{"one missing, at least once", false, func(r []*kgo.Record) []*kgo.Record { return append(r[:10:10], r[11:]...) }, tally{missing: 1}, false},
		{"one twice", true, func(r []*kgo.Record) []*kgo.Record { return append(r, r[len(r)-1]) }, tally{duplicates: 1}, false},
		{"one twice, at least once", false, func(r []*kgo.Record) []*kgo.Record { return append(r, r[5]) }, tally{duplicates: 1}, true},
		{"two exchanged", true, func(r []*kgo.Record) []*kgo.Record { r[20], r[21] = r[21], r[20]; return r }, tally{disorder: 1}, false},
		{"another value", true, func(r []*kgo.Record) []*kgo.Record { r[3].Value = append(r[3].Value, ' '); return r }, tally{wrong: 1}, false},
		{"another key", true, func(r []*kgo.Record) []*kgo.Record { r[3].Key = []byte("k"); return r }, tally{wrong: 1}, false},
		{"without its headers", true, func(r []*kgo.Record) []*kgo.Record {
			for _, rec := range r {
				if len(rec.Headers) > 2 {
					rec.Headers = rec.Headers[:1]
					return r
				}
			}
			return nil
		}, tally{wrong: 1}, false},
		{"another partition", true, func(r []*kgo.Record) []*kgo.Record { r[3].Partition++; return r }, tally{wrong: 1}, false},
		{"an id of nowhere", true, func(r []*kgo.Record) []*kgo.Record { return append(r, &kgo.Record{}) }, tally{strangers: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := newLedger(n, c.exactly)
			require.NoError(t, err)
			src := newSource(3)
			var recs [places][]*kgo.Record
			for i := range n {
				r := src.next()
				r.Offset = int64(i)
				l.expect(i, r)
				l.acked(i, r)
				p, out := output(t, l, r)
				recs[p] = append(recs[p], out)
				if l.events[i].want[toRetry] {
					recs[toRetry] = append(recs[toRetry], output2(out))
				}
			}
			recs[toOut] = c.damage(recs[toOut])
			for p := range places {
				require.NotEmpty(t, recs[p])
				for _, r := range recs[p] {
					l.see(p, r)
				}
			}
			require.Equal(t, c.good, l.close(), l.String())
			got := l.faults[toOut]
			got.found = 0
			require.Equal(t, c.want, got, l.String())
			require.Zero(t, l.faults[toDead].missing+l.faults[toRetry].missing+l.faults[toDead].wrong+l.faults[toRetry].wrong, l.String())
		})
	}
}

func output2(r *kgo.Record) *kgo.Record {
	c := *r
	return &c
}
