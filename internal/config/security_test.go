package config_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	yaml "github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callstream/enricher/internal/config"
)

// parseIn parses with a folder that relative paths start from.
func parseIn(t *testing.T, dir, kafka string) (*config.Config, error) {
	t.Helper()

	src := source()
	src.Dir = dir
	src.File = func(name string) ([]byte, error) {
		if name == "secret" {
			return []byte("hunter2\n"), nil
		}

		return nil, fs.ErrNotExist
	}

	return config.Parse("f", []byte("kafka:\n  brokers: [k:9092]\n"+kafka+"input: {topics: [in], group: g}\noutput: {topic: out}\n"), src)
}

func TestSecurity(t *testing.T) {
	t.Parallel()

	c, err := parseIn(t, "/etc/enricher", `
  tls: {enabled: true, ca_file: ca.pem, cert_file: /abs/cert.pem, key_file: key.pem, server_name: kafka.example}
  sasl: {mechanism: scram-sha-512, username: u, password: "${file:secret}"}
`)
	require.NoError(t, err)
	require.Equal(t, config.TLS{
		Enabled: true, CAFile: "/etc/enricher/ca.pem", CertFile: "/abs/cert.pem", KeyFile: "/etc/enricher/key.pem", ServerName: "kafka.example",
	}, c.Kafka.TLS)
	require.Equal(t, config.Secret("hunter2"), c.Kafka.SASL.Password)

	c, err = parseIn(t, "/etc/enricher", `
  sasl:
    mechanism: oauthbearer
    oauth: {token_url: "http://[::1]:80/token", client_id: c, client_secret_file: s, scopes: [a, b]}
`)
	require.NoError(t, err)
	require.Equal(t, "/etc/enricher/s", c.Kafka.SASL.OAuth.ClientSecretFile)

	for _, kafka := range []string{
		"  sasl: {mechanism: oauthbearer, token_file: t}\n",
		"  sasl: {mechanism: plain, username: u, password_file: p}\n",
		"  sasl: {mechanism: none}\n",
		"  tls: {enabled: true}\n  sasl: {mechanism: aws-msk-iam, aws_region: r}\n",
	} {
		_, err = parseIn(t, "", kafka)
		require.NoError(t, err, kafka)
	}
}

// A secret is not printed, whoever prints what it is in; neither is one that was set in code.
func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()

	c := config.Default()
	c.Kafka.SASL.Password, c.Kafka.SASL.OAuth.ClientSecret = "hunter2", "hunter2"
	text, err := c.YAML()
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), `"***"`))

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		printed := fmt.Sprintf(verb, c.Kafka.SASL)
		require.NotContains(t, printed, "hunter2", verb)
		require.Contains(t, printed, "***", verb)
	}

	core, logs := observer.New(zap.InfoLevel)
	zap.New(core).Info("", zap.Any("section", c.Kafka.SASL), zap.Any("itself", c.Kafka.SASL.Password))

	line, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{}).EncodeEntry(zapcore.Entry{}, logs.All()[0].Context)
	require.NoError(t, err)

	encoded, err := json.Marshal([]any{c.Kafka})
	require.NoError(t, err)

	asYAML, err := yaml.Marshal(c.Kafka)
	require.NoError(t, err)

	for name, text := range map[string]string{"zap": line.String(), "JSON": string(encoded), "YAML": string(asYAML)} {
		require.NotContains(t, text, "hunter2", name)
		require.Contains(t, text, "***", name)
	}

	require.Empty(t, config.Secret("").String(), "that there is none is no secret")
}

