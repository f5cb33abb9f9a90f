package graph

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// randomGone is nil or some facts.
func randomGone(r *rand.Rand, facts int) *Set {
	if r.IntN(3) == 0 {
		return nil
	}
	gone := NewSet(facts)
	for f := range facts {
		if r.IntN(5) == 0 {
			gone.Add(f)
		}
	}
	return gone
}

func members(got []bool) []int {
	var out []int
	for v, ok := range got {
		if ok {
			out = append(out, v)
		}
	}
	return out
}

func TestReachAgainstFixpoint(t *testing.T) {
	r := seeded(10)
	for n := range 4000 {
		w := randomWorld(r, 1+r.IntN(40), r.IntN(20), r.IntN(90))
		g, gone := w.build(t), randomGone(r, len(w.p))
		var from []Vertex
		for range r.IntN(3) {
			from = append(from, Vertex(r.IntN(w.vertices)))
		}
		want := members(w.reach(from, func(f Fact) bool { return !gone.Has(int(f)) }))
		if got := slices.Collect(g.Reach(from, gone).All()); !slices.Equal(got, want) {
			t.Fatalf("world %d: reach of %v is %v, want %v\n%+v", n, from, got, want, w)
		}
	}
}

func TestClosureAgainstReach(t *testing.T) {
	r := seeded(11)
	for n := range 2500 {
		vertices := 1 + r.IntN(60)
		w := randomWorld(r, vertices, r.IntN(30), r.IntN(3*vertices))
		g, gone := w.build(t), randomGone(r, len(w.p))
		var from []Vertex
		for range r.IntN(2 * w.vertices) {
			from = append(from, Vertex(r.IntN(w.vertices)))
		}
		words := closureWords
		if n%2 == 0 {
			words = r.IntN(4) // hardly any room beside the answers
		}
		for i, got := range g.closure(from, gone, words, r.IntN(5)) {
			var want []Vertex
			for v := range g.Reach(from[i:i+1], gone).All() {
				want = append(want, Vertex(v))
			}
			if !slices.Equal(slices.Collect(got.All()), want) {
				t.Fatalf("world %d: closure of %d is %v, want %v\n%+v", n, from[i], slices.Collect(got.All()), want, w)
			}
		}
	}
}

// A long chain needs few sets beside the answers.
func TestClosureOfManyVertices(t *testing.T) {
	w := world{vertices: 50_000}
	for v := range w.vertices - 1 {
		w.steps = append(w.steps, naiveStep{Vertex(v + 1), []Vertex{Vertex(v)}, nil})
	}
	from := []Vertex{0, 49_000, 49_999}
	for i, set := range w.build(t).Closure(from, nil) {
		if want := w.vertices - int(from[i]); set.Len() != want {
			t.Errorf("%d reaches %d vertices, want %d", from[i], set.Len(), want)
		}
	}
}
