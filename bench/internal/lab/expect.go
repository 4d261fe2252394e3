package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/callstream/enricher/bench/internal/contest"
	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/bench/internal/verify"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// headers are what every record of the input has.
func headers() []verify.Header {
	return []verify.Header{{Key: "content-type", Value: []byte("application/json")}, {Key: "source", Value: []byte("voice-callbacks")}}
}

// oracle says what each contestant should write for an event, by asking pkg/enrich.
type oracle struct {
	enrichers [contest.Works]*enrich.Enricher // nil: none is asked
	res       enrich.Result
	value     []byte
}

func newOracle(snap *catalog.Snapshot) (*oracle, error) {
	o := &oracle{}
	for _, w := range []contest.Work{contest.Same, contest.Full, contest.Tree} {
		e, err := enrich.New(snap, contest.Options(w))
		if err != nil {
			return nil, fmt.Errorf("make oracle: %w", err)
		}
		o.enrichers[w] = e
	}
	return o, nil
}

// normal takes out of what was read what a contestant may add as it likes: a dead letter's headers
// of where it came from and why, and the constant of one that copies.
func normal(w contest.Work) func(verify.Place, *verify.Record) {
	had := len(headers())
	return func(place verify.Place, r *verify.Record) {
		if place == verify.DeadLetter || w == contest.Copy {
			r.Headers = r.Headers[:min(had, len(r.Headers))]
		}
		switch {
		case w == contest.Copy:
			r.Value = withoutConstant(r.Value)
		case w == contest.Tree && place == verify.Output:
			r.Value = sampled(r)
		}
	}
}

// oneIn is how many records' values are compared where that takes parsing.
const oneIn = 16

// sampled is a value in a form that only depends on what it says, for one in sixteen records; all else about the
// others is compared as well.
func sampled(r *verify.Record) []byte {
	if r.Value == nil {
		return nil
	}
	if len(r.Key) == 0 || r.Key[len(r.Key)-1]%oneIn != 0 {
		return []byte("not compared")
	}
	d := json.NewDecoder(bytes.NewReader(r.Value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return r.Value
	}
	text, err := json.Marshal(v)
	if err != nil {
		return r.Value
	}
	return text
}

// withoutConstant undoes what the copier does: a value that lacks the constant becomes one that is wrong.
func withoutConstant(value []byte) []byte {
	if bytes.LastIndexByte(value, '}') < 0 {
		return value // a broken event without a brace is copied as it is
	}
	at := bytes.LastIndex(value, []byte(`,"copied":"`))
	if at < 0 {
		return append([]byte("without the constant: "), value...)
	}
	end := bytes.IndexByte(value[at:], '}')
	if end < 0 {
		return value
	}
	return append(value[:at:at], value[at+end:]...)
}

// expect gives the record that should be written for r by one that does w, and where. Its slices are valid until the next call.
func (o *oracle) expect(w contest.Work, r *verify.Record) (verify.Place, *verify.Record) {
	if w == contest.Copy {
		return verify.Output, r
	}
	o.enrichers[w].Enrich(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.TimestampMS}, &o.res)
	switch o.res.Outcome {
	case enrich.Malformed:
		return verify.DeadLetter, r
	case enrich.Tombstone:
		return verify.Output, r // a value that is nil stays so
	default:
	}
	out := &verify.Record{Key: r.Key, Headers: r.Headers, TimestampMS: r.TimestampMS}
	o.value = o.res.AppendValue(o.value[:0])
	out.Value = o.value
	if len(o.res.Headers) > 0 {
		out.Headers = append([]verify.Header(nil), r.Headers...)
		for _, h := range o.res.Headers {
			out.Headers = append(out.Headers, verify.Header{Key: h.Name, Value: h.Value})
		}
	}
	if w == contest.Tree {
		out.Value = sampled(out)
	}
	return verify.Output, out
}

// errTable means that the object depends on more than the code, so that there can be no table.
var errTable = errors.New("the object of a code is not the same for all events")

// table is what the peers are told to add for which code, cut out of what pkg/enrich writes.
func (o *oracle) table(entries []catalog.Entry) (*peer.File, error) {
	f := &peer.File{Field: contest.Field, Header: contest.HeaderName, Codes: map[string]json.RawMessage{}}
	for i := range entries {
		code := strconv.Itoa(int(entries[i].Code))
		for _, event := range []string{
			`{"HangupCauseCode":"` + code + `"`,
			`{"HangupCauseCode":` + code + `,"Direction":"outbound","CallUUID":"x","AnswerTime":"y"`,
			`{"HangupCauseCode":` + code + `,"Direction":"outbound","CallUUID":"z","attempt":2`,
		} {
			object, err := o.object(event)
			if err != nil {
				return nil, err
			}
			if had, ok := f.Codes[code]; ok && !bytes.Equal(had, object) {
				return nil, fmt.Errorf("%w: code %s: %s and %s", errTable, code, had, object)
			}
			f.Codes[code] = object
		}
	}
	return f, nil
}

// object is what is added to an event, whose last brace is missing.
func (o *oracle) object(event string) (json.RawMessage, error) {
	_, out := o.expect(contest.Same, &verify.Record{Value: []byte(event + "}"), TimestampMS: 1})
	object, ok := bytes.CutPrefix(out.Value, []byte(event+`,"`+contest.Field+`":`))
	if !ok || !json.Valid(object[:max(0, len(object)-1)]) {
		return nil, fmt.Errorf("%w: %s", errTable, out.Value)
	}
	return bytes.Clone(object[:len(object)-1]), nil
}
