package login_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/login"
)

// awsFiles sets the environment of AWS programs to shared files of the test's own, which are not there yet.
func awsFiles(t *testing.T) (configFile, credentialsFile string) {
	t.Helper()
	dir := t.TempDir()
	configFile, credentialsFile = filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	for _, key := range []string{"AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE"} {
		t.Setenv(key, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", configFile)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", credentialsFile)
	return configFile, credentialsFile
}

func awsBroker() *fakeBroker {
	return &fakeBroker{mechanism: "AWS_MSK_IAM", check: func(string) (string, string) { return "", "" }}
}

func writeKeys(t *testing.T, file, profile, key string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "[%s]\naws_access_key_id = %s\naws_secret_access_key = hunter2\n", profile, key), 0o600))
}

// signers are the keys that the logins were signed with.
func signers(t *testing.T, b *fakeBroker) []string {
	t.Helper()
	var keys []string
	for _, text := range b.seen() {
		var said map[string]string
		require.NoError(t, json.Unmarshal([]byte(text), &said))
		key, _, _ := strings.Cut(said["x-amz-credential"], "/")
		keys = append(keys, key)
	}
	return keys
}

func dialAWS(t *testing.T, d *login.Dialer, address string) {
	t.Helper()
	c, err := d.DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func newAWS(t *testing.T) *login.Dialer {
	t.Helper()
	d, err := login.New(config.Kafka{SASL: config.SASL{Mechanism: config.AWSMSKIAM, AWSRegion: "eu-central-1"}})
	require.NoError(t, err)
	return d
}

// Keys that are exchanged in the shared files are taken up by the next login.
func TestAWSKeysAreReadAgain(t *testing.T) {
	_, credentials := awsFiles(t)
	b := awsBroker()
	address, d := b.start(t, nil), newAWS(t)
	for _, key := range []string{"FIRST", "OTHER", "OTHER"} { // of one length, and within one tick of many a clock
		writeKeys(t, credentials, "default", key)
		dialAWS(t, d, address)
	}
	require.Equal(t, []string{"FIRST", "OTHER", "OTHER"}, signers(t, b))
}

// sts gives out the role's keys ROLE1, ROLE2 and so on.
func sts(t *testing.T) (given *atomic.Int32) {
	t.Helper()
	given = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		action := r.FormValue("Action")
		_, _ = fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>ROLE%[2]d</AccessKeyId>`+
			`<SecretAccessKey>hunter2</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
			action, given.Add(1), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL)
	return given
}

// A role is asked for once and not for each connection, and again when its keys are refused.
func TestAWSWebIdentity(t *testing.T) {
	awsFiles(t)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", secretFile(t, "token"))
	given := sts(t)
	var revoked atomic.Bool
	b := &fakeBroker{mechanism: "AWS_MSK_IAM", check: func(text string) (string, string) {
		if revoked.Load() && strings.Contains(text, "ROLE1") {
			return "", "Access denied"
		}
		return "", ""
	}}
	address, d := b.start(t, nil), newAWS(t)
	clock := login.Clock(d)
	for range 3 {
		dialAWS(t, d, address)
	}
	require.EqualValues(t, 1, given.Load())

	revoked.Store(true)
	_, err := d.DialContext(t.Context(), "tcp", address)
	require.True(t, login.Refused(err), "%v", err)
	clock.Add(int64(time.Second))
	for range 3 {
		dialAWS(t, d, address)
	}
	require.EqualValues(t, 2, given.Load())
	require.Equal(t, []string{"ROLE1", "ROLE1", "ROLE1", "ROLE1", "ROLE2", "ROLE2", "ROLE2"}, signers(t, b))
}

// A role that is had for keys is asked for again when these are exchanged: the old ones may not get it any more.
func TestAWSRoleOfKeys(t *testing.T) {
	configFile, credentials := awsFiles(t)
	require.NoError(t, os.WriteFile(configFile, []byte("[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n"), 0o600))
	given := sts(t)
	b := awsBroker()
	address, d := b.start(t, nil), newAWS(t)
	for i, key := range []string{"BASE1", "BASE2"} {
		writeKeys(t, credentials, "base", key)
		for range 2 {
			dialAWS(t, d, address)
			require.EqualValues(t, i+1, given.Load())
		}
	}
	require.Equal(t, []string{"ROLE1", "ROLE1", "ROLE2", "ROLE2"}, signers(t, b))
}
