package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// handshakeError says why TLS does not come about.
func (d *Dialer) handshakeError(address string, err error) error {
	text := d.certificateText(address, err)
	if text == "" {
		text = d.alertText(err)
	}
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case text != "":
		return &Error{Address: address, Text: text}
	case noTLS:
		return &Error{Address: address, Text: "does not speak TLS: set kafka.tls.enabled to false, or name a TLS listener in kafka.brokers"}
	case hungUp(err):
		return &Error{Address: address, Text: "closes the connection during the TLS handshake: it may not speak TLS; set kafka.tls.enabled to false, or name a TLS listener in kafka.brokers", Err: err, gone: true}
	case expired(err):
		return &Error{Address: address, Text: "does not answer the TLS handshake in time: it may not speak TLS (kafka.tls.enabled)", Err: err}
	default:
		return &Error{Address: address, Text: "the TLS handshake (kafka.tls) fails", Err: err}
	}
}

// certificateText says what is wrong with the broker's certificate; "" if nothing is.
func (d *Dialer) certificateText(address string, err error) string {
	verify, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || len(verify.UnverifiedCertificates) == 0 {
		return ""
	}
	leaf := verify.UnverifiedCertificates[0]
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		where := "set kafka.tls.ca_file to its certificate: the system does not trust it"
		if d.tls.CAFile != "" {
			where = "it is not in kafka.tls.ca_file " + d.tls.CAFile
		}
		return fmt.Sprintf("its certificate is signed by an unknown authority, %q: %s", cut(leaf.Issuer.String(), mostHeard), where)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return period(invalid.Cert, time.Now()) + ": renew it on the broker (or correct this machine's clock)"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		names := slices.Clone(leaf.DNSNames)
		for _, ip := range leaf.IPAddresses {
			names = append(names, ip.String())
		}
		sought := d.tls.ServerName
		if sought == "" {
			sought, _ = split(address)
		}
		return fmt.Sprintf("its certificate is for %s, not for %q: dial it by that name (kafka.brokers, the broker's advertised.listeners), or set kafka.tls.server_name",
			listed(names, "no host"), sought)
	}
	return "its certificate is not accepted (kafka.tls.ca_file): " + cut(verify.Err.Error(), mostHeard)
}

