package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/catalog"
)

func newCatalog(w *world) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "catalog",
		Short: "Look into the catalog of hangup causes",
		Long: `Lists the hangup causes, shows one, checks overlay files, compares catalogs, or counts
what went through a topic. docs/catalog.md says what the columns mean and how overlays are
written.`,
		Example: `  enricher catalog list --fault carrier
  enricher catalog show 3010 -o json
  enricher catalog validate overlay.yaml
  enricher catalog diff builtin overlay.yaml`,
	})
	cmd.AddCommand(newCatalogList(w), newCatalogShow(w), newCatalogValidate(w), newCatalogDiff(w), newCatalogReport(w))

	return cmd
}

// overlayFlag adds --overlay.
func overlayFlag(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVar(files, "overlay", nil, "overlay `file` to lay over the built-in catalog; may be repeated")
	_ = cmd.MarkFlagFilename("overlay", "yaml", "yml")
}

func newCatalogList(w *world) *cobra.Command {
	var overlays, faults, classes []string

	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the hangup causes",
		Long: `Lists the hangup causes by code. -o json gives an array of entries with every column.
A provisional code, seen in the wild but not in the published table, has a *.`,
		Example: "  enricher catalog list\n  enricher catalog list --fault carrier,destination --class long_delay\n  enricher catalog list -o json --overlay overlay.yaml",
		Args:    arguments(0, 0, "no arguments"),
	}
	overlayFlag(cmd, &overlays)
	cmd.Flags().StringSliceVar(&faults, "fault", nil, "only causes that are this party's `fault`")
	cmd.Flags().StringSliceVar(&classes, "class", nil, "only causes of this retry `class`")
	complete(cmd, "fault", words(catalog.Faults()))
	complete(cmd, "class", words(catalog.Classes()))
	out := outputFlag(cmd, asTable, asJSON, asYAML)

	cmd.RunE = func(*cobra.Command, []string) error {
		if err := known("--fault", faults, words(catalog.Faults())); err != nil {
			return err
		}

		if err := known("--class", classes, words(catalog.Classes())); err != nil {
			return err
		}

		snap, err := loadCatalog(overlays)
		if err != nil {
			return err
		}

		entries := []catalog.Entry{}

		for _, e := range snap.Entries() {
			if (len(faults) == 0 || slices.Contains(faults, string(e.Fault))) && (len(classes) == 0 || slices.Contains(classes, string(e.Retry.Class))) {
				entries = append(entries, e)
			}
		}

		return writeEntries(w, entries, out.value)
	}

	return cmd
}

// known refuses words that are not in a closed list.
func known(flag string, given, allowed []string) error {
	for _, word := range given {
		if slices.Contains(allowed, word) {
			continue
		}

		hint := "want " + strings.Join(allowed, ", ")
		if near, ok := strictyaml.Nearest(word, allowed); ok {
			hint = fmt.Sprintf("did you mean %q?", near)
		}

		return usagef("%s %q: no such word; %s", flag, word, hint)
	}

	return nil
}

func writeEntries(w *world, entries []catalog.Entry, format string) error {
	switch format {
	case asJSON:
		return writeJSON(w.out, entries)
	case asYAML:
		return writeYAML(w.out, entries)
	}

	rows := [][]cell{{{"CODE", bold}, {"NAME", bold}, {"FAULT", bold}, {"CLASS", bold}, {"AUTO", bold}, {"DIRECTIONS", bold}, {"SUMMARY", bold}}}

	for i := range entries {
		e := &entries[i]

		code := strconv.Itoa(int(e.Code))
		if e.Provisional {
			code += "*"
		}

		rows = append(rows, []cell{
			{text: code},
			{text: e.Name},
			{text: string(e.Fault)},
			{string(e.Retry.Class), classColour(e.Retry.Class)},
			{text: string(e.Retry.Auto)},
			{text: list(e.Directions)},
			{e.Summary, faint},
		})
	}

	p := w.painter(w.out)

	return p.show(w.out, table(rows, p))
}

