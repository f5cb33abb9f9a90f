package graph

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is a graph in plain lists, with evaluators that share no code with the package.
type world struct {
	vertices int
	p        []float64
	steps    []naiveStep
}

type naiveStep struct {
	head  Vertex
	needs []Vertex
	facts []Fact
}

// probabilities that random facts take: with ties, certain and impossible ones.
var probabilities = []float64{0, 0.02, 0.3, 0.5, 0.5, 0.9, 0.95, 1}

// randomWorld draws a graph with cycles, AND steps, steps without needs,
// useless steps and shared facts.
func randomWorld(r *rand.Rand, vertices, facts, steps int) world {
	w := world{vertices: vertices}
	for range facts {
		w.p = append(w.p, probabilities[r.IntN(len(probabilities))])
	}
	for range steps {
		s := naiveStep{head: Vertex(r.IntN(vertices))}
		needs := []int{1, 1, 1, 1, 1, 2, 2, 3, 4}[r.IntN(9)]
		if r.IntN(25) == 0 {
			needs = 0
		}
		for range needs {
			s.needs = append(s.needs, Vertex(r.IntN(vertices)))
		}
		for range r.IntN(3) {
			if facts > 0 {
				s.facts = append(s.facts, Fact(r.IntN(facts)))
			}
		}
		w.steps = append(w.steps, s)
	}
	return w
}

func (w world) build(t testing.TB) *Graph {
	t.Helper()
	b := NewBuilder()
	for range w.vertices {
		b.Vertex()
	}
	for _, p := range w.p {
		b.Fact(p)
	}
	for _, s := range w.steps {
		b.Step(s.head, s.needs, s.facts)
	}
	g, err := b.Build()
	if err != nil {
		t.Fatalf("Build: %v", err)
	}
	return g
}

// reach is the least fixpoint by going over all steps until nothing changes.
func (w world) reach(from []Vertex, holds func(Fact) bool) []bool {
	got := make([]bool, w.vertices)
	for _, v := range from {
		got[v] = true
	}
	for again := true; again; {
		again = false
		for _, s := range w.steps {
			fires := !got[s.head]
			for _, v := range s.needs {
				fires = fires && got[v]
			}
			for _, f := range s.facts {
				fires = fires && w.p[f] > 0 && holds(f)
			}
			if fires {
				got[s.head], again = true, true
			}
		}
	}
	return got
}

// worlds calls visit for every subset of the facts, as bits, with its
// probability and what follows from the vertex in it.
func (w world) worlds(from Vertex, visit func(facts int, p float64, got []bool)) {
	for facts := range 1 << len(w.p) {
		holds := func(f Fact) bool { return facts>>f&1 == 1 }
		p := 1.0
		for f, q := range w.p {
			if holds(Fact(f)) {
				p *= q
			} else {
				p *= 1 - q
			}
		}
		visit(facts, p, w.reach([]Vertex{from}, holds))
	}
}

// supports lists the minimal sets of facts for every vertex, sorted as the package does.
func (w world) supports(from Vertex, floor float64) [][]Support {
	deriving := make([][]int, w.vertices)
	w.worlds(from, func(facts int, _ float64, got []bool) {
		for v, ok := range got {
			if ok {
				deriving[v] = append(deriving[v], facts)
			}
		}
	})
	out := make([][]Support, w.vertices)
	for v, all := range deriving {
		for _, facts := range all {
			minimal := !slices.ContainsFunc(all, func(less int) bool { return less != facts && less&^facts == 0 })
			s := Support{P: 1}
			for f := range w.p {
				if facts>>f&1 == 1 {
					s.Facts = append(s.Facts, Fact(f))
					s.P *= w.p[f]
				}
			}
			if minimal && s.P >= floor {
				out[v] = append(out[v], s)
			}
		}
		slices.SortFunc(out[v], func(a, b Support) int {
			return cmp.Or(cmp.Compare(b.P, a.P), slices.Compare(a.Facts, b.Facts))
		})
	}
	return out
}

// without is the world in which a fact has probability 0.
func (w world) without(f int) world {
	w.p = slices.Clone(w.p)
	w.p[f] = 0
	return w
}

func factSets(supports []Support) [][]Fact {
	var out [][]Fact
	for _, s := range supports {
		out = append(out, s.Facts)
	}
	return out
}

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 20260817)) }
