package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/strictyaml"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// loadConfig reads a configuration and all that it names, and checks everything that can be
// checked without a broker. Each error is worth exit code 2.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path, checkWords, checkCatalog)
	if err != nil {
		return nil, asConfigError(err)
	}

	return cfg, nil
}

func checkWords(cfg *config.Config) strictyaml.Mistakes {
	return append(cfg.CheckWords(vocabulary()), cfg.CheckPaths(enrich.CheckPath)...)
}

// checkCatalog checks overlays and, if they are right, what is asked of the catalog that they make.
func checkCatalog(cfg *config.Config) strictyaml.Mistakes {
	if !cfg.Sound("catalog") {
		return nil // nobody knows which files are meant
	}

	snap, err := catalog.Load(cfg.Catalog.Overlays...)
	if err != nil {
		return overlayMistakes(cfg, err)
	}

	snap, mistakes := withPolicies(cfg, snap)

	return append(mistakes, cfg.CheckOptIn(askingOptIn(snap))...)
}

// overlayMistakes are those of overlays. That a file cannot be used at all is a mistake where it is named.
func overlayMistakes(cfg *config.Config, err error) strictyaml.Mistakes {
	mistakes, _ := errors.AsType[strictyaml.Mistakes](err) // catalog.Load gives no others

	for i, m := range mistakes {
		if overlay := slices.Index(cfg.Catalog.Overlays, m.File); overlay >= 0 && m.Line == 0 {
			mistakes[i] = cfg.At(fmt.Sprintf("catalog.overlays[%d]", overlay), "%s", m.Msg)
		}
	}

	return mistakes
}

// withPolicies lays a configuration's policies over a catalog, but for those that are wrong.
func withPolicies(cfg *config.Config, snap *catalog.Snapshot) (*catalog.Snapshot, strictyaml.Mistakes) {
	var mistakes strictyaml.Mistakes

	snap, err := snap.WithPolicies(app.Policies(cfg))
	if err == nil {
		return snap, nil
	}

	for _, err := range joined(err) {
		if name, what, ok := strings.Cut(err.Error(), ": "); ok { // all but catalog.ErrPolicy
			mistakes = append(mistakes, cfg.At(name, "%s", what))
		}
	}

	return snap, mistakes
}

// joined are the errors that err was made of.
func joined(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}

	var out []error
	for _, err := range many.Unwrap() {
		out = append(out, joined(err)...)
	}

	return out
}

func loadCatalog(overlays []string) (*catalog.Snapshot, error) {
	snap, err := catalog.Load(overlays...)
	if err != nil {
		return nil, asConfigError(err)
	}

	return snap, nil
}

// configuredCatalog is the catalog with all that a configuration changes, and with more overlays.
func configuredCatalog(cfg *config.Config, overlays ...string) (*catalog.Snapshot, error) {
	snap, err := loadCatalog(slices.Concat(cfg.Catalog.Overlays, overlays))
	if err != nil {
		return nil, err
	}

	snap, mistakes := withPolicies(cfg, snap)
	if err := mistakes.Err(); err != nil {
		return nil, asConfigError(err)
	}

	return snap, nil
}

// asConfigError gives an error the exit code of a configuration's mistake.
func asConfigError(err error) error {
	if _, already := errors.AsType[*app.ConfigError](err); already {
		return err
	}

	return &app.ConfigError{Err: err}
}

// vocabulary gathers the closed lists that a configuration's words are checked against.
func vocabulary() config.Vocabulary {
	v := config.Vocabulary{
		Faults:  words(catalog.Faults()),
		Classes: words(catalog.Classes()),
		Flags:   words(catalog.Flags()),
		Sources: words(catalog.Sources()),
		Members: []string{"retry"},
		Headers: enrich.HeaderNames(),
	}

	for _, m := range enrich.Members() {
		v.Members = append(v.Members, m.Name)
	}

	return v
}

// askingOptIn are the codes whose policy asks for an opt-in.
func askingOptIn(snap *catalog.Snapshot) (codes []int32) {
	entries := snap.Entries()
	for i := range entries {
		if entries[i].Retry.Auto == catalog.AutoOptIn {
			codes = append(codes, entries[i].Code)
		}
	}

	return codes
}

func words[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, word := range list {
		out = append(out, string(word))
	}

	return out
}
