package graph

import (
	"cmp"
	"math"
	"slices"
)

// Cut is what the best set of a number of changes does.
type Cut struct {
	Pick  []int // indexes of changes, ascending: at most as many as the place in the list
	Pairs int   // that it parts
	Most  int   // proven upper bound of Pairs for as many changes; equal: no set does more
}

// Bounds of the sets that Pareto tries for one number of changes. Each takes
// one Closure, so that the larger the graph the fewer there are.
const (
	paretoTries = 2000
	paretoWork  = 4e6 // steps, pairs and words of sets
)

// paretoBest bounds the pairs whose best derivations are sought, to choose
// between sets that part as many.
const paretoBest = 300

// Pareto lists, for 1 to most changes, the set that parts most pairs of the
// ends, until a set parts all that the fix, which must be of the same ends and
// changes, does. Of sets that part as many, the one that breaks the best
// derivations of more probability is told, while the pairs are not too many.
// No set parts fewer pairs than the one before. As long as they
// are few all sets are tried, and the answer is exact. Beyond that the better
// of two is told: the last set and the change that adds most to it; and the
// changes of the fix, those first that add most, or, where even they are too
// many to try, in the order of the fix. What as many changes can part
// at most is then all pairs of which no derivations are known that need more.
func (g *Graph) Pareto(e Ends, changes []Change, fix Fix, most int) []Cut {
	s := newSolver(g, e, changes)
	g = s.g
	work := len(g.uses.flat) + len(fix.Pairs) + len(e.From)*(g.vertices/64+1)
	p := &pareto{solver: s, fix: fix, useful: s.useful(fix), tries: min(paretoTries, paretoWork/max(work, 1))}
	all := len(fix.Pairs) - len(fix.Open)
	if len(fix.Pairs) <= paretoBest {
		for _, pair := range fix.Pairs {
			p.likely = append(p.likely, s.g.kBest(pair.From, pair.To, 1, nil, kBestGlance)...)
		}
	}
	var out []Cut
	for n := 1; n <= min(most, len(p.useful)); n++ {
		cut := p.best(n)
		if len(out) > 0 && out[len(out)-1].Pairs > cut.Pairs {
			cut.Pick, cut.Pairs = out[len(out)-1].Pick, out[len(out)-1].Pairs
		}
		out = append(out, cut)
		if cut.Pairs >= all {
			break
		}
	}
	return out
}

type pareto struct {
	*solver
	fix    Fix
	useful []int // changes that part something and that no other makes needless
	grown  []int // the last set of the greedy growth
	likely []Support
	tries  int   // Closures for each number of changes
	order  []int // the changes of the fix, those first that add most
}

