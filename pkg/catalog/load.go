package catalog

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/callstream/enricher/internal/strictyaml"
)

//go:embed data/catalog.yaml
var embeddedCatalog []byte

//go:embed data/legacy_names.yaml
var embeddedNames []byte

// maxFile bounds a catalog file, in bytes.
const maxFile = 1 << 20

// Default is the embedded catalog.
func Default() *Snapshot { return embedded() }

//nolint:gochecknoglobals // a constant, computed when it is first wanted
var embedded = sync.OnceValue(func() *Snapshot {
	s, err := load(nil)
	if err != nil {
		panic("catalog: the embedded data is broken: " + err.Error()) // kept out by the tests
	}
	return s
})

// Load is the embedded catalog with overlay files laid over it in order. All
// mistakes in all files are reported together, each as file:line:column.
func Load(overlayPaths ...string) (*Snapshot, error) {
	if len(overlayPaths) == 0 {
		return Default(), nil
	}
	docs := make([]*strictyaml.Document, len(overlayPaths))
	var mistakes strictyaml.Mistakes
	for i, path := range overlayPaths {
		doc, ms := read(path)
		docs[i], mistakes = doc, append(mistakes, ms...)
	}
	return lay(docs, mistakes)
}

// Parse is Load for overlays that are already in memory. names stand for the files in
// messages; an overlay without one is called by its number, from 1.
func Parse(names []string, overlays [][]byte) (*Snapshot, error) {
	docs := make([]*strictyaml.Document, len(overlays))
	var mistakes strictyaml.Mistakes
	for i, src := range overlays {
		name := fmt.Sprintf("overlay %d", i+1)
		if i < len(names) {
			name = names[i]
		}
		doc, ms := parse(name, src)
		docs[i], mistakes = doc, append(mistakes, ms...)
	}
	return lay(docs, mistakes)
}

// lay is load with the mistakes that were found while the documents were read; those that could not be are nil.
func lay(docs []*strictyaml.Document, mistakes strictyaml.Mistakes) (*Snapshot, error) {
	docs = slices.DeleteFunc(docs, func(doc *strictyaml.Document) bool { return doc == nil })
	s, ms := load(docs)
	if err := append(mistakes, ms...).Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func read(path string) (*strictyaml.Document, strictyaml.Mistakes) {
	src, err := readBounded(path)
	if err != nil {
		return nil, strictyaml.Mistakes{{File: path, Msg: fmt.Sprintf("cannot be read: %v", err)}}
	}
	return parse(path, src)
}

// readBounded reads at most one byte more than a file may have: a pipe has no size to ask for.
func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // reading the file that the operator names is the purpose
	if err != nil {
		return nil, err //nolint:wrapcheck // wrapped by the caller; it names the operation and the file
	}
	defer file.Close()                                 //nolint:errcheck // nothing was written
	return io.ReadAll(io.LimitReader(file, maxFile+1)) //nolint:wrapcheck // as above
}

func parse(name string, src []byte) (*strictyaml.Document, strictyaml.Mistakes) {
	if len(src) > maxFile {
		return nil, strictyaml.Mistakes{{File: name, Msg: fmt.Sprintf("larger than %d bytes, the most a catalog file may have", maxFile)}}
	}
	doc, err := strictyaml.Parse(name, src)
	if err != nil {
		return nil, asMistakes(err)
	}
	return doc, nil
}

// contents is what the embedded files say, decoded. It is shared by all loads, none of which
// changes it: overlays replace lists and maps as a whole, and entries are copied.
type contents struct {
	base, names    *strictyaml.Document
	name, revision string
	entries        []Entry
	legacy         []LegacyName
}

// decodedOnce reads the embedded files, which takes far longer than a small overlay does.
//
//nolint:gochecknoglobals // a constant, computed when it is first wanted
var decodedOnce = sync.OnceValues(func() (*contents, strictyaml.Mistakes) {
	base, ms := parse("data/catalog.yaml", embeddedCatalog)
	names, more := parse("data/legacy_names.yaml", embeddedNames)
	if ms = append(ms, more...); len(ms) > 0 {
		return nil, ms
	}
	var file struct {
		Name     string  `yaml:"name"`
		Revision string  `yaml:"revision"`
		Entries  []Entry `yaml:"entries"`
	}
	var table struct {
		LegacyNames []LegacyName `yaml:"legacy_names"`
	}
	ms = append(base.Decode(&file), names.Decode(&table)...)
	return &contents{base, names, file.Name, file.Revision, file.Entries, table.LegacyNames}, ms
})

// load lays the documents over the embedded files.
func load(overlays []*strictyaml.Document) (*Snapshot, strictyaml.Mistakes) {
	own, ms := decodedOnce()
	if len(ms) > 0 {
		return nil, ms
	}
	b := &build{entries: map[int32]placed{}, names: map[string]placedName{}, added: map[int32]addition{}, builtIn: []*strictyaml.Document{own.base, own.names}}
	for i := range own.entries {
		b.put(own.base, entryPath(i), own.entries[i], true)
	}
	for i, l := range own.legacy {
		b.putName(own.names, fmt.Sprintf("legacy_names[%d]", i), l)
	}
	for _, doc := range overlays {
		b.overlay(doc)
	}
	b.check()
	if ms = b.all(); len(ms) > 0 {
		return nil, ms
	}
	entries := make([]Entry, 0, len(b.entries))
	for _, p := range b.entries {
		entries = append(entries, p.Entry)
	}
	legacy := make([]LegacyName, 0, len(b.names))
	for _, p := range b.names {
		legacy = append(legacy, p.LegacyName)
	}
	return newSnapshot(own.name, own.revision, entries, legacy), nil
}

// asMistakes is for strictyaml.Parse, whose errors are all Mistakes.
func asMistakes(err error) strictyaml.Mistakes {
	var ms strictyaml.Mistakes
	_ = errors.As(err, &ms)
	return ms
}
