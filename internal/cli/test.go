package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/casetest"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/kafkatool"
	"github.com/callstream/enricher/internal/privacy"
	"github.com/callstream/enricher/internal/strictyaml"
)

type testFlags struct {
	config   string
	overlays []string
	verbose  bool
	out      *format
}

func newTest(w *world) *cobra.Command {
	var f testFlags

	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run your own cases against a configuration",
		Long: `Runs cases, each an event and what has to become of it, against a configuration and its
catalog overlays, without Kafka. Without -c the configuration is the default one,
which has no routes. A case looks like this; docs/testing.md has all keys:

  cases:
    - name: busy is redialled
      event: {Direction: outbound, HangupCauseCode: "3010"}
      expect:
        outcome: enriched
        routes: [retry]
        fields: {hangup.fault: destination}
        advice: {retryable: true, delay_s: {min: 450, max: 900}}

A directory stands for the files *.yaml and *.yml in it.

Exit code 1 if a case fails; 2 if a file is wrong, and then no case is run.`,
		Example: `  enricher test cases.yaml
  enricher test -c enricher.yaml cases/
  enricher test -c enricher.yaml --overlay overlay.yaml -v cases/*.yaml
  enricher test -o json cases.yaml | jq '.cases[] | select(.ok | not)'`,
		Args: arguments(1, -1, "at least one file of cases"),
		RunE: func(_ *cobra.Command, args []string) error { return runTest(w, &f, args) },
	}
	configFlag(cmd, &f.config)
	overlayFlag(cmd, &f.overlays)
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "list the cases that pass as well")
	f.out = outputFlag(cmd, asText, asJSON)

	return cmd
}

// tested is what became of one case.
type tested struct {
	Name       string              `json:"name"`
	File       string              `json:"file"`
	Line       int                 `json:"line"`
	OK         bool                `json:"ok"`
	Mismatches []casetest.Mismatch `json:"mismatches"`

	from *casetest.Case
	show privacy.Policy
}

// testReport is what -o json says of all.
type testReport struct {
	Passed int      `json:"passed"`
	Failed int      `json:"failed"`
	Cases  []tested `json:"cases"`
}

func runTest(w *world, f *testFlags, args []string) error {
	cases, err := loadCases(args)
	if err != nil {
		return err
	}

	subject, show, err := makeSubject(f.config, f.overlays)
	if err != nil {
		return err
	}

	report := testReport{Cases: []tested{}}

	for _, c := range cases {
		mismatches := append([]casetest.Mismatch{}, subject.Run(c)...) // never null
		for i := range mismatches {
			showMismatch(&mismatches[i], show)
		}

		t := tested{c.Name, c.File, c.Line, len(mismatches) == 0, mismatches, c, show}

		if t.OK {
			report.Passed++
		} else {
			report.Failed++
		}

		report.Cases = append(report.Cases, t)
	}

	if f.out.value == asJSON {
		err = writeJSON(w.out, report)
	} else {
		p := w.painter(w.out)
		err = p.show(w.out, report.text(p, f))
	}

	if err == nil && report.Failed > 0 {
		return &silentError{}
	}

	return err
}

// loadCases reads all files, and reports the mistakes of all at once.
func loadCases(args []string) ([]*casetest.Case, error) {
	var (
		cases    []*casetest.Case
		mistakes strictyaml.Mistakes
	)

	files, err := caseFiles(args)
	if err != nil {
		return nil, err
	}

	for _, file := range files {
		list, err := casetest.Load(file)

		switch ms, ok := err.(strictyaml.Mistakes); { //nolint:errorlint // what it returns is documented; wrapped it is not
		case ok:
			mistakes = append(mistakes, ms...)
		case err != nil:
			return nil, asConfigError(err)
		}

		cases = append(cases, list...)
	}

	return cases, mistakes.Err()
}

// caseFiles puts the files in a directory in its place.
func caseFiles(args []string) ([]string, error) {
	var files []string

	for _, arg := range args {
		if info, err := os.Stat(arg); err != nil || !info.IsDir() {
			files = append(files, arg) // what cannot be read is said when it is read

			continue
		}

		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, asConfigError(fmt.Errorf("read cases: %w", err))
		}

		before := len(files)

		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
				files = append(files, filepath.Join(arg, e.Name()))
			}
		}

		if len(files) == before {
			return nil, usagef("%s: no file *.yaml or *.yml in this directory; directories in it are not looked into", arg)
		}
	}

	return files, nil
}

