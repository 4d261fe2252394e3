package enrich_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// TestSchemaHasTheCatalogsWords: a word that the catalog accepts is one that
// readers of the schema expect, and the other way round.
func TestSchemaHasTheCatalogsWords(t *testing.T) {
	t.Parallel()

	s := readSchema(t)
	retry := s.Properties["retry"].Properties

	for name, tt := range map[string]struct {
		schema *schema
		words  []string
	}{
		"sources":      {s.Properties["sources"].Items, texts(catalog.Sources())},
		"directions":   {s.Properties["directions"].Items, texts(catalog.Directions())},
		"states":       {s.Properties["states"].Items, texts(catalog.States())},
		"surfaces":     {s.Properties["surfaces"].Items, texts(catalog.Surfaces())},
		"fault":        {s.Properties["fault"], texts(catalog.Faults())},
		"retry.class":  {retry["class"], texts(catalog.Classes())},
		"retry.auto":   {retry["auto"], texts(catalog.Autos())},
		"retry.target": {retry["target"], texts(catalog.Targets())},
		"retry.scope":  {retry["scope"], texts(catalog.Scopes())},

		"retry.attempt_evidence": {retry["attempt_evidence"], texts(enrich.AttemptEvidences())},
	} {
		var described []string
		for _, word := range tt.schema.Enum {
			described = append(described, word.(string))
		}

		require.ElementsMatch(t, tt.words, described, name)
	}

	for _, word := range append(texts(catalog.Flags()), texts(catalog.Fixes())...) { // open in the schema: these lists grow
		require.Empty(t, s.Properties["flags"].Items.check("", word))
		require.Empty(t, retry["fix"].check("", word))
	}
}
