package micro_test

import (
	"encoding/json"
	"strings"
	"testing"

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

// poolSize is how many different events a benchmark goes through: the processor's branch
// prediction learns a few by heart.
const poolSize = 1024

// sample collects sound JSON events of a kind. padded says how long each is made by a
// member of white space and text behind the others; 0 leaves them as they are.
func sample(b *testing.B, kind eventgen.Kind, path string, padded int) [][]byte {
	b.Helper()

	g := eventgen.New(1, catalog.Default().Entries())
	out := make([][]byte, 0, poolSize)

	for len(out) < poolSize {
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

// BenchmarkSonic takes the same events through Enrich, which checks them, reads them and
// writes the object, and through parts of that work by sonic: Valid (which takes control
// bytes in strings and broken UTF-8, see TestSonicIsLessStrict), Get of the code alone
// (which does not look at what stands behind it), and Unmarshal of the fields that advice
// needs (which is neither asked for the rest's grammar nor for an object).
func BenchmarkSonic(b *testing.B) {
	e, err := enrich.New(catalog.Default(), enrich.DefaultOptions())
	require.NoError(b, err)

	rec, res := enrich.Record{TimestampMS: 1_795_514_400_000}, enrich.Result{}
	all := map[string]func([]byte) bool{
		"Enrich": func(p []byte) bool {
			rec.Value = p
			e.Enrich(&rec, &res)

			return res.Outcome != enrich.Malformed
		},
		"gjson.ValidBytes": gjson.ValidBytes,
		"json.Valid":       json.Valid,
		"sonic.Valid":      sonic.Valid,
		"sonic.Get": func(p []byte) bool {
			n, err := sonic.Get(p, callbackCode)

			return err == nil && n.Exists()
		},
		"sonic.Get/record": func(p []byte) bool {
			n, err := sonic.Get(p, recordCode)

			return err == nil && n.Exists()
		},
		"sonic.Unmarshal": func(p []byte) bool {
			var f few

			return sonic.Unmarshal(p, &f) == nil
		},
	}

	for _, in := range []struct {
		name   string
		values [][]byte
		ways   []string
	}{
		{"hangup", sample(b, eventgen.Hangup, callbackCode, 0), []string{"sonic.Get", "sonic.Unmarshal"}},
		{"record", sample(b, eventgen.Hangup, recordCode, 0), []string{"sonic.Get/record"}},
		{"progress", sample(b, eventgen.Progress, "", 0), []string{"sonic.Unmarshal"}},
		{"hangup_2k", sample(b, eventgen.Hangup, callbackCode, 2_000), []string{"sonic.Get", "sonic.Unmarshal"}},
		{"hangup_10k", sample(b, eventgen.Hangup, callbackCode, 10_000), []string{"sonic.Get", "sonic.Unmarshal"}},
	} {
		var bytes int64
		for _, v := range in.values {
			bytes += int64(len(v))
		}

		for _, way := range append([]string{"Enrich", "gjson.ValidBytes", "json.Valid", "sonic.Valid"}, in.ways...) {
			take := all[way]

			b.Run(in.name+"/"+strings.TrimSuffix(way, "/record"), func(b *testing.B) {
				b.SetBytes(bytes / poolSize)
				b.ReportAllocs()

				for i := 0; b.Loop(); i++ {
					if !take(in.values[i%poolSize]) {
						b.Fatal("refused")
					}
				}
			})
		}
	}
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
