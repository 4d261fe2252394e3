package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/catalog"
)

func TestTable(t *testing.T) {
	t.Parallel()

	rows := [][]cell{{{"A", bold}, {"B", bold}}, {{text: "für"}, {"x", red}}, {{text: "long one"}, {text: ""}}}
	require.Equal(t, "A         B\nfür       x\nlong one\n", table(rows, false))
	require.Equal(t, "\x1b[1mA\x1b[0m         \x1b[1mB\x1b[0m\nfür       \x1b[31mx\x1b[0m\nlong one\n", table(rows, true))
}

func TestNoColourOffATerminal(t *testing.T) {
	t.Parallel()

	w := &world{getenv: func(string) string { return "" }}
	require.False(t, bool(w.painter(&bytes.Buffer{})))
}

func TestExitCodes(t *testing.T) {
	t.Parallel()

	for want, errs := range map[int][]error{
		ExitUsage: {
			usagef("x"), fmt.Errorf("y: %w", usagef("x")), strictyaml.Mistakes{{File: "f", Msg: "m"}}.Err(),
			&app.ConfigError{Err: io.EOF}, asConfigError(io.EOF), asConfigError(asConfigError(io.EOF)),
		},
		ExitFailed: {io.EOF, &silentError{}},
	} {
		for _, err := range errs {
			require.Equal(t, want, exitCode(err), err.Error())
		}
	}
}

func TestComplain(t *testing.T) {
	t.Parallel()

	var b bytes.Buffer

	w := &world{err: &b}
	w.complain(errors.Join(io.EOF, strictyaml.Mistakes{{File: "f", Line: 2, Column: 1, Msg: "b"}, {File: "f", Line: 1, Column: 1, Msg: "a"}}))
	w.complain(&silentError{})
	require.Equal(t, "enricher: EOF\nenricher: f:1:1: a\nenricher: f:2:1: b\n", b.String())
}

// broken is a stream whose other end has gone.
type broken struct{ err error }

func (b broken) Write([]byte) (int, error) { return 0, b.err }

func TestOutputThatNobodyReads(t *testing.T) {
	t.Parallel()

	for _, args := range [][]string{
		{"version"},
		{"catalog", "list"},
		{"catalog", "list", "-o", "json"},
		{"catalog", "show", "3010", "-o", "yaml"},
		{"config", "show"},
		{"config", "schema"},
		{"explain", "3010"},
		{"pipe", "-q"},
	} {
		run := func(fault error) (int, string) {
			var errs bytes.Buffer

			code := Execute(t.Context(), args, strings.NewReader(strings.Repeat(`{"HangupCauseCode":3010}`+"\n", 10_000)), broken{fault}, &errs)

			return code, errs.String()
		}

		code, errs := run(fmt.Errorf("write: %w", syscall.EPIPE))
		require.Equal(t, ExitOK, code, args)
		require.Empty(t, errs, args)

		code, errs = run(io.ErrShortWrite)
		require.Equal(t, ExitFailed, code, args)
		require.Contains(t, errs, "enricher: write output: short write\n", args)
	}
}

func TestDescribeBuild(t *testing.T) {
	t.Parallel()

	require.Equal(t, "unknown", describeBuild(nil).Version)

	b := describeBuild(&debug.BuildInfo{
		Main: debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
		},
	})
	b.Catalog = "c"
	require.True(t, strings.HasPrefix(b.String(), "enricher v1.2.3 (commit abc, 2026-01-01T00:00:00Z), modified\ncatalog  c\nbuilt    with go"), b.String())
}

// TestEveryColumnIsShown fills an entry and counts what JSON has of it.
func TestEveryColumnIsShown(t *testing.T) {
	t.Parallel()

	var e catalog.Entry

	fill(reflect.ValueOf(&e).Elem())

	text, err := json.Marshal(e)
	require.NoError(t, err)

	var tree map[string]any
	require.NoError(t, json.Unmarshal(text, &tree))

	want := map[string]bool{}
	leaves(tree, "", want)

	got := map[string]bool{}
	for _, row := range entryRows(&e) {
		require.NotEmpty(t, row[1].text)
		got[row[0].text] = true
	}

	require.Equal(t, want, got)
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(f)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		item := reflect.New(v.Type().Elem()).Elem()
		fill(item)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), item)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1)
	default:
		v.SetInt(1)
	}
}

func leaves(tree map[string]any, prefix string, out map[string]bool) {
	for name, v := range tree {
		if inner, ok := v.(map[string]any); ok {
			leaves(inner, prefix+name+".", out)
		} else {
			out[prefix+name] = true
		}
	}
}

func TestRetryInWords(t *testing.T) {
	t.Parallel()

	for want, r := range map[string]catalog.Retry{
		"Nothing to retry: the call did what it should, or was ended on purpose.": {Class: catalog.ClassNone, Auto: catalog.AutoBlocked},
		"Never dial this again.":                                                             {Class: catalog.ClassNever, Auto: catalog.AutoBlocked},
		"A person decides whether to dial again; never by machine.":                          {Class: catalog.ClassManual, Auto: catalog.AutoBlocked},
		"Dial again, another person or number; a machine may do so. Dial: alternate number.": {Class: catalog.ClassAlternate, Auto: catalog.AutoAllowed, Target: catalog.TargetAlternateNumber},
		"Dial again only once the cause is mended; a machine may do so once the fix is confirmed. At most 1 more call, after 30 s to 1 min; the call's id decides where in between. To mend: top up credit. It affects more than this call: account.": {
			Class: catalog.ClassAfterFix, Auto: catalog.AutoGated, InitialS: 60, Multiplier: 1, CapS: 60, MaxRetries: 1, Jitter: catalog.JitterEqual, Fix: "top_up_credit", Scope: catalog.ScopeAccount,
		},
		"Dial again after a short while; a machine may do so if the operator opted in (enrich.opt_in). At most 3 more calls, the first after 5 to 45 s, the last after 5 to 102 s; the call's id decides where in between.": {
			Class: catalog.ClassShortDelay, Auto: catalog.AutoOptIn, InitialS: 45, Multiplier: 1.5, CapS: 7200, MaxRetries: 3, Jitter: catalog.JitterFull,
		},
		"Dial again, but not soon.": {Class: catalog.ClassLongDelay},
		"new.":                      {Class: "new"},
	} {
		require.Equal(t, want, retryInWords(&catalog.Entry{Retry: r}))
	}

	for s, want := range map[float64]string{0.5: "0.5 s", 5: "5 s", 60: "1 min", 90: "90 s", 120: "2 min", 3600: "1 h", 5400: "90 min", 86400: "1 d", 21600: "6 h", 172800: "2 d"} {
		require.Equal(t, want, seconds(s))
	}
}

// TestEveryPolicyHasWords walks the built-in catalog: no word of it is unknown to the sentences.
func TestEveryPolicyHasWords(t *testing.T) {
	t.Parallel()

	entries := catalog.Default().Entries()
	for i := range entries {
		text := retryInWords(&entries[i])
		require.Greater(t, len(text), 20, "%d: %s", entries[i].Code, text)
		require.NotContains(t, text, "_opt", text)
	}
}
