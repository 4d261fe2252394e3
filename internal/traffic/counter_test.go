package traffic_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/internal/traffic"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

func newCounter(t *testing.T) *traffic.Counter {
	t.Helper()

	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)

	return traffic.NewCounter(e, catalog.Default(), enrich.DefaultOptions().Field, privacy.Policy{})
}

// names are the counts that are not zero.
func names(counts []traffic.Count) map[string]int64 {
	m := map[string]int64{}

	for _, c := range counts {
		if c.Events > 0 {
			m[c.Name] = c.Events
		}
	}

	return m
}

func TestCounterOfOneEvent(t *testing.T) {
	const object = `"hangup":{"code":3010,"known":true,"name":"Engaged","fault":"platform","retry":{"class":"never","retryable":false},"catalog":"c@1+00000000"}`

	for _, tt := range []struct {
		name       string
		value      string // "": a tombstone
		outcome    string
		fault      string
		class      string
		retryable  string
		direction  string
		code       string // of a code that the catalog has: number and name
		unknown    string // of one that it does not have: text and reason
		withObject bool
	}{
		{
			name: "raw, outbound and busy", value: `{"HangupCauseCode":3010,"Direction":"outbound"}`,
			outcome: "enriched", fault: "destination", class: "long_delay", retryable: "yes", direction: "outbound", code: "3010 Busy Line",
		},
		{
			name: "raw, by name", value: `{"HangupCause":"USER_BUSY","Direction":"inbound"}`,
			outcome: "enriched", fault: "destination", class: "long_delay", retryable: "no", direction: "inbound", code: "3010 Busy Line",
		},
		{
			name: "raw, a form", value: `HangupCauseCode=4000&Direction=outbound`,
			outcome: "enriched", fault: "success", class: "none", retryable: "no", direction: "outbound", code: "4000 Normal Hangup",
		},
		{
			name: "the object says otherwise", value: `{"HangupCauseCode":3010,"Direction":"outbound",` + object + `}`,
			outcome: "enriched", fault: "platform", class: "never", retryable: "no", direction: "outbound", code: "3010 Engaged", withObject: true,
		},
		{
			name: "the object says little", value: `{"HangupCauseCode":1,"hangup":{"code":3010,"catalog":"c@1+00000000"}}`,
			outcome: "enriched", fault: "destination", class: "long_delay", retryable: "no", direction: "unknown", code: "3010 Busy Line", withObject: true,
		},
		{
			name: "the object says little of a code that nobody knows", value: `{"hangup":{"code":7777,"catalog":"c@1+00000000"}}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "7777 unknown_code", withObject: true,
		},
		{
			name: "the object has a known code that this catalog does not have", value: `{"hangup":{"code":7777,"known":true,"catalog":"c@1+00000000"}}`,
			outcome: "enriched", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", code: "7777 ", withObject: true,
		},
		{
			name: "the object has no code", value: `{"hangup":{"known":false,"reason":"bad_code","code_raw":"x","catalog":"c@1+00000000"}}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "x bad_code", withObject: true,
		},
		{
			name: "the object has a code that is none", value: `{"hangup":{"known":true,"code":15555550100,"catalog":"c@1+00000000"}}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "15*******00 unknown_code", withObject: true,
		},
		{
			name: "an object of somebody else", value: `{"HangupCauseCode":3010,"hangup":{"code":1}}`,
			outcome: "enriched", fault: "destination", class: "long_delay", retryable: "no", direction: "unknown", code: "3010 Busy Line",
		},
		{
			name: "raw, unknown code", value: `{"HangupCauseCode":7777}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "7777 unknown_code",
		},
		{
			name: "raw, a number where the code should be", value: `{"HangupCauseCode":"15555550100"}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "15*******00 bad_code",
		},
		{
			name: "raw, a short one that is in range", value: `{"HangupCauseCode":2025550123}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "20******23 unknown_code",
		},
		{
			name: "raw, unknown name", value: `{"HangupCause":"ODD"}`,
			outcome: "unknown_code", fault: "unknown", class: "unknown", retryable: "no", direction: "unknown", unknown: "ODD unknown_name",
		},
		{name: "no code", value: `{"Event":"Ring","Direction":"inbound"}`, outcome: "no_code", direction: "inbound"},
		{name: "malformed", value: `{`, outcome: "malformed"},
		{name: "tombstone", value: ``, outcome: "tombstone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCounter(t)
			rec := &enrich.Record{TimestampMS: 1_000}

			if tt.value != "" {
				rec.Value = []byte(tt.value)
			}

			c.Add(rec)

			rep := c.Report()
			one := func(name string) map[string]int64 {
				if name == "" {
					return map[string]int64{}
				}

				return map[string]int64{name: 1}
			}

			require.Equal(t, one(tt.outcome), names(rep.Outcomes))
			require.Equal(t, one(tt.fault), names(rep.Faults))
			require.Equal(t, one(tt.class), names(rep.Classes))
			require.Equal(t, one(tt.retryable), names(rep.Retryable))
			require.Equal(t, one(tt.direction), names(rep.Directions))
			require.EqualValues(t, 1, rep.WithObject+rep.EnrichedHere+rep.WithoutCause)
			require.Equal(t, tt.withObject, rep.WithObject == 1)
			require.Equal(t, tt.withObject, names(rep.Catalogs)["c@1+00000000"] == 1)

			var codes, unknown []string
			for _, code := range rep.Codes {
				codes = append(codes, fmt.Sprintf("%d %s", code.Code, code.Name))
			}

			for _, u := range rep.Unknown {
				unknown = append(unknown, u.Text+" "+u.Reason)
			}

			require.Equal(t, tt.code, strings.Join(codes, ", "))
			require.Equal(t, tt.unknown, strings.Join(unknown, ", "))
		})
	}
}

