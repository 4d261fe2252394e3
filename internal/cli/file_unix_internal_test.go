//go:build unix

package cli

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReplaceFile(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	require.NoError(t, os.WriteFile(file+".part", []byte("somebody's"), 0o600))
	require.NoError(t, replaceFile(file, []byte("old")))
	holds(t, file, "old")

	likeCreate, err := os.Create(filepath.Join(folder, "made"))
	require.NoError(t, err)
	require.NoError(t, likeCreate.Close())
	require.Equal(t, mode(t, likeCreate.Name()), mode(t, file))

	// Who reads the old one goes on reading it, and the new one may be read by the same people.
	old, err := os.Open(file)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(file, 0o640))
	require.NoError(t, replaceFile(file, []byte("new")))
	holds(t, file, "new")
	require.Equal(t, os.FileMode(0o640), mode(t, file))

	text, err := io.ReadAll(old)
	require.NoError(t, err)
	require.Equal(t, "old", string(text))
	require.NoError(t, old.Close())

	holds(t, file+".part", "somebody's")
	require.ElementsMatch(t, []string{"report.html", "report.html.part", "made"}, names(t, folder))
}

// A link is still one afterwards.
func TestReplaceFileBehindALink(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	link, file := filepath.Join(here, "latest.html"), filepath.Join(there, "report.html")
	require.NoError(t, os.Symlink(file, link))

	for _, text := range []string{"made", "replaced"} {
		require.NoError(t, replaceFile(link, []byte(text)))
		holds(t, file, text)

		to, err := os.Readlink(link)
		require.NoError(t, err)
		require.Equal(t, file, to)
	}

	require.Equal(t, []string{"latest.html"}, names(t, here))
	require.Equal(t, []string{"report.html"}, names(t, there))
}

// What is no file is written into, and stays what it is.
func TestReplaceFileThatIsAPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))

	read := make(chan string)

	go func() {
		text, _ := os.ReadFile(fifo)
		read <- string(text)
	}()

	require.NoError(t, replaceFile(fifo, []byte("new")))
	require.Equal(t, "new", <-read)

	info, err := os.Lstat(fifo)
	require.NoError(t, err)
	require.Equal(t, os.ModeNamedPipe, info.Mode().Type())
}

// A report that cannot be put in its place leaves what is there, and nothing else behind.
func TestReplaceFileThatCannotBe(t *testing.T) {
	folder := t.TempDir()
	require.EqualError(t, replaceFile(folder, []byte("new")), "write report: open "+folder+": is a directory")
	require.EqualError(t, replaceFile(filepath.Join(folder, "none", "report"), []byte("new")),
		"write report: make a file in "+filepath.Join(folder, "none")+": no such file or directory")
	require.Empty(t, names(t, folder))
}

func holds(t *testing.T, file, want string) {
	t.Helper()

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

func mode(t *testing.T, file string) os.FileMode {
	t.Helper()

	info, err := os.Stat(file)
	require.NoError(t, err)

	return info.Mode()
}

func names(t *testing.T, folder string) []string {
	t.Helper()

	entries, err := os.ReadDir(folder)
	require.NoError(t, err)

	list := make([]string, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Name())
	}

	return list
}
