package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestSampleKind(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ code, retryable, value, want string }{
		"no code":                    {"", "", `{"Event":"Ring"}`, "passed through"},
		"busy":                       {"3010", "true", `{"BillDuration":"0"}`, "to be retried"},
		"forbidden":                  {"3050", "false", `{"BillDuration":"0"}`, "not to be retried"},
		"ended":                      {"4000", "false", `{"BillDuration":"240","Duration":"203"}`, "ended normally"},
		"ended, as a record has it":  {"4000", "false", `{"bill_duration":203}`, "ended normally"},
		"rang":                       {"4000", "false", `{"CallStatus":"no-answer","BillDuration":"0","Duration":"0"}`, ""},
		"rang, as a record has it":   {"4000", "false", `{"bill_duration":0}`, ""},
		"ended, and to be tried on":  {"4000", "true", `{"BillDuration":"60"}`, "to be retried"},
		"rang, and nobody looked at": {"4000", "false", `{}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rec := &kgo.Record{Value: []byte(tc.value), Headers: []kgo.RecordHeader{{Key: "hangup-code", Value: []byte(tc.code)}}}
			if tc.retryable != "" {
				rec.Headers = append(rec.Headers, kgo.RecordHeader{Key: "hangup-retryable", Value: []byte(tc.retryable)})
			}

			require.Equal(t, tc.want, sampleKind(rec))
		})
	}
}
