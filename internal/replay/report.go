package replay

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Progress is how far a reading is. Done and Total are offsets of the dead-letter topic, from where earlier
// runs stood.
type Progress struct {
	Done     int64
	Total    int64
	Replayed int64
}

// Report is what became of the letters. Of a dry run, what would become of them.
type Report struct {
	From string `json:"from"`
	// Group keeps the positions, and is the transactional id too.
	Group  string `json:"group"`
	DryRun bool   `json:"dry_run"`
	// Already is how many letters earlier runs of the same kind have replayed.
	Already int64 `json:"already_replayed"`
	// Read is how many letters lay behind those.
	Read     int64  `json:"read"`
	Replayed int64  `json:"replayed"`
	Moves    []Move `json:"moves"` // by reason and topic
	// OtherReasons and Earlier were not asked for. Of reasons there are a hundred at most, here and in Moves: see reasonOf.
	OtherReasons map[string]int64 `json:"other_reasons"`
	Earlier      int64            `json:"earlier"`
	// Left are letters that cannot be replayed.
	Left map[Why]int64 `json:"left"`
	// LimitReached says that there are more letters than the limit.
	LimitReached bool `json:"limit_reached"`
	// Interrupted says that the end was not reached.
	Interrupted bool `json:"interrupted"`
}

// Move is how many letters of a reason go to a topic.
type Move struct {
	Reason string `json:"reason"`
	To     string `json:"to"`
	Count  int64  `json:"count"`
}

// tally counts letters.
type tally struct {
	read         int64
	replayed     int64
	earlier      int64
	moves        map[move]int64
	otherReasons map[string]int64
	left         map[Why]int64
}

type move struct{ reason, to string }

func newTally() tally {
	return tally{moves: map[move]int64{}, otherReasons: map[string]int64{}, left: map[Why]int64{}}
}

// settle takes what was counted since the last commit into the report.
func (p *pass) settle() {
	r, t := p.report, p.found
	r.Read += t.read
	r.Replayed += t.replayed
	r.Earlier += t.earlier
	for reason, n := range t.otherReasons {
		r.OtherReasons[reason] += n
	}
	for why, n := range t.left {
		r.Left[why] += n
	}
	for m, n := range t.moves {
		p.moves[m] += n
	}
	p.found = newTally()
}

// finish is the report with what was settled.
func (p *pass) finish() *Report {
	p.report.Moves = make([]Move, 0, len(p.moves))
	for m, n := range p.moves {
		p.report.Moves = append(p.report.Moves, Move{m.reason, m.to, n})
	}
	slices.SortFunc(p.report.Moves, func(a, b Move) int { return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.To, b.To)) })
	return p.report
}

const (
	reasonLimit = 100 // distinct reasons
	reasonBytes = 200 // of one
	otherReason = "other"
)

// reasonOf is what a letter's reason is counted as: cut if it is long, and "other" if there are many already. Anybody
// may have written it, and each letter another.
func (p *pass) reasonOf(text string) string {
	if n := reasonBytes; len(text) > n {
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	if known, ok := p.reasons[text]; ok {
		return known
	}
	if len(p.reasons) == reasonLimit {
		return otherReason
	}
	text = strings.Clone(text) // not with all that it was cut from
	p.reasons[text] = text
	return text
}
