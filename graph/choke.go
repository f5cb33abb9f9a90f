package graph

import (
	"cmp"
	"slices"
)

// Choke is a vertex or a fact that every derivation of some pairs uses:
// without it their second ends don't follow from the first.
type Choke struct {
	Vertex Vertex // -1 for a fact
	Fact   Fact   // -1 for a vertex
	Pairs  int    // that it cuts; a vertex cuts none of which it is an end
}

// Chokes lists the choke points of the ends that cut most pairs, at most
// most of them, facts before vertices where equal; gone facts (nil: none) do
// not hold.
//
// Dominators of the steps taken one need at a time would be wrong where a step
// needs two: what only one of both ways needs is needed after all. But whatever
// every derivation of a pair uses, any one of them uses. So the vertices and
// facts of one derivation for each pair are all that can be one, the number of
// derivations that use it bounds the pairs that it cuts, and one Closure
// without it counts them. The list is exact.
func (g *Graph) Chokes(e Ends, most int, gone *Set) []Choke {
	e = g.proper(e, gone)
	g = g.Toward(e)
	pairs := g.Pairs(e, gone)
	list := g.candidates(pairs, gone)
	var out []Choke
	byPairs := func(a, b Choke) int {
		return cmp.Or(cmp.Compare(b.Pairs, a.Pairs), cmp.Compare(a.Vertex, b.Vertex), cmp.Compare(a.Fact, b.Fact))
	}
	slices.SortFunc(list, byPairs)
	for _, c := range list {
		if len(out) >= most && out[most-1].Pairs > c.Pairs {
			break // so do all that follow: their bounds are no higher
		}
		if c.Pairs = g.cutBy(c, e, pairs, gone); c.Pairs > 0 {
			out = append(out, c)
			slices.SortFunc(out, byPairs)
		}
	}
	return out[:min(most, len(out))]
}

// candidates are the vertices and facts of one derivation for each pair, with
// the number of derivations that use them.
func (g *Graph) candidates(pairs []Pair, gone *Set) []Choke {
	vertices, leaves := make([]int, g.vertices), make([]int, len(g.p))
	for _, p := range pairs {
		rests := &Set{}
		for _, s := range g.proof(p.From, p.To, func(s Step) bool { return g.holds(s, gone) }) {
			if h := g.head[s]; h != p.To {
				vertices[h]++
			}
			for _, f := range g.Rests(s) {
				rests.Add(int(f))
			}
		}
		for f := range rests.All() {
			leaves[f]++
		}
	}
	var out []Choke
	for v, n := range vertices {
		if n > 0 {
			out = append(out, Choke{Vertex(v), -1, n})
		}
	}
	for f, n := range leaves {
		if n > 0 {
			out = append(out, Choke{-1, Fact(f), n})
		}
	}
	return out
}

// cutBy counts the pairs that are not connected without a choke point.
func (g *Graph) cutBy(c Choke, e Ends, pairs []Pair, gone *Set) int {
	open := map[Pair]bool{}
	for _, p := range g.pairsWithout(c, e, gone) {
		open[p] = true
	}
	n := 0
	for _, p := range pairs {
		if !open[p] && (c.Vertex < 0 || p.From != c.Vertex && p.To != c.Vertex) {
			n++
		}
	}
	return n
}

func (g *Graph) pairsWithout(c Choke, e Ends, gone *Set) []Pair {
	less := gone.Clone()
	if c.Fact >= 0 {
		less.Add(int(c.Fact))
		return pairsOf(e, g.Closure(e.From, less), &Set{})
	}
	h := g.without(c.Vertex)
	return pairsOf(e, h.Closure(e.From, less), &Set{})
}

// without is the graph in which no step leads to a vertex.
func (g *Graph) without(v Vertex) *Graph {
	return g.view(func(s Step) bool { return g.head[s] != v })
}
