package model

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"assess", "plan", "why", "do", "high", "delete-binding-8626aae2", "split-identity-808e218a"}
	for word, want := range map[string]string{
		"asses":                   "assess",
		"ASSESS":                  "assess",
		"plna":                    "plan",
		"hihg":                    "high",
		"delete-binding-8626aae":  "delete-binding-8626aae2",
		"delete-bindin-8626aee2":  "delete-binding-8626aae2",
		"dw":                      "do",
		"xy":                      "", // every letter is another
		"nothing-like-it":         "",
		"":                        "",
		strings.Repeat("a", 1000): "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("ab", []string{"ac", "ad"}); got != "ac" {
		t.Errorf("of equal ones %q, want the first", got)
	}
}

// TestDistance compares with the definition, computed by recursion.
func TestDistance(t *testing.T) {
	var naive func(a, b string) int
	naive = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		if a[0] == b[0] {
			return naive(a[1:], b[1:])
		}
		return 1 + min(naive(a[1:], b), naive(a, b[1:]), naive(a[1:], b[1:]))
	}
	words := []string{"", "a", "ab", "ba", "abc", "cab", "abcd", "bcda", "line", "lin", "risk", "ris"}
	for _, a := range words {
		for _, b := range words {
			if got, want := distance(a, b), naive(a, b); got != want {
				t.Errorf("%q %q: %d, want %d", a, b, got, want)
			}
		}
	}
}
