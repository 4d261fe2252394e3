package peer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/bench/internal/peer"
)

func table(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "table.json")
	f := peer.File{Field: "hangup", Header: "hangup-code", Codes: map[string]json.RawMessage{
		"3010": json.RawMessage(`{"name":"Busy & <gone>"}`),
		"0":    json.RawMessage(`{"name":"Unknown"}`),
	}}
	require.NoError(t, f.Save(name))
	return name
}

func flags(table string, more ...string) []string {
	return append([]string{"-brokers", "a:1,b:2", "-in", "i", "-out", "o", "-dead", "d", "-group", "g", "-table", table}, more...)
}

func TestParse(t *testing.T) {
	f, err := peer.Parse("x", flags("file", "-compression", "zstd", "-delivery", "exactly_once"))
	require.NoError(t, err)
	require.Equal(t, peer.Flags{
		Brokers: []string{"a:1", "b:2"}, In: "i", Out: "o", Dead: "d", Group: "g",
		Compression: "zstd", Delivery: peer.ExactlyOnce, Table: "file",
	}, f)

	f, err = peer.Parse("x", flags("file"))
	require.NoError(t, err)
	assert.Equal(t, "none", f.Compression)
	assert.Equal(t, peer.AtLeastOnce, f.Delivery)
}

func TestParseErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"missing flag":        {flags("file")[2:], "-brokers is missing"},
		"unknown flag":        {flags("file", "-x"), "not defined: -x"},
		"unknown compression": {flags("file", "-compression", "snappy"), `-compression "snappy"`},
		"unknown delivery":    {flags("file", "-delivery", "some"), `-delivery "some"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := peer.Parse("x", tc.args)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestLoad(t *testing.T) {
	got, err := peer.Load(table(t))
	require.NoError(t, err)
	require.Equal(t, "hangup-code", got.Header)
	require.Len(t, got.Codes, 2)
	require.Equal(t, `,"hangup":{"name":"Busy & <gone>"}}`, string(got.Codes["3010"].Tail))
	require.Equal(t, "3010", string(got.Codes["3010"].Code))
}

func TestLoadErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no JSON":    {"{", "unexpected end"},
		"no field":   {`{"header":"h","codes":{"1":{}}}`, "missing"},
		"no header":  {`{"field":"f","codes":{"1":{}}}`, "missing"},
		"no entries": {`{"field":"f","header":"h"}`, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "t.json")
			require.NoError(t, os.WriteFile(file, []byte(tc.text), 0o600))
			_, err := peer.Load(file)
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := peer.Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, peer.File{}.Save(filepath.Join(t.TempDir(), "none", "x")), os.ErrNotExist)
	require.Error(t, peer.File{Codes: map[string]json.RawMessage{"1": json.RawMessage("{")}}.Save(filepath.Join(t.TempDir(), "x")))
}

func TestFind(t *testing.T) {
	tab, err := peer.Load(table(t))
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		value string
		code  string // "" if nothing is to be added
		sound bool
	}{
		"text":             {`{"HangupCauseCode":"3010"}`, "3010", true},
		"number":           {`{"HangupCauseCode":3010}`, "3010", true},
		"zero":             {`{"HangupCauseCode":0}`, "0", true},
		"escaped":          {`{"HangupCauseCode":"\u0030"}`, "0", true},
		"not in the table": {`{"HangupCauseCode":1}`, "", true},
		"another type":     {`{"HangupCauseCode":[3010]}`, "", true},
		"nested":           {`{"x":{"HangupCauseCode":"3010"}}`, "", true},
		"none":             {` {} `, "", true},
		"list":             {`["HangupCauseCode",3010]`, "", false},
		"cut off":          {`{"HangupCauseCode":"3010"`, "", false},
		"two":              {`{"HangupCauseCode":"3010"}{}`, "", false},
		"not UTF-8":        {"{\"HangupCauseCode\":\"3010\",\"x\":\"\xc0\xaf\"}", "", false},
		"empty":            {"", "", false},
		"space":            {" \t", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, sound := tab.Find([]byte(tc.value))
			require.Equal(t, tc.sound, sound)
			if tc.code == "" {
				require.Nil(t, s)
				return
			}
			require.NotNil(t, s)
			require.Equal(t, tc.code, string(s.Code))
		})
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	tab, err := peer.Load(table(t))
	require.NoError(t, err)
	value := []byte(`{"CallUUID":"x","HangupCauseCode":"3010","To":"1"}`)
	require.Zero(t, testing.AllocsPerRun(100, func() { tab.Find(value) }))
}

func TestAppend(t *testing.T) {
	s := &peer.Splice{Tail: []byte(`,"h":{}}`)}
	require.Equal(t, `x{"a":1,"h":{}}`, string(s.Append([]byte("x"), []byte(`{"a":1}`))))
	require.Equal(t, "{\"a\":{},\"h\":{}}\n ", string(s.Append(nil, []byte("{\"a\":{}}\n ")))) //nolint:testifylint // byte for byte
}

func TestConstant(t *testing.T) {
	tab, err := peer.Load(table(t))
	require.NoError(t, err)
	text := string(tab.Constant())
	require.True(t, json.Valid([]byte(`{"a":1`+text)), text)

	tab.Codes["1"] = &peer.Splice{Tail: bytes.Repeat([]byte("x"), 3000)}
	sum := 0
	for _, s := range tab.Codes {
		sum += len(s.Tail)
	}
	require.InDelta(t, 0.6*float64(sum)/3, len(tab.Constant()), 1)
}

func TestMainReports(t *testing.T) {
	good := flags(table(t))
	failing := func(context.Context, peer.Flags, *peer.Table, func()) error { return errors.New("no broker") }
	for name, tc := range map[string]struct {
		args []string
		run  peer.Peer
		code int
		want string
	}{
		"works": {good, func(_ context.Context, f peer.Flags, tab *peer.Table, first func()) error {
			first()
			first()
			assert.Equal(t, "i", f.In)
			assert.Len(t, tab.Codes, 2)
			return nil
		}, 0, ""},
		"fails":     {good, failing, 1, "x: no broker\n"},
		"bad flags": {good[2:], failing, 1, "x: parse flags: -brokers is missing\n"},
		"no table":  {flags("none"), failing, 1, "x: read table: open none: no such file or directory\n"},
		"help":      {[]string{"-help"}, failing, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			require.Equal(t, tc.code, peer.Main("x", tc.args, &stdout, &stderr, tc.run))
			require.Equal(t, tc.want, stderr.String())
			if tc.code == 0 {
				require.Equal(t, "first\n", stdout.String())
			}
		})
	}
}

// BenchmarkFind is on the callback of a call that was busy, in 683 bytes.
func BenchmarkFind(b *testing.B) {
	tab, err := peer.Load(table(b))
	require.NoError(b, err)
	value, err := os.ReadFile("../../../testdata/events/callbacks/04_hangup_3010_busy_unanswered.json")
	require.NoError(b, err)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		tab.Find(value)
	}
}
