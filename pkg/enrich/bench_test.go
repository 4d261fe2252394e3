package enrich_test

import (
	"bytes"
	"encoding/json"
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

	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, text))

	return out.Bytes()
}

// BenchmarkEnrich takes kinds of events through the whole of Enrich, and beside
// them only checks the grammar of the same bytes.
func BenchmarkEnrich(b *testing.B) {
	busy := compactFile(b, "callbacks/03_hangup_4000_callee.json")

	e := newEnricher(b)

	for _, in := range []struct {
		name  string
		value []byte
	}{
		{"hangup", bytes.Replace(busy, []byte(`"4000"`), []byte(`"10"`), 1)},
		{"retryable", bytes.Replace(compactFile(b, "callbacks/04_hangup_3010_busy_unanswered.json"), []byte(`"3010"`), []byte(`"100"`), 1)},
		{"unknown", busy},
		{"ring", compactFile(b, "callbacks/01_ring_outbound.json")},
		{"record", bytes.Replace(compactFile(b, "records/voice_outbound_busy.json"), []byte(`3010`), []byte(`100`), 1)},
		{"form", compactFile(b, "callbacks/04_hangup_3010_busy_unanswered.form")},
	} {
		b.Run(in.name+"/Enrich", func(b *testing.B) {
			rec, res := enrich.Record{Value: in.value, TimestampMS: fixedMS}, enrich.Result{}

			b.SetBytes(int64(len(in.value)))
			b.ReportAllocs()

			for b.Loop() {
				e.Enrich(&rec, &res)
			}

			require.NotEqual(b, enrich.Malformed, res.Outcome)
		})
		b.Run(in.name+"/gjson.ValidBytes", func(b *testing.B) {
			for b.Loop() {
				gjson.ValidBytes(in.value)
			}
		})
		b.Run(in.name+"/json.Valid", func(b *testing.B) {
			for b.Loop() {
				json.Valid(in.value)
			}
		})
	}
}
