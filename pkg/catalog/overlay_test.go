package catalog_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/callstream/enricher/pkg/catalog"
)

func parse(t testing.TB, overlays ...string) (*catalog.Snapshot, error) {
	t.Helper()
	var names []string
	var srcs [][]byte
	for i, o := range overlays {
		names = append(names, "overlay"+string(rune('1'+i))+".yaml")
		srcs = append(srcs, []byte(o))
	}
	return catalog.Parse(names, srcs)
}

func TestOverlayChangesSingleFields(t *testing.T) {
	s, err := parse(t, "entries:\n  - code: 3010\n    retry: {initial_s: 600}\n    flags: [list_hygiene]\n")
	require.NoError(t, err)
	e, _ := s.Lookup(3010)
	require.InDelta(t, 600, e.Retry.InitialS, 0)
	require.InDelta(t, 2, e.Retry.Multiplier, 0, "what is not named stays")
	require.Equal(t, "Busy Line", e.Name)
	require.Equal(t, []catalog.Change{
		{Code: 3010, Kind: catalog.Changed, Path: "flags", Old: "[]", New: `["list_hygiene"]`},
		{Code: 3010, Kind: catalog.Changed, Path: "retry.initial_s", Old: "900", New: "600"},
	}, catalog.Diff(catalog.Default(), s))
	require.NotEqual(t, catalog.Default().SHA256(), s.SHA256())
	unchanged, _ := catalog.Default().Lookup(3010)
	require.InDelta(t, 900, unchanged.Retry.InitialS, 0, "the embedded snapshot is not touched")
}

func TestOverlaysAreLaidInOrder(t *testing.T) {
	s, err := parse(t,
		"entries:\n  - {code: 3010, name: First}\n  - {code: 4000, disabled: true}\nlegacy_names:\n  - {name: NORMAL_CLEARING, code: 4010, ground: ours}\n",
		"entries:\n  - {code: 3010, name: Second}\n")
	require.NoError(t, err)
	e, _ := s.Lookup(3010)
	require.Equal(t, "Second", e.Name)
	_, ok := s.Lookup(4000)
	require.False(t, ok)
	n, ok := s.LookupName("normal clearing")
	require.True(t, ok)
	require.EqualValues(t, 4010, n.Code)
}

func TestOverlayAddsACode(t *testing.T) {
	s, err := parse(t, added()+"legacy_names:\n  - {name: BRAND_NEW, code: 8888, ground: seen}\n")
	require.NoError(t, err)
	require.Equal(t, []catalog.Change{
		{Code: 8888, Kind: catalog.Added, New: "New Cause"},
		{Code: 8888, Kind: catalog.Added, Path: "legacy_names.BRAND_NEW", New: `"seen"`},
	}, catalog.Diff(catalog.Default(), s))
	require.Equal(t, []catalog.Change{
		{Code: 8888, Kind: catalog.Removed, Old: "New Cause"},
		{Code: 8888, Kind: catalog.Removed, Path: "legacy_names.BRAND_NEW", Old: `"seen"`},
	}, catalog.Diff(s, catalog.Default()))
	e, ok := s.LookupName("brand new")
	require.True(t, ok)
	require.EqualValues(t, 8888, e.Code)
}

// A class without a delay drops the one that it inherits: an operator who forbids a redial
// should not have to know which numbers go with it.
func TestOverlayThatForbidsDropsTheDelay(t *testing.T) {
	s, err := parse(t, "entries:\n  - code: 3000\n    retry: {class: never, auto: blocked}\n")
	require.NoError(t, err)
	e, _ := s.Lookup(3000)
	require.Zero(t, e.Retry.InitialS)
	require.Empty(t, e.Retry.Jitter)
	_, err = parse(t, "entries:\n  - code: 3000\n    retry: {class: never, auto: blocked, initial_s: 5}\n")
	require.ErrorContains(t, err, "has no delay")
}

