package enrich_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// TestEventsOfTestdataAllocateNothing, JSON and forms, once a Result has seen one.
func TestEventsOfTestdataAllocateNothing(t *testing.T) {
	e := newRealEnricher(t)

	for _, name := range eventFiles(t) {
		rec, res := enrich.Record{Value: readEvent(t, name), TimestampMS: fixedMS}, enrich.Result{}
		if e.Enrich(&rec, &res); res.Outcome == enrich.Malformed {
			continue // their Detail is made for each
		}

		require.Zero(t, testing.AllocsPerRun(20, func() { e.Enrich(&rec, &res) }), name)
	}
}

// TestEnrichingTwiceIsEnrichingOnce, for every event of testdata.
func TestEnrichingTwiceIsEnrichingOnce(t *testing.T) {
	t.Parallel()

	e := newRealEnricher(t)

	for _, name := range eventFiles(t) {
		once := run(e, string(readEvent(t, name)))
		if once.Outcome == enrich.Malformed {
			continue
		}

		twice := run(e, valueOf(once))
		require.Equal(t, valueOf(once), valueOf(twice), name)
		require.Equal(t, once.Outcome, twice.Outcome, name)
		require.Equal(t, once.Advice, twice.Advice, name)
		require.Equal(t, once.Headers, twice.Headers, name)
		require.Equal(t, once.Outcome != enrich.NoCode, twice.Replaced, name)
	}
}

// TestAllButTheObjectStays, for every JSON event of testdata without one: with
// the object cut out again, the value is the input. A form is the input of its JSON.
func TestAllButTheObjectStays(t *testing.T) {
	t.Parallel()

	e := newRealEnricher(t)

	for _, name := range eventFiles(t) {
		value := readEvent(t, name)
		if r := run(e, string(value)); r.Outcome != enrich.Malformed && json.Valid(trimMark(value)) {
			require.True(t, json.Valid(trimMark([]byte(valueOf(r)))), name)

			if !r.Replaced {
				require.Equal(t, string(value), string(r.Value[0])+string(r.Value[2]), name)
				require.Equal(t, r.Outcome == enrich.NoCode, len(r.Value[1]) == 0, name)
			}
		}
	}
}

// TestFormAndJSONOfACallbackAgree: testdata has both of each.
func TestFormAndJSONOfACallbackAgree(t *testing.T) {
	t.Parallel()

	e, n := newRealEnricher(t), 0

	for _, name := range eventFiles(t) {
		asForm, found := strings.CutPrefix(name, "callbacks/")
		if !found || !strings.HasSuffix(asForm, ".form") {
			continue
		}

		n++
		form := run(e, string(readEvent(t, name)))
		object := run(e, string(readEvent(t, strings.TrimSuffix(name, ".form")+".json")))
		require.JSONEq(t, valueOf(object), valueOf(form), name)
		require.Equal(t, object.Outcome, form.Outcome, name)
		require.Equal(t, object.Advice, form.Advice, name)
		require.Equal(t, object.Headers, form.Headers, name)
	}

	require.Equal(t, 5, n)
}

// TestEveryEntryOfTheCatalog goes through with each way a call may have gone. The
// object keeps to the schema, and a redial is advised to nobody whom the policy bars.
func TestEveryEntryOfTheCatalog(t *testing.T) {
	t.Parallel()

	s := readSchema(t)
	e := newRealEnricher(t, func(o *enrich.Options) { o.Fields = memberNames() })
	retryable := 0

	for _, entry := range catalog.Default().Entries() {
		for _, rest := range []string{
			``, `,"Direction":"inbound"`, `,"Direction":"outbound"`, `,"Direction":"outbound","AnswerTime":"2026-11-24 10:00:00"`,
			`,"Direction":"outbound","parent_call_uuid":"p"`, `,"Direction":"outbound","attempt":99`,
		} {
			value := fmt.Sprintf(`{"HangupCauseCode":%d%s}`, entry.Code, rest)
			r := run(e, value)
			require.Equal(t, enrich.Enriched, r.Outcome, value)
			require.Equal(t, entry.Code, r.Code, value)
			requireSchema(t, s, valueOf(r))
			requireConsistent(t, r)

			if !r.Advice.Retryable {
				continue
			}

			retryable++

			require.Equal(t, `,"Direction":"outbound"`, rest, value)
			require.Equal(t, catalog.AutoAllowed, entry.Retry.Auto, value)
			require.Contains(t, []catalog.Class{catalog.ClassShortDelay, catalog.ClassLongDelay, catalog.ClassAlternate}, entry.Retry.Class, value)
			require.Positive(t, r.Advice.DelayS, value)
			require.LessOrEqual(t, r.Advice.DelayS, int64(entry.Retry.CapS)+1, value)
		}
	}

	require.Greater(t, retryable, 5) // the loop above is no empty promise
}

// TestEveryLegacyName finds its code, in whatever case and with its words joined.
func TestEveryLegacyName(t *testing.T) {
	t.Parallel()

	e := newRealEnricher(t)
	for _, legacy := range catalog.Default().LegacyNames() {
		for _, name := range []string{legacy.Name, strings.ToLower(legacy.Name), " " + strings.ReplaceAll(legacy.Name, "_", " ") + "\t"} {
			value, err := json.Marshal(map[string]string{"HangupCause": name})
			require.NoError(t, err)

			r := run(e, string(value))
			require.Equal(t, enrich.Enriched, r.Outcome, name)
			require.Equal(t, enrich.EvidenceName, r.Evidence, name)
			require.Equal(t, legacy.Code, r.Code, name)
			require.True(t, bytes.Contains(r.Value[1], []byte(`"evidence":"name"`)), name)
		}
	}
}
