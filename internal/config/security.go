package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/callstream/enricher/internal/strictyaml"
)

// TLS says whether and how connections to brokers are encrypted. Files are read again for each
// connection, so that they can be exchanged while the program runs.
type TLS struct {
	// Enabled encrypts, with TLS 1.2 or later.
	Enabled bool `yaml:"enabled"`
	// CAFile has the authorities (PEM) whose certificates are trusted; "" stands for the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are the program's own certificate chain and its key (PEM), for brokers that ask
	// for one.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name to look for in the brokers' certificates; "" stands for the host dialled.
	ServerName string `yaml:"server_name"`
}

// SASL says how to log in.
type SASL struct {
	// Mechanism is how.
	Mechanism Mechanism `yaml:"mechanism"`
	// Username and the password are for plain and scram.
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	// PasswordFile has the password instead, and is read again at each login.
	PasswordFile string `yaml:"password_file"`
	// TokenFile has a token for oauthbearer, and is read again at each login.
	TokenFile string `yaml:"token_file"`
	// OAuth is where to get tokens instead.
	OAuth OAuth `yaml:"oauth"`
	// AWSRegion is the region of the cluster, for aws-msk-iam; "" is what the environment says.
	AWSRegion string `yaml:"aws_region"`
}

// OAuth says where tokens come from, by the client credentials grant of RFC 6749.
type OAuth struct {
	// TokenURL is the token endpoint; http only on a loopback address.
	TokenURL string `yaml:"token_url"`
	// ClientID and the secret are how the program shows who it is.
	ClientID     string `yaml:"client_id"`
	ClientSecret Secret `yaml:"client_secret"`
	// ClientSecretFile has the secret instead, and is read again for each token.
	ClientSecretFile string `yaml:"client_secret_file"`
	// Scopes are asked for.
	Scopes []string `yaml:"scopes"`
}

// Mechanism is a way to log in.
type Mechanism string

// The ways to log in.
const (
	NoLogin     Mechanism = "none"
	Plain       Mechanism = "plain"
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
	OAuthBearer Mechanism = "oauthbearer"
	AWSMSKIAM   Mechanism = "aws-msk-iam"
)

// Values lists the mechanisms.
func (Mechanism) Values() []string {
	return []string{"none", "plain", "scram-sha-256", "scram-sha-512", "oauthbearer", "aws-msk-iam"}
}

// hasPassword tells whether a user name and a password are what it wants.
func (m Mechanism) hasPassword() bool { return m == Plain || m == ScramSHA256 || m == ScramSHA512 }

// Reveals tells whether it sends what it proves by as it is: then whoever reads the network can log in.
func (m Mechanism) Reveals() bool { return m == Plain || m == OAuthBearer }

// Secret is a text that is not printed, whoever prints what it is in.
type Secret string

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}

	return masked
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the text from encoders, such as encoding/json and the logger's.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// files are the paths of files in the section.
func (k *Kafka) files() []*string {
	return []*string{
		&k.TLS.CAFile, &k.TLS.CertFile, &k.TLS.KeyFile, &k.SASL.PasswordFile, &k.SASL.TokenFile, &k.SASL.OAuth.ClientSecretFile,
	}
}

func (v *validator) tls() {
	const section = "kafka.tls."

	t := &v.c.Kafka.TLS

	for _, k := range []setting{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"server_name", t.ServerName}} {
		if k.value != "" && !t.Enabled {
			v.bad(section+k.key, "is of no use while kafka.tls.enabled is false")
		}
	}

	switch {
	case t.CertFile != "" && t.KeyFile == "":
		v.bad(section+"key_file", "is required with kafka.tls.cert_file: the certificate's private key")
	case t.CertFile == "" && t.KeyFile != "":
		v.bad(section+"cert_file", "is required with kafka.tls.key_file: the key's certificate")
	}
}

type setting struct{ key, value string }

func (v *validator) sasl() {
	s := &v.c.Kafka.SASL

	v.strangers(s)

	switch {
	case s.Mechanism.hasPassword():
		v.required("kafka.sasl.username", s.Username, "with "+string(s.Mechanism))
		v.oneOf("kafka.sasl.", setting{"password", s.Password.String()}, setting{"password_file", s.PasswordFile}, string(s.Mechanism))
	case s.Mechanism == OAuthBearer:
		v.oauth(s)
	case s.Mechanism == AWSMSKIAM && !v.c.Kafka.TLS.Enabled:
		v.bad("kafka.tls.enabled", "has to be true with aws-msk-iam: MSK takes this login on TLS listeners alone")
	}
}

