package config_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
)

// Whatever a value holds, JSON can be read.
func TestJSONOfAnyText(t *testing.T) {
	t.Parallel()

	const strange = "\x00\a\b\v\x1b[2J\x7f\u0085\u009b\u00a0\u202e\u2028\ufeff\U000e0001\xff"

	c := config.Default()
	c.Kafka.ClientID = `é "<a&b>" \ 語😀`
	c.Kafka.Rack = "a\tb\r\n"
	c.Kafka.Brokers = []string{strange}

	text, err := c.JSON()
	require.NoError(t, err)
	require.Contains(t, string(text), `"client_id": "é \"<a&b>\" \\ 語😀"`, "ordinary text stays")
	require.Contains(t, string(text), `"rack": "a\tb\r\n"`)

	var read struct {
		Kafka struct {
			Brokers []string `json:"brokers"`
		} `json:"kafka"`
	}

	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, []string{strange[:len(strange)-1] + "\ufffd"}, read.Kafka.Brokers)
}