// useful leaves the changes that remove a fact on a way between the ends, and
// of those that remove the same or less than another one that other.
func (s *solver) useful(fix Fix) []int {
	ahead, behind := s.g.Reach(s.ends.From, nil), s.g.before(s.ends.To)
	used := NewSet(len(s.g.p))
	for step, head := range s.g.head {
		if s.g.never.Has(step) || !ahead.Has(int(head)) || !behind.Has(int(head)) {
			continue
		}
		for _, f := range s.g.Rests(Step(step)) {
			used.Add(int(f))
		}
	}
	facts := map[int][]Fact{}
	var list []int
	for i, c := range s.changes {
		if !(c.Cost >= 0) || math.IsInf(c.Cost, 1) {
			continue
		}
		for _, f := range c.Facts {
			if used.Has(int(f)) {
				facts[i] = append(facts[i], f)
			}
		}
		slices.Sort(facts[i])
		facts[i] = slices.Compact(facts[i])
		if len(facts[i]) > 0 {
			list = append(list, i)
		}
	}
	first := func(i int) int { // those of the fix before others
		if slices.Contains(fix.Pick, i) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(facts[b]), len(facts[a])), cmp.Compare(first(a), first(b)), cmp.Compare(a, b))
	})
	var out []int
	for _, i := range list {
		if !slices.ContainsFunc(out, func(more int) bool { return subset(facts[i], facts[more]) }) {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// worth is what a set does: the pairs that it parts, then the probability of
// the best derivations that it breaks.
type worth struct {
	pairs  int
	broken float64
}

func (w worth) over(o worth) bool {
	return w.pairs > o.pairs || w.pairs == o.pairs && w.broken > o.broken
}

func (p *pareto) worth(pick []int) worth {
	gone := p.gone(pick)
	w := worth{pairs: len(p.fix.Pairs) - len(p.g.Pairs(p.ends, gone))}
	for _, s := range p.likely {
		if slices.ContainsFunc(s.Facts, func(f Fact) bool { return gone.Has(int(f)) }) {
			w.broken += s.P
		}
	}
	return w
}

// best is the set of n changes that parts most.
func (p *pareto) best(n int) Cut {
	var cut Cut
	var most worth
	consider := func(pick []int) {
		if w := p.worth(pick); cut.Pick == nil || w.over(most) {
			cut.Pick, cut.Pairs, most = slices.Sorted(slices.Values(pick)), w.pairs, w
		}
	}
	if choices(len(p.useful), n) <= p.tries {
		p.each(n, 0, nil, consider)
		p.grown = cut.Pick
		cut.Most = cut.Pairs
		return cut
	}
	if len(p.useful) <= p.tries {
		consider(p.grow())
	}
	if pick := p.ofFix(n); len(pick) > 0 {
		consider(pick)
	}
	cut.Most = max(cut.Pairs, p.bound(n))
	return cut
}

// each visits every set of n useful changes.
func (p *pareto) each(n, from int, pick []int, visit func([]int)) {
	if n == 0 {
		visit(pick)
		return
	}
	for i := from; i <= len(p.useful)-n; i++ {
		p.each(n-1, i+1, append(pick, p.useful[i]), visit)
	}
}

// choices is n over k, or a number above paretoTries.
func choices(n, k int) int {
	out := 1
	for i := range min(k, n-k) {
		if out = out * (n - i) / (i + 1); out > paretoTries {
			return paretoTries + 1
		}
	}
	return out
}

// grow adds to the last set the change that adds most.
func (p *pareto) grow() []int {
	p.grown = p.with(p.grown, p.useful)
	return p.grown
}

// with adds the one of some changes that parts most together with a set.
func (p *pareto) with(pick, from []int) []int {
	best, most := -1, worth{pairs: -1}
	for _, i := range from {
		if slices.Contains(pick, i) {
			continue
		}
		if w := p.worth(append(slices.Clip(pick), i)); w.over(most) {
			best, most = i, w
		}
	}
	if best < 0 {
		return pick
	}
	return append(slices.Clip(pick), best)
}

// ofFix are the first n changes of the fix, in the order that parts most.
func (p *pareto) ofFix(n int) []int {
	for len(p.order) < min(n, len(p.fix.Pick)) {
		if len(p.fix.Pick) > p.tries {
			return p.fix.Pick[:min(n, len(p.fix.Pick))]
		}
		p.order = p.with(p.order, p.fix.Pick)
	}
	return p.order[:min(n, len(p.order))]
}

// bound counts the pairs that n changes may part: of all that can be parted
// those whose known derivations don't need more.
func (p *pareto) bound(n int) int {
	sets := map[Pair][][]int{}
	for i, set := range p.fix.sets {
		sets[p.fix.of[i]] = append(sets[p.fix.of[i]], set)
	}
	one := make([]float64, len(p.changes))
	for i := range one {
		one[i] = 1
	}
	out := len(p.fix.Pairs) - len(p.fix.Open)
	for _, pair := range p.fix.Open {
		delete(sets, pair)
	}
	for _, list := range sets {
		if _, _, least := HittingSet(list, one); least > float64(n)+1e-9 {
			out--
		}
	}
	return out
}
