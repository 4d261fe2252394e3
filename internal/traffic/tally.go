package traffic

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/callstream/enricher/internal/privacy"
)

// Count is how many events have something in common.
type Count struct {
	Name   string  `json:"name"`
	Events int64   `json:"events"`
	Share  float64 `json:"share"` // of all events, 0 to 1
}

// tallyLimit bounds the distinct words of one tally. Those of this program are far fewer; an event may have been enriched by
// anyone.
const tallyLimit = 64

// other stands for words beyond the limit.
const other = "other"

// catalogID is a catalog's name, revision and hash.
var catalogID = regexp.MustCompile(`^[\w.-]{1,40}@[\w.-]{1,40}\+[0-9a-f]{8}$`)

// wordBytes bounds a word, above what is shown of one.
const wordBytes = 2000

// tally counts words. The counts are behind pointers: to count by assigning would also put the word at hand in place of the one that
// is kept, and with it the event that it is part of.
type tally map[string]*int64

func (t tally) add(word string) {
	word = word[:min(len(word), wordBytes)]

	n := t[word]
	if n == nil && len(t) >= tallyLimit {
		word = other
		n = t[word]
	}

	if n == nil {
		n = new(int64)
		t[strings.Clone(word)] = n
	}

	*n++
}

// counts lists what was counted, most frequent first. Words are shown by policy: they come from events.
func (t tally) counts(all int64, show privacy.Policy) []Count {
	list := make([]Count, 0, len(t))
	for word, n := range t {
		if !catalogID.MatchString(word) { // which is no address, although it has an @
			word = show.Word(word)
		}

		list = append(list, Count{word, *n, share(*n, all)})
	}

	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Name, b.Name))
	})

	return list
}

func share(n, of int64) float64 {
	if of == 0 {
		return 0
	}

	return float64(n) / float64(of)
}
