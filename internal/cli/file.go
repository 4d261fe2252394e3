package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// makeFile makes a file or empties it, to write. Unlike os.Create it opens a named pipe for nothing else: a process that is its
// own reader would wait for itself once the other one has gone.
func makeFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) //nolint:gosec,wrapcheck // like os.Create; the caller says what for
}

// replaceFile writes a file beside the one that is meant, and puts it in its place, so that the new one is there at once or not
// at all. It follows links. What is no regular file, such as a device or a named pipe, is written into.
func replaceFile(path string, text []byte) error {
	if err := putFile(path, text); err != nil {
		return fmt.Errorf("write report: %w", err)
	}

	return nil
}

func putFile(path string, text []byte) error {
	target := path
	mode := os.FileMode(0) // of the file that is there

	if _, err := os.Lstat(path); err == nil {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return writeInto(path, text) // a link that leads nowhere, too: this makes the file where it leads to
		}

		mode = info.Mode().Perm()

		if target, err = filepath.EvalSymlinks(path); err != nil {
			return writeInto(path, text) // a file that has no name any more
		}
	}

	next := filepath.Join(filepath.Dir(target), ".report-"+rand.Text()+".part")

	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // others may read a report, as far as the umask lets them
	if err != nil {
		return fmt.Errorf("make a file in %s: %w", filepath.Dir(target), errors.Unwrap(err))
	}

	if mode != 0 {
		err = file.Chmod(mode)
	}

	if err = errors.Join(err, writeAndClose(file, text)); err == nil {
		err = os.Rename(next, target)
	}

	if err != nil {
		_ = os.Remove(next)
	}

	return err //nolint:wrapcheck // names operation and path
}

func writeInto(path string, text []byte) error {
	file, err := makeFile(path)
	if err != nil {
		return err
	}

	return writeAndClose(file, text)
}

func writeAndClose(file *os.File, text []byte) error {
	_, err := file.Write(text)

	return errors.Join(err, file.Close())
}
