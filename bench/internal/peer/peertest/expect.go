package peertest

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/callstream/enricher/bench/internal/peer"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

const (
	field  = "hangup"
	header = "hangup-code"
	path   = "HangupCauseCode"
)

// Oracle makes of events what the enricher would, configured to do what the peers do.
type Oracle struct {
	enricher *enrich.Enricher
	codes    []int32 // of the table
}

// NewOracle makes one. Its options take away what the peers do not do: forms, codes by name
// or at other places, other code sets, and members that depend on more than the code.
func NewOracle(tb testing.TB) *Oracle {
	tb.Helper()
	snap := catalog.Default()
	opt := enrich.DefaultOptions()
	opt.Format = enrich.JSON
	opt.Field, opt.Headers = field, []string{header}
	opt.Fields = []string{"code", "known", "evidence", "name", "summary", "fault", "retry.class", "retry.auto", "catalog"}
	opt.ForeignWhen = nil
	opt.Paths = enrich.Paths{Code: []string{path}}
	e, err := enrich.New(snap, opt)
	require.NoError(tb, err)
	o := &Oracle{enricher: e, codes: []int32{9907}} // an unknown code has an object that depends on the code alone as well
	for _, entry := range snap.Entries() {
		o.codes = append(o.codes, entry.Code)
	}
	return o
}

// WriteTable writes the file that peers get with -table, and returns its name.
func (o *Oracle) WriteTable(tb testing.TB) string {
	tb.Helper()
	f := peer.File{Field: field, Header: header, Codes: map[string]json.RawMessage{}}
	for _, code := range o.codes {
		text := strconv.Itoa(int(code))
		var res enrich.Result
		o.enricher.Enrich(&enrich.Record{Value: []byte(`{"` + path + `":` + text + `}`)}, &res)
		f.Codes[text] = json.RawMessage(gjson.GetBytes(res.AppendValue(nil), field).Raw)
	}
	name := filepath.Join(tb.TempDir(), "table.json")
	require.NoError(tb, f.Save(name))
	return name
}

// Expect is what has to become of a record: the topic is out or dead, the rest as it has to be written.
func (o *Oracle) Expect(r *kgo.Record, out, dead string) *kgo.Record {
	var res enrich.Result
	o.enricher.Enrich(&enrich.Record{Key: r.Key, Value: r.Value, TimestampMS: r.Timestamp.UnixMilli()}, &res)
	w := *r
	w.Topic, w.Headers = out, slices.Clone(r.Headers)
	switch {
	case res.Outcome == enrich.Malformed:
		w.Topic = dead
	case res.HasCode && slices.Contains(o.codes, res.Code):
		w.Value = res.AppendValue(nil)
		for _, h := range res.Headers {
			w.Headers = append(w.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
	}
	return &w
}
