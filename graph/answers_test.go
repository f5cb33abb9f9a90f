package graph

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// pairs is [Graph.Pairs] by the naive evaluator; holds says which facts do.
func (w world) pairs(e Ends, holds func(Fact) bool) []Pair {
	var out []Pair
	given := w.reach(nil, holds)
	for _, from := range e.From {
		got := w.reach([]Vertex{from}, holds)
		for _, to := range e.To {
			if to != from && got[to] && !given[to] && !e.Except[Pair{from, to}] {
				out = append(out, Pair{from, to})
			}
		}
	}
	return out
}

func always(Fact) bool { return true }

// randomEnds draws up to three sources and targets, which may be the same.
func randomEnds(r *rand.Rand, vertices int) Ends {
	draw := func() []Vertex {
		out := []Vertex{}
		for range 1 + r.IntN(3) {
			out = append(out, Vertex(r.IntN(vertices)))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return Ends{From: draw(), To: draw()}
}

func TestPairsAgainstNaive(t *testing.T) {
	r := seeded(61)
	for n := range 1000 {
		w := randomWorld(r, 10, 6, 16)
		e := randomEnds(r, 10)
		gone := NewSet(6)
		gone.Add(r.IntN(6))
		want := w.pairs(e, func(f Fact) bool { return !gone.Has(int(f)) })
		if got := w.build(t).Pairs(e, gone); !slices.Equal(got, want) {
			t.Fatalf("case %d: %v, want %v", n, got, want)
		}
	}
}

// A choke point is what parts pairs when it is removed: each vertex and each
// fact is removed in turn.
func TestChokesAgainstRemoval(t *testing.T) {
	r, some := seeded(62), 0
	for n := range 1500 {
		w := randomWorld(r, 10, 6, 18)
		e := randomEnds(r, 10)
		all := w.pairs(e, always)
		var want []Choke
		add := func(c Choke, left []Pair) {
			for _, p := range all {
				if !slices.Contains(left, p) && p.From != c.Vertex && p.To != c.Vertex {
					c.Pairs++
				}
			}
			if c.Pairs > 0 {
				want = append(want, c)
			}
		}
		for v := range Vertex(10) {
			cut := w
			cut.steps = slices.DeleteFunc(slices.Clone(w.steps), func(s naiveStep) bool { return s.head == v })
			add(Choke{v, -1, 0}, cut.pairs(e, always))
		}
		for f := range Fact(6) {
			add(Choke{-1, f, 0}, w.pairs(e, func(x Fact) bool { return x != f }))
		}
		slices.SortFunc(want, func(a, b Choke) int {
			return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Vertex, b.Vertex), cmp.Compare(a.Fact, b.Fact))
		})
		some += len(want)
		for _, most := range []int{100, 2} {
			got := w.build(t).Chokes(e, most, nil)
			if diff := gocmp.Diff(want[:min(most, len(want))], got); diff != "" && len(want) > 0 {
				t.Fatalf("case %d, most %d (-want +got):\n%s", n, most, diff)
			}
		}
	}
	if some < 1000 {
		t.Errorf("only %d choke points in all worlds", some)
	}
}

// naiveShortest is the least size of a derivation as a tree, by going over all
// steps until nothing gets smaller.
func (w world) naiveShortest(e Ends) int {
	best := math.MaxInt
	given := w.reach(nil, always)
	for _, from := range e.From {
		size := slices.Repeat([]int{math.MaxInt}, w.vertices)
		size[from] = 0
		for again := true; again; {
			again = false
			for _, s := range w.steps {
				n := 1
				needs := slices.Clone(s.needs)
				slices.Sort(needs)
				for _, v := range slices.Compact(needs) {
					if n = n + size[v]; size[v] == math.MaxInt {
						n = math.MaxInt
						break
					}
				}
				if slices.ContainsFunc(s.facts, func(f Fact) bool { return w.p[f] == 0 }) {
					continue
				}
				if n < size[s.head] {
					size[s.head], again = n, true
				}
			}
		}
		for _, to := range e.To {
			if to != from && !given[to] {
				best = min(best, size[to])
			}
		}
	}
	return best
}

func TestShortestAgainstNaive(t *testing.T) {
	r, some := seeded(63), 0
	for n := range 2000 {
		w := randomWorld(r, 10, 6, 18)
		e := randomEnds(r, 10)
		g := w.build(t)
		pair, steps, ok := g.Shortest(e, nil)
		want := w.naiveShortest(e)
		if !ok {
			if want != math.MaxInt {
				t.Fatalf("case %d: none, want %d steps", n, want)
			}
			continue
		}
		some++
		// The size as a tree, over the steps that were given.
		size := map[Vertex]int{pair.From: 0}
		for _, s := range steps {
			sum := 1
			for _, v := range g.Needs(s) {
				part, derived := size[v]
				if !derived {
					t.Fatalf("case %d: step %d comes before its need %d", n, s, v)
				}
				sum += part
			}
			if _, twice := size[g.Head(s)]; !twice {
				size[g.Head(s)] = sum
			}
		}
		if size[pair.To] != want {
			t.Fatalf("case %d: %d steps, want %d", n, size[pair.To], want)
		}
	}
	if some < 500 {
		t.Errorf("only %d worlds had a way", some)
	}
}