// showMismatch masks what stands in events: the values of fields and headers. All else is the enricher's own.
func showMismatch(m *casetest.Mismatch, show privacy.Policy) {
	if strings.HasPrefix(m.What, "fields ") || strings.HasPrefix(m.What, "headers ") {
		m.Want, m.Got = show.JSON(m.Want), show.JSON(m.Got)
	}
}

// makeSubject makes what a configuration asks for; "" is the default one. Overlays lie
// above its own. It also says how events are shown.
func makeSubject(file string, overlays []string) (*casetest.Subject, privacy.Policy, error) {
	cfg := config.Default()

	if file != "" {
		var err error
		if cfg, err = loadConfig(file); err != nil {
			return nil, privacy.Policy{}, err
		}
	}

	subject, err := subjectOf(cfg, slices.Concat(cfg.Catalog.Overlays, overlays))

	return subject, privacy.Policy(cfg.Privacy), err
}

// subjectOf is a configuration with these overlays, and none of its own.
func subjectOf(cfg *config.Config, overlays []string) (*casetest.Subject, error) {
	with := *cfg
	with.Catalog.Overlays = overlays

	snap, err := configuredCatalog(&with)
	if err != nil {
		return nil, err
	}

	subject, err := casetest.NewSubject(cfg, snap)
	if err != nil {
		return nil, asConfigError(err)
	}

	return subject, nil
}

func (r *testReport) text(p painter, f *testFlags) string {
	var b strings.Builder

	for i := range r.Cases {
		t := &r.Cases[i]
		where := p.paint(faint, fmt.Sprintf("%s:%d", t.File, t.Line))

		switch {
		case !t.OK:
			fmt.Fprintf(&b, "%s %s  %s\n%s\n", p.paint(red, "FAIL"), p.paint(bold, t.Name), where, t.details(p, f))
		case f.verbose:
			fmt.Fprintf(&b, "%s   %s  %s\n", p.paint(green, "ok"), visibleLine(t.Name), where)
		}
	}

	noun := "cases"
	if len(r.Cases) == 1 {
		noun = "case"
	}

	failed := fmt.Sprintf("%d failed", r.Failed)
	if r.Failed > 0 {
		failed = p.paint(red, failed)
	}

	fmt.Fprintf(&b, "%d %s: %d passed, %s\n", len(r.Cases), noun, r.Passed, failed)

	return b.String()
}

// details says what did not hold, and how to see why.
func (t *tested) details(p painter, f *testFlags) string {
	var b strings.Builder

	for _, m := range t.Mismatches {
		fmt.Fprintf(&b, "  %s %s\n", visibleLine(m.What), p.paint(faint, fmt.Sprintf("(line %d)", m.Line)))
		fmt.Fprintf(&b, "    want %s\n    got  %s\n", p.paint(green, orAbsent(m.Want)), p.paint(red, orAbsent(m.Got)))

		if m.Note != "" {
			fmt.Fprintf(&b, "    %s\n", visibleLine(m.Note))
		}
	}

	if command := explainCommand(t.from, f, t.show); command != "" {
		fmt.Fprintf(&b, "  to see why: %s\n", visibleLine(command))
	}

	return b.String()
}

func orAbsent(value json.RawMessage) string {
	if string(value) == "null" {
		return "absent"
	}

	return string(value)
}

// explainCommand is what to type to see how the event comes by its advice; "" for a tombstone.
func explainCommand(c *casetest.Case, f *testFlags, show privacy.Policy) string {
	const longest = 2000 // beyond it nobody wants to copy

	if c.Value == nil {
		return ""
	}

	words := []string{"enricher", "explain"}
	if f.config != "" {
		words = append(words, "-c", kafkatool.Quote(f.config))
	}

	for _, overlay := range f.overlays {
		words = append(words, "--overlay", kafkatool.Quote(overlay))
	}

	if !c.Timestamp.IsZero() {
		words = append(words, "--timestamp", c.Timestamp.Format(time.RFC3339Nano))
	}

	command := strings.Join(append(words, "-"), " ")

	switch {
	case c.EventFile != "":
		return command + " < " + kafkatool.Quote(c.EventFile)
	case len(c.Value) > longest || !printable(string(c.Value)) || show.Hides(c.Value):
		return command + " < EVENT"
	default:
		return "printf %s " + kafkatool.Quote(string(c.Value)) + " | " + command
	}
}

func printable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
