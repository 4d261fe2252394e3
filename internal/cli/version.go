package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/callstream/enricher/pkg/catalog"
)

// build says which program this is. All of it comes from the binary itself.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`     // of the commit, RFC 3339
	Modified bool   `json:"modified,omitempty"` // built from a changed work tree
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Catalog  string `json:"catalog"`
}

func newVersion(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Long:    "Says which program and which built-in catalog this is. Bug reports want it.",
		Example: "  enricher version\n  enricher version -o json",
		Args:    arguments(0, 0, "no arguments"),
	}
	out := outputFlag(cmd, asText, asJSON)

	cmd.RunE = func(*cobra.Command, []string) error {
		b := thisBuild()
		if out.value == asJSON {
			return writeJSON(w.out, b)
		}

		return write(w.out, b.String())
	}

	return cmd
}

// versionFlag adds --version, which many try first, to the program itself.
func versionFlag(w *world, root *cobra.Command) {
	wanted, otherwise := root.Flags().BoolP("version", "v", false, "say which version this is, as enricher version does"), root.RunE

	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *wanted {
			return write(w.out, thisBuild().String())
		}

		return otherwise(cmd, args)
	}
}

func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	b := describeBuild(info)
	b.Catalog = catalog.Default().ID()

	return b
}

func describeBuild(info *debug.BuildInfo) build {
	b := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}

	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}

	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}

	return b
}

func (b build) String() string {
	text := "enricher " + b.Version
	if b.Commit != "" {
		text += fmt.Sprintf(" (commit %s, %s)", b.Commit, b.Date)
	}

	if b.Modified {
		text += ", modified"
	}

	return text + fmt.Sprintf("\ncatalog  %s\nbuilt    with %s for %s\n", b.Catalog, b.Go, b.Platform)
}