func TestDisabledCodeLeavesNoNameBehind(t *testing.T) {
	const disabled = "entries:\n  - {code: 3020, disabled: true}\n"
	s, err := parse(t, disabled)
	require.NoError(t, err)
	_, ok := s.LookupName("CALL_REJECTED")
	require.False(t, ok)
	_, ok = s.LookupName("Rejected")
	require.False(t, ok)
	require.Len(t, s.LegacyNames(), len(catalog.Default().LegacyNames())-1)

	_, err = parse(t, disabled+"legacy_names:\n  - {name: CALL_REJECTED, code: 3020, ground: ours}\n")
	require.EqualError(t, err, `overlay1.yaml:4:33: legacy_names[0].code: there is no code 3020 for the name "CALL_REJECTED"; did you mean 3010?`)
}

// An entry is made anew by disabling it in one file and adding it in the next.
func TestDisabledCodeMayBeAddedAgain(t *testing.T) {
	s, err := parse(t, "entries:\n  - {code: 3130, disabled: true}\n", added("code: 3130"))
	require.NoError(t, err)
	e, ok := s.Lookup(3130)
	require.True(t, ok)
	require.Equal(t, "New Cause", e.Name)
	require.Empty(t, e.Retry.Fix, "nothing of the former entry is left")
}

// An entry whose code is a slip is a new one that lacks almost everything. That it is new is said, with the code that may be
// meant.
func TestMistypedCodes(t *testing.T) {
	const slip = "entries: [{code: 3011, retry: {initial_s: 60}}]\n"
	for name, tc := range map[string]struct {
		overlays []string
		want     string // "": nothing is said of a code
	}{
		"a slip":                       {[]string{slip}, `overlay1.yaml:1:18: entries[0].code: code 3011 is not in the catalog, so this adds it; did you mean 3010?`},
		"far from all":                 {[]string{"entries: [{code: 20000, fault: carrier}]\n"}, `overlay1.yaml:1:18: entries[0].code: code 20000 is not in the catalog, so this adds it`},
		"near a code of another file":  {[]string{added(), "entries: [{code: 8889, fault: carrier}]\n"}, `overlay2.yaml:1:18: entries[0].code: code 8889 is not in the catalog, so this adds it; did you mean 8888?`},
		"changed by another file":      {[]string{slip, "entries: [{code: 3011, fault: carrier}]\n"}, `overlay1.yaml:1:18: entries[0].code: code 3011 is not in the catalog, so this adds it; did you mean 3010?`},
		"disabled by another file":     {[]string{slip, "entries: [{code: 3011, disabled: true}]\n"}, ""},
		"completed by another file":    {[]string{slip, added("code: 3011")}, ""},
		"a new one, with a word wrong": {[]string{added("fault: carier")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, tc.overlays...)
			if tc.want == "" {
				if err != nil {
					require.NotContains(t, err.Error(), "not in the catalog")
				}
				return
			}
			require.Contains(t, strings.Split(err.Error(), "\n"), tc.want)
			require.Equal(t, 1, strings.Count(err.Error(), "not in the catalog"))
		})
	}
}

// What an overlay does wrong is reported in the overlay, never in the built-in files.
func TestTakenNamesAreReportedWhereTheyWereTaken(t *testing.T) {
	for name, tc := range map[string]struct{ overlay, want string }{
		"a lower code takes the name":   {"entries:\n  - {code: 3000, name: Busy Line}\n", `overlay1.yaml:2:24: entries[0].name: "Busy Line" is the name of code 3010 already`},
		"a higher code takes the name":  {"entries:\n  - {code: 3020, name: Busy Line}\n", `overlay1.yaml:2:24: entries[0].name: "Busy Line" is the name of code 3010 already`},
		"an entry takes a legacy name":  {"entries:\n  - {code: 3020, name: User Busy}\n", `overlay1.yaml:2:24: entries[0].name: "User Busy" is the legacy name USER_BUSY of code 3010: it cannot be the name of 3020`},
		"a legacy name takes the name":  {"legacy_names:\n  - {name: busy-line, code: 3020, ground: x}\n", `overlay1.yaml:2:12: legacy_names[0].name: "busy-line" is the name of code 3010: it cannot stand for 3020`},
		"the other one changed besides": {"entries:\n  - {code: 3000, name: Busy Line}\n  - {code: 3010, fault: carrier}\n", `overlay1.yaml:2:24: entries[0].name: "Busy Line" is the name of code 3010 already`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, tc.overlay)
			require.EqualError(t, err, tc.want)
		})
	}
}

