package login

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// tlsConfig reads the files anew, so that each connection is made with those of the moment.
func (d *Dialer) tlsConfig(address string) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: d.tls.ServerName}
	if cfg.ServerName == "" {
		cfg.ServerName, _ = split(address)
	}
	if d.tls.CAFile != "" {
		cfg.RootCAs = x509.NewCertPool()
		if err := addCertificates(cfg.RootCAs, d.tls.CAFile); err != nil {
			return nil, err
		}
	}
	if d.tls.CertFile != "" {
		pair, err := keyPair(d.tls.CertFile, d.tls.KeyFile)
		if err != nil {
			return nil, err
		}
		// Given whatever authorities the broker names: if it does not take it, its alert says more than no
		// certificate would.
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return cfg, nil
}

func keyPair(certFile, keyFile string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return pair, fmt.Errorf("kafka.tls.cert_file %s, kafka.tls.key_file %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

var errNoCertificate = errors.New("has no certificate in PEM form")

func addCertificates(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return fmt.Errorf("kafka.tls.ca_file: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("kafka.tls.ca_file: %s %w", file, errNoCertificate)
	}
	return nil
}

func split(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	port, _ = strconv.Atoi(text) // 0 for a service's name, which nobody asks for
	return host, port
}
