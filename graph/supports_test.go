package graph

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// unlimited keeps every support that does not round to nothing.
var unlimited = Options{Floor: -1, Max: 1 << 20}

func TestSupportsAgainstEnumeration(t *testing.T) {
	r := seeded(1)
	for n := range 1500 {
		w := randomWorld(r, 2+r.IntN(8), r.IntN(9), r.IntN(24))
		g, from := w.build(t), Vertex(r.IntN(w.vertices))
		floor := []float64{1e-300, 1e-3, 0.1, 0.5}[n%4]
		want := w.supports(from, floor)
		got := g.Supports(from, Options{Floor: floor, Max: 1 << 20})
		for v := range w.vertices {
			if d := cmp.Diff(want[v], got.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("world %d: supports of %d from %d, floor %v (-want +got):\n%s\n%+v", n, v, from, floor, d, w)
			}
			if cut, bound := got.Cut(Vertex(v)); cut || bound != 0 {
				t.Fatalf("world %d: cut of %d is %v, %v without a limit", n, v, cut, bound)
			}
		}
	}
}

func TestProbabilityOfSupportsIsProbabilityOfReach(t *testing.T) {
	r := seeded(2)
	for n := range 600 {
		w := randomWorld(r, 2+r.IntN(7), r.IntN(10), r.IntN(20))
		g, from := w.build(t), Vertex(r.IntN(w.vertices))
		want := make([]float64, w.vertices)
		w.worlds(from, func(_ int, p float64, got []bool) {
			for v, ok := range got {
				if ok {
					want[v] += p
				}
			}
		})
		s := g.Supports(from, unlimited)
		for v := range w.vertices {
			got, exact := Union(factSets(s.Of(Vertex(v))), w.p)
			if !exact || math.Abs(got-want[v]) > 1e-12 {
				t.Fatalf("world %d: P(%d) = %v (exact %v), want %v\n%+v", n, v, got, exact, want[v], w)
			}
		}
	}
}

// Removing a fact must leave exactly the supports that don't hold it, whether
// it is removed in the graph or in Options.P.
func TestRemovalFilters(t *testing.T) {
	r := seeded(3)
	for n := range 1500 {
		w := randomWorld(r, 2+r.IntN(12), 1+r.IntN(12), r.IntN(30))
		g, from, gone := w.build(t), Vertex(r.IntN(w.vertices)), r.IntN(len(w.p))
		opt := Options{Floor: 0.01, Max: 1 << 20}
		before := g.Supports(from, opt)
		after := w.without(gone).build(t).Supports(from, opt)
		opt.P = w.without(gone).p
		byOption := g.Supports(from, opt)
		for v := range w.vertices {
			want := slices.DeleteFunc(slices.Clone(before.Of(Vertex(v))), func(s Support) bool { return slices.Contains(s.Facts, Fact(gone)) })
			if d := cmp.Diff(want, after.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("world %d: %d without fact %d (-filtered +removed):\n%s", n, v, gone, d)
			}
			if d := cmp.Diff(want, byOption.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("world %d: %d with P[%d] = 0 (-filtered +option):\n%s", n, v, gone, d)
			}
		}
	}
}

// Under any floor, raising a probability or adding a step never lowers the
// probability of anything.
func TestMonotone(t *testing.T) {
	r := seeded(4)
	for n := range 1200 {
		w := randomWorld(r, 2+r.IntN(12), 1+r.IntN(12), 1+r.IntN(30))
		more := w
		more.p = slices.Clone(w.p)
		f := r.IntN(len(w.p))
		more.p[f] += (1 - w.p[f]) * r.Float64()
		if n%2 == 0 {
			more.steps = append(slices.Clone(w.steps), randomWorld(r, w.vertices, len(w.p), 1).steps...)
		}
		from := Vertex(r.IntN(w.vertices))
		opt := Options{Floor: []float64{1e-3, 0.05, 0.4}[n%3], Max: 1 << 20}
		less, great := w.build(t).Supports(from, opt), more.build(t).Supports(from, opt)
		for v := range w.vertices {
			a, _ := Union(factSets(less.Of(Vertex(v))), w.p)
			b, _ := Union(factSets(great.Of(Vertex(v))), more.p)
			if b < a-1e-14 {
				t.Fatalf("world %d: P(%d) fell from %v to %v\n%+v\n%+v", n, v, a, b, w, more)
			}
		}
	}
}

