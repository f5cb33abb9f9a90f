package main

import "testing"

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		name               string
		speed, goal, alone float64
		want               string
	}{
		{"fast", 250_000, 200_000, 800_000, "met"},
		{"slow", 190_000, 200_000, 800_000, goalMissed},
		{"slow machine", 150_000, 200_000, 400_000, "met, for what this machine parses"},
		{"slow on a slow machine", 110_000, 200_000, 400_000, goalMissed},
		{"nothing measured", 0, 200_000, 0, goalMissed},
	} {
		if got := verdict(test.speed, test.goal, test.alone); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
