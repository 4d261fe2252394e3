package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// progress is when the committed offset of each input partition was seen to move. With
// exactly_once that is when output became visible.
type progress struct {
	begin time.Time
	at    [partitions]int64
	moves [partitions][]time.Duration
	end   time.Duration
}

// note takes a look at the committed offsets; -1 is none.
func (p *progress) note(now time.Time, committed [partitions]int64) {
	p.end = now.Sub(p.begin)
	for i, o := range committed {
		if o > p.at[i] {
			p.at[i] = o
			p.moves[i] = append(p.moves[i], p.end)
		}
	}
}

// gap is a time without progress.
type gap struct{ from, to time.Duration }

func (g gap) length() time.Duration { return g.to - g.from }

// longest is the longest gap of the whole that ends after a time: no partition moved.
func (p *progress) longest(after time.Duration) (longest gap) {
	next := [partitions]int{}
	last := time.Duration(-1)
	for {
		first := -1
		for i := range next {
			if next[i] < len(p.moves[i]) && (first < 0 || p.moves[i][next[i]] < p.moves[first][next[first]]) {
				first = i
			}
		}
		if first < 0 {
			return longest
		}
		t := p.moves[first][next[first]]
		next[first]++
		if g := (gap{last, t}); last >= 0 && t >= after && g.length() > longest.length() {
			longest = g
		}
		last = t
	}
}

// slowest is the longest gap of any one partition that ends after a time.
func (p *progress) slowest(after time.Duration) (longest gap) {
	for _, moves := range p.moves {
		for i := 1; i < len(moves); i++ {
			if g := (gap{moves[i-1], moves[i]}); moves[i] >= after && g.length() > longest.length() {
				longest = g
			}
		}
	}
	return longest
}

// recovered is when the last partition moved again after something that happened at a time, if
// nothing else happens until another: the end of its longest gap since, counted from
// then. A partition that did not move any more counts until the end.
func (p *progress) recovered(happened, until time.Duration) (slowest time.Duration) {
	for _, moves := range p.moves {
		longest, last := gap{}, time.Duration(0)
		for _, t := range append(slices.Clip(moves), until) {
			t = min(t, until)
			if g := (gap{last, t}); t >= happened && g.length() > longest.length() {
				longest = g
			}
			last = t
		}
		slowest = max(slowest, longest.to-happened)
	}
	return slowest
}

func TestProgress(t *testing.T) {
	p := progress{begin: time.Unix(1000, 0)}
	look := func(second int, offsets ...int64) {
		committed := p.at
		copy(committed[:], offsets)
		p.note(p.begin.Add(time.Duration(second)*time.Second), committed)
	}
	look(0, -1, -1)
	look(1, 5, 5)
	look(2, 6, 5)
	look(3, 6, 5)
	look(6, 7, 5)
	look(7, 8, 9)
	require.Equal(t, gap{2 * time.Second, 6 * time.Second}, p.longest(0))
	require.Equal(t, gap{6 * time.Second, 7 * time.Second}, p.longest(7*time.Second))
	require.Equal(t, gap{1 * time.Second, 7 * time.Second}, p.slowest(0))
	require.Equal(t, 7*time.Second, p.end)

	p = progress{}
	for i := range p.moves {
		p.moves[i] = []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 30}
	}
	p.moves[2] = []time.Duration{1, 2, 3, 8, 9, 10, 30} // stands from 3 to 8
	require.EqualValues(t, 4, p.recovered(4, 10))
	require.EqualValues(t, 20, p.recovered(10, 30))
	p.moves[2] = []time.Duration{1, 2, 3} // for ever
	require.EqualValues(t, 6, p.recovered(4, 10))
}
