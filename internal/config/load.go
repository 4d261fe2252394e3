package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/callstream/enricher/internal/strictyaml"
)

const (
	maxFile   = 1 << 20  // a configuration of a megabyte is a mistake
	maxSecret = 64 << 10 // so is a password of 64 KiB
)

// Load reads a configuration file, expands its values and checks it. What is wrong
// with the content is of type strictyaml.Mistakes, all of it at once.
//
// Checks know what this package does not. They look, one after the other, at what could be read of the file, whatever is wrong
// with the rest; what they find at a place that is known to be wrong is left out. Paths of overlays are resolved by then.
func Load(path string, checks ...func(*Config) strictyaml.Mistakes) (*Config, error) {
	src, err := readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}

	dir := filepath.Dir(path)

	return Parse(path, src, Source{
		Env:  os.LookupEnv,
		File: func(name string) ([]byte, error) { return readFile(Resolve(dir, name), maxSecret) },
		Dir:  dir,
	}, checks...)
}

// Source is where values come from that are not in the file itself.
type Source struct {
	// Env looks an environment variable up, as os.LookupEnv does.
	Env func(name string) (value string, ok bool)
	// File reads a file that ${file:…} names.
	File func(name string) ([]byte, error)
	// Dir is the folder that relative paths start from.
	Dir string
}

// Parse is Load for bytes at hand; name stands in messages.
func Parse(name string, text []byte, src Source, checks ...func(*Config) strictyaml.Mistakes) (*Config, error) {
	doc, err := strictyaml.Parse(name, text)
	if err != nil {
		return nil, err
	}

	c := Default()
	c.doc, c.secrets = doc, map[string]bool{}

	mistakes := c.expand(src)
	mistakes = append(mistakes, unquoted(doc.Decode(c), mistakes)...)
	mistakes = append(mistakes, c.validate(mistakes)...)

	c.resolve(src.Dir)
	c.wrong = mistakes

	for _, check := range checks {
		c.wrong = append(c.wrong, c.unknown(check(c))...)
	}

	if err := c.wrong.Err(); err != nil {
		return nil, err
	}

	return c, nil
}

// unknown leaves out what is said of places of the file that are known to be wrong.
func (c *Config) unknown(found strictyaml.Mistakes) strictyaml.Mistakes {
	return slices.DeleteFunc(found, func(m strictyaml.Mistake) bool {
		path, _, _ := strings.Cut(m.Msg, ": ")

		return m.File == c.doc.File() && !c.Sound(path)
	})
}

// Sound tells whether nothing is known to be wrong with a key or below it. Checks of Load ask it: what they look at
// may be but the default.
func (c *Config) Sound(path string) bool {
	return !slices.ContainsFunc(c.wrong, func(m strictyaml.Mistake) bool {
		return concerns(m.Msg, path) || strings.Contains(m.Msg, " in "+path+".") // a misspelt key somewhere below
	})
}

// resolve makes paths relative to the folder of the file.
func (c *Config) resolve(dir string) {
	files := append(c.Kafka.files(), &c.Ops.TLS.CertFile, &c.Ops.TLS.KeyFile, &c.Ops.TLS.ClientCAFile)
	for i := range c.Catalog.Overlays {
		files = append(files, &c.Catalog.Overlays[i])
	}

	for _, file := range files {
		if *file != "" {
			*file = Resolve(dir, *file)
		}
	}
}

// Resolve makes a relative path relative to a folder.
func Resolve(dir, path string) string {
	if filepath.IsAbs(path) || dir == "" {
		return path
	}

	return filepath.Join(dir, path)
}

// At makes a mistake at a path of the file, such as "routes[0].match.fault[1]". Without
// a file the path stands in the text alone.
func (c *Config) At(path, format string, args ...any) strictyaml.Mistake {
	msg := path + ": " + fmt.Sprintf(format, args...)
	if c.doc == nil {
		return strictyaml.Mistake{File: "configuration", Msg: msg}
	}

	return c.doc.At(path, "%s", msg)
}

// ReadSecret reads a file that has one value, such as a password, of 64 KiB at most. One line end at its end is the
// editor's, not the value's. Errors name the file.
func ReadSecret(path string) (string, error) {
	content, err := readFile(path, maxSecret)
	if err != nil {
		return "", err
	}

	return withoutLineEnd(content), nil
}

func withoutLineEnd(content []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
}

var errTooLarge = errors.New("too large")

func readFile(path string, atMost int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err //nolint:wrapcheck // names operation and path
	}
	defer f.Close() //nolint:errcheck // only read

	text, err := io.ReadAll(io.LimitReader(f, atMost+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // names operation and path
	}

	if int64(len(text)) > atMost {
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, errTooLarge, atMost)
	}

	return text, nil
}
