package enrich

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// retryIDBytes is how much of the hash an id has: enough that no two are alike by chance.
const retryIDBytes = 16

// retryID is memory for one id.
type retryID struct {
	hashed []byte
	text   [2 * retryIDBytes]byte
}

// identifyRetry sets r.RetryID to the first 16 bytes of the SHA-256 of the call id, a zero
// byte and the attempt in decimal, as lower-case hex. Whoever dials knows by it that two
// orders are one. Without a call id the event itself stands in its place, as JSON and
// without the object: webhooks are repeated byte for byte, and an event that is
// enriched again is the same one. The rule must not change from version to
// version, or a redial that waits during an update is dialled twice.
func (r *Result) identifyRetry(v view) {
	id := &r.scratch.retryID

	if len(r.CallID) > 0 {
		id.hashed = append(id.hashed[:0], r.CallID...)
	} else {
		id.hashed = appendWithoutObject(id.hashed[:0], v, r)
	}

	id.hashed = strconv.AppendInt(append(id.hashed, 0), int64(r.Attempt), 10)
	sum := sha256.Sum256(id.hashed)
	hex.Encode(id.text[:], sum[:retryIDBytes])
	r.RetryID = id.text[:]
}

// appendWithoutObject appends the event without what stands under the object's key.
func appendWithoutObject(dst []byte, v view, r *Result) []byte {
	doc := &r.scratch.doc
	if doc.Seen&1 == 0 {
		return append(dst, v.value...)
	}

	head := v.value[:v.base+int(doc.First[0].Key)]
	if comma := bytes.LastIndexByte(head, ','); comma >= 0 { // else it is the first member
		head = head[:comma]
	}

	return append(append(dst, head...), withoutRepeats(v, v.base+int(doc.First[0].End), r)...)
}
