package enrich_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/callstream/enricher/internal/eventgen"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// kind is one kind of event, for the benchmarks and for the tests of allocations.
type kind struct {
	name    string
	values  [][]byte
	outcome enrich.Outcome // of all of them
	code    string         // gjson path of the code, "" if there is none to look for
	foreign bool           // no JSON: gjson and encoding/json have nothing to do with it
}

// A processor learns a single event by heart, and then every way of reading it looks fast:
// benchmarks go through about this many bytes of a kind. More would measure its memory
// instead. Tests are content with fewer.
const (
	poolBytes     = 1 << 20
	testPoolBytes = 32 << 10
)

// inbound is an answered call to us, and outbound a busy one that is to be dialled again.
// Each is 683 bytes, as callbacks tell of them.
const (
	inbound = `{"seq":12345,"ALegUUID":"11111111-2222-4333-8444-555555555555","BillRate":"0.0085",` +
		`"CallUUID":"11111111-2222-4333-8444-555555555555","Direction":"inbound","From":"15555550100","To":"15555550199",` +
		`"ParentAuthID":"MAXXXXXXXXXXXXXXXXXX","RequestUUID":"11111111-2222-4333-8444-555555555555",` +
		`"SessionStart":"2026-11-23 10:24:00.199077","STIRVerification":"Not Applicable","CallStatus":"completed","Event":"Hangup",` +
		`"Duration":"229","BillDuration":"60","AnswerTime":"2026-11-23 10:48:55","StartTime":"2026-11-23 10:39:12",` +
		`"EndTime":"2026-11-23 10:29:33","HangupCause":"NORMAL_CLEARING","HangupCauseCode":"4000","HangupCauseName":"Normal Hangup",` +
		`"HangupSource":"Callee","TotalCost":"0.00850"}`
	outbound = `{"seq":12345,"ALegUUID":"11111111-2222-4333-8444-555555555555","BillRate":"0.0085",` +
		`"CallUUID":"11111111-2222-4333-8444-555555555555","Direction":"outbound","From":"15555550100","To":"15555550199",` +
		`"ParentAuthID":"MAXXXXXXXXXXXXXXXXXX","RequestUUID":"11111111-2222-4333-8444-555555555555",` +
		`"SessionStart":"2026-11-23 10:24:00.199077","STIRVerification":"Not Applicable","STIRAttestation":"Not Applicable",` +
		`"CallStatus":"busy","Event":"Hangup","Duration":"0","BillDuration":"0","AnswerTime":"","StartTime":"2026-11-23 10:39:12",` +
		`"EndTime":"2026-11-23 10:39:33","HangupCause":"USER_BUSY","HangupCauseCode":"3010","HangupCauseName":"Busy Line",` +
		`"HangupSource":"Carrier","TotalCost":"0.00000"}`
)

const (
	callbackCode = "HangupCauseCode"
	recordCode   = "hangup_cause_code"
)

