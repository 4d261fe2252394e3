package replay

import (
	"cmp"
	"slices"
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
	// OtherReasons and Earlier were not asked for.
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
		i := slices.IndexFunc(r.Moves, func(x Move) bool { return x.Reason == m.reason && x.To == m.to })
		if i < 0 {
			i = len(r.Moves)
			r.Moves = append(r.Moves, Move{Reason: m.reason, To: m.to})
		}
		r.Moves[i].Count += n
	}
	slices.SortFunc(r.Moves, func(a, b Move) int { return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.To, b.To)) })
	p.found = newTally()
}
