package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Authority signs certificates for tests. All is PEM in files, which Go and Kafka read alike.
type Authority struct {
	File string // its own certificate

	dir    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial atomic.Int64
}

// Certificate is one of an Authority's, by its files.
type Certificate struct {
	File, KeyFile string
	// Both has the key and the chain, as Kafka wants a keystore of the type PEM.
	Both string
}

const certificateLife = 24 * time.Hour

// NewAuthority makes an authority of a name.
func NewAuthority(tb testing.TB, name string) *Authority {
	tb.Helper()
	a := &Authority{dir: tb.TempDir()}
	a.key = newKey(tb)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial.Add(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	require.NoError(tb, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(tb, err)
	a.File = a.write(tb, name+"-ca.pem", block("CERTIFICATE", der))
	return a
}

// Issue makes a certificate for a name, which serves hosts (names and addresses) and clients alike.
func (a *Authority) Issue(tb testing.TB, name string, hosts ...string) Certificate {
	tb.Helper()
	return a.IssueFor(tb, name, time.Now().Add(-time.Hour), time.Now().Add(certificateLife), hosts...)
}

// IssueFor is Issue for a time.
func (a *Authority) IssueFor(tb testing.TB, name string, from, until time.Time, hosts ...string) Certificate {
	tb.Helper()
	serial := big.NewInt(a.serial.Add(1))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key := newKey(tb)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	require.NoError(tb, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(tb, err)
	chain := append(block("CERTIFICATE", der), block("CERTIFICATE", a.cert.Raw)...)
	keyText := block("PRIVATE KEY", pkcs8)
	prefix := serial.String() + "-" + name
	return Certificate{
		File: a.write(tb, prefix+".pem", chain), KeyFile: a.write(tb, prefix+"-key.pem", keyText),
		Both: a.write(tb, prefix+"-both.pem", append(keyText, chain...)),
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	return key
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (a *Authority) write(tb testing.TB, name string, text []byte) string {
	tb.Helper()
	file := filepath.Join(a.dir, name)
	require.NoError(tb, os.WriteFile(file, text, 0o600))
	return file
}
