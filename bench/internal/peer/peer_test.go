package peer_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/peer"
)

func TestParse(t *testing.T) {
	all := []string{"-brokers", "a:1,b:2", "-in", "i", "-out", "o", "-dead", "d", "-group", "g", "-table", "t"}
	f, err := peer.Parse("p", append(all, "-compression", "zstd", "-delivery", "exactly_once"))
	require.NoError(t, err)
	require.Equal(t, peer.Flags{
		Brokers: []string{"a:1", "b:2"}, In: "i", Out: "o", Dead: "d", Group: "g", Table: "t",
		Compression: "zstd", Delivery: peer.ExactlyOnce,
	}, f)
	for name, more := range map[string][]string{
		"compression": {"-compression", "brotli"},
		"delivery":    {"-delivery", "twice"},
		"missing":     {"-in", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := peer.Parse("p", append(all, more...))
			require.ErrorContains(t, err, more[0])
		})
	}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"field":"hangup","header":"hangup-code","codes":{"3010":{"code":3010}}}`), 0o600))
	table, err := peer.Load(path)
	require.NoError(t, err)
	require.Equal(t, "hangup-code", table.Header)
	s := table.Codes["3010"]
	require.Equal(t, "3010", string(s.Code))
	require.Equal(t, `x{"a":{},"hangup":{"code":3010}}`, string(s.Append([]byte("x"), []byte(`{"a":{}}`))))
	require.Equal(t, "{\"a\":1 ,\"hangup\":{\"code\":3010}} \n", string(s.Append(nil, []byte("{\"a\":1 } \n"))))
}

func TestTableBroken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table.json")
	_, err := peer.Load(path)
	require.ErrorContains(t, err, "read table")
	for name, text := range map[string]string{"no JSON": `{`, "incomplete": `{"field":"hangup"}`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := peer.Load(path)
		require.ErrorContains(t, err, path, name)
	}
}

func TestFirst(t *testing.T) {
	var out bytes.Buffer
	first := peer.First(&out)
	first()
	first()
	require.Equal(t, "first\n", out.String())
}
