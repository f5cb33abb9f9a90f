package graph

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// checkProof fails unless steps derive to in order, over facts only, and each is needed.
func checkProof(t *testing.T, w world, from, to Vertex, facts []Fact, steps []Step) {
	t.Helper()
	derives := func(steps []Step, inOrder bool) bool {
		got := map[Vertex]bool{from: true}
		for range len(steps) + 1 {
			for _, s := range steps {
				step, fires := w.steps[s], true
				for _, v := range step.needs {
					fires = fires && got[v]
				}
				for _, f := range step.facts {
					fires = fires && slices.Contains(facts, f) && w.p[f] > 0
				}
				if inOrder && !fires {
					return false
				}
				got[step.head] = got[step.head] || fires
			}
		}
		return got[to]
	}
	if !derives(steps, true) {
		t.Fatalf("%v is no proof of %d from %d over %v\n%+v", steps, to, from, facts, w)
	}
	for i := range steps {
		if derives(slices.Delete(slices.Clone(steps), i, i+1), false) {
			t.Fatalf("proof %v of %d from %d over %v does not need step %d\n%+v", steps, to, from, facts, steps[i], w)
		}
	}
}

func TestKBestAgainstEnumeration(t *testing.T) {
	r := seeded(20)
	for n := range 1200 {
		w := randomWorld(r, 2+r.IntN(8), r.IntN(10), r.IntN(24))
		g, from, to, k := w.build(t), Vertex(r.IntN(w.vertices)), Vertex(r.IntN(w.vertices)), 1+r.IntN(5)
		gone := randomGone(r, len(w.p))
		left := w
		for f := range gone.All() {
			left = left.without(f)
		}
		want := left.supports(from, 1e-300)[to]
		got := g.KBest(from, to, k, gone)
		if len(got) != min(k, len(want)) {
			t.Fatalf("world %d: %d of %d derivations, k is %d", n, len(got), len(want), k)
		}
		// Of equally probable ones at the k-th place any may be given.
		for i, d := range got {
			if i > 0 && (got[i-1].P < d.P || got[i-1].P == d.P && slices.Compare(got[i-1].Facts, d.Facts) >= 0) {
				t.Fatalf("world %d: derivations %d and %d are out of order", n, i-1, i)
			}
			if d.P != want[i].P || !slices.ContainsFunc(want, func(s Support) bool { return cmp.Equal(s, d.Support, cmpopts.EquateEmpty()) }) {
				t.Fatalf("world %d: derivation %d of %d from %d is %v, want %v\n%+v", n, i, to, from, d.Support, want[i], w)
			}
			checkProof(t, left, from, to, d.Facts, d.Steps)
			var rests []Fact
			for _, s := range d.Steps {
				rests = append(rests, g.Rests(s)...)
			}
			slices.Sort(rests)
			if rests = slices.Compact(rests); !slices.Equal(rests, d.Facts) {
				t.Fatalf("world %d: steps rest on %v, support is %v", n, rests, d.Facts)
			}
		}
	}
}

func TestProof(t *testing.T) {
	r := seeded(21)
	proofs := 0
	for n := range 3000 {
		w := randomWorld(r, 1+r.IntN(15), r.IntN(8), r.IntN(50))
		from, to := Vertex(r.IntN(w.vertices)), Vertex(r.IntN(w.vertices))
		var facts []Fact
		for f := range w.p {
			if r.IntN(4) > 0 {
				facts = append(facts, Fact(f))
			}
		}
		steps := w.build(t).Proof(from, to, facts)
		want := w.reach([]Vertex{from}, func(f Fact) bool { return slices.Contains(facts, f) })[to]
		if (steps != nil) != want {
			t.Fatalf("world %d: proof of %d from %d is %v, derivable %v", n, to, from, steps, want)
		}
		if want {
			checkProof(t, w, from, to, facts, steps)
			proofs += len(steps)
		}
	}
	if proofs < 1000 {
		t.Errorf("only %d steps were tested", proofs)
	}
}

func TestKBestBounds(t *testing.T) {
	// 3 hubs with 40 ways each: 64,000 supports of the last.
	w := world{vertices: 4}
	for hub := range 3 {
		for range 40 {
			w.steps = append(w.steps, naiveStep{Vertex(hub + 1), []Vertex{Vertex(hub)}, []Fact{Fact(len(w.p))}})
			w.p = append(w.p, .5)
		}
	}
	g := w.build(t)
	if got := g.KBest(0, 3, 2000, nil); len(got) != 2000 {
		t.Errorf("%d derivations, want 2000", len(got))
	}
	for _, k := range []int{0, -1} {
		if got := g.KBest(0, 3, k, nil); got != nil {
			t.Errorf("%d derivations for k %d", len(got), k)
		}
	}
	if got := g.KBest(3, 0, 5, nil); got != nil {
		t.Errorf("%v derives what does not follow", got)
	}
}
