package files

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// User is who the process is: a number, since only of a number can Kubernetes tell that it is not root.
const User = "65532:65532"

const (
	//nolint:gosec // names of users, without passwords
	passwd = `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/:/sbin/nologin
`
	group = `root:x:0:
nobody:x:65534:
nonroot:x:65532:
`
	// Names are looked up in /etc/hosts first, where Kubernetes puts hostAliases.
	nsswitch = "hosts: files dns\n"
)

// Base is what the enricher needs of an operating system: certificate authorities, a user and a place for temporary files.
// Time zones are in the binary.
func Base() ([]File, error) {
	roots, err := authorities()
	if err != nil {
		return nil, err
	}

	return []File{
		{Name: "etc/group", Mode: Plain, Data: []byte(group)},
		{Name: "etc/nsswitch.conf", Mode: Plain, Data: []byte(nsswitch)},
		{Name: "etc/passwd", Mode: Plain, Data: []byte(passwd)},
		{Name: "etc/ssl/certs/ca-certificates.crt", Mode: Plain, Data: roots},
		{Name: "tmp", Mode: fs.ModeDir | shared},
	}, nil
}

// authorities is Mozilla's list of certificate authorities, as Go's maintainers publish it. Those which Mozilla
// trusts only in part are left out: a file of certificates cannot say up to which date.
func authorities() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Certificate authorities that Mozilla trusts for servers, without limits. Mozilla Public License 2.0.\n")
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, fmt.Errorf("parse certificate authority: %w", err)
		}
		fmt.Fprintf(&b, "\n# %s\n", cert.Subject)
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, fmt.Errorf("encode certificate authority: %w", err)
		}
	}

	return b.Bytes(), nil
}