// What is wrong with a secret is said without it.
func TestMistakesDoNotQuoteSecrets(t *testing.T) {
	t.Parallel()

	const literal = "is a secret, which does not belong into the file itself"

	for text, want := range map[string]string{
		`'hunter${2secret'`:       "no closing }; write $${ for a literal ${",
		`'x${hunter2 secret}'`:    "cannot fill in: ${…} is neither ${VAR}, ${VAR:-default} nor ${file:PATH}",
		`'${hunter2:}'`:           "cannot fill in: ${…} is neither",
		`'${NOT_THERE}'`:          "cannot fill in: NOT_THERE: environment variable is not set; set it",
		`hunter2`:                 literal,
		`27182818`:                literal,
		`1e27`:                    literal,
		`'hunter2${HOME}'`:        literal,
		`'${HOME}hunter2'`:        literal,
		`'${HOME}${HOME}'`:        literal,
		`'hunter2${file:secret}'`: literal,
		`'${HOME:-hunter2}'`:      literal,
		`'hunter2${EMPTY}'`:       literal,
		`'$${hunter2}'`:           literal,
		`"${HOME}\n"`:             literal,
		`[hunter2]`:               "found a list",
		`['x${hunter2']`:          "found a list",
		`{a: 'x${hunter2'}`:       "found a mapping",
		`{a: hunter2}`:            "found a mapping",
		`{hunter2: x}`:            "found a mapping",
		`{x: {hunter2: [y]}}`:     "found a mapping",
	} {
		for path, kafka := range map[string]string{
			"kafka.sasl.password":            "  sasl: {mechanism: plain, username: u, password: %s}\n",
			"kafka.sasl.oauth.client_secret": "  sasl: {mechanism: oauthbearer, oauth: {token_url: \"https://idp\", client_id: c, client_secret: %s}}\n",
			"ops.token":                      "ops: {token: %s}\n",
		} {
			_, err := parseIn(t, "", fmt.Sprintf(kafka, text))
			require.ErrorContains(t, err, path, text)
			require.ErrorContains(t, err, want, text)
			require.NotContains(t, err.Error(), "give a default", text)

			for _, part := range []string{"hunter", "2secret", "2718", "1e27"} {
				require.NotContains(t, err.Error(), part, path)
			}
		}
	}

	_, err := parseIn(t, "", "  client_id: 'a${b c}'\n  rack: 'd${e'\n")
	require.ErrorContains(t, err, `"${b c}" is neither`, "other values are quoted")
	require.ErrorContains(t, err, `in "${e"`)
}

// A secret may stand a level too high.
func TestMistakesDoNotQuoteWhatStandsForASectionWithSecrets(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		`hunter2`:          "a string",
		`"hunter2"`:        "a string",
		`'x${hunter2'`:     "a string",
		`'hunter2${HOME}'`: "a string",
		`2718`:             "a number",
		`[hunter2]`:        "a list",
		`['x${hunter2']`:   "a list",
	} {
		for path, file := range map[string]string{
			"kafka":            "kafka: %s",
			"kafka.sasl":       "kafka: {sasl: %s}",
			"kafka.sasl.oauth": "kafka: {sasl: {oauth: %s}}",
			"ops":              "ops: %s",
			"":                 "%s",
		} {
			_, err := config.Parse("f", fmt.Appendf(nil, file, text), source())
			require.ErrorContains(t, err, strings.TrimPrefix(path+": expected a mapping, found "+want, ": "), text)
			require.NotContains(t, err.Error(), "hunter2", path)
			require.NotContains(t, err.Error(), "2718", path)
		}
	}

	_, err := config.Parse("f", []byte("kafka: {tls: always}"), source())
	require.ErrorContains(t, err, `kafka.tls: expected a mapping, found the string "always"`, "other sections have none")
}

// What may be a password in an address that is refused is not said, also if the address is none.
func TestMistakesDoNotQuoteUsersOfAddresses(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]string{
		"https://user:hunter2@idp/token":      `"https://***@idp/token"`,
		"https://hunter2@idp/token":           `"https://***@idp/token"`,
		"http://user:hunter2@idp/token":       `"http://***@idp/token"`,
		"https://user:hunter2//x@y@idp/token": `"https://***@idp/token"`,
		"https://user:hunter2%zz@idp/token":   `"https://***@idp/token"`,
		"https:///user:hunter2@idp/token":     `"https://***@idp/token"`,
		"https:user:hunter2@idp/token":        `"***@idp/token"`,
		"user:hunter2@idp/token":              `"***@idp/token"`,
		"user:hunter2://x@idp/token":          `"***@idp/token"`,
		"ftp://user:hunter2@idp/token":        `"***@idp/token"`,
		"http://idp/token":                    `"http://idp/token"`,
		"https://%zz/token":                   `"https://%zz/token"`,
	} {
		_, err := parseIn(t, "", fmt.Sprintf("  sasl: {mechanism: oauthbearer, oauth: {token_url: %q, client_id: c, client_secret_file: s}}\n", address))
		require.ErrorContains(t, err, "kafka.sasl.oauth.token_url: "+want+" is not an https address without a user; http would show the secret", address)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// A default stands in the file, and so does a secret that is one.
func TestDefaultIsNoSecret(t *testing.T) {
	t.Parallel()

	_, err := parseIn(t, "", `  sasl: {mechanism: plain, username: u, password: "${NONE:-hunter2}"}`+"\n")
	require.ErrorContains(t, err, "kafka.sasl.password: is a secret, which does not belong into the file itself")
	require.NotContains(t, err.Error(), "hunter2")

	c, err := parseIn(t, "", `  sasl: {mechanism: plain, username: u, password: "${GROUP:-}"}`+"\n")
	require.NoError(t, err, "an empty default has nothing of a secret")
	require.Equal(t, config.Secret("from-env"), c.Kafka.SASL.Password)
}
