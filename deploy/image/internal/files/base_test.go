package files_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/callstream/enricher/deploy/image/internal/files"
)

func TestBase(t *testing.T) {
	list, err := files.Base()
	require.NoError(t, err)
	text := map[string]string{}
	for _, f := range list {
		text[f.Name] = string(f.Data)
	}

	uid, gid, _ := strings.Cut(files.User, ":")
	require.Contains(t, text["etc/passwd"], ":x:"+uid+":"+gid+":")
	require.Contains(t, text["etc/group"], ":x:"+gid+":")
	require.Contains(t, text, "tmp")
	require.True(t, x509.NewCertPool().AppendCertsFromPEM([]byte(text["etc/ssl/certs/ca-certificates.crt"])))
}

// A certificate that Mozilla trusts in part must not become one that is trusted wholly.
func TestAuthorities(t *testing.T) {
	list, err := files.Base()
	require.NoError(t, err)
	got := map[string]bool{}
	for _, f := range list {
		if f.Name != "etc/ssl/certs/ca-certificates.crt" {
			continue
		}
		for block, rest := pem.Decode(f.Data); block != nil; block, rest = pem.Decode(rest) {
			got[string(block.Bytes)] = true
		}
	}
	whole := 0
	for root := range bundle.Roots() {
		require.Equal(t, root.Constraint == nil, got[string(root.Certificate)])
		if root.Constraint == nil {
			whole++
		}
	}
	require.Len(t, got, whole)
	require.Greater(t, whole, 100)
}

func TestLicenses(t *testing.T) {
	dir := t.TempDir()
	add := func(name, text string) string {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))

		return filepath.Join(dir, filepath.Dir(name))
	}
	goRoot := add("go/LICENSE", "the terms of Go\n")
	one := add("one/License.txt", "the terms of one\n")
	add("one/NOTICE", "one was made by many")
	add("one/license.go", "package one")
	two := add("two/COPYING", "the terms of two")
	only := add("only/NOTICE", "no terms")
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}, Deps: []*debug.Module{
		{Path: "example.com/one", Version: "v1.0.0"},
		{Path: "example.com/two", Version: "v2.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v2.0.1"}},
	}}

	text, err := files.Licenses(info, map[string]string{"example.com/one": one, "example.com/two": two}, goRoot)
	require.NoError(t, err)
	line := strings.Repeat("=", 80)
	require.Equal(t, strings.Join([]string{
		"Licences of what is linked into enricher v1.2.3, beside its own.",
		"", line, "Go 1.26.8: LICENSE", "", "the terms of Go",
		"", line, "example.com/one v1.0.0: License.txt", "", "the terms of one",
		"", line, "example.com/one v1.0.0: NOTICE", "", "one was made by many",
		"", line, "example.com/two example.com/fork v2.0.1: COPYING", "", "the terms of two", "",
	}, "\n"), string(text))

	for name, c := range map[string]struct {
		dirs   map[string]string
		goRoot string
		want   string
	}{
		"no licence":    {map[string]string{"example.com/one": only}, goRoot, "find licence of example.com/one v1.0.0: no LICENSE, LICENCE or COPYING in " + only},
		"no module":     {nil, goRoot, "find licence of example.com/one v1.0.0: open : no such file or directory"},
		"no Go":         {nil, filepath.Join(dir, "gone"), "find licence of Go 1.26.8: open " + filepath.Join(dir, "gone") + ": no such file or directory"},
		"empty is none": {map[string]string{"example.com/one": t.TempDir()}, goRoot, "no LICENSE, LICENCE or COPYING"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := files.Licenses(info, c.dirs, c.goRoot)
			require.ErrorContains(t, err, c.want)
		})
	}
}