// kinds makes all of them, about size bytes of each, the same ones each time.
func kinds(t testing.TB, size int) []kind {
	t.Helper()

	require.Len(t, inbound, 683)
	require.Len(t, outbound, 683)

	retryable := []byte(outbound)
	with := func(old, replacement string) []byte {
		return bytes.Replace(retryable, []byte(old), []byte(replacement), 1)
	}
	ring, start := compactFile(t, "callbacks/01_ring_outbound.json"), compactFile(t, "callbacks/02_answer_startapp_outbound.json")
	nameOnly := compactFile(t, "negatives/legacy_hangup_no_code.json")

	mixed := func(seed uint64, events ...[]byte) [][]byte { return mixture(size, seed, events...) }
	changed := func(values [][]byte, f func([]byte) []byte) [][]byte { return each(size, values, f) }

	return []kind{
		// The first two are one event over and over: what the goals name.
		{name: "outbound683", values: [][]byte{retryable}, outcome: enrich.Enriched, code: callbackCode},
		{name: "inbound683", values: [][]byte{[]byte(inbound)}, outcome: enrich.Enriched, code: callbackCode},

		{name: "outbound", values: mixed(1, retryable), outcome: enrich.Enriched, code: callbackCode},
		{name: "inbound", values: mixed(2, []byte(inbound)), outcome: enrich.Enriched, code: callbackCode},
		{name: "record", values: mixed(3, compactFile(t, "records/voice_outbound_busy.json")), outcome: enrich.Enriched, code: recordCode},
		{name: "progress", values: mixed(4, ring, start), outcome: enrich.NoCode, code: callbackCode},
		{name: "legacy", values: mixed(5, bytes.Replace(nameOnly, []byte("SUBSCRIBER_ABSENT"), []byte("USER_BUSY"), 1)), outcome: enrich.Enriched, code: callbackCode},
		{name: "unknown_name", values: mixed(5, nameOnly), outcome: enrich.UnknownCode, code: callbackCode},
		{name: "unknown", values: mixed(6, with(`"3010"`, `"9999"`)), outcome: enrich.UnknownCode, code: callbackCode},
		{name: "bad_code", values: mixed(7, with(`"3010"`, `"30-10"`)), outcome: enrich.UnknownCode, code: callbackCode},
		{name: "foreign_trunk", values: mixed(8, compactFile(t, "records/trunk_normal_3000.json")), outcome: enrich.NoCode, code: recordCode},
		{name: "enriched_before", values: enrichedBefore(t, size, mixed(9, retryable)), outcome: enrich.Enriched, code: callbackCode},

		{name: "short", values: mixed(10, []byte(`{"Direction":"outbound","HangupCauseCode":"3010"}`)), outcome: enrich.Enriched, code: callbackCode},
		{name: "pretty", values: changed(mixed(11, retryable), pretty), outcome: enrich.Enriched, code: callbackCode},
		{name: "escapes", values: changed(mixed(12, retryable), escaped), outcome: enrich.Enriched, code: callbackCode},
		{name: "text_2k", values: changed(mixed(13, retryable), longer(2_000, `,"speech":"`, "ten or more words ", `"}`)), outcome: enrich.Enriched, code: callbackCode},
		{name: "text_10k", values: changed(mixed(14, retryable), longer(10_000, `,"speech":"`, "ten or more words ", `"}`)), outcome: enrich.Enriched, code: callbackCode},
		{name: "nested_10k", values: changed(mixed(15, retryable), longer(10_000, `,"legs":[{}`, `,{"n":1,"d":-2.50e3,"ok":true,"to":["a",null]}`, `]}`)), outcome: enrich.Enriched, code: callbackCode},

		{name: "form", values: generated(t, size, eventgen.Hangup, isForm), outcome: enrich.Enriched, foreign: true},
		{name: "form_progress", values: generated(t, size, eventgen.Progress, isForm), outcome: enrich.NoCode, foreign: true},
		{name: "tombstone", values: [][]byte{nil}, outcome: enrich.Tombstone, foreign: true},

		{name: "cut_off", values: changed(mixed(16, retryable), func(p []byte) []byte { return p[:len(p)*3/4] }), outcome: enrich.Malformed},
		{name: "broken_late", values: changed(mixed(17, retryable), func(p []byte) []byte { return append(p[:len(p)-1], ",}"...) }), outcome: enrich.Malformed},
		{name: "two_objects", values: changed(mixed(18, retryable), func(p []byte) []byte { return append(p, p...) }), outcome: enrich.Malformed},
		{name: "not_utf8", values: changed(mixed(19, retryable), func(p []byte) []byte { return append(p[:len(p)-1], ",\"x\":\"\xff\"}"...) }), outcome: enrich.Malformed, foreign: true},
		{name: "schema_framed", values: changed(mixed(20, retryable), func(p []byte) []byte { return append([]byte{0, 0, 0, 0, 7}, p...) }), outcome: enrich.Malformed, foreign: true},
		{name: "broken_form", values: changed(generated(t, size, eventgen.Hangup, isForm), func(p []byte) []byte { return append(p, "&x=%4"...) }), outcome: enrich.Malformed, foreign: true},
	}
}

// life is all kinds as the generator mixes them, sound and broken, JSON, forms and
// tombstones; and soundJSON those of them that other libraries can take as well.
func life(t testing.TB) (all, soundJSON [][]byte) {
	t.Helper()

	g := eventgen.New(1, catalog.Default().Entries())

	for size := 0; size < poolBytes; {
		ev := g.Next()
		size += len(ev.Value)
		all = append(all, bytes.Clone(ev.Value)) // of nil it is nil

		if json.Valid(ev.Value) && ev.Kind != eventgen.Broken {
			soundJSON = append(soundJSON, bytes.Clone(ev.Value))
		}
	}

	return all, soundJSON
}

// generated are the generator's events of a kind that are wanted.
func generated(t testing.TB, size int, of eventgen.Kind, wanted func([]byte) bool) [][]byte {
	t.Helper()

	g := eventgen.New(2, catalog.Default().Entries())

	var out [][]byte

	for got := 0; got < size; {
		if ev := g.Next(); ev.Kind == of && wanted(ev.Value) {
			got += len(ev.Value)
			out = append(out, bytes.Clone(ev.Value))
		}
	}

	return out
}

