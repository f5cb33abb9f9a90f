package graph

import (
	"cmp"
	"math"
	"slices"
)

// Change is something that removes facts, at a cost. One whose cost is
// negative, infinite or not a number is never made.
type Change struct {
	Facts []Fact
	Cost  float64
}

// Fix is a set of changes after which no pair of the ends is connected but
// those in Open, which no set of changes parts.
type Fix struct {
	Pick  []int // indexes of changes, ascending; none can be left out
	Total float64
	Bound float64 // proven lower bound of Total for the same pairs; equal: nothing is cheaper
	Pairs []Pair  // connected before
	Open  []Pair  // of these, those with a derivation that no change breaks

	sets [][]int // changes, of which each fix has one from every set
	of   []Pair  // by set: the pair whose derivation it breaks
}

// Both bound the search for the least fix. A round adds derivations; what the
// last round leaves is closed by the cheapest change for each.
const (
	fixRounds = 100
	fixBatch  = 64 // pairs of which a round adds a derivation
)

// Fix finds the cheapest set of changes that parts the ends: the implicit
// hitting set of Moreno-Centeno and Karp (2013). Derivations are too many to
// list, so it finds the cheapest set that breaks those known so far
// ([HittingSet]), looks which pairs are connected after it, adds a derivation
// for them, and repeats until there are none. The bound of the last set holds
// for the whole problem, because a fix breaks the known derivations, too. When
// rounds run out the set grows greedily instead, and the bound stays.
func (g *Graph) Fix(e Ends, changes []Change) Fix {
	s := newSolver(g, e, changes)
	for range fixRounds {
		if s.add(s.fix.Pick) == 0 {
			return s.done()
		}
		pick, _, bound := HittingSet(s.fix.sets, s.cost)
		s.fix.Pick, s.fix.Bound = pick, bound
	}
	for s.add(s.fix.Pick) > 0 {
		s.greedy()
	}
	return s.done()
}

// solver grows the list of known derivations.
type solver struct {
	g       *Graph
	ends    Ends
	changes []Change
	cost    []float64
	by      [][]int // by fact: the changes that remove it
	fix     Fix
	stuck   map[Pair]bool
	fresh   int // sets before the last add
}

func newSolver(g *Graph, e Ends, changes []Change) *solver {
	e = g.proper(e, nil)
	g = g.Toward(e)
	s := &solver{g: g, ends: e, changes: changes, by: make([][]int, len(g.p)), stuck: map[Pair]bool{}}
	for i, c := range changes {
		s.cost = append(s.cost, c.Cost)
		if !(c.Cost >= 0) || math.IsInf(c.Cost, 1) {
			continue
		}
		for _, f := range c.Facts {
			s.by[f] = append(s.by[f], i)
		}
	}
	s.fix.Pairs = g.Pairs(e, nil)
	return s
}

// gone is the set of facts that some changes remove.
func (s *solver) gone(pick []int) *Set {
	out := NewSet(len(s.g.p))
	for _, i := range pick {
		for _, f := range s.changes[i].Facts {
			out.Add(int(f))
		}
	}
	return out
}

// add looks for derivations that the picked changes leave, and counts those
// that are new. A pair with one that nothing breaks is stuck, and passed over
// from then on.
func (s *solver) add(pick []int) int {
	s.fresh = len(s.fix.sets)
	gone := s.gone(pick)
	pairs := slices.DeleteFunc(s.g.Pairs(s.ends, gone), func(p Pair) bool { return s.stuck[p] })
	stride := len(pairs)/fixBatch + 1 // neighbours in the list often share their ways
	looked := 0
	for first := range stride {
		for i := first; i < len(pairs); i += stride {
			if looked == fixBatch && len(s.fix.sets) > s.fresh {
				return len(s.fix.sets) - s.fresh
			}
			looked = min(looked+1, fixBatch)
			set, ok := s.breaks(pairs[i], gone)
			switch {
			case !ok:
				s.stuck[pairs[i]] = true
			case !slices.ContainsFunc(s.fix.sets[s.fresh:], func(have []int) bool { return slices.Equal(have, set) }):
				s.fix.sets, s.fix.of = append(s.fix.sets, set), append(s.fix.of, pairs[i])
			}
		}
	}
	return len(s.fix.sets) - s.fresh
}

// breaks lists the changes of which each breaks the most probable derivation
// of a pair that is left, or another where that is too far to search.
func (s *solver) breaks(p Pair, gone *Set) (set []int, ok bool) {
	var facts []Fact
	if best := s.g.kBest(p.From, p.To, 1, gone, kBestGlance); len(best) > 0 {
		facts = best[0].Facts
	} else {
		for _, step := range s.g.proof(p.From, p.To, func(s1 Step) bool { return s.g.holds(s1, gone) }) {
			facts = append(facts, s.g.Rests(step)...)
		}
	}
	for _, f := range facts {
		set = append(set, s.by[f]...)
	}
	slices.Sort(set)
	set = slices.Compact(set)
	return set, len(set) > 0
}

// greedy adds, for each derivation of the last round that is not broken yet,
// the change that breaks most of them for its cost.
func (s *solver) greedy() {
	for _, set := range s.fix.sets[s.fresh:] {
		if slices.ContainsFunc(set, func(i int) bool { return slices.Contains(s.fix.Pick, i) }) {
			continue
		}
		gain := func(i int) float64 {
			n := 0
			for _, other := range s.fix.sets[s.fresh:] {
				if slices.Contains(other, i) {
					n++
				}
			}
			return s.cost[i] / float64(n)
		}
		best := slices.MinFunc(set, func(a, b int) int { return cmp.Or(cmp.Compare(gain(a), gain(b)), cmp.Compare(a, b)) })
		s.fix.Pick = append(s.fix.Pick, best)
	}
}

// done drops what can be left out, and finishes the answer.
func (s *solver) done() Fix {
	f := &s.fix
	slices.SortFunc(f.Pick, func(a, b int) int { return cmp.Or(cmp.Compare(s.cost[b], s.cost[a]), cmp.Compare(b, a)) })
	for i := 0; i < len(f.Pick); {
		less := slices.Delete(slices.Clone(f.Pick), i, i+1)
		if s.parts(less) {
			f.Pick = less
			continue
		}
		i++
	}
	slices.Sort(f.Pick)
	f.Total = 0
	for _, i := range f.Pick {
		f.Total += s.cost[i]
	}
	f.Bound = min(f.Bound, f.Total)
	for _, p := range f.Pairs {
		if s.stuck[p] {
			f.Open = append(f.Open, p)
		}
	}
	return s.fix
}

// parts reports whether some changes leave only stuck pairs.
func (s *solver) parts(pick []int) bool {
	return !slices.ContainsFunc(s.g.Pairs(s.ends, s.gone(pick)), func(p Pair) bool { return !s.stuck[p] })
}
