package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// poolBytes is how much of each kind of text is gone through: a processor learns a single
// text by heart.
const poolBytes = 1 << 20

// BenchmarkScan is the scan alone, keys and UTF-8 included.
func BenchmarkScan(b *testing.B) {
	scan := scanning(b)

	for _, in := range texts(b) {
		b.Run(in.name, func(b *testing.B) {
			b.SetBytes(meanSize(in.pool))
			b.ReportAllocs()

			for i := 0; b.Loop(); {
				if !scan(in.pool[i]) {
					b.Fatal("refused")
				}

				if i++; i == len(in.pool) {
					i = 0
				}
			}
		})
	}
}

// BenchmarkBeside compares the scan with checks of the grammar alone. They take the same
// texts in short turns, one after the other, and the medians of the turns are compared, so
// that a busy machine moves the figures less. ns/op and MB/s are the scan's, the other
// figures how often its time is that of the other: below 1, the scan is faster.
func BenchmarkBeside(b *testing.B) {
	for _, in := range texts(b) {
		b.Run(in.name, func(b *testing.B) { beside(b, in.pool) })
	}
}

func beside(b *testing.B, pool [][]byte) {
	b.Helper()

	const perTurn = 64

	names := [...]string{"", "gjson.ValidBytes", "json.Valid"}
	checks := [...]func([]byte) bool{scanning(b), gjson.ValidBytes, json.Valid}

	var turns [len(checks)][]float64

	at := 0

	for n := 0; b.Loop(); n++ {
		for w := range checks {
			w = (w + n) % len(checks) // who comes first finds the texts cold
			start := time.Now()

			for i := range perTurn {
				if !checks[w](pool[(at+i)%len(pool)]) {
					b.Fatal("refused")
				}
			}

			turns[w] = append(turns[w], float64(time.Since(start)))
		}

		at = (at + perTurn) % len(pool)
	}

	own := median(turns[0])
	b.ReportMetric(own/perTurn, "ns/op")
	b.ReportMetric(float64(meanSize(pool))*perTurn/own*1e3, "MB/s")

	for w := 1; w < len(checks); w++ {
		b.ReportMetric(own/median(turns[w]), "of-"+names[w])
	}
}

func scanning(b *testing.B) func([]byte) bool {
	b.Helper()

	k, err := jsonscan.NewKeys([]string{
		"hangup", "HangupCauseCode", "hangup_cause_code", "HangupCause", "hangup_cause", "HangupCauseName", "hangup_cause_name",
		"Direction", "call_direction", "AnswerTime", "answer_time", "BillDuration", "bill_duration", "billed_duration",
		"CallStatus", "call_state", "CallUUID", "call_uuid", "ALegUUID", "parent_call_uuid", "ParentCallUUID",
		"hangup_attempt", "attempt", "Event", "EventName", "event", "trunk_domain", "transport_protocol", "termination_cause_code",
	})
	require.NoError(b, err)

	d := new(jsonscan.Doc)

	return func(p []byte) bool { return k.Scan(p, 10_000, d) == jsonscan.OK }
}

type textKind struct {
	name string
	pool [][]byte
}

// texts are made from generated events, which differ in members and lengths.
func texts(b *testing.B) []textKind {
	b.Helper()

	var events [][]byte

	g := eventgen.New(1, catalog.Default().Entries())
	for size := 0; size < poolBytes; {
		if ev := g.Next(); (ev.Kind == eventgen.Hangup || ev.Kind == eventgen.Progress) && ev.Value[0] == '{' {
			size += len(ev.Value)
			events = append(events, bytes.Clone(ev.Value))
		}
	}

	return []textKind{
		{"compact", events},
		{"pretty", each(events, func(p []byte) []byte {
			var out bytes.Buffer

			require.NoError(b, json.Indent(&out, p, "", "  "))

			return out.Bytes()
		})},
		{"escapes", each(events, func(p []byte) []byte {
			return bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("e"), []byte(`\u0065é`)), []byte("-"), []byte(`\n`))
		})},
		{"nested", each(events, func(p []byte) []byte {
			return slices.Concat([]byte(`{"x":[`), bytes.Repeat(slices.Concat(p, []byte{','}), 7), []byte(`1.5e3],"y":`), p, []byte{'}'})
		})},
		{"numbers", each(events, func(p []byte) []byte {
			return slices.Concat(p[:len(p)-1], []byte(`,"x":[`), bytes.Repeat([]byte("0,-12,3.25,1e9,true,null,"), len(p)/20), []byte("7]}"))
		})},
		{"text", each(events, func(p []byte) []byte {
			return slices.Concat(p[:len(p)-1], []byte(`,"x":"`), bytes.Repeat([]byte("ten or more words "), 500), []byte(`"}`))
		})},
		{"short", each(events, func(p []byte) []byte {
			return slices.Concat([]byte(`{"HangupCauseCode":"`), []byte("3010-x7y")[:1+len(p)%8], []byte(`"}`))
		})},
	}
}

// each makes texts of events, about poolBytes of them.
func each(events [][]byte, f func([]byte) []byte) [][]byte {
	var out [][]byte

	size := 0
	for _, e := range events {
		text := f(e)

		if out = append(out, text); size+len(text) > poolBytes {
			break
		}

		size += len(text)
	}

	return out
}

func meanSize(pool [][]byte) int64 {
	sum := 0
	for _, p := range pool {
		sum += len(p)
	}

	return int64(sum / len(pool))
}

func median(x []float64) float64 {
	slices.Sort(x)

	return x[len(x)/2]
}
