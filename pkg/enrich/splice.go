package enrich

import "bytes"

// splice makes the new value out of the old one and an object as a template
// renders it: a comma, the key (both together separator bytes), the object. All
// other bytes stay as they were.
func splice(v view, object []byte, separator int, r *Result) {
	doc := &r.scratch.doc

	if doc.Seen&1 == 0 {
		if doc.Empty {
			object = object[1:] // no comma before a first member
		}

		at := v.base + doc.Close
		r.Value = [3][]byte{v.value[:at], object, v.value[at:]}

		return
	}

	own := &doc.First[0]
	start, end := v.base+int(own.Start), v.base+int(own.End)
	r.Replaced = true
	r.Value = [3][]byte{v.value[:start], object[separator:], withoutRepeats(v, end, r)}
}

// withoutRepeats gives the value from end on without further members under the
// object's key. They would be left over from another writer, and a reader for whom
// the last member counts would believe them.
func withoutRepeats(v view, end int, r *Result) []byte {
	again := r.scratch.doc.Again
	if len(again) == 0 {
		return v.value[end:]
	}

	out := r.scratch.rest[:0]

	for i := range again {
		// The comma goes with the member behind it; there is always one.
		comma := bytes.LastIndexByte(v.value[:v.base+int(again[i].Key)], ',')
		out = append(out, v.value[end:comma]...)
		end = v.base + int(again[i].End)
	}

	out = append(out, v.value[end:]...)
	r.scratch.rest = out

	return out
}
