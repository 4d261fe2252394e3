package cli

import (
	"errors"
	"fmt"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// loadConfig reads a configuration and all that it names, and checks everything that can be
// checked without a broker. Each error is worth exit code 2.
func loadConfig(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, asConfigError(err)
	}

	snap, err := loadCatalog(cfg.Catalog.Overlays)
	if err != nil {
		return nil, err
	}

	if err := cfg.CheckWords(vocabulary(snap)); err != nil {
		return nil, asConfigError(err)
	}

	if snap, err = configuredCatalog(cfg); err != nil {
		return nil, err
	}

	if _, err := enrich.New(snap, app.EnrichOptions(cfg)); err != nil {
		return nil, asConfigError(fmt.Errorf("%s: enrich: %w", path, err))
	}

	return cfg, nil
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
	snap, err := app.Catalog(cfg, overlays...)
	if err != nil {
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
func vocabulary(snap *catalog.Snapshot) config.Vocabulary {
	v := config.Vocabulary{
		Faults:  words(catalog.Faults()),
		Classes: words(catalog.Classes()),
		Flags:   words(catalog.Flags()),
		Sources: words(catalog.Sources()),
		Members: []string{"retry"},
		Headers: enrich.HeaderNames(),
		OptIn:   []int32{},
	}

	for _, m := range enrich.Members() {
		v.Members = append(v.Members, m.Name)
	}

	entries := snap.Entries()
	for i := range entries {
		if entries[i].Retry.Auto == catalog.AutoOptIn {
			v.OptIn = append(v.OptIn, entries[i].Code)
		}
	}

	return v
}

func words[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, word := range list {
		out = append(out, string(word))
	}

	return out
}
