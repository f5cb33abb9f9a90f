package graph

import (
	"cmp"
	"slices"
)

// The limits of [Graph.KBest], which has no floor to hold it. Both leave the
// answer a true beginning of the list unless kBestMax is met on the way.
const (
	kBestMax     = 1024    // supports of a vertex on the way
	kBestSettled = 1 << 18 // supports of all vertices: about a second
	kBestGlance  = 1 << 13 // where any derivation does, for each of many pairs
)

// Derivation is a support with steps that use it.
type Derivation struct {
	Support
	// Steps derive the vertex; each comes after the steps that lead to its
	// needs. Empty where from is the vertex itself.
	Steps []Step
}

// KBest lists the k most probable minimal supports of to, given from, in the
// order of [Supports.Of], with a proof for each; gone facts (nil: none) do not
// hold. There is no floor. Fewer than k come back when there are no more, or
// when the search becomes too large; a vertex on the way with more than 1024
// supports of higher probability than the k-th may hide some.
func (g *Graph) KBest(from, to Vertex, k int, gone *Set) []Derivation {
	var out []Derivation
	for _, s := range g.kBest(from, to, k, gone, kBestSettled) {
		out = append(out, Derivation{Support: s, Steps: g.Proof(from, to, s.Facts)})
	}
	return out
}

// kBest is KBest without the proofs; it ends after so many supports.
func (g *Graph) kBest(from, to Vertex, k int, gone *Set, most int) []Support {
	if k <= 0 {
		return nil
	}
	p := g.p
	if gone.Len() > 0 {
		p = slices.Clone(g.p)
		for f := range p {
			if gone.Has(f) {
				p[f] = 0
			}
		}
	}
	l := g.idle.get(g)
	defer g.idle.put(l)
	l.setUp([]Vertex{from}, Options{P: p, Floor: -1, Max: max(k, kBestMax)}, g.before([]Vertex{to}), nil)
	for settled := 0; len(l.heap) > 0 && len(l.label[to]) < k && settled < most; {
		if c, ok := l.pop(); ok {
			l.settle(c.v, c.entry)
			settled++
		}
	}
	return l.result(listed([]Vertex{to}), nil).Of(to)
}

// Proof finds steps that derive to, given from, over the given facts only
// (ascending), in an order in which each step's needs come before it. No step
// of it can be left out. It has the fewest rounds of steps, not always the
// fewest steps; ties go to fewer needs, then to the lower step. Empty where
// from is to, nil where to does not follow. A fact of probability 0 never holds.
func (g *Graph) Proof(from, to Vertex, facts []Fact) []Step {
	return g.proof(from, to, func(s Step) bool { return subset(g.Rests(s), facts) })
}

// proof is Proof over the steps that hold.
func (g *Graph) proof(from, to Vertex, holds func(Step) bool) []Step {
	if from == to {
		return []Step{}
	}
	w := waves{g: g, holds: holds, by: make([]Step, g.vertices), round: make([]int32, g.vertices), met: make([]int32, len(g.head))}
	w.round[from] = 1
	w.grow(from, to)
	if w.round[to] == 0 {
		return nil
	}
	return derivation(g, from, to, w.by, w.round)
}

// derivation collects the steps that lead to a vertex, each once: by is the
// step that derives each vertex, and when, which its needs precede.
func derivation[N cmp.Ordered](g *Graph, from, to Vertex, by []Step, when []N) []Step {
	var steps []Step
	taken := NewSet(g.vertices)
	taken.Add(int(from))
	for queue := []Vertex{to}; len(queue) > 0; {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if taken.Has(int(v)) {
			continue
		}
		taken.Add(int(v))
		steps = append(steps, by[v])
		queue = append(queue, g.Needs(by[v])...)
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(when[g.head[a]], when[g.head[b]]), cmp.Compare(a, b))
	})
	return steps
}

// waves derives vertices round by round.
type waves struct {
	g     *Graph
	holds func(Step) bool
	by    []Step  // the step that derived a vertex
	round []int32 // when, from 2; 1: from itself; 0: not
	met   []int32 // by step: needs that are derived
}

func (w *waves) grow(from, to Vertex) {
	ready := w.g.starters()
	for fresh := []Vertex{from}; w.round[to] == 0; {
		ready = slices.Clone(ready)
		for _, v := range fresh {
			for _, s := range w.g.usesOf(v) {
				w.met[s]++
				if int(w.met[s]) == len(w.g.Needs(s)) {
					ready = append(ready, s)
				}
			}
		}
		slices.SortFunc(ready, func(a, b Step) int {
			return cmp.Or(cmp.Compare(len(w.g.Needs(a)), len(w.g.Needs(b))), cmp.Compare(a, b))
		})
		last := fresh
		fresh = nil
		for _, s := range ready {
			h := w.g.head[s]
			if w.round[h] == 0 && w.holds(s) {
				w.round[h], w.by[h] = w.round[last[0]]+1, s
				fresh = append(fresh, h)
			}
		}
		if len(fresh) == 0 {
			return
		}
		ready = nil
	}
}