// However many events: they add up, whichever way they are divided.
func TestCounterAddsUp(t *testing.T) {
	rep := busyDay(t)
	require.EqualValues(t, 20_000, rep.Events)

	sum := func(counts []traffic.Count) (n int64) {
		for _, c := range counts {
			n += c.Events
			require.InDelta(t, float64(c.Events)/float64(rep.Events), c.Share, 1e-9)
		}

		return n
	}

	outcomes := names(rep.Outcomes)
	withCause := outcomes["enriched"] + outcomes["unknown_code"]
	require.Len(t, outcomes, enrich.NumOutcomes, "the events have them all")
	require.Equal(t, rep.Events, sum(rep.Outcomes))
	require.Equal(t, withCause, sum(rep.Faults))
	require.Equal(t, withCause, sum(rep.Classes))
	require.Equal(t, withCause, sum(rep.Retryable))
	require.Equal(t, outcomes["malformed"], sum(rep.Malformed))
	require.Equal(t, withCause+outcomes["no_code"], sum(rep.Directions))

	var codes, unknown int64
	for _, c := range rep.Codes {
		codes += c.Events
	}

	for _, u := range rep.Unknown {
		unknown += u.Events
	}

	require.Equal(t, outcomes["enriched"], codes)
	require.Equal(t, outcomes["unknown_code"], unknown+rep.MoreUnknown)
	require.LessOrEqual(t, len(rep.Buckets), 120)
}

// An event counts the same raw and enriched, but for what it is counted as.
func TestCounterTakesEnrichedEventsLikeRawOnes(t *testing.T) {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)

	raw, enriched := newCounter(t), newCounter(t)
	gen := eventgen.New(7, catalog.Default().Entries())

	var res enrich.Result

	for range 5_000 {
		ev := gen.Next()
		rec := &enrich.Record{Key: ev.Key, Value: ev.Value, TimestampMS: 1_700_000_000_000}
		raw.Add(rec)

		e.Enrich(rec, &res)

		if res.Outcome != enrich.Malformed && res.Outcome != enrich.Tombstone {
			rec = &enrich.Record{Key: rec.Key, Value: res.AppendValue(nil), TimestampMS: rec.TimestampMS}
		}

		enriched.Add(rec)
	}

	a, b := raw.Report(), enriched.Report()
	require.Equal(t, a.EnrichedHere, b.WithObject)
	require.Zero(t, a.WithObject)
	require.Zero(t, b.EnrichedHere)

	b.WithObject, b.EnrichedHere, b.Catalogs = a.WithObject, a.EnrichedHere, a.Catalogs
	require.Equal(t, a, b)
}

