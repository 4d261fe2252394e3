package catalog

// maxName is the longest name that is looked up, in bytes after folding.
const maxName = 64

// nameIndex finds entries by folded name. A Go map would need the folded name as a string,
// and so an allocation for each look-up of an event's text.
type nameIndex struct {
	slots []nameSlot // open addressing; the length is a power of two
}

type nameSlot struct {
	name  string // folded; "" is free
	index int16
}

func newNameIndex(n int) nameIndex {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return nameIndex{slots: make([]nameSlot, size)}
}

// add puts a name in; the first of two equal ones stays.
func (x *nameIndex) add(name string, index int16) {
	var buf [maxName]byte
	folded, ok := fold(&buf, name)
	if !ok {
		return
	}
	if slot := x.slot(folded); slot.name == "" {
		*slot = nameSlot{name: string(folded), index: index}
	}
}

func (x *nameIndex) find(name string) (int16, bool) {
	var buf [maxName]byte
	folded, ok := fold(&buf, name)
	if !ok {
		return 0, false
	}
	slot := x.slot(folded)
	return slot.index, slot.name != ""
}

// slot is where a folded name is, or would be.
func (x *nameIndex) slot(folded []byte) *nameSlot {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, 64 bits
	h := uint64(offset)
	for _, c := range folded {
		h = (h ^ uint64(c)) * prime
	}
	mask := uint64(len(x.slots)) - 1
	for i := h & mask; ; i = (i + 1) & mask {
		if s := &x.slots[i]; s.name == "" || s.name == string(folded) {
			return s
		}
	}
}

// foldable tells whether a name can be looked up.
func foldable(name string) bool {
	var buf [maxName]byte
	_, ok := fold(&buf, name)
	return ok
}

// fold writes a name in lower case, with each run of space, '_' and '-' as one '_', and
// none at the ends. It reports false for a name that is empty or too long.
func fold(buf *[maxName]byte, name string) ([]byte, bool) {
	n, gap := 0, false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == ' ' || c == '_' || c == '-' || c == '\t':
			gap = n > 0
			continue
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		if gap {
			if n == maxName {
				return nil, false
			}
			buf[n] = '_'
			n++
			gap = false
		}
		if n == maxName {
			return nil, false
		}
		buf[n] = c
		n++
	}
	return buf[:n], n > 0
}
