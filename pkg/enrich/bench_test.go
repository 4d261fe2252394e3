package enrich_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich"
)

func compactFile(t testing.TB, name string) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("../../testdata/events", name))
	require.NoError(t, err)

	if strings.HasSuffix(name, ".form") {
		return bytes.TrimSpace(text)
	}

	return compact(t, text)
}

func compact(t testing.TB, text []byte) []byte {
	t.Helper()

	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, text))

	return out.Bytes()
}

// inbound is an answered call to us, 683 bytes, as callbacks tell of it.
const inbound = `{"seq":12345,"ALegUUID":"11111111-2222-4333-8444-555555555555","BillRate":"0.0085",` +
	`"CallUUID":"11111111-2222-4333-8444-555555555555","Direction":"inbound","From":"15555550100","To":"15555550199",` +
	`"ParentAuthID":"MAXXXXXXXXXXXXXXXXXX","RequestUUID":"11111111-2222-4333-8444-555555555555",` +
	`"SessionStart":"2026-11-23 10:24:00.199077","STIRVerification":"Not Applicable","CallStatus":"completed","Event":"Hangup",` +
	`"Duration":"229","BillDuration":"60","AnswerTime":"2026-11-23 10:48:55","StartTime":"2026-11-23 10:39:12",` +
	`"EndTime":"2026-11-23 10:29:33","HangupCause":"NORMAL_CLEARING","HangupCauseCode":"0100","HangupCauseName":"Normal Hangup",` +
	`"HangupSource":"Callee","TotalCost":"0.00850"}`

// mixture varies lengths and which members there are: a processor learns a
// single event by heart, and then every way of reading it looks fast.
func mixture(seed uint64, events ...[]byte) [][]byte {
	const size = 2000

	r, out := rand.New(rand.NewPCG(seed, seed)), make([][]byte, size)

	for i := range out {
		text := []byte("{")

		gjson.ParseBytes(events[i%len(events)]).ForEach(func(key, value gjson.Result) bool {
			if r.IntN(8) == 0 && !strings.Contains(key.Str, "Code") && !strings.Contains(key.Str, "code") {
				return true // leave it out
			}

			if len(text) > 1 {
				text = append(text, ',')
			}

			text = append(append(text, key.Raw...), ':')

			if value.Type == gjson.String && value.Str != "" && r.IntN(3) == 0 && len(value.Str) > 4 && value.Str != "outbound" {
				text = append(text, '"')
				text = append(text, strings.Repeat("x", r.IntN(8))...)
				text = append(text, value.Raw[1:]...)
			} else {
				text = append(text, value.Raw...)
			}

			return true
		})

		out[i] = append(text, '}')
	}

	return out
}

// BenchmarkEnrich takes kinds of events through the whole of Enrich, and beside
// them only checks the grammar of the same bytes.
func BenchmarkEnrich(b *testing.B) {
	busy := compactFile(b, "callbacks/03_hangup_4000_callee.json")

	e := newEnricher(b)

	retryable := bytes.Replace(compactFile(b, "callbacks/04_hangup_3010_busy_unanswered.json"), []byte(`"3010"`), []byte(`"100"`), 1)
	ring := compactFile(b, "callbacks/01_ring_outbound.json")

	for _, in := range []struct {
		name   string
		values [][]byte
	}{
		{"inbound683", [][]byte{[]byte(inbound)}},
		{"inbound_mixed", mixture(1, []byte(inbound))},
		{"all_mixed", mixture(2, []byte(inbound), retryable, ring)},
		{"answered", [][]byte{bytes.Replace(busy, []byte(`"4000"`), []byte(`"10"`), 1)}},
		{"retryable", [][]byte{retryable}},
		{"unknown", [][]byte{busy}},
		{"ring", [][]byte{ring}},
		{"record", [][]byte{bytes.Replace(compactFile(b, "records/voice_outbound_busy.json"), []byte(`3010`), []byte(`100`), 1)}},
		{"form", [][]byte{compactFile(b, "callbacks/04_hangup_3010_busy_unanswered.form")}},
	} {
		rec, res := enrich.Record{TimestampMS: fixedMS}, enrich.Result{}

		for _, way := range []struct {
			name string
			take func(value []byte) bool
		}{
			{"Enrich", func(value []byte) bool {
				rec.Value = value
				e.Enrich(&rec, &res)

				return res.Outcome != enrich.Malformed
			}},
			{"gjson.ValidBytes", gjson.ValidBytes},
			{"json.Valid", json.Valid},
		} {
			if in.name == "form" && way.name != "Enrich" {
				continue
			}

			b.Run(in.name+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()

				for i := 0; b.Loop(); i++ {
					if !way.take(in.values[i%len(in.values)]) {
						b.Fatal("malformed")
					}
				}
			})
		}
	}
}
