package strictyaml

import "strings"

// Nearest finds the known word that a misspelt one was probably meant to be: the
// one with the fewest insertions, deletions, replacements and swaps of neighbours,
// at most a third of the word's length and at most three. Letter case and the
// choice of '-' or '_' cost nothing. If two are equally near the first wins.
func Nearest(word string, known []string) (string, bool) {
	const atMost = 3

	w := fold(word)
	best, found := min(atMost, max(1, len(w)/3))+1, "" //nolint:mnd // a third

	for _, k := range known {
		if d := distance(w, fold(k)); d < best {
			best, found = d, k
		}
	}

	return found, found != ""
}

func fold(s string) []rune {
	return []rune(strings.ToLower(strings.ReplaceAll(s, "-", "_")))
}

// distance is the optimal string alignment distance of a and b.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}

	for i := 1; i <= len(a); i++ {
		row[0] = i

		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}

			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}

		before, last, row = last, row, before
	}

	return last[len(b)]
}