func isForm(value []byte) bool { return value[0] != '{' }

// mixture varies which members there are and how long their texts.
func mixture(size int, seed uint64, events ...[]byte) [][]byte {
	r := rand.New(rand.NewPCG(seed, seed))

	var out [][]byte

	for got := 0; got < size; {
		event := vary(r, events[len(out)%len(events)])
		got += len(event)
		out = append(out, event)
	}

	return out
}

func vary(r *rand.Rand, event []byte) []byte {
	text := []byte("{")

	gjson.ParseBytes(event).ForEach(func(key, value gjson.Result) bool {
		read := slices.Contains(membersRead(), key.Str)
		if !read && r.IntN(8) == 0 {
			return true // leave it out
		}

		if len(text) > 1 {
			text = append(text, ',')
		}

		text = append(append(text, key.Raw...), ':')

		if !read && value.Type == gjson.String && len(value.Str) > 4 && r.IntN(3) == 0 {
			text = append(text, '"')
			text = append(text, strings.Repeat("x", r.IntN(8))...)
			text = append(text, value.Raw[1:]...)
		} else {
			text = append(text, value.Raw...)
		}

		return true
	})

	return append(text, '}')
}

// membersRead stay as they are, since they decide what kind an event is.
func membersRead() []string {
	return []string{
		callbackCode, recordCode, "HangupCause", "HangupCauseName", "hangup_cause_name", "Direction", "call_direction",
		"AnswerTime", "answer_time", "BillDuration", "bill_duration", "billed_duration", "CallStatus", "call_state",
		"CallUUID", "ALegUUID", "parent_call_uuid", "Event", "trunk_domain", "transport_protocol",
	}
}

// each applies f to every value, and drops what goes beyond size then.
func each(size int, values [][]byte, f func([]byte) []byte) [][]byte {
	got := 0
	for i, v := range values {
		values[i] = f(v)
		if got += len(values[i]); got >= size {
			return values[:i+1]
		}
	}

	return values
}

// longer makes events of about size bytes by a member behind the others.
func longer(size int, begin, repeated, end string) func([]byte) []byte {
	return func(event []byte) []byte {
		n := max(0, size-len(event)-len(begin)-len(end))
		event = append(event[:len(event)-1], begin...)
		event = append(event, strings.Repeat(repeated, n/len(repeated))...)

		return append(event, end...)
	}
}

func pretty(event []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, event, "", "  "); err != nil {
		panic(err) // it is one of ours
	}

	return out.Bytes()
}

// escaped writes part of the texts as escapes and in other scripts, and leaves keys and
// what is compared with words alone.
func escaped(event []byte) []byte {
	for _, r := range [][2]string{{"Applicable", `\u0041pplicable\n`}, {"Carrier", "Träger é"}, {"MAXXXX", `\"MA\\XX`}, {"2026-", `2026\/`}} {
		event = bytes.ReplaceAll(event, []byte(r[0]), []byte(r[1]))
	}

	return event
}

func enrichedBefore(t testing.TB, size int, values [][]byte) [][]byte {
	t.Helper()

	e := newRealEnricher(t)

	return each(size, values, func(p []byte) []byte { return []byte(valueOf(run(e, string(p)))) })
}

func compactFile(t testing.TB, name string) []byte {
	t.Helper()

	text, err := os.ReadFile(filepath.Join("../../testdata/events", name))
	require.NoError(t, err)

	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, text))

	return out.Bytes()
}

// TestKinds holds the kinds to what they are called: a benchmark of hangups that are all
// malformed would be a fast one.
func TestKinds(t *testing.T) {
	t.Parallel()

	e := newRealEnricher(t)

	for _, k := range kinds(t, testPoolBytes) {
		for i, v := range k.values {
			var res enrich.Result
			e.Enrich(&enrich.Record{Value: v, TimestampMS: fixedMS}, &res)

			require.Equalf(t, k.outcome, res.Outcome, "%s %d: %q", k.name, i, v)
			require.Equalf(t, k.name == "enriched_before", res.Replaced, "%s %d: %q", k.name, i, v)

			if strings.HasPrefix(k.name, "outbound") || k.name == "record" {
				require.Truef(t, res.Advice.Retryable, "%s %d: %q", k.name, i, v)
			}

			if !k.foreign {
				require.Equalf(t, k.outcome != enrich.Malformed, json.Valid(v), "%s %d: %q", k.name, i, v)
			}
		}
	}
}
