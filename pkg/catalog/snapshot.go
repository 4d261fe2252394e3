package catalog

// Snapshot is one immutable state of the catalog. It is safe for concurrent use.
type Snapshot struct {
	name     string
	revision string
	sum      [32]byte
	entries  []Entry // by code, ascending
}

// Name is the code set's name, such as "plivo-voice".
func (s *Snapshot) Name() string { return s.name }

// Revision is the embedded data's revision, such as "2026.11.1".
func (s *Snapshot) Revision() string { return s.revision }

// SHA256 is the hash of the snapshot's content, overlays included.
func (s *Snapshot) SHA256() [32]byte { return s.sum }

// ID is "<name>@<revision>+<first eight hex digits of SHA256>".
func (s *Snapshot) ID() string { panic("TODO") }

// Entries returns all entries by ascending code. The slice is shared: read only.
func (s *Snapshot) Entries() []Entry { return s.entries }

// Lookup finds the entry of a code, without allocation or locking.
func (s *Snapshot) Lookup(code int32) (*Entry, bool) { panic("TODO") }

// LookupName finds the entry of a legacy or display name (letter case, and runs of
// space, '_' and '-' being equal), without allocation or locking.
func (s *Snapshot) LookupName(name string) (*Entry, bool) { panic("TODO") }

// Default is the embedded catalog.
func Default() *Snapshot { panic("TODO") }

// Load is the embedded catalog with overlay files laid over it in order. All
// mistakes in all files are reported together.
func Load(overlayPaths ...string) (*Snapshot, error) { panic("TODO") }
