package ops_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/ops"
)

// strange is a source whose texts try to be orders to a terminal.
type strange struct{ made }

const orders = "é语😀\x1b[2J\x7f\u0080\u009b2J\u009f\u061c\u200e\u200f\u202e\u2028\u2029\u2066\u2069\ufffd"

func (s strange) Status() *ops.Status {
	st := s.made.Status()
	st.Roles[0].Reason = orders
	return st
}

func (strange) Explain([]byte) ops.Explanation {
	return ops.Explanation{Data: map[string]any{"text": orders, "raw": json.RawMessage(`"` + strings.TrimPrefix(orders, "é语😀\x1b[2J") + "\x9b\"")}}
}

// Many ask by curl, and what answers is a terminal.
func TestAnswersDoNotRuleTerminals(t *testing.T) {
	s := serve(t, ops.Page{Source: strange{}})
	well := func() ops.Health { return ops.Health{State: orders} }
	health, err := ops.Listen("127.0.0.1:0", prometheus.NewRegistry(), well, well)
	require.NoError(t, err)
	run(t, health)
	const written = `"é语😀\u001b[2J\u007f\u0080\u009b2J\u009f\u061c\u200e\u200f\u202e\u2028\u2029\u2066\u2069\ufffd"`
	for name, got := range map[string]answer{
		"status":  s.get("/api/status?view=1"),
		"explain": s.post("/api/explain", "{}"),
		"catalog": s.get("/api/catalog?" + url.Values{"q": {orders}}.Encode()),
		"health":  (&site{health, t}).get("/readyz"),
	} {
		require.Contains(t, got.body, written, name)
		require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]`, got.body, name)
		require.True(t, utf8.ValidString(got.body), name)
		require.True(t, strings.HasSuffix(got.body, "}\n"), name)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.True(t, json.Valid([]byte(got.body)), name)
	}
	var same string
	require.NoError(t, json.Unmarshal([]byte(written), &same))
	require.Equal(t, orders, same)
}
