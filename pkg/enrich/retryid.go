package enrich

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// retryIDBytes is how much of a hash an id has: enough that no two are alike by chance.
const retryIDBytes = 16

// retryID is memory for one id.
type retryID struct {
	event []byte
	sum   [retryIDBytes]byte
	text  [2 * retryIDBytes]byte
}

// identifyRetry sets r.RetryID to a hash of the call id and the attempt, as lower-case hex. Whoever
// dials knows by it that two orders are one. Without a call id the event itself stands in
// its place, as JSON and without the object: webhooks are repeated byte for byte, and an
// event that is enriched again is the same one. The hash must not change from version to
// version, or a redial that waits during an update is dialled twice. It is no cryptographic
// one, which would cost more than all other advice: who can choose call ids can make two alike.
func (r *Result) identifyRetry(v view) {
	const first, second = 0xA0761D6478BD642F, 0xE7037ED1A0B428DB // any two that differ

	id, of := &r.scratch.retryID, r.CallID
	if len(of) == 0 {
		id.event = appendWithoutObject(id.event[:0], v, r)
		of = id.event
	}

	attempt := uint64(r.Attempt) //nolint:gosec // from 1 on
	binary.BigEndian.PutUint64(id.sum[:], mix(hashBytes(first, of)^attempt))
	binary.BigEndian.PutUint64(id.sum[8:], mix(hashBytes(second, of)^attempt))
	hex.Encode(id.text[:], id.sum[:])
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