// A limit keeps the best, says so, and its bound covers what is missing.
func TestCutBound(t *testing.T) {
	r := seeded(5)
	cuts := 0
	for n := range 1500 {
		w := randomWorld(r, 2+r.IntN(8), r.IntN(10), 5+r.IntN(25))
		g, from := w.build(t), Vertex(r.IntN(w.vertices))
		full := g.Supports(from, unlimited)
		few := g.Supports(from, Options{Floor: -1, Max: 1 + r.IntN(3)})
		for v := range w.vertices {
			want, _ := Union(factSets(full.Of(Vertex(v))), w.p)
			got, _ := Union(factSets(few.Of(Vertex(v))), w.p)
			cut, bound := few.Cut(Vertex(v))
			if want > got+bound+1e-12 || got > want+1e-12 {
				t.Fatalf("world %d: P(%d) is %v, with a limit %v, bound %v\n%+v", n, v, want, got, bound, w)
			}
			if !cut && !cmp.Equal(full.Of(Vertex(v)), few.Of(Vertex(v)), cmpopts.EquateEmpty()) {
				t.Fatalf("world %d: supports of %d are missing and no cut is recorded", n, v)
			}
			if cut {
				cuts++
			}
		}
	}
	if cuts < 500 {
		t.Errorf("only %d cuts were tested", cuts)
	}
}

// Steps in another order give the same supports, limits included.
func TestOrderOfStepsDoesNotMatter(t *testing.T) {
	r := seeded(6)
	for n := range 800 {
		w := randomWorld(r, 2+r.IntN(10), r.IntN(14), r.IntN(40))
		mixed := w
		mixed.steps = slices.Clone(w.steps)
		r.Shuffle(len(mixed.steps), func(i, k int) { mixed.steps[i], mixed.steps[k] = mixed.steps[k], mixed.steps[i] })
		from, opt := Vertex(r.IntN(w.vertices)), Options{Max: 1 + n%5}
		a, b := w.build(t).Supports(from, opt), mixed.build(t).Supports(from, opt)
		for v := range w.vertices {
			if d := cmp.Diff(a.Of(Vertex(v)), b.Of(Vertex(v))); d != "" {
				t.Fatalf("world %d: supports of %d depend on the order of steps:\n%s", n, v, d)
			}
			cutA, boundA := a.Cut(Vertex(v))
			cutB, boundB := b.Cut(Vertex(v))
			if cutA != cutB || math.Abs(boundA-boundB) > 1e-12 {
				t.Fatalf("world %d: cut of %d depends on the order of steps: %v, %v", n, v, boundA, boundB)
			}
		}
	}
}

// A reused labeller, and asking for some vertices only, change nothing.
func TestSupportsOfSome(t *testing.T) {
	r := seeded(7)
	for n := range 400 {
		w := randomWorld(r, 2+r.IntN(12), r.IntN(12), r.IntN(40))
		g := w.build(t)
		from, to := Vertex(r.IntN(w.vertices)), []Vertex{Vertex(r.IntN(w.vertices)), Vertex(r.IntN(w.vertices))}
		all := g.Supports(from, unlimited)
		opt := unlimited
		opt.To = to
		some := g.Supports(from, opt)
		for v := range w.vertices {
			want := all.Of(Vertex(v))
			if !slices.Contains(to, Vertex(v)) {
				want = nil
			}
			if d := cmp.Diff(want, some.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("world %d: supports of %d for %v:\n%s", n, v, to, d)
			}
		}
	}
}