// classColour: green may be dialled again, yellow after something has been done, red not.
func classColour(c catalog.Class) colour {
	switch c {
	case catalog.ClassShortDelay, catalog.ClassLongDelay, catalog.ClassAlternate:
		return green
	case catalog.ClassManual, catalog.ClassAfterFix:
		return yellow
	case catalog.ClassNever:
		return red
	case catalog.ClassNone:
	}

	return ""
}

func list[T ~string](items []T) string { return strings.Join(words(items), ", ") }

func newCatalogShow(w *world) *cobra.Command {
	var overlays []string

	cmd := &cobra.Command{
		Use:     "show CODE",
		Short:   "Show one hangup cause",
		Long:    "Shows every column of one hangup cause, named by its code or by its name.",
		Example: "  enricher catalog show 3010\n  enricher catalog show USER_BUSY -o json",
		Args:    arguments(1, 1, "one code"),
	}
	overlayFlag(cmd, &overlays)
	out := outputFlag(cmd, asTable, asJSON, asYAML)

	cmd.RunE = func(_ *cobra.Command, args []string) error {
		snap, err := loadCatalog(overlays)
		if err != nil {
			return err
		}

		entry, err := findEntry(snap, args[0])
		if err != nil {
			return err
		}

		switch out.value {
		case asJSON:
			return writeJSON(w.out, entry)
		case asYAML:
			return writeYAML(w.out, entry)
		default:
			p := w.painter(w.out)

			return p.show(w.out, table(entryRows(entry), p))
		}
	}

	return cmd
}

// findEntry looks a code or a name up.
func findEntry(snap *catalog.Snapshot, word string) (*catalog.Entry, error) {
	code, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		if entry, ok := snap.LookupName(word); ok {
			return entry, nil
		}

		hint := "`enricher catalog list` lists them"
		if near := nearEntries(snap, word); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, ", ") + "?"
		}

		return nil, usagef("%q is neither a hangup-cause code nor the name of one; %s%s", word, hint, meantInWords(snap, word))
	}

	if entry, ok := snap.Lookup(int32(code)); ok {
		return entry, nil
	}

	return nil, usagef("code %d is not in the catalog %s; `enricher catalog list` lists what is, an overlay can add it%s", code, snap.ID(), meantInWords(snap, word))
}

// nearEntries are the few that have all words in name or summary, as the status page searches; those first that have
// them in the name.
func nearEntries(snap *catalog.Snapshot, query string) []string {
	const most = 5

	var byName, bySummary []string

	has := func(text string) bool {
		text = strings.ToLower(text)

		return !slices.ContainsFunc(strings.Fields(strings.ToLower(query)), func(word string) bool { return !strings.Contains(text, word) })
	}

	for _, e := range snap.Entries() {
		switch found := fmt.Sprintf("%d (%s)", e.Code, e.Name); {
		case strings.TrimSpace(query) == "":
		case has(e.Name):
			byName = append(byName, found)
		case has(e.Name + " " + e.Summary):
			bySummary = append(bySummary, found)
		}
	}

	all := slices.Concat(byName, bySummary)

	return all[:min(most, len(all))]
}

func newCatalogValidate(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Find every mistake in overlay files",
		Long: `Lays overlay files over the built-in catalog, in the order given, and reports every
mistake in all of them at once, each with file, line and column. Exit code 2 if
anything is wrong.`,
		Example: "  enricher catalog validate overlay.yaml\n  enricher catalog validate base.yaml site.yaml",
		Args:    arguments(1, -1, "at least one overlay file"),
		RunE: func(_ *cobra.Command, files []string) error {
			snap, err := loadCatalog(files)
			if err != nil {
				return err
			}

			return w.painter(w.out).show(w.out, fmt.Sprintf("%s: ok, %d causes, catalog %s\n", strings.Join(files, ", "), len(snap.Entries()), snap.ID()))
		},
	}
}
