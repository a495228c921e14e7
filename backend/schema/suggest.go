package schema

import "strings"

// Suggest is the known word that a misspelt one most likely meant, or "" when none is near: at most
// a third of its letters, and always one, may be wrong, missing, surplus or swapped. Case is folded.
func Suggest(word string, known []string) string {
	best, nearest := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < nearest {
			best, nearest = k, d
		}
	}
	if nearest >= len(best) { // nothing of a short word would be left
		return ""
	}
	return best
}

// maxWord bounds the work on words that nobody misspelt.
const maxWord = 64

// distance is the optimal string alignment distance in bytes.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return 2 * maxWord
	}
	var rows [3][maxWord + 1]int
	before, last, this := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		this[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			this[j] = min(last[j]+1, this[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}
