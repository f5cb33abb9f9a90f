package model

import "strings"

// Nearest is the word that somebody who wrote another most likely meant: the
// one of least edit distance, whatever the case, the first where equal. It is
// empty where none is near: more errors than two and than a third of the word,
// or as many as it has letters, make it another word.
func Nearest(word string, words []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < least && d < min(len(w), len(word)) {
			best, least = w, d
		}
	}
	return best
}

// longWord bounds the words that are compared, in bytes: ids of actions have
// under 40.
const longWord = 64

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	if len(a) > longWord || len(b) > longWord {
		return longWord
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
