package graph

import (
	"slices"
	"testing"
)

// Spread is Reach less what holds anyway, and its rounds are those of a naive
// evaluation that fires all steps at once.
func TestSpreadAgainstRounds(t *testing.T) {
	r := seeded(31)
	deep := 0
	for n := range 2000 {
		w := randomWorld(r, 1+r.IntN(40), r.IntN(20), r.IntN(90))
		g, from := w.build(t), Vertex(r.IntN(w.vertices))
		round := w.rounds(g, from)
		got := g.Spread(from)
		if got[0] != (Derived{from, 0, -1}) {
			t.Fatalf("world %d: begins with %v", n, got[0])
		}
		var seen []Vertex
		for i, d := range got {
			seen = append(seen, d.Vertex)
			deep = max(deep, d.Round)
			if d.Round != round[d.Vertex] {
				t.Errorf("world %d: vertex %d comes in round %d, want %d", n, d.Vertex, d.Round, round[d.Vertex])
			}
			if i > 0 && (d.Round < got[i-1].Round || g.Head(d.Step) != d.Vertex) {
				t.Errorf("world %d: %v follows %v", n, d, got[i-1])
			}
			if i > 0 {
				for _, v := range g.Needs(d.Step) {
					if at, ok := round[v]; !ok || at >= d.Round {
						t.Errorf("world %d: %v needs %d, which comes in round %d", n, d, v, at)
					}
				}
			}
		}
		given := g.Reach(nil, nil)
		want := []Vertex{from}
		for v := range g.Reach([]Vertex{from}, nil).All() {
			if Vertex(v) != from && !given.Has(v) {
				want = append(want, Vertex(v))
			}
		}
		slices.Sort(want)
		slices.Sort(seen)
		if !slices.Equal(seen, want) {
			t.Fatalf("world %d: spread of %d is %v, want %v", n, from, seen, want)
		}
	}
	if deep < 4 {
		t.Errorf("the deepest world has %d rounds: the test is too easy", deep)
	}
}

// rounds fires all steps at once, until nothing new comes: what holds without
// from has round 0.
func (w world) rounds(g *Graph, from Vertex) map[Vertex]int {
	out := map[Vertex]int{from: 0}
	for v := range g.Reach(nil, nil).All() {
		out[Vertex(v)] = 0
	}
	for n := 1; ; n++ {
		var fresh []Vertex
		for _, s := range w.steps {
			holds := !slices.Contains(s.needs, s.head)
			for _, f := range s.facts {
				holds = holds && w.p[f] > 0
			}
			for _, v := range s.needs {
				_, ok := out[v]
				holds = holds && ok
			}
			if _, have := out[s.head]; holds && !have {
				fresh = append(fresh, s.head)
			}
		}
		if len(fresh) == 0 {
			return out
		}
		for _, v := range fresh {
			out[v] = n
		}
	}
}
