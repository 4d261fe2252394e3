package casetest

import (
	"fmt"

	"github.com/callstream/enricher/internal/app"
	"github.com/callstream/enricher/internal/config"
	"github.com/callstream/enricher/internal/route"
	"github.com/callstream/enricher/pkg/catalog"
	"github.com/callstream/enricher/pkg/enrich"
)

// attemptHeader is the record header that carries the number of the call that ended.
const attemptHeader = "hangup-attempt"

// Subject is what is tried: a catalog and what a configuration says of events. It is for one
// goroutine.
type Subject struct {
	enricher *enrich.Enricher
	drop     [enrich.NumOutcomes]bool
	names    []string // of the routes, in their order
	matchers []*route.Matcher

	res    enrich.Result
	routes []string
}

// NewSubject makes a Subject. An error is the configuration's fault.
func NewSubject(cfg *config.Config, snap *catalog.Snapshot) (*Subject, error) {
	e, err := enrich.New(snap, app.EnrichOptions(cfg))
	if err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}

	routes, err := app.Routes(cfg)
	if err != nil {
		return nil, fmt.Errorf("compile routes: %w", err)
	}

	s := &Subject{enricher: e, drop: app.Drops(cfg), routes: []string{}}
	for _, r := range routes {
		s.names, s.matchers = append(s.names, r.Name), append(s.matchers, r.Match)
	}

	return s, nil
}

// placed is what became of one event. It is valid until the next.
type placed struct {
	*enrich.Result
	routes []string
	output bool // it goes to the output topic
}

func (s *Subject) try(rec *enrich.Record) placed {
	s.enricher.Enrich(rec, &s.res)

	s.routes = s.routes[:0]
	for i, m := range s.matchers {
		if m.Matches(&s.res) {
			s.routes = append(s.routes, s.names[i])
		}
	}

	return placed{&s.res, s.routes, s.res.Outcome != enrich.Malformed && !s.drop[s.res.Outcome]}
}