func TestSupportsCases(t *testing.T) {
	for name, tc := range map[string]struct {
		w    world
		opt  Options
		want [][]Support // from vertex 0
	}{
		"certain facts stay in supports": {
			w:    world{vertices: 2, p: []float64{1, 1}, steps: []naiveStep{{1, []Vertex{0}, []Fact{0}}, {1, []Vertex{0}, []Fact{1}}}},
			want: [][]Support{{{P: 1}}, {{[]Fact{0}, 1}, {[]Fact{1}, 1}}},
		},
		"a step without facts makes certain": {
			w:    world{vertices: 2, p: []float64{1}, steps: []naiveStep{{1, []Vertex{0}, []Fact{0}}, {1, []Vertex{0}, nil}}},
			want: [][]Support{{{P: 1}}, {{P: 1}}},
		},
		"a shared fact counts once": {
			w: world{vertices: 4, p: []float64{.5, .5}, steps: []naiveStep{
				{1, []Vertex{0}, []Fact{0}}, {2, []Vertex{0}, []Fact{0, 1}}, {3, []Vertex{2, 1, 1}, []Fact{1, 1}},
			}},
			want: [][]Support{{{P: 1}}, {{[]Fact{0}, .5}}, {{[]Fact{0, 1}, .25}}, {{[]Fact{0, 1}, .25}}},
		},
		"the floor itself stays": {
			w:    world{vertices: 3, p: []float64{.5, .25}, steps: []naiveStep{{1, []Vertex{0}, []Fact{0}}, {2, []Vertex{0}, []Fact{1}}}},
			opt:  Options{Floor: .5},
			want: [][]Support{{{P: 1}}, {{[]Fact{0}, .5}}, nil},
		},
		"default floor": {
			w:    world{vertices: 3, p: []float64{1e-7, 9e-8}, steps: []naiveStep{{1, []Vertex{0}, []Fact{0}}, {2, []Vertex{0}, []Fact{1}}}},
			want: [][]Support{{{P: 1}}, {{[]Fact{0}, 1e-7}}, nil},
		},
		"what is not a number never holds": {
			w:    world{vertices: 2, p: []float64{.5}, steps: []naiveStep{{1, []Vertex{0}, []Fact{0}}}},
			opt:  Options{P: []float64{math.NaN()}},
			want: [][]Support{{{P: 1}}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.w.build(t).Supports(0, tc.opt)
			var got [][]Support
			for v := range tc.w.vertices {
				got = append(got, s.Of(Vertex(v)))
			}
			if d := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("supports (-want +got):\n%s", d)
			}
		})
	}
}

// Steps with many needs, each with many supports, must be cut to size, and the bound say so.
func TestWideJoin(t *testing.T) {
	const needs, ways = 4, 12
	w := world{vertices: needs + 2}
	var all []Vertex
	for v := 1; v <= needs; v++ {
		all = append(all, Vertex(v))
		for range ways {
			w.steps = append(w.steps, naiveStep{Vertex(v), []Vertex{0}, []Fact{Fact(len(w.p))}})
			w.p = append(w.p, 0.1)
		}
	}
	w.steps = append(w.steps, naiveStep{needs + 1, all, nil})
	s := w.build(t).Supports(0, Options{})
	got, _ := Union(factSets(s.Of(needs+1)), w.p)
	cut, bound := s.Cut(needs + 1)
	want := math.Pow(1-math.Pow(.9, ways), needs)
	if n := len(s.Of(needs + 1)); n != DefaultMax || !cut || got >= want || got+bound < want {
		t.Errorf("%d supports with %v, cut %v, bound %v; want %d under %v", n, got, cut, bound, DefaultMax, want)
	}
}

// Supports with too many facts are cut, and the bound says so.
func TestLongChain(t *testing.T) {
	w := world{vertices: sizeMax + 2}
	for v := range w.vertices - 1 {
		w.p = append(w.p, 1)
		w.steps = append(w.steps, naiveStep{Vertex(v + 1), []Vertex{Vertex(v)}, []Fact{Fact(v)}})
	}
	s := w.build(t).Supports(0, Options{})
	for v, want := range map[Vertex]int{sizeMax: 1, sizeMax + 1: 0} {
		cut, bound := s.Cut(v)
		if n := len(s.Of(v)); n != want || cut != (want == 0) || bound != float64(1-want) {
			t.Errorf("%d supports of %d, cut %v, bound %v", n, v, cut, bound)
		}
	}
}

