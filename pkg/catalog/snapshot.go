package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Snapshot is one immutable state of the catalog. It is safe for concurrent use.
type Snapshot struct {
	name     string
	revision string
	sum      [sha256.Size]byte
	entries  []Entry // by code, ascending
	legacy   []LegacyName

	dense []int16         // by code: index in entries, or -1
	far   map[int32]int16 // the codes beyond dense
	names nameIndex
}

// LegacyName gives the code of a name that older events carry instead of a code.
type LegacyName struct {
	Name   string `json:"name" yaml:"name"`
	Code   int32  `json:"code" yaml:"code"`
	Ground string `json:"ground" yaml:"ground"` // why this code and no other
}

// denseCodes is up to where codes are looked up in a table; all published ones are below.
const denseCodes = 1 << 14

// maxEntries bounds a snapshot: indexes are int16.
const maxEntries = 1 << 14

// newSnapshot indexes entries, which must be valid and have distinct codes and names.
func newSnapshot(name, revision string, entries []Entry, legacy []LegacyName) *Snapshot {
	s := &Snapshot{name: name, revision: revision, entries: entries, legacy: legacy, far: map[int32]int16{}}
	slices.SortFunc(s.entries, func(a, b Entry) int { return cmp.Compare(a.Code, b.Code) })
	slices.SortFunc(s.legacy, func(a, b LegacyName) int { return cmp.Compare(a.Name, b.Name) })
	s.dense = make([]int16, denseCodes)
	for i := range s.dense {
		s.dense[i] = -1
	}
	s.names = newNameIndex(len(entries) + len(legacy))
	for i := range s.entries {
		e := &s.entries[i]
		normalise(e)
		s.names.add(e.Name, int16(i))
		if e.Code < denseCodes {
			s.dense[e.Code] = int16(i)
		} else {
			s.far[e.Code] = int16(i)
		}
	}
	for _, l := range s.legacy {
		if i, ok := s.index(l.Code); ok {
			s.names.add(l.Name, i)
		}
	}
	s.sum = s.hash()
	return s
}

// normalise makes absent lists empty ones, so that they marshal as [].
func normalise(e *Entry) {
	e.Sources, e.Directions, e.States = append([]SourceRef{}, e.Sources...), append([]Direction{}, e.Directions...), append([]State{}, e.States...)
	e.Surfaces, e.Flags = append([]Surface{}, e.Surfaces...), append([]Flag{}, e.Flags...)
}

// hash covers everything that a look-up can show, in a form that does not depend on how
// the files were written.
func (s *Snapshot) hash() [sha256.Size]byte {
	content, err := json.Marshal(struct { // the member names are part of what is hashed
		Name     string       `json:"Name"`
		Revision string       `json:"Revision"`
		Entries  []Entry      `json:"Entries"`
		Legacy   []LegacyName `json:"Legacy"`
	}{s.name, s.revision, s.entries, s.legacy})
	if err != nil {
		panic(fmt.Sprintf("catalog: marshal snapshot: %v", err)) // validated numbers, strings and lists: cannot happen
	}
	return sha256.Sum256(content)
}

// Name is the code set's name, such as "plivo-voice".
func (s *Snapshot) Name() string { return s.name }

// Revision is the embedded data's revision, such as "2026.11.1".
func (s *Snapshot) Revision() string { return s.revision }

// SHA256 is the hash of the snapshot's content, overlays included.
func (s *Snapshot) SHA256() [sha256.Size]byte { return s.sum }

// ID is "<name>@<revision>+<first eight hex digits of SHA256>".
func (s *Snapshot) ID() string {
	return s.name + "@" + s.revision + "+" + hex.EncodeToString(s.sum[:4])
}

// Entries returns all entries by ascending code. The slice is shared: read only.
func (s *Snapshot) Entries() []Entry { return s.entries }

// LegacyNames returns the table of legacy names by name. The slice is shared: read only.
func (s *Snapshot) LegacyNames() []LegacyName { return s.legacy }

// Lookup finds the entry of a code, without allocation or locking.
func (s *Snapshot) Lookup(code int32) (*Entry, bool) {
	i, ok := s.index(code)
	if !ok {
		return nil, false
	}
	return &s.entries[i], true
}

func (s *Snapshot) index(code int32) (int16, bool) {
	if uint32(code) < denseCodes { //nolint:gosec // a negative code becomes a large one
		i := s.dense[code]
		return i, i >= 0
	}
	i, ok := s.far[code]
	return i, ok
}

// LookupName finds the entry of a legacy or display name (letter case, and runs of
// space, '_' and '-' being equal), without allocation or locking. Names of more than
// 64 bytes are not found.
func (s *Snapshot) LookupName(name string) (*Entry, bool) {
	i, ok := s.names.find(name)
	if !ok {
		return nil, false
	}
	return &s.entries[i], true
}
