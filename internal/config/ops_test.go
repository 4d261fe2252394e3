package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
)

const minimal = `kafka: {brokers: ["k:9092"]}
input: {topics: [in], group: g}
output: {topic: out}
`

func TestTokenIsNeverShown(t *testing.T) {
	const token = "correct-horse-battery-staple"

	src := source()
	src.Dir = "/etc/enricher"
	src.Env = func(string) (string, bool) { return token, true }

	cfg, err := config.Parse("f", []byte(minimal+`ops: {page: "0.0.0.0:8081", token: "${TOKEN}"}`), src)
	require.NoError(t, err)
	require.Equal(t, config.Secret(token), cfg.Ops.Token)

	inCode := config.Default()
	inCode.Ops.Token = token

	for _, c := range []*config.Config{cfg, inCode} {
		for _, show := range []func() ([]byte, error){c.YAML, c.JSON} {
			text, err := show()
			require.NoError(t, err)
			require.NotContains(t, string(text), token)
			require.Contains(t, string(text), "***")
		}

		for _, verb := range []string{"%v", "%+v", "%#v"} {
			printed := fmt.Sprintf(verb, c.Ops)
			require.NotContains(t, printed, token, verb)
			require.Contains(t, printed, "***", verb)
		}
	}

	text, err := config.Default().YAML()
	require.NoError(t, err)
	require.Contains(t, string(text), `token: ""`, "that there is none is no secret")
}

func TestBoundsOfTheToken(t *testing.T) {
	for text, good := range map[string]bool{
		strings.Repeat("x", 15):          false,
		strings.Repeat("x", 16):          true,
		strings.Repeat("~", 1024):        true,
		strings.Repeat("x", 1025):        false,
		strings.Repeat("x", 15) + " x":   false,
		strings.Repeat("x", 15) + "\x7f": false,
		strings.Repeat("é", 16):          false,
	} {
		src := source()
		src.Env = func(string) (string, bool) { return text, true }

		_, err := config.Parse("f", []byte(minimal+`ops: {token: "${TOKEN}"}`), src)
		if good {
			require.NoError(t, err, text)

			continue
		}

		require.ErrorContains(t, err, "ops.token: is not 16 to 1024 printable ASCII characters without spaces", text)
		require.NotContains(t, err.Error(), text)
	}
}

func TestPageBeyondLoopback(t *testing.T) {
	for name, ops := range map[string]string{
		"token":               `{page: "0.0.0.0:8081", token: "${file:long}"}`,
		"client certificates": `{page: ":8081", tls: {cert_file: c.pem, key_file: k.pem, client_ca_file: /ca.pem}}`,
		"both on one port":    `{listen: ":8081", page: ":8081", token: "${file:long}"}`,
		"loopback, with TLS":  `{page: "[::1]:8081", tls: {cert_file: c.pem, key_file: k.pem}}`,
		"loopback":            `{page: "localhost:8081"}`,
	} {
		t.Run(name, func(t *testing.T) {
			src := source()
			src.Dir = "/etc/enricher"
			src.File = func(string) ([]byte, error) { return []byte("0123456789abcdef"), nil }

			cfg, err := config.Parse("f", []byte(minimal+"ops: "+ops), src)
			require.NoError(t, err)

			if cfg.Ops.TLS.On() {
				require.Equal(t, "/etc/enricher/c.pem", cfg.Ops.TLS.CertFile, "beside the file")
			}

			require.NotEqual(t, "ca.pem", cfg.Ops.TLS.ClientCAFile)
		})
	}
}