// strangers are keys of another mechanism than the one chosen.
func (v *validator) strangers(s *SASL) {
	if v.isKnown("kafka.sasl.mechanism") {
		return // what was meant is not known
	}

	const byName, byToken = "plain, scram-sha-256 and scram-sha-512", "oauthbearer"

	for _, k := range []struct {
		setting

		of   string
		fits bool
	}{
		{setting{"username", s.Username}, byName, s.Mechanism.hasPassword()},
		{setting{"password", s.Password.String()}, byName, s.Mechanism.hasPassword()},
		{setting{"password_file", s.PasswordFile}, byName, s.Mechanism.hasPassword()},
		{setting{"token_file", s.TokenFile}, byToken, s.Mechanism == OAuthBearer},
		{setting{"oauth.token_url", s.OAuth.TokenURL}, byToken, s.Mechanism == OAuthBearer},
		{setting{"oauth.client_id", s.OAuth.ClientID}, byToken, s.Mechanism == OAuthBearer},
		{setting{"oauth.client_secret", s.OAuth.ClientSecret.String()}, byToken, s.Mechanism == OAuthBearer},
		{setting{"oauth.client_secret_file", s.OAuth.ClientSecretFile}, byToken, s.Mechanism == OAuthBearer},
		{setting{"oauth.scopes", strings.Join(s.OAuth.Scopes, " ")}, byToken, s.Mechanism == OAuthBearer},
		{setting{"aws_region", s.AWSRegion}, "aws-msk-iam", s.Mechanism == AWSMSKIAM},
	} {
		switch {
		case k.value == "" || k.fits:
		case s.Mechanism == NoLogin:
			v.bad("kafka.sasl."+k.key, "is of no use while kafka.sasl.mechanism is none; it is for %s", k.of)
		default:
			v.bad("kafka.sasl."+k.key, "is for %s, and kafka.sasl.mechanism is %s", k.of, s.Mechanism)
		}
	}
}

func (v *validator) oauth(s *SASL) {
	const section = "kafka.sasl.oauth."

	if s.TokenFile != "" {
		if s.OAuth.TokenURL != "" {
			v.bad("kafka.sasl.token_file", "and kafka.sasl.oauth.token_url are both given: a token has one source")
		}

		return
	}

	if s.OAuth.TokenURL == "" {
		v.bad("kafka.sasl.token_file", "or kafka.sasl.oauth.token_url is required with oauthbearer: where the token comes from")

		return
	}

	if u, err := url.Parse(s.OAuth.TokenURL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		v.bad(section+"token_url", "%s is not an https address without a user; http would show the secret, and is for 127.0.0.1, [::1] and localhost alone",
			v.show(section+"token_url", withoutUser(s.OAuth.TokenURL)))
	}

	v.required(section+"client_id", s.OAuth.ClientID, "with oauth.token_url")
	v.oneOf(section, setting{"client_secret", s.OAuth.ClientSecret.String()}, setting{"client_secret_file", s.OAuth.ClientSecretFile}, "oauth.token_url")

	if slices.Contains(s.OAuth.Scopes, "") {
		v.bad(section+"scopes", "has an empty scope")
	}
}

// withoutUser hides all that may be the user and the password of an address, be it well-formed or not.
func withoutUser(address string) string {
	at := strings.LastIndex(address, "@")
	if at < 0 {
		return address
	}

	scheme, _, _ := strings.Cut(address[:at], "://")
	if scheme != "http" && scheme != "https" { // it may be part of a password
		return masked + address[at:]
	}

	return scheme + "://" + masked + address[at:]
}

func (v *validator) required(path, value, when string) {
	if value == "" {
		v.bad(path, "is required %s", when)
	}
}

func (v *validator) oneOf(section string, a, b setting, when string) {
	switch {
	case a.value == "" && b.value == "":
		v.bad(section+a.key, "or %s%s is required with %s", section, b.key, when)
	case a.value != "" && b.value != "":
		v.bad(section+b.key, "and %s%s are both given: which one holds?", section, a.key)
	}
}

var _ strictyaml.Enumerated = Mechanism("")