// The hash that orders supports of equal rank must tell sets apart and not see their order.
func TestHashCollisionsFallBackToFacts(t *testing.T) {
	l := &labeller{arena: []Fact{1, 2, 1, 3}, cands: []candidate{{entry: entry{at: 0, n: 2}, v: 4, step: -1}, {entry: entry{at: 2, n: 2}, v: 3}, {entry: entry{at: 0, n: 2}, v: 2}}}
	got := []ranked{{cand: 0}, {cand: 1}, {cand: 2}}
	slices.SortFunc(got, func(a, b ranked) int {
		if l.less(a, b) {
			return -1
		}
		return 1
	})
	var order []int32
	for _, r := range got {
		order = append(order, r.cand)
	}
	if want := []int32{2, 0, 1}; !slices.Equal(order, want) {
		t.Errorf("order is %v, want %v", order, want)
	}
}

// The heap must give back what it got, sorted.
func TestHeap(t *testing.T) {
	r := seeded(8)
	l := &labeller{cands: make([]candidate, 3000)}
	var want []uint64
	for i := range l.cands {
		x := r.Uint64()
		if i%3 == 0 {
			x = r.Uint64N(5)
		}
		want = append(want, x)
		l.cands[i].p = math.Float64frombits(x)
		l.push(ranked{rank: x, tie: r.Uint64N(3), cand: int32(i)})
	}
	slices.Sort(want)
	for i, x := range want {
		if got := math.Float64bits(l.cands[l.take()].p); got != x {
			t.Fatalf("element %d is %d, want %d", i, got, x)
		}
	}
}

// Sharing what hubs have in common changes no answer.
func TestSupportsEachIsSupports(t *testing.T) {
	r := seeded(9)
	shared := 0
	for n := range 800 {
		w := randomWorld(r, 3+r.IntN(14), r.IntN(12), r.IntN(40))
		var from []Vertex
		for v := range w.vertices {
			from = append(from, Vertex(v))
			if v > 1 && r.IntN(2) == 0 {
				w.steps = append(w.steps, naiveStep{Vertex(r.IntN(2)), []Vertex{Vertex(v)}, nil})
			}
		}
		g, opt := w.build(t), Options{Floor: []float64{-1, 1e-2}[n%2], Max: 1 << 20}
		if n%3 == 0 {
			opt.To = []Vertex{Vertex(r.IntN(w.vertices)), Vertex(r.IntN(w.vertices))}
		}
		for i, got := range g.SupportsEach(from, opt) {
			want := g.Supports(from[i], opt)
			if got.known != nil {
				shared++
			}
			for v := range w.vertices {
				if d := cmp.Diff(want.Of(Vertex(v)), got.Of(Vertex(v)), cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("world %d: supports of %d from %d:\n%s\n%+v", n, v, from[i], d, w)
				}
			}
		}
	}
	if shared < 1000 {
		t.Errorf("only %d entries shared a hub", shared)
	}
}

// Under a limit its bounds hold too.
func TestSupportsEachCut(t *testing.T) {
	r := seeded(12)
	cuts := 0
	for n := range 500 {
		w := randomWorld(r, 3+r.IntN(8), r.IntN(10), 5+r.IntN(25))
		var from []Vertex
		for v := range w.vertices {
			from = append(from, Vertex(v))
			w.steps = append(w.steps, naiveStep{0, []Vertex{Vertex(v)}, nil})
		}
		g := w.build(t)
		for i, few := range g.SupportsEach(from, Options{Floor: -1, Max: 1 + n%3}) {
			full := g.Supports(from[i], unlimited)
			for v := range w.vertices {
				want, _ := Union(factSets(full.Of(Vertex(v))), w.p)
				got, _ := Union(factSets(few.Of(Vertex(v))), w.p)
				cut, bound := few.Cut(Vertex(v))
				if want > got+bound+1e-12 || got > want+1e-12 || !cut && got != want {
					t.Fatalf("world %d: P(%d) is %v, with a limit %v, bound %v\n%+v", n, v, want, got, bound, w)
				}
				if cut {
					cuts++
				}
			}
		}
	}
	if cuts < 500 {
		t.Errorf("only %d cuts were tested", cuts)
	}
}
