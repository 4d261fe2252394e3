package enrich

// NewFrom is New for a catalog of the tests' own.
func NewFrom(snap snapshot, opt Options) (*Enricher, error) { return newFrom(snap, opt) }
