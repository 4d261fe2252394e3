package enrich_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// fakeCatalog has one entry for each kind of policy, so that tests of rules do
// not hang on what the real catalog says about a code today.
type fakeCatalog struct{ entries []catalog.Entry }

func (f *fakeCatalog) ID() string { return "test@1+0123abcd" }

func (f *fakeCatalog) Entries() []catalog.Entry { return f.entries }

func (f *fakeCatalog) LookupName(name string) (*catalog.Entry, bool) {
	for i := range f.entries {
		if strings.EqualFold(f.entries[i].Name, name) {
			return &f.entries[i], true
		}
	}

	return nil, false
}

// Codes of fakeCatalog, by what makes them special.
const (
	codeZero        = 0
	codeNone        = 10
	codeNever       = 20
	codeManual      = 30
	codeAfterFix    = 40
	codeGated       = 50
	codeBlocked     = 60
	codeOptIn       = 70
	codeEqual       = 100 // delays 60, 120, 240, 300; equal jitter; 5 retries
	codeFull        = 110 // 10, 30, 90 …; full jitter; 3 retries
	codeExact       = 120 // 30.5, 30.5; no jitter; 2 retries
	codeNoRetries   = 130
	codeProvisional = 140
)

func newFakeCatalog() *fakeCatalog {
	retry := func(class catalog.Class, auto catalog.Auto) catalog.Retry {
		return catalog.Retry{Class: class, Auto: auto, InitialS: 60, Multiplier: 2, CapS: 300, MaxRetries: 5, Jitter: "equal", Target: "same"}
	}
	fix := retry("after_fix", "blocked")
	fix.Fix, fix.Scope = "top_up_credit", "account"
	full := retry("short_delay", "allowed")
	full.InitialS, full.Multiplier, full.CapS, full.MaxRetries, full.Jitter = 10, 3, 1000, 3, "full"
	exact := retry("long_delay", "allowed")
	exact.InitialS, exact.Multiplier, exact.CapS, exact.MaxRetries, exact.Jitter = 30.5, 1, 0, 2, ""
	once := retry("short_delay", "allowed")
	once.MaxRetries = 0

	return &fakeCatalog{entries: []catalog.Entry{
		{Code: codeZero, Name: "Zero", Fault: "undetermined", Retry: retry("manual", "blocked")},
		{Code: codeNone, Name: "None", Fault: "success", Retry: catalog.Retry{Class: "none", Auto: "blocked"}},
		{Code: codeNever, Name: "Never", Fault: "policy", Retry: retry("never", "allowed")},
		{Code: codeManual, Name: "Manual", Fault: "account", Retry: retry("manual", "allowed")},
		{Code: codeAfterFix, Name: "After Fix", Fault: "account", Retry: fix},
		{Code: codeGated, Name: "Gated", Fault: "account", Retry: retry("short_delay", "gated")},
		{Code: codeBlocked, Name: "Blocked", Fault: "policy", Retry: retry("short_delay", "blocked")},
		{Code: codeOptIn, Name: "Opt In", Fault: "carrier", Retry: retry("short_delay", "opt_in")},
		{
			Code: codeEqual, Name: "Busy \"Line\" é", Summary: "The line is\tbusy.", Remedy: "Wait.", Fault: "destination",
			Sources:    []catalog.SourceRef{{By: "carrier", When: "x"}, {By: "called_party"}, {By: "carrier", When: "y"}},
			Directions: []catalog.Direction{"outbound", "inbound"}, States: []catalog.State{"ringing"}, Surfaces: []catalog.Surface{"api_call"},
			Flags: []catalog.Flag{"list_hygiene"}, Nearest: catalog.Nearest{SIP: 486, Q850: 17}, Retry: retry("long_delay", "allowed"),
		},
		{Code: codeFull, Name: "Full", Fault: "carrier", Retry: full},
		{Code: codeExact, Name: "Exact", Fault: "carrier", Retry: exact},
		{Code: codeNoRetries, Name: "No Retries", Fault: "carrier", Retry: once},
		{Code: codeProvisional, Name: "Seen", Fault: "undetermined", Provisional: true, Retry: retry("manual", "blocked")},
	}}
}

func newEnricher(t testing.TB, change ...func(*enrich.Options)) *enrich.Enricher {
	t.Helper()

	opt := enrich.DefaultOptions()
	for _, c := range change {
		c(&opt)
	}

	e, err := enrich.NewFrom(newFakeCatalog(), opt)
	require.NoError(t, err)

	return e
}

// run enriches one value with a fixed timestamp, 2026-11-24T10:00:00Z.
func run(e *enrich.Enricher, value string) *enrich.Result {
	res := &enrich.Result{}
	e.Enrich(&enrich.Record{Value: []byte(value), TimestampMS: fixedMS}, res)

	return res
}

const fixedMS = 1_795_514_400_000

func valueOf(r *enrich.Result) string { return string(r.AppendValue(nil)) }