// Each file in testdata/bad has the messages it must give beside it.
func TestBadOverlays(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".want")
			require.NoError(t, err)
			_, err = catalog.Load(file)
			require.Error(t, err)
			require.Equal(t, strings.TrimSpace(string(want)), err.Error())
		})
	}
}

func TestAllFilesAreReportedTogether(t *testing.T) {
	_, err := parse(t, "entries:\n  - {code: 3010, fualt: carrier}\n", "entries:\n  - {code: 3010, fault: carier}\n")
	require.ErrorContains(t, err, `overlay1.yaml:2:18: unknown key "fualt" in entries[0]; did you mean "fault"?`)
	require.ErrorContains(t, err, "overlay2.yaml:2:25")
}

func TestFilesThatCannotBeRead(t *testing.T) {
	_, err := catalog.Load("testdata/none.yaml")
	require.ErrorContains(t, err, "testdata/none.yaml: cannot be read")
	big := filepath.Join(t.TempDir(), "big.yaml")
	require.NoError(t, os.WriteFile(big, make([]byte, 1<<20+1), 0o600))
	_, err = catalog.Load(big)
	require.ErrorContains(t, err, "larger than")
	_, err = parse(t, strings.Repeat("#", 1<<20+1))
	require.ErrorContains(t, err, "larger than")
	_, err = parse(t, "entries: [")
	require.ErrorContains(t, err, "overlay1.yaml:")
}

func TestDiffSeesEveryField(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := catalog.Default().Entries()
		e := entries[rapid.IntRange(0, len(entries)-1).Draw(t, "entry")]
		name := rapid.StringMatching(`[A-Z][a-z]{3,10} [a-z]{3,10} [a-z]{12}`).Draw(t, "name")
		sip := rapid.IntRange(100, 699).Draw(t, "sip")
		src := "entries:\n  - code: " + itoa(int(e.Code)) + "\n    name: \"" + name + "\"\n    nearest: {sip: " + itoa(sip) + "}\n"
		s, err := catalog.Parse([]string{"o.yaml"}, [][]byte{[]byte(src)})
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		var paths []string
		for _, c := range catalog.Diff(catalog.Default(), s) {
			if c.Code != e.Code {
				t.Fatalf("another code changed: %v", c)
			}
			paths = append(paths, c.Path)
		}
		want := []string{"name"}
		if sip != e.Nearest.SIP {
			want = append(want, "nearest.sip")
		}
		if strings.Join(paths, " ") != strings.Join(want, " ") {
			t.Fatalf("changed %v, want %v", paths, want)
		}
	})
}

func itoa(n int) string { return strconv.Itoa(n) }

// Whatever an overlay says, there is a snapshot or an error, and never a panic.
func FuzzOverlay(f *testing.F) {
	f.Add("entries:\n  - {code: 3010, name: X}\n")
	f.Add(added("retry: {class: short_delay, auto: allowed, initial_s: .nan, multiplier: .inf, cap_s: 1e300, max_retries: 3, jitter: full, why: x}"))
	f.Add("entries:\n  - {code: -1, disabled: true}\nlegacy_names: [{name: '', code: 1}]\n")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := catalog.Parse([]string{"fuzz.yaml"}, [][]byte{[]byte(src)})
		if (s == nil) == (err == nil) {
			t.Fatalf("snapshot %v, error %v", s, err)
		}
		if s != nil {
			_ = catalog.Diff(catalog.Default(), s)
			_ = s.ID()
		}
	})
}
