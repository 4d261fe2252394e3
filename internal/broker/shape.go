package broker

import (
	"encoding/binary"
	"fmt"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shape is the layout of an answer, a character for each field:
//
//	1 2 4 8  so many bytes
//	s b      a string or bytes, behind a length of 16 or 32 bits
//	[ ]      an array of what stands between, behind a count of 32 bits
//	S { }    the same, compact: length or count plus one, as a varint
//	t        tags: a count, and each a number and a length in front of its bytes
//	a        bytes that hold a consumer's assignment, which kafka-go reads as it reads answers
//
// It holds lengths and counts against what is there, before a decoder allocates for them: kmsg
// believes a count that is below the number of bytes, whatever an element takes, and
// kafka-go every count.
type shape string

const assignment shape = "2[s[4]]b"

// plausible walks through an answer. What it lets pass has room for all that it says it holds; one whose
// layout is not known passes. The error is errFrame, wrapped.
func plausible(key, version int16, body []byte) error {
	s := shapeOf(protocol.ApiKey(key), version)
	w := walker{left: body}
	if !w.walk(s) {
		return fmt.Errorf("%w: %s of %d bytes has lengths or counts that do not fit it", errFrame, kmsg.NameForKey(key), len(body))
	}
	return nil
}

// shapeOf has the versions that this package and kafka-go ask for. Flexible ones have tags in front.
func shapeOf(key protocol.ApiKey, version int16) shape {
	switch key {
	case protocol.Metadata:
		return metadataShape(version)
	case protocol.JoinGroup:
		return byVersion(version, "24sss[sb]", "24sss[sb]", "424sss[sb]")
	case protocol.ApiVersions:
		return byVersion(version, "2[222]", "2[222]4", "2[222]4")
	case protocol.SaslAuthenticate:
		return byVersion(version, "2sb", "2sb8")
	case protocol.SaslHandshake:
		return byVersion(version, "2[s]", "2[s]")
	case protocol.FindCoordinator:
		return byVersion(version, "24s4", "42s4s4", "42s4s4")
	case protocol.SyncGroup:
		return byVersion(version, "2a")
	case protocol.Heartbeat:
		return byVersion(version, "2")
	case protocol.LeaveGroup:
		return byVersion(version, "2", "42", "42", "42[ss2]")
	default:
		return ourShape(key, version)
	}
}

// ourShape has the answers that exchange and produceExchange decode, and one version of kafka-go's.
func ourShape(key protocol.ApiKey, version int16) shape {
	type asked struct {
		key     protocol.ApiKey
		version int16
	}
	switch (asked{key, version}) {
	case asked{protocol.Produce, produceVersion}:
		return "[s[42888[4s]s]]4"
	case asked{protocol.Fetch, fetchVersion}:
		return "424[s[42888[88]4b]]"
	case asked{protocol.ListOffsets, 5}:
		return "4[s[42884]]"
	case asked{protocol.OffsetCommit, 7}:
		return "4[s[42]]"
	case asked{protocol.OffsetFetch, 1}: // kafka-go's group reads where it stands; what it says is not used
		return "[s[48s2]]"
	case asked{protocol.OffsetFetch, 7}:
		return "t4{S{484S2t}t}2t"
	case asked{protocol.CreateTopics, 4}:
		return "4[s2s]"
	case asked{protocol.DescribeGroups, 4}:
		return "4[2ssss[ssssbb]4]"
	case asked{protocol.InitProducerId, 2}, asked{protocol.InitProducerId, 4}:
		return "t4282t"
	case asked{protocol.AddPartitionsToTxn, 3}, asked{protocol.TxnOffsetCommit, 3}:
		return "t4{S{42t}t}t"
	case asked{protocol.AddOffsetsToTxn, 3}, asked{protocol.EndTxn, 3}:
		return "t42t"
	case asked{protocol.DescribeConfigs, 1}:
		return "4[2s1s[ss111[ss1]]]"
	}
	return ""
}

func metadataShape(version int16) shape {
	switch version {
	case 9:
		return "t4{4S4St}S4{2S1{2444{4}{4}{4}t}4t}4t"
	case 10:
		return "t4{4S4St}S4{2S881{2444{4}{4}{4}t}4t}4t"
	}
	const (
		before5 = "[2s1[244[4][4]]]"
		before7 = "[2s1[244[4][4][4]]]"
	)
	return byVersion(version,
		"[4s4][2s[244[4][4]]]",
		"[4s4s]4"+before5,
		"[4s4s]s4"+before5,
		"4[4s4s]s4"+before5,
		"4[4s4s]s4"+before5,
		"4[4s4s]s4"+before7,
		"4[4s4s]s4"+before7,
		"4[4s4s]s4[2s1[2444[4][4][4]]]",
		"4[4s4s]s4[2s1[2444[4][4][4]]4]4")
}

func byVersion(version int16, shapes ...shape) shape {
	if version < 0 || int(version) >= len(shapes) {
		return ""
	}
	return shapes[version]
}

// walker goes through bytes by a shape; it allocates nothing.
type walker struct{ left []byte }

func (w *walker) walk(s shape) bool {
	for i := 0; i < len(s); i++ {
		var ok bool
		switch c := s[i]; c {
		case 's', 'b', 'S':
			ok = w.sized(c)
		case 't':
			ok = w.tags()
		case 'a':
			ok = w.assigned()
		case '[', '{':
			end := i + closing(s[i:])
			ok = w.array(c, s[i+1:end])
			i = end
		default:
			ok = w.take(int(c - '0'))
		}
		if !ok {
			return false
		}
	}
	return true
}

func (w *walker) take(n int) bool {
	if n < 0 || n > len(w.left) {
		return false
	}
	w.left = w.left[n:]
	return true
}

// sized passes over a string or bytes; null is a length of -1, or 0 in the compact form.
func (w *walker) sized(kind byte) bool {
	n, ok := w.length(kind)
	return ok && n >= -1 && w.take(max(n, 0))
}

func (w *walker) array(kind byte, elem shape) bool {
	n, ok := w.length(kind)
	if !ok || n < -1 || n > len(w.left)/elem.least() {
		return false
	}
	for ; n > 0; n-- {
		if !w.walk(elem) {
			return false
		}
	}
	return true
}

func (w *walker) length(kind byte) (n int, ok bool) {
	be := w.left
	switch kind {
	case 's':
		if ok = w.take(2); ok {
			n = int(int16At(be))
		}
		return n, ok
	case 'S', '{':
		n, ok = w.uvarint()
		return n - 1, ok
	default:
		if ok = w.take(4); ok {
			n = int(int32At(be))
		}
		return n, ok
	}
}

// uvarint reads what fits 31 bits: no length is larger.
func (w *walker) uvarint() (int, bool) {
	const most = 1<<31 - 1
	v, n := binary.Uvarint(w.left)
	if n <= 0 || v > most {
		return 0, false
	}
	return int(v), w.take(n)
}

func (w *walker) tags() bool {
	const least = 2
	n, ok := w.uvarint()
	if !ok || n > len(w.left)/least {
		return false
	}
	for ; n > 0; n-- {
		if _, ok := w.uvarint(); !ok {
			return false
		}
		if size, ok := w.uvarint(); !ok || !w.take(size) {
			return false
		}
	}
	return true
}

// assigned looks into the assignment, which another member has written. None is empty.
func (w *walker) assigned() bool {
	inner := w.left
	if !w.sized('b') {
		return false
	}
	inner = inner[sizeField : len(inner)-len(w.left)]
	return len(inner) == 0 || (&walker{left: inner}).walk(assignment)
}

// least is the number of bytes that a shape takes when all in it is empty.
func (s shape) least() int {
	n := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 's':
			n += 2
		case 'b', 'a':
			n += 4
		case '[':
			n, i = n+4, i+closing(s[i:])
		case '{':
			n, i = n+1, i+closing(s[i:])
		case 'S', 't':
			n++
		default:
			n += int(s[i] - '0')
		}
	}
	return n
}

// closing is where the bracket ends that s begins with.
func closing(s shape) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s) - 1
}
