package release_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/deploy/image/internal/files"
)

// unpacked is what is in an archive: contents by name.
func unpacked(t *testing.T, f files.File) map[string]string {
	t.Helper()
	if strings.HasSuffix(f.Name, ".zip") {
		return unzipped(t, f.Data)
	}
	plain, err := gzip.NewReader(bytes.NewReader(f.Data))
	require.NoError(t, err)
	got := map[string]string{}
	r := tar.NewReader(plain)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		got[h.Name] = string(text)
	}
}

func unzipped(t *testing.T, data []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	got := map[string]string{}
	for _, f := range r.File {
		in, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		got[f.Name] = string(text)
	}

	return got
}