// The best of several ends are the best of each pair.
func TestBestAgainstEachPair(t *testing.T) {
	r, some := seeded(64), 0
	for n := range 1000 {
		w := randomWorld(r, 9, 6, 16)
		e := randomEnds(r, 9)
		g := w.build(t)
		var want []float64
		for _, p := range w.pairs(e, always) {
			for _, d := range g.KBest(p.From, p.To, 100, nil) {
				want = append(want, d.P)
			}
		}
		slices.SortFunc(want, func(a, b float64) int { return cmp.Compare(b, a) })
		for _, k := range []int{1, 3, 100} {
			var got []float64
			for _, way := range g.Best(e, k, nil) {
				got = append(got, way.P)
				if len(way.Steps) == 0 || g.Head(way.Steps[len(way.Steps)-1]) != way.To {
					t.Fatalf("case %d: %+v is no derivation of its end", n, way)
				}
			}
			some += len(got)
			if !slices.EqualFunc(got, want[:min(k, len(want))], func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
				t.Fatalf("case %d, k %d: %v, want %v", n, k, got, want)
			}
		}
	}
	if some < 1000 {
		t.Errorf("only %d ways", some)
	}
}

// randomChanges draws changes that remove one to three facts.
func randomChanges(r *rand.Rand, facts int) []Change {
	out := make([]Change, 1+r.IntN(7))
	for i := range out {
		out[i].Cost = []float64{.5, 1, 1, 1, 2, 3, math.Inf(1)}[r.IntN(7)]
		for range 1 + r.IntN(3) {
			out[i].Facts = append(out[i].Facts, Fact(r.IntN(facts)))
		}
	}
	return out
}

// eachSet visits every set of changes that can be made, with the pairs that it leaves.
func (w world) eachSet(e Ends, changes []Change, visit func(set []int, cost float64, left []Pair)) {
	all := w.pairs(e, always)
	for mask := range 1 << len(changes) {
		var set []int
		cost := 0.0
		for i := range changes {
			if mask>>i&1 == 1 {
				set = append(set, i)
				cost += changes[i].Cost
			}
		}
		if math.IsInf(cost, 1) {
			continue
		}
		holds := func(f Fact) bool {
			return !slices.ContainsFunc(set, func(i int) bool { return slices.Contains(changes[i].Facts, f) })
		}
		left := w.pairs(e, holds)
		visit(set, cost, slices.DeleteFunc(left, func(p Pair) bool { return !slices.Contains(all, p) }))
	}
}

func TestFixAndParetoAgainstEnumeration(t *testing.T) {
	r, fixed := seeded(65), 0
	for n := range 1500 {
		w := randomWorld(r, 10, 8, 18)
		e, changes := randomEnds(r, 10), randomChanges(r, 8)
		if r.IntN(3) == 0 {
			e.Except = map[Pair]bool{{e.From[0], e.To[0]}: true}
		}
		g := w.build(t)
		// What is left after all changes together can't be parted.
		all := w.pairs(e, always)
		least, open := math.Inf(1), all
		w.eachSet(e, changes, func(_ []int, _ float64, left []Pair) {
			if len(left) < len(open) {
				open = left
			}
		})
		most := make([]int, len(changes)+1)
		w.eachSet(e, changes, func(set []int, cost float64, left []Pair) {
			if len(left) == len(open) {
				least = min(least, cost)
			}
			for k := len(set); k < len(most); k++ {
				most[k] = max(most[k], len(all)-len(left))
			}
		})
		fix := g.Fix(e, changes)
		if math.Abs(fix.Total-least) > 1e-9 || math.Abs(fix.Bound-least) > 1e-9 || !slices.Equal(fix.Open, open) || !slices.Equal(fix.Pairs, all) {
			t.Fatalf("case %d: %+v, want total %v, open %v", n, fix, least, open)
		}
		if len(fix.Pick) > 0 {
			fixed++
		}
		cuts := g.Pareto(e, changes, fix, 100)
		for k, cut := range cuts {
			if cut.Pairs != most[k+1] || cut.Most != cut.Pairs || len(cut.Pick) > k+1 {
				t.Fatalf("case %d: %d changes part %+v, want %d", n, k+1, cut, most[k+1])
			}
		}
		if len(fix.Pick) > 0 && (len(cuts) == 0 || cuts[len(cuts)-1].Pairs != len(all)-len(open)) {
			t.Fatalf("case %d: the list ends before the fix does: %+v", n, cuts)
		}
	}
	if fixed < 200 {
		t.Errorf("only %d worlds had something to fix", fixed)
	}
}

// Where there are too many sets to try, each number of changes still parts no
// less than the one before, no more than its bound, and in the end all.
func TestParetoGrows(t *testing.T) {
	r := seeded(66)
	b := NewBuilder()
	var e Ends
	var changes []Change
	goal := b.Vertex()
	e.To = []Vertex{goal}
	hubs := make([]Vertex, 30)
	for i := range hubs {
		hubs[i] = b.Vertex()
		f := b.Fact(.5)
		b.Step(goal, []Vertex{hubs[i]}, []Fact{f})
		changes = append(changes, Change{[]Fact{f}, 1})
	}
	for range 100 {
		v := b.Vertex()
		e.From = append(e.From, v)
		for range 1 + r.IntN(3) {
			b.Step(hubs[r.IntN(len(hubs))], []Vertex{v}, nil)
		}
	}
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	fix := g.Fix(e, changes)
	if fix.Total != fix.Bound || len(fix.Open) > 0 {
		t.Fatalf("%+v", fix)
	}
	cuts := g.Pareto(e, changes, fix, 100)
	before := 0
	for n, cut := range cuts {
		if cut.Pairs < before || cut.Most < cut.Pairs || len(cut.Pick) > n+1 {
			t.Errorf("%d changes: %+v after %d", n+1, cut, before)
		}
		before = cut.Pairs
	}
	if before != 100 || len(cuts) != len(fix.Pick) {
		t.Errorf("%d sets, the last parts %d pairs", len(cuts), before)
	}
}
