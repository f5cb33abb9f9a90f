package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// decode reads a small graph from bytes: sizes, probabilities, then steps of a
// head, a count of needs and facts, and those.
func decode(data []byte) (w world, from Vertex) {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		x := int(data[0]) % n
		data = data[1:]
		return x
	}
	w.vertices = 1 + next(8)
	from = Vertex(next(w.vertices))
	for range next(8) {
		w.p = append(w.p, probabilities[next(len(probabilities))])
	}
	for len(data) > 0 && len(w.steps) < 40 {
		s := naiveStep{head: Vertex(next(w.vertices))}
		shape := next(16)
		for range shape & 3 {
			s.needs = append(s.needs, Vertex(next(w.vertices)))
		}
		for range min(shape>>2, len(w.p)) {
			s.facts = append(s.facts, Fact(next(len(w.p))))
		}
		w.steps = append(w.steps, s)
	}
	return w, from
}

func FuzzSupports(f *testing.F) {
	f.Add([]byte{3, 0, 2, 3, 4, 1, 5, 0, 0, 2, 5, 1, 1, 0, 5, 2, 0})
	f.Add([]byte{7, 1, 7, 1, 2, 3, 4, 5, 6, 7, 2, 6, 1, 0, 3, 3, 6, 2, 1, 4, 0, 3, 9, 2, 5, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		w, from := decode(data)
		g := w.build(t)
		want := w.supports(from, 1e-300)
		got := g.Supports(from, unlimited)
		var all []Vertex
		for v := range w.vertices {
			all = append(all, Vertex(v))
			if d := cmp.Diff(want[v], got.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("supports of %d from %d (-want +got):\n%s\n%+v", v, from, d, w)
			}
		}
		for i, each := range g.SupportsEach(all, unlimited) {
			for v := range all {
				alone := g.Supports(all[i], unlimited)
				if d := cmp.Diff(alone.Of(Vertex(v)), each.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("supports of %d from %d (-alone +shared):\n%s\n%+v", v, i, d, w)
				}
			}
		}
	})
}