func period(cert *x509.Certificate, now time.Time) string {
	who := "its certificate"
	if cert.IsCA {
		who = fmt.Sprintf("the certificate of its authority, %q,", cut(cert.Subject.String(), mostHeard))
	}
	if now.Before(cert.NotBefore) {
		return fmt.Sprintf("%s is not valid before %s", who, cert.NotBefore.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s expired at %s", who, cert.NotAfter.UTC().Format(time.RFC3339))
}

func listed(names []string, none string) string {
	if len(names) == 0 {
		return none
	}
	return cut(strings.Join(names, ", "), mostHeard)
}

// The alerts by which a broker refuses our certificate, RFC 8446, section 6.
const (
	alertBadCertificate = 42
	alertUnsupported    = 43
	alertRevoked        = 44
	alertExpired        = 45
	alertUnknown        = 46
	alertUnknownCA      = 48
	alertVersion        = 70
	alertRequired       = 116
	alertHandshake      = 40
)

// alertText says what an alert of the broker's means; "" if there is none.
func (d *Dialer) alertText(err error) string {
	alert, ok := alertOf(err)
	if !ok {
		return ""
	}
	switch alert {
	case alertBadCertificate, alertUnsupported, alertRevoked, alertExpired, alertUnknown, alertUnknownCA, alertRequired:
		if d.tls.CertFile == "" {
			return fmt.Sprintf("asks for a client certificate: set kafka.tls.cert_file and kafka.tls.key_file (%s)", alert)
		}
		return fmt.Sprintf("does not take the certificate in kafka.tls.cert_file %s (%s)", d.tls.CertFile, alert)
	case alertVersion, alertHandshake:
		return fmt.Sprintf("has no protocol version or cipher in common with this program, which speaks TLS 1.2 and 1.3; or it asks for a client certificate (kafka.tls.cert_file) (%s)", alert)
	default:
		return fmt.Sprintf("answers with a TLS alert (kafka.tls): %s", alert)
	}
}

// alertOf finds the alert that the other side sent. Its type in crypto/tls is not exported, its text is.
func alertOf(err error) (tls.AlertError, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return 0, false
	}
	for code := range tls.AlertError(math.MaxUint8) {
		if op.Err.Error() == code.Error() {
			return code, true
		}
	}
	return 0, false
}

// loginError says why the brokers do not take the login.
//
// taken says that the broker has taken the mechanism; if not, offered are those that it would.
func (d *Dialer) loginError(address string, taken bool, offered []string, err error) error {
	name := d.mechanism.Name()
	if text := d.alertText(err); text != "" {
		return &Error{Address: address, Text: text}
	}
	refusal, refused := errors.AsType[*refusal](err)
	switch {
	case refused && refusal.code == unsupportedMechanism:
		return &Error{Address: address, Text: fmt.Sprintf("does not take %s, only %s: change kafka.sasl.mechanism", name, strings.ToLower(listed(offered, "what it does not say"))), refused: true}
	case refused && refusal.code == illegalState:
		return &Error{Address: address, Text: "its listener has no login: leave kafka.sasl.mechanism out, or name a listener with SASL in kafka.brokers", refused: true}
	case refused:
		return &Error{Address: address, Text: fmt.Sprintf("refuses the login%s by %s (%s)", d.as(), name, d.settings()), Err: err, refused: true}
	case taken && hungUp(err): // some brokers refuse without a word
		return &Error{Address: address, Text: fmt.Sprintf("closes the connection at the login%s by %s (%s)", d.as(), name, d.settings()), Err: err, refused: true, gone: true}
	case !d.tls.Enabled && (hungUp(err) || errors.Is(err, errTLSAlert)):
		return &Error{Address: address, Text: "closes the connection at the login: it may expect TLS (kafka.tls.enabled: true)", Err: err, gone: true}
	default:
		return &Error{Address: address, Text: fmt.Sprintf("the login%s by %s (kafka.sasl) fails", d.as(), name), Err: err, gone: hungUp(err)}
	}
}

func (d *Dialer) as() string {
	if d.user == "" {
		return ""
	}
	return fmt.Sprintf(" of %q", d.user)
}

// settings are those that may be wrong when a login is refused.
func (d *Dialer) settings() string {
	switch d.mechanism.Name() {
	case "OAUTHBEARER":
		return "kafka.sasl.token_file or kafka.sasl.oauth"
	case "AWS_MSK_IAM":
		return "the AWS credentials, their policy, and kafka.sasl.aws_region"
	default:
		return "kafka.sasl.username, kafka.sasl.password or password_file"
	}
}

// early explains an error of the first answers, which a listener of another kind gives. Any listener but a
// TLS one first tells its versions to everybody; so it matters whether anything was answered.
func (d *Dialer) early(address string, answers uint64, err error) error {
	if text := d.alertText(err); text != "" {
		return &Error{Address: address, Text: text}
	}
	var text string
	switch {
	case errors.Is(err, errTLSAlert):
		return &Error{Address: address, Text: "speaks TLS: set kafka.tls.enabled to true"}
	case !hungUp(err) || d.mechanism != nil:
		return err
	case answers > 0:
		text = "closes the connection at the first request: either it expects a login (SASL), and the configuration has none (kafka.sasl.mechanism), or the broker went away"
	case d.tls.Enabled:
		text = "closes the connection at once: it may want a client certificate (kafka.tls.cert_file), or is no Kafka broker"
	default:
		text = "closes the connection at once: it may expect TLS (kafka.tls.enabled: true), or is no Kafka broker"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.ErrClosedPipe // for kafka-go, which would put a bare "unexpected EOF" in the place of what wraps one
	}
	return &Error{Address: address, Text: text, Err: err, gone: true}
}

// hungUp tells whether the other side closed the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func expired(err error) bool {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

const (
	// mostHeard is how many bytes of what a broker or an endpoint says are told, each time.
	mostHeard = 300
	// mostCause is how many there are of a cause, which may come of several of them.
	mostCause = 1000
)

// cut shortens a text to at most n bytes and says so, without cutting a character in two.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for back := 1; back < utf8.UTFMax && !utf8.RuneStart(text[n]); back++ { // in what is not UTF-8 none may start for long
		n--
	}
	return text[:n] + "…"
}

// oneLine makes a text one line of what can be seen. What others say stands in it, and could otherwise write lines of its
// own, or to a terminal: white space is one blank, and what has no picture (control characters, those that turn the
// direction of writing, what is not UTF-8) is written as Go does.
func oneLine(text string) string {
	var b strings.Builder
	for i, word := range strings.Fields(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		for at, r := range word {
			switch {
			case r == utf8.RuneError && !strings.HasPrefix(word[at:], string(utf8.RuneError)): // not UTF-8
				fmt.Fprintf(&b, `\x%02x`, word[at])
			case !unicode.IsPrint(r):
				b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			default:
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// tidied is an error as one line: the name that a broker goes by stands in it, and comes from other brokers.
func tidied(err error) error {
	if text := oneLine(cut(err.Error(), mostCause)); text != err.Error() {
		return &tidy{err, text}
	}
	return err
}

type tidy struct {
	error

	text string
}

func (e *tidy) Error() string { return e.text }

func (e *tidy) Unwrap() error { return e.error }