// A topic full of nonsense does not fill the memory.
func TestCounterIsBounded(t *testing.T) {
	c := newCounter(t)

	const n = 3_000

	for i := range n {
		c.Add(&enrich.Record{TimestampMS: int64(i) * 86_400_000_000, Value: fmt.Appendf(nil, `{"HangupCause":"odd %c%c%c"}`, 'a'+i%26, 'a'+i/26%26, 'a'+i/676)})
		c.Add(&enrich.Record{TimestampMS: int64(i), Value: fmt.Appendf(nil,
			`{"hangup":{"known":true,"code":%d,"name":"%s","fault":"f%d","retry":{"class":"c%d"},"catalog":"k%d"}}`, i, strings.Repeat("x", 10_000), i, i, i)})
	}

	rep := c.Report()
	require.Len(t, rep.Codes, 1000)
	require.EqualValues(t, n-1000, rep.MoreCodes)
	require.Len(t, rep.Unknown, 100)
	require.EqualValues(t, n-100, rep.MoreUnknown)
	require.LessOrEqual(t, len(rep.Faults), 65)
	require.LessOrEqual(t, len(rep.Catalogs), 65)
	require.LessOrEqual(t, len(rep.Buckets), 120)

	text, err := json.Marshal(rep)
	require.NoError(t, err)
	require.Less(t, len(text), 400_000)
}

// Of an event only the words that are counted are kept: not its bytes, of which they are a part, nor those of the last that had
// the same word.
func TestCounterKeepsNoEvents(t *testing.T) {
	const (
		words = 60
		large = 128 << 10
		most  = 3 << 20 // all of the events are more than twice as much
	)

	long := strings.Repeat("x", large)
	object := func(members string) string { return `{"hangup":{` + members + `,"pad":"` + long + `"}}` }

	for name, event := range map[string]func(n int, word string) string{
		"name": func(n int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":%d,"name":"%s","catalog":"k"`, n, word))
		},
		"fault": func(n int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":%d,"fault":"%s","catalog":"k"`, n, word))
		},
		"class": func(n int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":%d,"retry":{"class":"%s"},"catalog":"k"`, n, word))
		},
		"fault of one code": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":1,"fault":"%s","catalog":"k"`, word))
		},
		"class of one code": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":1,"retry":{"class":"%s"},"catalog":"k"`, word))
		},
		"catalog": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":1,"catalog":"%s"`, word))
		},
		"unknown text": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":false,"code_raw":"%s","catalog":"k"`, word))
		},
		"unknown reason": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":false,"reason":"%s","catalog":"k"`, word))
		},
		"unknown name in a raw event": func(_ int, word string) string {
			return fmt.Sprintf(`{"HangupCause":"%s","pad":"%s"}`, word, long)
		},
		"sample with a large key": func(_ int, word string) string {
			return fmt.Sprintf(`{"HangupCause":"%s","%s":1}`, word, long)
		},
		"large words": func(_ int, word string) string {
			return object(fmt.Sprintf(`"known":true,"code":1,"fault":"%s%s","catalog":"k"`, word, long))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t)
			before := heap()

			for range 2 {
				for n := range words {
					c.Add(&enrich.Record{TimestampMS: 1, Value: []byte(event(n, fmt.Sprintf("word %c%c", 'a'+n%26, 'a'+n/26)))})
				}
			}

			c.Add(&enrich.Record{TimestampMS: 1, Value: []byte(`{}`)}) // what was found last is kept until the next
			require.Less(t, heap()-before, int64(most))
			require.EqualValues(t, 2*words+1, c.Report().Events)
		})
	}
}

func heap() int64 {
	var m runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&m)

	return int64(m.HeapAlloc)
}

func TestCounterWithoutTimestamps(t *testing.T) {
	c := newCounter(t)
	c.Add(&enrich.Record{TimestampMS: -1, Value: []byte(`{}`)})
	c.Add(&enrich.Record{TimestampMS: 0, Value: []byte(`{}`)})
	c.Add(&enrich.Record{TimestampMS: time.Now().UnixMicro(), Value: []byte(`{}`)})

	rep := c.Report()
	require.EqualValues(t, 3, rep.Events)
	require.Nil(t, rep.First)
	require.Empty(t, rep.Buckets)

	c.Add(&enrich.Record{TimestampMS: 2_000, Value: []byte(`{}`)})
	c.Add(&enrich.Record{TimestampMS: 1_000, Value: []byte(`{}`)})

	rep = c.Report()
	require.Equal(t, time.UnixMilli(1_000).UTC(), *rep.First)
	require.Equal(t, time.UnixMilli(2_000).UTC(), *rep.Last)
	require.Len(t, rep.Buckets, 2)
}

func TestReportOfNothingHasNoNulls(t *testing.T) {
	text, err := json.Marshal(newCounter(t).Report())
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(text), "null"), "since, until, first, last: %s", text)
}
