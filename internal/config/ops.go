package config

import (
	"net"
	"slices"
	"strings"
)

// Ops says what is served to the operator, and where.
type Ops struct {
	// Listen is host:port of health and metrics; "" turns them off.
	Listen string `yaml:"listen"`
	// Page is host:port of the status page; "" turns it off. Beyond loopback addresses it wants
	// Token or TLS.ClientCAFile.
	Page string `yaml:"page"`
	// Token is what a visitor of the page has to know, 16 to 1024 printable characters; "": nothing.
	Token Secret `yaml:"token"`
	// TLS is how the page is served; without files in the clear.
	TLS ServerTLS `yaml:"tls"`
	// Pprof serves /debug/pprof where the page is.
	Pprof bool `yaml:"pprof"`
}

// ServerTLS names PEM files. Load makes relative paths relative to the configuration file's folder.
type ServerTLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ClientCAFile has the authorities of visitors' certificates, without which nobody is let in; "": none are asked for.
	ClientCAFile string `yaml:"client_ca_file"`
}

// On tells whether the page is served by TLS.
func (t *ServerTLS) On() bool { return t.CertFile != "" }

// Privacy says what people are shown of events.
type Privacy struct {
	// Reveal shows phone numbers and SIP addresses, which are masked else.
	Reveal bool `yaml:"reveal"`
}

// Bounds of ops.token: a shorter one can be guessed, a longer one does not fit a header.
const (
	leastToken = 16
	mostToken  = 1024
)

func (v *validator) ops() {
	o := &v.c.Ops

	if o.Listen != "" {
		v.address("ops.listen", o.Listen, true)
	}

	v.access()

	if o.Page == "" {
		if o.Pprof {
			v.bad("ops.pprof", "is served where the status page is: give ops.page too")
		}

		return
	}

	v.address("ops.page", o.Page, true)

	if o.Token == "" && o.TLS.ClientCAFile == "" && !Loopback(o.Page) {
		v.bad("ops.page", "%s is not a loopback address, and the page shows the configuration: set ops.token or ops.tls.client_ca_file, or use 127.0.0.1, [::1] or localhost, and reach it from elsewhere through `ssh -L` or `kubectl port-forward`", v.show("ops.page", o.Page))
	}
}

// access checks what lets visitors of the page in.
func (v *validator) access() {
	o := &v.c.Ops

	if n := len(o.Token); n > 0 && (n < leastToken || n > mostToken || strings.ContainsFunc(string(o.Token), func(r rune) bool { return r <= ' ' || r > '~' })) {
		v.bad("ops.token", "is not %d to %d printable ASCII characters without spaces; `openssl rand -hex 32` makes a good one", leastToken, mostToken)
	}

	switch t := &o.TLS; {
	case t.CertFile != "" && t.KeyFile == "":
		v.bad("ops.tls.cert_file", "wants ops.tls.key_file too")
	case t.CertFile == "" && t.KeyFile != "":
		v.bad("ops.tls.key_file", "wants ops.tls.cert_file too")
	case t.CertFile == "" && t.ClientCAFile != "":
		v.bad("ops.tls.client_ca_file", "wants ops.tls.cert_file and ops.tls.key_file too: clients show certificates within TLS")
	case t.CertFile != "" && o.Page != "" && o.Page == o.Listen:
		v.bad("ops.tls", "is for the status page, and probes and scrapes come in the clear: give ops.page another address than ops.listen")
	}
}

// Loopback tells whether host:port can be reached from this machine alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // said elsewhere
	}

	return isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)

	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// secretKeys are those of values that are hidden wherever they come from. In a file such a value stands as ${file:PATH} or ${VAR}
// alone.
func secretKeys() []string {
	return []string{"ops.token", "kafka.sasl.password", "kafka.sasl.oauth.client_secret"}
}

// isSecret tells whether a value is one of those, or stands in the place of one.
func isSecret(path string) bool {
	for _, secret := range secretKeys() {
		if rest, ok := strings.CutPrefix(path, secret); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}

	return false
}

// astray tells whether a single value stands above a secret, where a section is expected, or below one. It may be the secret, and
// so may its key be.
func astray(path string) bool {
	section, _, _ := strings.Cut(path, "[") // lists are no sections either

	above := section == "" || slices.ContainsFunc(secretKeys(), func(secret string) bool { return strings.HasPrefix(secret, section+".") })
	below := isSecret(path) && !slices.Contains(secretKeys(), path)

	return above || below
}
