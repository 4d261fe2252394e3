package micro_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bytedance/sonic"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// code is where the code stands in a callback and in a call-detail record.
const (
	callbackCode = "HangupCauseCode"
	recordCode   = "hangup_cause_code"
)

// poolBytes is about how much of a kind is gone through: the processor's branch prediction
// learns a few events by heart.
const poolBytes = 1 << 20

// sample collects sound JSON events of a kind. padded says how long each is made by a
// member of white space and text behind the others; 0 leaves them as they are.
func sample(b *testing.B, kind eventgen.Kind, path string, padded int) [][]byte {
	b.Helper()

	g := eventgen.New(1, catalog.Default().Entries())

	var out [][]byte

	for size := 0; size < poolBytes; {
		ev := g.Next()
		if ev.Kind != kind || len(ev.Value) == 0 || ev.Value[0] != '{' || path != "" && !gjson.GetBytes(ev.Value, path).Exists() {
			continue
		}

		value := append([]byte(nil), ev.Value...)
		if missing := padded - len(value); missing > 0 {
			value = append(value[:len(value)-1], `,"speech":"`...)
			value = append(value, strings.Repeat("ten or more words ", missing/18+1)[:missing]...)
			value = append(value, `"}`...)
		}

		size += len(value)
		out = append(out, value)
	}

	return out
}

// few is what the enricher wants of a callback, for sonic to decode.
type few struct {
	HangupCauseCode string
	HangupCauseName string
	Direction       string
	AnswerTime      string
	BillDuration    string
	CallStatus      string
	CallUUID        string
	ALegUUID        string
	Event           string
}

// way is one of several ways to take an event.
type way struct {
	name string
	take func(event []byte) bool
}

// BenchmarkSonic takes the same events through Enrich, which checks them, reads them and
// writes the object, and through parts of that work by others: Valid (which takes control
// bytes in strings and broken UTF-8, see TestSonicIsLessStrict), Get of the code alone
// (which does not look at what stands behind it), and Unmarshal of the fields that advice
// needs (which is not asked for an object).
//
// ns/op and MB/s are Enrich's, the other figures how often Enrich's time is that of the
// other: below 1, Enrich is faster. sonic runs its own machine code on amd64 and arm64 (v1.15.5: up
// to Go 1.27); elsewhere it is encoding/json under another name.
func BenchmarkSonic(b *testing.B) {
	valid := []way{{"sonic.Valid", sonic.Valid}, {"gjson.ValidBytes", gjson.ValidBytes}, {"json.Valid", json.Valid}}
	unmarshal := way{"sonic.Unmarshal", func(p []byte) bool {
		var f few

		return sonic.Unmarshal(p, &f) == nil
	}}
	get := func(path string) way {
		return way{"sonic.Get", func(p []byte) bool {
			n, err := sonic.Get(p, path)

			return err == nil && n.Exists()
		}}
	}

	for _, in := range []struct {
		name   string
		values [][]byte
		ways   []way
	}{
		{"hangup", sample(b, eventgen.Hangup, callbackCode, 0), []way{get(callbackCode), unmarshal}},
		{"record", sample(b, eventgen.Hangup, recordCode, 0), []way{get(recordCode)}},
		{"progress", sample(b, eventgen.Progress, "", 0), []way{unmarshal}},
		{"hangup_2k", sample(b, eventgen.Hangup, callbackCode, 2_000), []way{get(callbackCode), unmarshal}},
		{"hangup_10k", sample(b, eventgen.Hangup, callbackCode, 10_000), []way{get(callbackCode), unmarshal}},
	} {
		b.Run(in.name, func(b *testing.B) {
			sideBySide(b, in.values, append(append([]way{enrichment(b)}, valid...), in.ways...))
		})
	}
}

func enrichment(b *testing.B) way {
	b.Helper()

	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(b, err)

	rec, res := enrich.Record{TimestampMS: 1_795_514_400_000}, enrich.Result{}

	return way{"", func(p []byte) bool {
		rec.Value = p
		e.Enrich(&rec, &res)

		return res.Outcome != enrich.Malformed
	}}
}

// sideBySide lets several ways take the same events in short turns, one after the other,
// and compares the medians of the turns: what else the machine does meanwhile then hits a
// few turns, and not a figure.
func sideBySide(b *testing.B, events [][]byte, ways []way) {
	b.Helper()

	const perTurn = 64

	var size int

	for _, e := range events {
		size += len(e)
	}

	turns := make([][]float64, len(ways))
	at := 0

	for n := 0; b.Loop(); n++ {
		for w := range ways {
			w = (w + n) % len(ways) // who comes first finds the events cold
			start := time.Now()

			for i := range perTurn {
				if !ways[w].take(events[(at+i)%len(events)]) {
					b.Fatal(ways[w].name, "refused an event")
				}
			}

			turns[w] = append(turns[w], float64(time.Since(start)))
		}

		at = (at + perTurn) % len(events)
	}

	own := median(turns[0])
	b.ReportMetric(own/perTurn, "ns/op")
	b.ReportMetric(float64(size)/float64(len(events))*perTurn/own*1e3, "MB/s")

	for w := 1; w < len(ways); w++ {
		b.ReportMetric(own/median(turns[w]), "of-"+ways[w].name)
	}
}

func median(x []float64) float64 {
	slices.Sort(x)

	return x[len(x)/2]
}

// TestSonicIsLessStrict says what the comparison with sonic.Valid leaves out. Should
// sonic begin to refuse these, the comparison has become a fairer one: say so there.
func TestSonicIsLessStrict(t *testing.T) {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(t, err)

	for name, text := range map[string]string{
		"control byte in a string": "{\"a\":\"\x01\"}",
		"broken UTF-8":             "{\"a\":\"\xff\"}",
	} {
		var res enrich.Result
		e.Enrich(&enrich.Record{Value: []byte(text)}, &res)
		require.Equal(t, enrich.Malformed, res.Outcome, name)
		require.True(t, sonic.Valid([]byte(text)), name)
	}
}
