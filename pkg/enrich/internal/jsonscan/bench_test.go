package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/pkg/enrich/internal/jsonscan"
)

// BenchmarkScan compares the scan, keys and UTF-8 included, with checks of the
// grammar alone on the same bytes.
func BenchmarkScan(b *testing.B) {
	pretty, err := os.ReadFile("../../../../testdata/events/callbacks/04_hangup_3010_busy_unanswered.json")
	require.NoError(b, err)

	var compact bytes.Buffer
	require.NoError(b, json.Compact(&compact, pretty))

	nested := append([]byte(`{"x":[`), bytes.Repeat(append(compact.Bytes(), ','), 14)...)
	nested = append(nested, "1.5e3]}"...)

	k, err := jsonscan.NewKeys([]string{
		"hangup", "HangupCauseCode", "hangup_cause_code", "HangupCause", "hangup_cause", "HangupCauseName", "hangup_cause_name",
		"Direction", "call_direction", "AnswerTime", "answer_time", "BillDuration", "bill_duration", "billed_duration",
		"CallStatus", "call_state", "CallUUID", "call_uuid", "ALegUUID", "parent_call_uuid", "ParentCallUUID",
		"hangup_attempt", "attempt", "Event", "EventName", "event", "trunk_domain", "transport_protocol", "termination_cause_code",
	})
	require.NoError(b, err)

	var d jsonscan.Doc

	for _, in := range []struct {
		name string
		text []byte
	}{
		{"compact", compact.Bytes()},
		{"pretty", pretty},
		{"nested", nested},
		{"escapes", bytes.ReplaceAll(bytes.ReplaceAll(compact.Bytes(), []byte("e"), []byte(`\u0065é`)), []byte("-"), []byte(`\n`))},
	} {
		for _, way := range []struct {
			name  string
			check func(p []byte) bool
		}{
			{"scan", func(p []byte) bool { return k.Scan(p, 10_000, &d) == jsonscan.OK }},
			{"gjson.ValidBytes", gjson.ValidBytes},
			{"json.Valid", json.Valid},
		} {
			b.Run(in.name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(int64(len(in.text)))
				b.ReportAllocs()

				for b.Loop() {
					if !way.check(in.text) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
