// Package jsonscan checks that a text is exactly one JSON object (RFC 8259) and
// finds a fixed set of its top-level members on the way.
//
// It works in two steps. The first looks at every byte once, 64 at a time, and
// notes in a bitmap where the bytes stand that can end or break a string:
// quotes, backslashes, control bytes. It has no branch that depends on the text.
// The second walks the grammar and jumps over each string with one look into
// the bitmap. Strings are most of an event, so most bytes are never looked at
// one by one.
//
// The package is not a general parser: it builds no tree, decodes no values and
// knows nothing below the top level but its grammar. It uses no unsafe and, once a
// Doc has grown to the size of the texts, allocates nothing. The first step has an
// assembly version for amd64 (marks_amd64.s); the build tag purego leaves it out.
package jsonscan

// MaxKeys is the largest number of keys in one Keys.
const MaxKeys = 64

// Status says what Scan found.
type Status uint8

// The results of a scan.
const (
	OK          Status = iota
	Syntax             // not exactly one JSON object
	TooDeep            // nested too deeply; what follows was not looked at
	InvalidUTF8        // one sound object, and the Doc is complete, but not all of it is UTF-8
)

// Member is where one member stands, as offsets into the text.
type Member struct {
	Key        int32 // opening quote of the key
	Start, End int32 // value: first byte, and the byte behind its last; quotes included
}

// Doc is what a scan found. It may be reused; the zero Doc is ready for use.
type Doc struct {
	// Seen has bit k set if key k occurs at the top level.
	Seen uint64
	// First has the first member with key k, valid if its bit in Seen is set.
	First [MaxKeys]Member
	// Again has the further members with key 0, in order.
	Again []Member
	// Close is the offset of the object's closing brace.
	Close int
	// Empty is true if the object has no members.
	Empty bool
	// Escapes is false if no string has an escape, which is how most events are: then
	// every string's text is its bytes.
	Escapes bool
	// At is where the scan gave up, if it did; the fault may lie earlier.
	At int

	marks []uint64 // bit b of word w: byte 64w+b may end or break a string
	outer []uint64 // kinds of the containers around the current one: bit set for objects
	key   []byte   // text of a key with escapes
}

// Size is about how many bytes d keeps for the next scan.
func (d *Doc) Size() int { return 12*cap(d.Again) + 8*cap(d.marks) + 8*cap(d.outer) + cap(d.key) }
