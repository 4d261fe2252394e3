package casetest

import (
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// Words of closed lists; "" is none.
type (
	outcome string
	reason  string // of an outcome
	class   string
	rule    string // that decided about a redial
)

// Values lists the outcomes.
func (outcome) Values() []string {
	names := make([]string, 0, enrich.NumOutcomes)
	for o := range enrich.Outcome(enrich.NumOutcomes) {
		names = append(names, o.String())
	}

	return names
}

// Values lists the reasons of outcomes, but for the one that only a topic's limit gives.
func (reason) Values() []string {
	var names []string

	for _, r := range enrich.Reasons() {
		if r != enrich.OutputTooLarge {
			names = append(names, string(r))
		}
	}

	return names
}

// Values lists the retry classes.
func (class) Values() []string { return strs(catalog.Classes()) }

// Values lists the reasons for advice.
func (rule) Values() []string { return strs(enrich.AdviceReasons()) }

func strs[T ~string](list []T) []string {
	out := make([]string, 0, len(list))
	for _, word := range list {
		out = append(out, string(word))
	}

	return out
}
