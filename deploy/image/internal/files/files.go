// Package files makes what stands beside the binary in an image or an archive, and writes files into archives
// whose bytes depend on nothing but them. It compiles nothing and knows nothing of images.
package files

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Modes of files and directories. All belong to root, so that the process cannot change them.
const (
	Plain      fs.FileMode = 0o644
	Executable fs.FileMode = 0o755
	shared                 = fs.ModeSticky | 0o777
)

// File is a file or a directory.
type File struct {
	Name string      // with slashes, relative, without one at the end
	Mode fs.FileMode // permissions, and fs.ModeDir for a directory
	Data []byte
}

// Tar writes files as a tar archive, ordered by name, with the directories that they need. All bear the same time.
func Tar(w io.Writer, list []File, at time.Time) error {
	out := tar.NewWriter(w)
	for _, f := range withParents(list) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: tarMode(f.Mode), Size: int64(len(f.Data)), ModTime: at}
		if f.Mode.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, f.Name+"/"
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		if _, err := out.Write(f.Data); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("end archive: %w", err)
	}

	return nil
}

// TarGzip is Tar, compressed. The gzip header has neither a name nor a time.
func TarGzip(w io.Writer, list []File, at time.Time) error {
	out, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("begin compression: %w", err)
	}
	if err := Tar(out, list, at); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("end compression: %w", err)
	}

	return nil
}

// Zip writes files as a zip archive, ordered by name. All bear the same time.
func Zip(w io.Writer, list []File, at time.Time) error {
	out := zip.NewWriter(w)
	for _, f := range withParents(list) {
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at}
		if f.Mode.IsDir() {
			h.Name, h.Method = f.Name+"/", zip.Store
		}
		h.SetMode(f.Mode)
		entry, err := out.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
		if _, err := entry.Write(f.Data); err != nil {
			return fmt.Errorf("write %s: %w", f.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("end archive: %w", err)
	}

	return nil
}

// Write puts files below a directory. They belong to whoever runs it.
func Write(dir string, list []File) error {
	for _, f := range withParents(list) {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := write(name, f); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}

	return nil
}

func write(name string, f File) error {
	var err error
	if f.Mode.IsDir() {
		err = os.MkdirAll(name, f.Mode.Perm())
	} else {
		err = os.WriteFile(name, f.Data, f.Mode.Perm())
	}
	if err != nil {
		return err //nolint:wrapcheck // the caller names the file
	}

	return os.Chmod(name, f.Mode) //nolint:wrapcheck // the same; the umask has no say
}

// withParents orders files by name and adds the directories that are not among them.
func withParents(list []File) []File {
	all := slices.Clone(list)
	known := make(map[string]bool, len(list))
	for _, f := range list {
		known[f.Name] = true
	}
	for _, f := range list {
		for dir := path.Dir(f.Name); dir != "." && !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			all = append(all, File{Name: dir, Mode: fs.ModeDir | Executable})
		}
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })

	return all
}

// Below puts files into a directory.
func Below(dir string, list []File) []File {
	moved := slices.Clone(list)
	for i := range moved {
		moved[i].Name = path.Join(dir, moved[i].Name)
	}

	return moved
}

// Read takes files from a directory as they are there, by patterns of filepath.Glob. A pattern that fits nothing is an error.
func Read(root string, patterns ...string) ([]File, error) {
	var list []File
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(p)))
		if err != nil || len(names) == 0 {
			return nil, fmt.Errorf("find %s in %s: no such file", p, root)
		}
		for _, name := range names {
			data, err := os.ReadFile(name) //nolint:gosec // of the repository
			if err != nil {
				return nil, fmt.Errorf("read file: %w", err)
			}
			rel := strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(filepath.Clean(root))+"/")
			list = append(list, File{Name: rel, Mode: Plain, Data: data})
		}
	}

	return list, nil
}

// tarMode is a mode as tar has it, where the sticky bit is elsewhere.
func tarMode(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}

	return bits
}
