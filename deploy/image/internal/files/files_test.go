package files_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/deploy/image/internal/files"
)

func at() time.Time { return time.Date(2026, 11, 26, 9, 6, 34, 0, time.UTC) }

func some() []files.File {
	return []files.File{
		{Name: "usr/bin/b", Mode: files.Executable, Data: []byte("program")},
		{Name: "a", Mode: files.Plain, Data: []byte("text")},
		{Name: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}
}

type entry struct {
	name string
	mode fs.FileMode
	text string
}

func want() []entry {
	return []entry{
		{"a", 0o644, "text"},
		{"tmp/", fs.ModeDir | fs.ModeSticky | 0o777, ""},
		{"usr/", fs.ModeDir | 0o755, ""},
		{"usr/bin/", fs.ModeDir | 0o755, ""},
		{"usr/bin/b", 0o755, "program"},
	}
}

func TestTar(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, files.Tar(&b, some(), at()))
	require.Equal(t, want(), untar(t, &b))
}

func TestTarGzip(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, files.TarGzip(&b, some(), at()))
	r, err := gzip.NewReader(&b)
	require.NoError(t, err)
	require.Empty(t, r.Name)
	require.True(t, r.ModTime.IsZero())
	require.Equal(t, want(), untar(t, r))
}

func untar(t *testing.T, from io.Reader) []entry {
	t.Helper()
	var got []entry
	r := tar.NewReader(from)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err)
		require.True(t, at().Equal(h.ModTime), h.ModTime)
		require.Zero(t, h.Uid)
		require.Zero(t, h.Gid)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		got = append(got, entry{h.Name, h.FileInfo().Mode(), string(text)})
	}
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, files.Zip(&b, some(), at()))
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	var got []entry
	for _, f := range r.File {
		require.True(t, at().Equal(f.Modified), f.Modified)
		in, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		got = append(got, entry{f.Name, f.Mode(), string(text)})
	}
	require.Equal(t, want(), got)
}

// The order in which files are given must not show.
func TestSameBytes(t *testing.T) {
	turned := some()
	slices.Reverse(turned)
	for name, pack := range map[string]func(io.Writer, []files.File, time.Time) error{
		"tar": files.Tar, "tar.gz": files.TarGzip, "zip": files.Zip,
	} {
		t.Run(name, func(t *testing.T) {
			var a, b bytes.Buffer
			require.NoError(t, pack(&a, some(), at()))
			require.NoError(t, pack(&b, turned, at()))
			require.Equal(t, a.Bytes(), b.Bytes())
		})
	}
}

// full takes some bytes and then no more.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, errors.New("full")
	}
	f.room -= len(p)

	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	for name, pack := range map[string]func(io.Writer, []files.File, time.Time) error{
		"tar": files.Tar, "tar.gz": files.TarGzip, "zip": files.Zip,
	} {
		t.Run(name, func(t *testing.T) {
			var whole bytes.Buffer
			require.NoError(t, pack(&whole, some(), at()))
			for room := 0; room < whole.Len(); room += 7 {
				require.ErrorContains(t, pack(&full{room}, some(), at()), "full", room)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, files.Write(dir, some()))
	for _, w := range want() {
		info, err := os.Stat(filepath.Join(dir, w.name))
		require.NoError(t, err)
		require.Equal(t, w.mode, info.Mode(), w.name)
	}
	require.ErrorContains(t, files.Write(filepath.Join(dir, "a"), some()), "not a directory")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, files.Write(dir, some()))
	got, err := files.Read(dir, "a", "usr/bin/*")
	require.NoError(t, err)
	require.Equal(t, []files.File{
		{Name: "a", Mode: files.Plain, Data: []byte("text")},
		{Name: "usr/bin/b", Mode: files.Plain, Data: []byte("program")},
	}, got)
	require.Equal(t, "v1/a", files.Below("v1", got)[0].Name)
	require.Equal(t, "a", got[0].Name)

	_, err = files.Read(dir, "a", "docs/*.md")
	require.EqualError(t, err, "find docs/*.md in "+dir+": no such file")
	_, err = files.Read(dir, "usr")
	require.ErrorContains(t, err, "is a directory")
}
